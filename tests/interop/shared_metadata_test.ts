/**
 * Control planes of three brokers over a real etcd: topics are created and deleted through each of them and seen by all, 1,000 topics of 10
 * partitions in less than 20 s.
 */
import assert from "node:assert/strict";
import { Plane, register, topicsOf } from "../../partitions/metadata/shared/shared_testing.ts";
import type { MetadataStore } from "../../partitions/metadata/store/store.ts";
import { withDirectory } from "../temporary_directory.ts";
import { Etcd } from "./etcd/members.ts";
import { OpenedStores } from "./etcd/opened_stores.ts";
import { interopTest } from "./toolchain.ts";

const BROKERS = [1, 2, 3];
const TOPICS = 1000;
const PARTITIONS = 10;
const SECONDS_MAX = 20;

/** Settles when all planes have what the store has. */
async function allSee(planes: readonly Plane[], store: MetadataStore): Promise<void> {
  const { version } = await store.snapshot("");
  await Promise.all(planes.map(async ({ follower, changes }) => {
    await follower.reached(version);
    await changes.settled();
  }));
}

interopTest({
  name: "brokers over etcd create, change and delete each other's topics, 10,000 partitions in 20 s",
  needs: ["etcd"],
  fn: () =>
    withDirectory(async (directory) => {
      await using etcd = await Etcd.start({ directory });
      await using stores = new OpenedStores();
      const opened = await Promise.all(BROKERS.map((id) => stores.open(`broker-${id}`, { endpoints: etcd.urls })));
      const store = opened[0] as MetadataStore;
      for (const id of BROKERS) await register(store, id);
      const planes = await Promise.all(BROKERS.map((id, index) => Plane.start(opened[index] as MetadataStore, id)));
      const [first, second, third] = planes as [Plane, Plane, Plane];

      const names = Array.from({ length: TOPICS }, (_, index) => `topic-${index}`);
      const begun = performance.now();
      const half = names.length / 2;
      // Half of them in one request, the others in requests of their own, through two brokers.
      const together = first.create(Object.fromEntries(names.slice(0, half).map((name) => [name, PARTITIONS])));
      const single = names.slice(half).map((name) => second.create({ [name]: PARTITIONS }));
      const answers = (await Promise.all([together, ...single])).flat();
      await allSee(planes, store);
      const seconds = (performance.now() - begun) / 1000;
      assert.deepEqual(new Set(answers), new Set(["NONE"]));
      assert.ok(seconds < SECONDS_MAX, `${seconds} s`);

      assert.deepEqual(await third.create({ "topic-7": 1, last: 150 }), ["TOPIC_ALREADY_EXISTS", "NONE"]);
      await allSee(planes, store);
      assert.equal(await first.alter({ topic: "last" }, "retention.ms", "5000"), "NONE");
      assert.equal(await second.grow("last", 400), "NONE");
      const deleted = await Promise.all([first.delete("topic-1", "topic-2"), second.delete("topic-2", "last")]);
      assert.ok(deleted.flat().every((answer) => answer === "NONE" || answer === "UNKNOWN_TOPIC_OR_PARTITION"));
      await allSee(planes, store);
      for (const { changes } of planes) await changes.deletionsSettled();
      await allSee(planes, store);
      const expected = JSON.stringify(topicsOf(first.shard));
      for (const { shard, reports } of planes) {
        assert.equal([...shard.topics()].length, TOPICS - 2);
        assert.ok(JSON.stringify(topicsOf(shard)) === expected);
        assert.deepEqual(reports, []);
      }
      assert.deepEqual((await store.range("deleted/")).length, 0);
      assert.equal((await store.range("partitions/")).length, (TOPICS - 2) * PARTITIONS);
      for (const plane of planes) plane[Symbol.dispose]();
    }),
});
