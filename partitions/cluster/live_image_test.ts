import { strict as assert } from "node:assert";
import { MetadataStoreError, type StoreChange, type StoredEntry, type StoreWatcher } from "../metadata/store/store.ts";
import { StoreFollower } from "../metadata/store/store_follower.ts";
import { brokerKeyOf, partitionOf, partitionRowOf, partitionValue, rewritten } from "./cluster_rows.ts";
import { type ImageChange, LiveImage } from "./live_image.ts";
import { createRow } from "./partition_row.ts";

const ID = "topicAAAAAAAAAAAAAAAAA";
const row = createRow([1, 2], 2, { isActive: () => true });
const registration = {
  incarnation: "process",
  directoryId: "disk",
  rack: "a",
  listeners: [{ name: "PLAINTEXT", host: "h", port: 9092 }],
  directories: ["disk"],
  shards: 2,
  version: "1",
};

function entry(key: string, value: object, version: number): StoredEntry {
  return { key, value: JSON.stringify(value), version };
}

async function imageOf(entries: readonly StoredEntry[]) {
  let watcher: StoreWatcher | null = null;
  const store = {
    snapshot: () => Promise.resolve({ version: 10, entries }),
    watch: (_prefix: string, watching: StoreWatcher) => {
      watcher = watching;
      return { [Symbol.dispose]: () => {} };
    },
  };
  const follower = await StoreFollower.open(store);
  const failures: Error[] = [];
  const image = new LiveImage(follower, {
    broker: 1,
    rules: {
      minIsrOf: (configs) => Number(configs["min.insync.replicas"] ?? 1),
      isUncleanElectionEnabled: (configs) => configs["unclean.leader.election.enable"] === "true",
    },
    failed: (error) => failures.push(error),
  });
  const calls: ImageChange[] = [];
  image.follow((change) => calls.push(change));
  const change = (version: number, ...changes: StoreChange[]) => watcher?.changed(changes, version);
  return { image, calls, failures, change };
}

Deno.test("LiveImage has brokers, partitions, settings and the controller, and changes what the store's change names", async () => {
  const { image, calls, change } = await imageOf([
    entry("brokers/1/registration", registration, 3),
    entry("brokers/1/state", { state: "fenced" }, 4),
    entry("brokers/2/state", { state: "active" }, 4),
    entry(`partitions/${ID}/0`, { ...row, directories: ["a", "b"] }, 5),
    entry("topics/t", { id: ID, configs: { "min.insync.replicas": "2" } }, 6),
    entry("groups/g", { configs: {} }, 6),
  ]);
  const broker = { state: "fenced", stateVersion: 4, brokerEpoch: 3, incarnation: "process", directoryId: "disk" };
  assert.deepEqual([...image.brokers], [[1, broker]], "a state alone is no broker");
  assert.deepEqual([image.partitions.get(`${ID}/0`)?.version, image.revision, image.controllerEpoch], [5, 10, 0]);
  assert.equal(image.configuredMinIsrOf(`${ID}/0`), 2);

  const controller = { broker: 1, incarnation: "process", host: "h", port: 9092 };
  change(12, entry("controller", controller, 12), entry("brokers/1/state", { state: "active" }, 12));
  assert.deepEqual([image.controllerEpoch, image.controller, image.revision], [12, controller, 12]);
  assert.deepEqual(image.brokers.get(1), { ...broker, state: "active", stateVersion: 12 });
  change(13, { key: "controller", deleted: true }, { key: `partitions/${ID}/0`, deleted: true });
  assert.deepEqual([image.controllerEpoch, image.controller, image.partitions.size], [0, null, 0]);
  change(14, entry("topics/t", { id: ID, configs: { "unclean.leader.election.enable": "true" } }, 14));
  assert.deepEqual([image.configuredMinIsrOf(`${ID}/0`), image.isUncleanElectionEnabled(`${ID}/0`)], [1, true]);
  change(15, entry("topics/u", { id: ID.replace("A", "B"), configs: {} }, 15), entry("tick", { n: 1 }, 15));
  change(16, { key: "topics/t", deleted: true }, { key: "brokers/1/registration", deleted: true });
  assert.deepEqual([image.isUncleanElectionEnabled(`${ID}/0`), image.brokers.size], [false, 0]);
  const none = { partitions: [], brokers: false, controller: false, settings: [] };
  assert.deepEqual(calls, [
    { ...none, brokers: true, controller: true },
    { ...none, controller: true, partitions: [`${ID}/0`] },
    { ...none, settings: [ID] },
    none,
    { ...none, brokers: true },
  ]);
});

Deno.test("LiveImage says that all topics' settings change with the broker's own or everybody's, not with another broker's", async () => {
  const { calls, change } = await imageOf([entry("topics/t", { id: ID, configs: {} }, 6)]);
  change(11, entry("broker-configs/2", { configs: {} }, 11), { key: "broker-configs/10", deleted: true });
  change(12, entry("broker-configs/1", { configs: {} }, 12));
  change(13, { key: "broker-configs/default", deleted: true });
  assert.deepEqual(calls.map(({ settings }) => settings), [[], [ID], [ID]]);
});

Deno.test("LiveImage stands still at a row that it cannot read, and says which", async () => {
  const { image, calls, failures, change } = await imageOf([]);
  change(11, entry("brokers/1/state", { state: "resting" }, 11));
  change(12, entry("brokers/1/state", { state: "active" }, 12));
  assert.deepEqual([image.revision, calls, failures.length], [10, [], 1]);
  assert.match(String(failures[0]), /has a row that this version cannot read: brokers\/1\/state/);
  await assert.rejects(imageOf([entry("controller", { broker: "1" }, 3)]), MetadataStoreError);
});

Deno.test("rows keep what this version does not know, and a replica its directory", () => {
  const last = { ...row, directories: ["a", "b"], tier: { cold: true } };
  const stored = partitionRowOf(entry(`partitions/${ID}/0`, last, 1));
  const next = { ...stored, isr: [1], partitionEpoch: 1 };
  assert.deepEqual(JSON.parse(partitionValue(next, stored)), { ...last, isr: [1], partitionEpoch: 1 });
  const moved = { ...stored, replicas: [3, 2] };
  assert.deepEqual(JSON.parse(partitionValue(moved, stored)).directories, ["AAAAAAAAAAAAAAAAAAAAAA", "b"]);
  const state = entry("brokers/1/state", { state: "active", since: 7 }, 1);
  assert.deepEqual(JSON.parse(rewritten(state, { state: "fenced" })), { state: "fenced", since: 7 });
});

Deno.test("rows and keys of another form are refused", () => {
  const whole = { ...row, directories: ["a", "b"] };
  const others = [
    { ...whole, minIsr: undefined },
    { ...whole, isr: ["1"] },
    { ...whole, recovering: 1 },
    { ...whole, directories: ["a"] },
    { ...whole, leader: 1.5 },
    [],
  ];
  for (const other of others) {
    assert.throws(() => partitionRowOf(entry("p", other, 1)), MetadataStoreError, JSON.stringify(other));
  }
  assert.throws(() => partitionRowOf({ key: "p", value: "{", version: 1 }), MetadataStoreError);
  for (const key of [`partitions/${ID}/01`, `partitions/${ID}`, "partitions/t/0"]) {
    assert.throws(() => partitionOf(key), MetadataStoreError, key);
  }
  for (const key of ["brokers/1", "brokers/x/state", "brokers/1/other", "brokers/01/state"]) {
    assert.throws(() => brokerKeyOf(key), MetadataStoreError, key);
  }
});
