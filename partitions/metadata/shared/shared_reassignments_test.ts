/** Reassignments through any broker of a cluster: rows, places and log directories, and others who change the same rows. */
import assert from "node:assert/strict";
import type { ClusterPartitionRow } from "../../cluster/cluster_rows.ts";
import { changeRow } from "../../cluster/partition_row.ts";
import { OFFLINE_DIRECTORY } from "../../placement/directory_placement.ts";
import { ListedDirectories, MemoryStore } from "../controller_testing.ts";
import { ELSEWHERE, isHere } from "../image.ts";
import { LOST_DIRECTORY } from "../records.ts";
import { changeState, directoryId, Plane, type PlaneOptions, register } from "./shared_testing.ts";

const KEYS_MAX = 100;

/** Brokers 1 to 3, all active, and a topic that broker 1 alone has. */
async function cluster({ partitions = 1, configs = {}, first = {}, keysMax = KEYS_MAX }: {
  partitions?: number;
  configs?: Record<string, string>;
  first?: PlaneOptions;
  keysMax?: number;
} = {}) {
  const store = new MemoryStore();
  store.limits = { transactionKeysMax: keysMax, transactionBytesMax: 1e6 };
  for (const id of [1, 2, 3]) await register(store, id);
  const planes = await Promise.all([1, 2, 3].map((id) => Plane.start(store, id, id === 1 ? first : {})));
  const all = async () => {
    for (const plane of [...planes, ...planes]) await plane.catchUp(store);
  };
  const request = {
    topics: [{
      name: "t",
      numPartitions: -1,
      replicationFactor: -1,
      assignments: Array.from({ length: partitions }, (_, partitionIndex) => ({ partitionIndex, brokerIds: [1] })),
      configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
    }],
    timeoutMs: 60_000,
    validateOnly: false,
  };
  await planes[0]!.controller.call("createTopics", { request, apiVersion: 7 });
  await all();
  const { id } = planes[0]!.shard.topic("t")!;
  const row = (partition = 0) => (store.rows(`partitions/${id}/`) as Record<string, ClusterPartitionRow>)[partition]!;
  /** What a leader does. */
  const change = async (of: Partial<ClusterPartitionRow>, partition = 0) => {
    const next = changeRow(row(partition), { isr: of.isr, election: "none" }, { isActive: () => true });
    const directories = next!.replicas.map((broker) =>
      row(partition).directories[row(partition).replicas.indexOf(broker)]
    );
    const value = JSON.stringify({ ...row(partition), ...next, directories });
    await store.transact({ set: [{ key: `partitions/${id}/${partition}`, value }] });
    await all();
  };
  const [one, two, three] = planes as [Plane, Plane, Plane];
  const place = (plane: Plane, partition = 0) => plane.shard.topic("t")!.partitions[partition]!;
  return { store, one, two, three, all, row, change, place };
}

Deno.test("a reassignment through any broker gives new replicas a place and a log directory, and its end takes the old one's", async () => {
  const directories = new ListedDirectories({}, [directoryId(1)]);
  const { one, two, three, all, row, change, place } = await cluster({ first: { directories } });
  assert.deepEqual(await two.reassign("t", { 0: [2, 3] }), ["NONE"]);
  assert.deepEqual(place(two).replicas, [2, 3, 1], "the answer comes after the own shards");
  await all();
  assert.deepEqual(row().directories, [directoryId(2), directoryId(3), directoryId(1)]);
  assert.deepEqual([row().adding, row().removing, row().isr, row().leader], [[2, 3], [1], [1], 1]);
  for (const plane of [one, two, three]) {
    const { slot, directory, adding, removing, replication } = place(plane);
    assert.deepEqual([slot >= 0, directory, adding, removing], [true, 0, [2, 3], [1]]);
    assert.deepEqual(replication, { minIsr: 1, recovering: false });
  }
  const actions = directories.actions.length;
  await change({ isr: [1, 2, 3] });
  assert.deepEqual([row().replicas, row().isr, row().leader, row().adding], [[2, 3], [2, 3], 2, []]);
  assert.deepEqual([place(one).slot, place(one).directory, place(one).leader], [ELSEWHERE, ELSEWHERE, 2]);
  assert.ok(directories.actions.slice(actions).some((action) => /remove.*t-0/.test(action)), `${directories.actions}`);
  assert.equal(one.controller.partitionsCount, 0, "its place is free");
  assert.equal("adding" in place(two), false);
});

Deno.test("a replica that was away comes back after its directory and its lines in checkpoints are gone", async () => {
  const done: string[] = [];
  const directories = new ListedDirectories({}, [directoryId(1)]);
  const first: PlaneOptions = {
    directories,
    saveCheckpoints: () => Promise.resolve(void done.push("checkpoints")),
    published: ({ changed: [topic] }) => {
      if (topic !== undefined) done.push(isHere(topic.partitions[0]!) ? "here" : "away");
    },
  };
  const { store, one, two, all } = await cluster({ first });
  await two.reassign("t", { 0: [1, 2] });
  await all();
  done.length = 0;
  const { id } = one.shard.topic("t")!;
  const key = `partitions/${id}/0`;
  const put = (fields: Partial<ClusterPartitionRow>) => {
    const row = { ...JSON.parse(store.entries.get(key)!.value), ...fields };
    return store.transact({ set: [{ key, value: JSON.stringify(row) }] });
  };
  // Both changes arrive together.
  store.isWatched = false;
  const lists = { adding: [], removing: [], isr: [2], leader: 2 };
  await put({ ...lists, replicas: [2], directories: [directoryId(2)], partitionEpoch: 7 });
  await put({
    ...lists,
    replicas: [2, 1],
    adding: [1],
    directories: [directoryId(2), directoryId(1)],
    partitionEpoch: 8,
  });
  store.isWatched = true;
  await all();
  assert.deepEqual(done, ["away", "checkpoints", "here"]);
});

Deno.test("a new replica in a log directory that is offline gets another one", async () => {
  const [offline, online] = [directoryId(1), directoryId(1, 1)];
  const first = { directories: new ListedDirectories({}, [offline, online]) };
  const { one, two, store, all, row, place } = await cluster({ first });
  assert.deepEqual(await two.reassign("t", { 0: [2] }), ["NONE"]);
  const { id } = one.shard.topic("t")!;
  const value = JSON.stringify({
    ...{ ...row(), replicas: [2], isr: [2], leader: 2, adding: [], removing: [] },
    directories: [directoryId(2)],
  });
  await store.transact({ set: [{ key: `partitions/${id}/0`, value }] });
  await all();
  await one.changes.failDirectory(0);
  assert.deepEqual(await two.reassign("t", { 0: [2, 1] }), ["NONE"]);
  while (place(one).directory === OFFLINE_DIRECTORY) await all();
  assert.deepEqual([row().directories, place(one).directory], [[directoryId(2), online], 1]);
});

Deno.test("a reassignment makes no replica the leader whose broker has lost the log directory", async () => {
  const { store, one, two, all, row } = await cluster({ configs: { "unclean.leader.election.enable": "true" } });
  const directories = [directoryId(3), LOST_DIRECTORY, directoryId(2)];
  const begun = { replicas: [3, 4, 2], adding: [3], directories, isr: [3], leader: 3 };
  await register(store, 4);
  const value = JSON.stringify({ ...row(), ...begun, partitionEpoch: 7 });
  await store.transact({ set: [{ key: `partitions/${one.shard.topic("t")!.id}/0`, value }] });
  await all();
  assert.deepEqual(await two.reassign("t", { 0: null }), ["NONE"]);
  assert.deepEqual([row().leader, row().isr, row().recovering], [2, [2], true]);
});

Deno.test("a reassignment is made anew from what others have changed meanwhile, and refused where that forbids it", async () => {
  const { store, two, three, all, row, place } = await cluster({ partitions: 2 });
  store.isWatched = false;
  const moves = [two.reassign("t", { 0: [2], 1: [2] }), three.reassign("t", { 0: [3] })];
  while (row().partitionEpoch === 0) await Promise.resolve();
  store.isWatched = true;
  assert.deepEqual(await Promise.all(moves), [["NONE", "NONE"], ["NONE"]]);
  await all();
  // The later one has replaced the other.
  const [added] = row().adding;
  assert.deepEqual(row().replicas, [added, 1]);
  assert.deepEqual(row(1).replicas, [2, 1]);
  assert.deepEqual(place(two).replicas, row().replicas);
  assert.deepEqual(await two.reassign("t", { 0: null, 1: null }), ["NONE", "NONE"]);
  assert.deepEqual(await three.reassign("t", { 0: null, 1: [1] }), ["NO_REASSIGNMENT_IN_PROGRESS", "NONE"]);
  assert.deepEqual([row().replicas, row(1).replicas], [[1], [1]]);
});

Deno.test("a leader that a reassignment chooses is active, whatever this broker has seen", async () => {
  const { store, two, all, row, change } = await cluster({ configs: { "min.insync.replicas": "2" } });
  await two.reassign("t", { 0: [1, 2, 3] });
  await change({ isr: [1, 2, 3] });
  assert.deepEqual([row().replicas, row().isr], [[1, 2, 3], [1, 2, 3]]);
  store.isWatched = false;
  await changeState(store, 2, "fenced");
  const moving = two.reassign("t", { 0: [2, 3] });
  for (let turns = 0; turns < 20; turns++) await Promise.resolve();
  assert.equal(row().leader, 1, "broker 2 is not what its row says");
  store.isWatched = true;
  assert.deepEqual(await moving, ["NONE"]);
  await all();
  assert.deepEqual([row().leader, row().replicas, row().isr], [3, [2, 3], [2, 3]]);
});

Deno.test("a request for more partitions than a transaction takes changes all of them", async () => {
  const { one, three, all, row } = await cluster({ partitions: 23, keysMax: 10 });
  const replicas = Object.fromEntries(Array.from({ length: 23 }, (_, partition) => [partition, [3, 1, 2]]));
  assert.deepEqual(await three.reassign("t", replicas), new Array(23).fill("NONE"));
  await all();
  for (let partition = 0; partition < 23; partition++) assert.deepEqual(row(partition).adding, [3, 2]);
  assert.equal(one.controller.partitionsCount, 23);
  assert.equal(three.controller.partitionsCount, 23);
});

Deno.test("a reassignment that is refused, or changes nothing, writes nothing", async () => {
  const { store, one, two } = await cluster();
  const version = store.changedVersion;
  assert.deepEqual(await one.reassign("t", { 0: [1] }), ["NONE"]);
  assert.deepEqual(await two.reassign("t", { 0: [2, 9], 7: [1] }), [
    "INVALID_REPLICA_ASSIGNMENT",
    "UNKNOWN_TOPIC_OR_PARTITION",
  ]);
  assert.deepEqual(await two.reassign("t", { 0: [1, 2] }, false), ["INVALID_REPLICATION_FACTOR"]);
  assert.deepEqual(await two.reassign("nope", { 0: [1] }), ["UNKNOWN_TOPIC_OR_PARTITION"]);
  assert.equal(store.changedVersion, version);
  store.refusal = () => "etcd does not answer";
  assert.deepEqual(await two.reassign("t", { 0: [1, 2] }), ["REQUEST_TIMED_OUT"]);
});
