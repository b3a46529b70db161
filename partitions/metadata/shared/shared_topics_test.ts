/** What brokers plan from while changes of others wait to be published. */
import assert from "node:assert/strict";
import { MemoryStore } from "../controller_testing.ts";
import { quotaKey } from "../settings/quota_rows.ts";
import { alterQuotas, quotaEntry } from "../settings/settings_testing.ts";
import { directoryId, Plane, register } from "./shared_testing.ts";

/** Starts a plane that has a topic, and holds the publication of what another broker changes of quotas, a topic and a group. */
async function waitingPlane(): Promise<{ store: MemoryStore; plane: Plane; release: () => void }> {
  const store = new MemoryStore();
  await register(store, 1);
  const { promise, resolve: release } = Promise.withResolvers<void>();
  let isHeld = false;
  const plane = await Plane.start(store, 1, { publish: () => isHeld ? promise : Promise.resolve() });
  assert.deepEqual(await plane.create({ t: 1, gone: 1 }), ["NONE", "NONE"]);
  const { id } = plane.shard.topic("t")!;
  const [newId, gone] = ["MTIzNDU2Nzg5MDEyMzQ1Ng", plane.shard.topic("gone")!.id];
  const partition = {
    ...{ leader: 1, leaderEpoch: 0, partitionEpoch: 0, replicas: [1], isr: [1], minIsr: 1, elr: [], lastKnownElr: [] },
    ...{ recovering: false, adding: [], removing: [], directories: [directoryId(1)] },
  };
  const rows = {
    "topics/new": { id: newId, configs: {} },
    [`partitions/${newId}/0`]: partition,
    "topics/t": { id, configs: { "retention.ms": "5000" } },
    "groups/g": { configs: { "consumer.session.timeout.ms": "50000" } },
    [quotaKey({ user: "u" })]: { entity: { user: "u" }, values: { consumer_byte_rate: 5 } },
  };
  isHeld = true;
  // The deletion of a topic is published before a new topic of the same transaction; everything else comes with the latter.
  await store.transact({
    delete: ["topics/gone", `partitions/${gone}/0`],
    set: Object.entries(rows).map(([key, row]) => ({ key, value: JSON.stringify(row) })),
  });
  await plane.follower.reached(store.changedVersion);
  return { store, plane, release };
}

for (
  const [what, alter, expected] of [
    [
      "quotas",
      ({ controller }: Plane) =>
        alterQuotas(controller, [quotaEntry({ user: "u" }, { producer_byte_rate: 6 })]).then(([code]) => code),
      { quotas: { consumer_byte_rate: 5, producer_byte_rate: 6 } },
    ],
    [
      "a topic's configs",
      (plane: Plane) => plane.alter({ topic: "t" }, "segment.ms", "6000"),
      { topic: { "retention.ms": "5000", "segment.ms": "6000" } },
    ],
    [
      "a group's configs",
      (plane: Plane) => plane.alter({ group: "g" }, "consumer.heartbeat.interval.ms", "6000"),
      { group: { "consumer.session.timeout.ms": "50000", "consumer.heartbeat.interval.ms": "6000" } },
    ],
  ] as const
) {
  Deno.test(`a change of ${what} that is planned while another broker's is not published yet keeps it`, async () => {
    const { store, plane, release } = await waitingPlane();
    const last = store.changedVersion;
    const altered = alter(plane);
    while (store.changedVersion === last) await new Promise((resolve) => setTimeout(resolve));
    release();
    assert.equal(await altered, "NONE");
    await plane.catchUp(store);
    for (const { image } of [plane.controller, { image: plane.shard }]) {
      assert.deepEqual({
        quotas: { consumer_byte_rate: 5 },
        topic: { "retention.ms": "5000" },
        group: { "consumer.session.timeout.ms": "50000" },
        ...expected,
      }, {
        quotas: image.quotasOf(quotaKey({ user: "u" })),
        topic: image.topic("t")?.configs,
        group: image.groupConfigs("g"),
      });
    }
    plane[Symbol.dispose]();
  });
}
