/** What concerns one broker of a cluster alone: moves between its log directories and shards, and a log directory that fails. */
import assert from "node:assert/strict";
import type { FutureCopy } from "../../directory/replica_moves.ts";
import { createRow } from "../../cluster/partition_row.ts";
import { LOST_DIRECTORY } from "../records.ts";
import { OFFLINE_DIRECTORY } from "../../placement/directory_placement.ts";
import { ListedDirectories, MemoryStore } from "../controller_testing.ts";
import type { PartitionImage, TopicImage } from "../image.ts";
import { directoryId, Plane, type PlaneOptions, register } from "./shared_testing.ts";

const [A, B] = [directoryId(1, 0), directoryId(1, 1)];

/** Two brokers, the first with two log directories, and a topic of four partitions. */
async function twoBrokers(options: PlaneOptions = {}) {
  const store = new MemoryStore();
  await register(store, 1, { directories: [A, B] });
  await register(store, 2);
  const directories = new ListedDirectories({}, [A, B]);
  const first = await Plane.start(store, 1, { directories, ...options });
  const second = await Plane.start(store, 2);
  assert.deepEqual(await second.create({ t: 4 }), ["NONE"]);
  await first.catchUp(store);
  return { store, first, second, directories, id: first.shard.topic("t")!.id };
}

/** The first partition of the topic in a log directory. */
function partitionIn({ shard }: Plane, directory: number): PartitionImage {
  const found = shard.topic("t")?.partitions.find((place) => place.slot >= 0 && place.directory === directory);
  assert.ok(found !== undefined);
  return found;
}

function copyThat(finish: () => Promise<void> = () => Promise.resolve()): FutureCopy {
  return { name: "t-0.11-future", finish };
}

const namesB = ({ directories }: { directories: string[] }) => directories.includes(B);

/** A row of a partition with replicas on both brokers. */
function rowBetween(partitionEpoch: number) {
  const row = createRow([1, 2], 1, { isActive: () => true });
  return { ...row, partitionEpoch };
}

type Rows = Record<string, { directories: string[]; leaderEpoch: number; minIsr: number; elr: number[] }>;

Deno.test("a partition that moves to another log directory keeps all else of its row, and others see no other place", async () => {
  const { store, first, second, directories, id } = await twoBrokers();
  const { partition } = partitionIn(first, 0);
  const before = (store.rows(`partitions/${id}/`) as Rows)[partition];
  const places = second.shard.topic("t")!.partitions;
  assert.equal(await first.changes.exchange({ topicId: id, partition, to: 1 }, copyThat()), "moved");
  for (const plane of [first, second]) await plane.catchUp(store);
  assert.deepEqual((store.rows(`partitions/${id}/`) as Rows)[partition], {
    ...before,
    directories: [B],
    partitionEpoch: 1,
  });
  assert.equal(first.shard.topic("t")?.partitions[partition]?.directory, 1);
  const seen = places.with(partition, { ...places[partition]!, partitionEpoch: 1 });
  assert.deepEqual(second.shard.topic("t")?.partitions, seen);
  assert.deepEqual(directories.actions.filter((action) => action.startsWith("exchange")).length, 1);
});

Deno.test("a row that changes while its partition moves is tried again, and shown when the partition has moved", async () => {
  const { store, first, id } = await twoBrokers();
  const { partition } = partitionIn(first, 0);
  const key = `partitions/${id}/${partition}`;
  const elect = async () => {
    const { value } = store.entries.get(key)!;
    await store.transact({ set: [{ key, value: JSON.stringify({ ...JSON.parse(value), leaderEpoch: 9 }) }] });
  };
  const count = first.published.length;
  assert.equal(await first.changes.exchange({ topicId: id, partition, to: 1 }, copyThat(elect)), "moved");
  assert.deepEqual(first.published.slice(count).map(({ version }) => version), [undefined], "nothing else meanwhile");
  await first.catchUp(store);
  const row = (store.rows(`partitions/${id}/`) as Rows)[partition];
  assert.deepEqual([row?.directories, row?.leaderEpoch], [[B], 9]);
  const { directory, leaderEpoch, slot } = first.shard.topic("t")!.partitions[partition]!;
  assert.deepEqual([directory, leaderEpoch, slot >= 0], [1, 9, true]);
});

Deno.test("a move that the store does not take leaves the partition open where it was", async () => {
  const { store, first, id } = await twoBrokers();
  const { partition } = partitionIn(first, 0);
  store.refusal = () => "etcd does not answer";
  const moving = first.changes.exchange({ topicId: id, partition, to: 1 }, copyThat());
  await assert.rejects(moving, /etcd does not answer/);
  assert.equal(first.shard.topic("t")?.partitions[partition]?.directory, 0);
  store.refusal = () => null;
  assert.equal(await first.changes.exchange({ topicId: id, partition, to: 1 }, copyThat()), "moved");
});

Deno.test("a partition whose files a disk did not rename stays offline when its row arrives", async () => {
  class Refusing extends ListedDirectories {
    override exchange(): Promise<void> {
      return Promise.reject(new Deno.errors.PermissionDenied("no"));
    }
  }
  const { store, first, id } = await twoBrokers({ directories: new Refusing({}, [A, B]) });
  const { partition } = partitionIn(first, 0);
  assert.equal(await first.changes.exchange({ topicId: id, partition, to: 1 }, copyThat()), "offline");
  await first.catchUp(store);
  assert.deepEqual((store.rows(`partitions/${id}/`) as Rows)[partition]?.directories, [B]);
  assert.equal(first.shard.topic("t")?.partitions[partition]?.directory, OFFLINE_DIRECTORY);
});

Deno.test("a log directory that fails takes its partitions offline; those that others put there later get another one", async () => {
  const { store, first, second } = await twoBrokers();
  const { partition } = partitionIn(first, 1);
  store.refusal = () => "etcd does not answer"; // it is not asked
  await first.controller.failDirectory(1);
  assert.equal(first.shard.topic("t")?.partitions[partition]?.directory, OFFLINE_DIRECTORY);
  assert.ok(first.shard.isOffline(1));
  store.refusal = () => null;
  assert.deepEqual(await second.create({ u: 8 }), ["NONE"]);
  await first.catchUp(store);
  while (Object.values(store.rows(`partitions/${first.shard.topic("u")!.id}/`) as Rows).some(namesB)) {
    await Promise.resolve();
  }
  await first.catchUp(store);
  const placesOf = (topics: Iterable<TopicImage>) =>
    [...topics].flatMap(({ name, partitions }) => name === "u" ? partitions : [])
      .filter(({ slot }) => slot >= 0).map(({ directory }) => directory).sort();
  const seen = first.published.map(({ changed }) => placesOf(changed)).filter(({ length }) => length > 0);
  assert.deepEqual(seen[0], [-1, -1, 0, 0], "others do not know that it failed");
  assert.deepEqual(placesOf(first.shard.topics()), [0, 0, 0, 0], "new partitions have no records there");
  assert.deepEqual(await first.create({ v: 8 }), ["NONE"]);
  const own = first.shard.topic("v")!.partitions.filter(({ slot }) => slot >= 0).map(({ directory }) => directory);
  assert.deepEqual(own, [0, 0, 0, 0], "this broker knows that it failed");
});

Deno.test("a log directory that fails is not named any more by rows of partitions that other brokers have, too", async () => {
  const { store, first, second, id } = await twoBrokers();
  const key = `partitions/${id}/0`;
  const several = { ...rowBetween(0), directories: [B, directoryId(2)] };
  await store.transact({ set: [{ key, value: JSON.stringify(several) }] });
  await first.catchUp(store);
  await first.controller.failDirectory(1);
  const lost = { ...several, directories: [LOST_DIRECTORY, directoryId(2)], partitionEpoch: 1 };
  while (store.entries.get(key)?.value === JSON.stringify(several)) await Promise.resolve();
  await first.catchUp(store);
  assert.deepEqual((store.rows(`partitions/${id}/`) as Record<string, unknown>)[0], lost);
  const offlineAt = ({ shard }: typeof first) => shard.topic("t")?.partitions[0]?.offline;
  await second.catchUp(store);
  assert.deepEqual([offlineAt(first), offlineAt(second)], [undefined, [1]], "other brokers show it, this one knows");
  // While the disk is away, it may have the records: the replica does not begin anew.
  await store.transact({ set: [{ key, value: JSON.stringify({ ...lost, isr: [2], leader: 2, partitionEpoch: 2 }) }] });
  await first.catchUp(store);
  assert.deepEqual((store.rows(`partitions/${id}/`) as Rows)[0]?.directories[0], LOST_DIRECTORY);
  assert.equal(first.shard.topic("t")?.partitions[0]?.directory, OFFLINE_DIRECTORY);
  await store.transact({ set: [{ key, value: JSON.stringify({ ...several, partitionEpoch: 3 }) }] });
  await second.catchUp(store);
  assert.equal(offlineAt(second), undefined, "it is back");
});

Deno.test("a partition moves to another shard while the store does not answer, and not in the middle of a change", async () => {
  const asked: number[] = [];
  const { store, first, id } = await twoBrokers({
    handOver: ({ slot }) => Promise.resolve(asked.push(slot) > 0),
  });
  const place = partitionIn(first, 0);
  const answer = Promise.withResolvers<void>();
  store.delay = () => answer.promise;
  const creating = first.create({ u: 1 });
  assert.equal(
    await first.controller.handOverPartition({ topicId: id, partition: place.partition, shard: 1 - place.shard }),
    true,
  );
  assert.deepEqual(asked, [place.slot]);
  assert.equal(first.shard.topic("t")?.partitions[place.partition]?.shard, 1 - place.shard);
  answer.resolve();
  assert.deepEqual(await creating, ["NONE"]);
  const elsewhere = first.shard.topic("t")!.partitions.find(({ slot }) => slot < 0)!;
  const handOver = { topicId: id, partition: elsewhere.partition, shard: 1 };
  assert.equal(await first.controller.handOverPartition(handOver), false, "another broker has it");
});
