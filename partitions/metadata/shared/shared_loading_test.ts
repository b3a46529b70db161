/** The start of a broker in a cluster: its log directories compared with the store. */
import assert from "node:assert/strict";
import type { PartitionIdentity } from "../adoption.ts";
import { ListedDirectories, MemoryStore } from "../controller_testing.ts";
import { OFFLINE_DIRECTORY } from "../../placement/directory_placement.ts";
import { LOST_DIRECTORY } from "../records.ts";
import { directoryId, Plane, register } from "./shared_testing.ts";

const ID = "MTIzNDU2Nzg5MDEyMzQ1Ng";
const OTHER_ID = "YWFhYWFhYWFhYWFhYWFhYQ";
const [A, B] = [directoryId(1, 0), directoryId(1, 1)];

function rowOf(broker: number, directory: string) {
  return {
    ...{
      replicas: [broker],
      isr: [broker],
      leader: broker,
      leaderEpoch: 4,
      partitionEpoch: 7,
      directories: [directory],
    },
    ...{ minIsr: 1, elr: [], lastKnownElr: [], recovering: false, adding: [], removing: [] },
  };
}

/** A store in which topic `t` has these rows. */
async function storeWith(rows: readonly unknown[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  await register(store, 1, { directories: [A, B] });
  await register(store, 2);
  await store.transact({
    set: [
      { key: "topics/t", value: JSON.stringify({ id: ID, configs: {} }) },
      ...rows.map((row, partition) => ({ key: `partitions/${ID}/${partition}`, value: JSON.stringify(row) })),
    ],
  });
  return store;
}

/** Starts broker 1 with directories. @returns where its partitions of `t` lie, the warnings, and what was done with directories */
async function load(
  store: MemoryStore,
  found: Record<string, Partial<PartitionIdentity> | string>,
  options: { ids?: (string | null)[]; recorded?: string[] } = {},
) {
  const directories = new ListedDirectories(found, options.ids ?? [A, B]);
  for (const name of options.recorded ?? []) directories.recorded.add(name);
  const plane = await Plane.start(store, 1, { directories });
  await plane.catchUp(store);
  const actions = directories.actions.filter((action) => !action.startsWith("identify"));
  const places = plane.shard.topic("t")?.partitions.map(({ directory }) => directory);
  return { places, warnings: plane.loaded.warnings, actions, plane, forgotten: directories.forgotten };
}

Deno.test("load() opens what it finds, begins new partitions, and leaves leader epochs as they are", async () => {
  const store = await storeWith([rowOf(1, A), rowOf(1, B), rowOf(2, directoryId(2)), rowOf(1, A)]);
  const before = store.committed.length;
  const { places, warnings, actions, plane } = await load(store, { "t-0": { topicId: ID }, "t-1@1": { topicId: ID } });
  assert.deepEqual([places, warnings, actions], [[0, 1, -1, 0], [], []]);
  assert.equal(store.committed.length, before, "nothing is written");
  assert.deepEqual(plane.shard.topic("t")?.partitions.map(({ leaderEpoch }) => leaderEpoch), [4, 4, 4, 4]);
  assert.deepEqual([plane.loaded.adopted, plane.loaded.delta.offlineDirectories], [[], []]);
  assert.deepEqual([...plane.shard.brokers.keys()], [1, 2]);
});

Deno.test("load() has the row name the log directory in which a partition was found", async () => {
  const store = await storeWith([rowOf(1, A), rowOf(1, B)]);
  const { places, warnings } = await load(store, { "t-0@1": { topicId: ID }, "t-1@1": { topicId: ID } });
  assert.deepEqual(places, [1, 1]);
  assert.match(warnings.join(), /t-0 lies in another log directory/);
  const rows = store.rows(`partitions/${ID}/`) as Record<string, unknown>;
  assert.deepEqual(rows["0"], { ...rowOf(1, A), directories: [B], partitionEpoch: rowOf(1, A).partitionEpoch + 1 });
});

Deno.test("load() corrects a row that others change at the same time", async () => {
  const store = await storeWith([rowOf(1, A)]);
  let others = 3;
  store.refusal = ({ compare = [] }) => {
    const [compared] = compare;
    if (compared === undefined || others-- <= 0) return null;
    const value = JSON.stringify({ ...rowOf(1, A), partitionEpoch: 10 - others });
    void store.transact({ set: [{ key: compared.key, value }] });
    return null;
  };
  const { places } = await load(store, { "t-0@1": { topicId: ID } });
  assert.deepEqual(places, [1]);
  const rows = store.rows(`partitions/${ID}/`) as Record<string, { directories: string[]; partitionEpoch: number }>;
  assert.deepEqual([rows["0"]?.directories, rows["0"]?.partitionEpoch], [[B], 11]);
});

Deno.test("load() renames directories that the cluster does not know here, and removes none of them", async () => {
  const store = await storeWith([rowOf(2, directoryId(2)), rowOf(1, A)]);
  const { forgotten, places, warnings, actions } = await load(store, {
    "t-0": { topicId: ID },
    "t-1": { topicId: OTHER_ID },
    "t-5": { topicId: ID },
    "unknown-0@1": { topicId: OTHER_ID },
    "nameless-0": {},
    "torn-0": "partition.metadata is damaged",
    "__cluster_metadata-0": {},
  });
  assert.deepEqual(actions, ["t-0", "t-1", "t-5", "unknown-0@1", "nameless-0"].map((name) => `set aside ${name}`));
  assert.deepEqual(places, [-1, 0], "t-1 begins anew: what was there was another topic's");
  assert.ok(forgotten.length >= 5, "what checkpoints say of them is not about the topics that have their names now");
  assert.equal(warnings.filter((text) => text.includes("-stray")).length, 5);
  assert.match(warnings.join(), /torn-0 alone: partition.metadata is damaged/);
});

Deno.test("load() keeps a partition offline whose directory is gone although it had records, whatever its row says later", async () => {
  const store = await storeWith([rowOf(1, A), rowOf(1, A), rowOf(1, B)]);
  const recorded = ["t-0", "t-2"];
  const { places, warnings, plane } = await load(store, { "t-1": { topicId: ID } }, { recorded });
  assert.deepEqual(places, [OFFLINE_DIRECTORY, 0, 1], "the checkpoints of B say nothing of t-2");
  assert.match(warnings.join(), /t-0 is offline: its directory in \/logs\/0 is gone/);
  const value = JSON.stringify({ ...rowOf(1, A), leaderEpoch: 5 });
  await store.transact({ set: [{ key: `partitions/${ID}/0`, value }] });
  await plane.catchUp(store);
  const [first] = plane.shard.topic("t")!.partitions;
  assert.deepEqual([first?.directory, first?.leaderEpoch], [OFFLINE_DIRECTORY, 5]);
});

Deno.test("load() takes partitions offline whose log directory is away", async () => {
  const store = await storeWith([rowOf(1, A), rowOf(1, B)]);
  const { places, warnings, plane } = await load(store, { "t-0": { topicId: ID } }, { ids: [A, null] });
  assert.deepEqual([places, warnings, plane.loaded.delta.offlineDirectories], [[0, OFFLINE_DIRECTORY], [], [1]]);
});

Deno.test("load() says once which partitions are offline because their log directory is not one of the broker's any more", async () => {
  const lost = directoryId(1, 9);
  const store = await storeWith([rowOf(1, A), ...Array.from({ length: 7 }, () => rowOf(1, lost))]);
  const { places, warnings } = await load(store, { "t-0": { topicId: ID } });
  assert.deepEqual(places, [0, ...Array(7).fill(OFFLINE_DIRECTORY)]);
  assert.equal(warnings.length, 1);
  const said = `t-1, t-2, t-3, t-4, t-5 and 2 more: offline, because the log directory with directory.id ${lost}`;
  assert.ok(warnings[0]?.startsWith(said), warnings[0]);
});

Deno.test("load() leaves what it has lost to other brokers, and begins it anew when nobody counts on it any more", async () => {
  const lost = directoryId(1, 9);
  const several = (isr: readonly number[], directory: string) => ({
    ...rowOf(2, A),
    ...{ replicas: [2, 1], isr, directories: [directoryId(2), directory] },
  });
  const store = await storeWith([
    several([2, 1], A), // its directory is gone
    several([2, 1], lost), // its disk is gone
    several([2], LOST_DIRECTORY), // the same, noted earlier
    several([2], LOST_DIRECTORY), // its directory is back
    { ...several([2], lost), lastKnownElr: [1] }, // nobody else may have it
  ]);
  const directories = new ListedDirectories({ "t-3@1": { topicId: ID } }, [A, B]);
  directories.recorded.add("t-0");
  const incarnation = "cHJvY2VzcyBhbmQgbW9yZQ";
  const plane = await Plane.start(store, 1, { directories, incarnation });
  await plane.catchUp(store);
  const placesOf = () => plane.shard.topic("t")?.partitions.map(({ directory }) => directory);
  const namedIn = (partition: number) => {
    const rows = store.rows(`partitions/${ID}/`) as Record<string, { directories: string[] }>;
    return rows[partition]?.directories[1];
  };
  assert.deepEqual(placesOf(), [-1, -1, -1, 1, -1]);
  assert.deepEqual([0, 1, 2, 3, 4].map(namedIn), [LOST_DIRECTORY, lost, LOST_DIRECTORY, B, lost]);
  assert.match(plane.loaded.warnings.join(), /t-0, t-2: this broker has lost their logs, and fetches them again/);
  // The controller has taken it out of the rows, and registers it.
  await store.transact({
    set: [0, 1].map((partition) => ({
      key: `partitions/${ID}/${partition}`,
      value: JSON.stringify({ ...several([2], namedIn(partition) ?? ""), partitionEpoch: 9 }),
    })),
  });
  await plane.catchUp(store);
  assert.deepEqual(placesOf(), [-1, -1, -1, 1, -1], "it is not registered yet");
  await register(store, 1, { directories: [A, B], incarnation });
  while ([0, 1, 2].some((partition) => ![A, B].includes(namedIn(partition) ?? ""))) {
    await plane.catchUp(store);
    await Promise.resolve();
  }
  await plane.catchUp(store);
  assert.deepEqual(placesOf()?.map((directory) => directory >= 0), [true, true, true, true, false]);
});

Deno.test("load() removes what a topic left that was deleted meanwhile, flushes that, and then forgets it", async () => {
  const store = await storeWith([rowOf(1, A)]);
  const away = directoryId(1, 9);
  const deleted = { name: "gone", directories: [A, away] };
  await store.transact({
    set: [
      { key: `deleted/${OTHER_ID}`, value: JSON.stringify(deleted) },
      { key: "deleted/YmJiYmJiYmJiYmJiYmJiYg", value: JSON.stringify({ name: "empty", directories: [B] }) },
    ],
  });
  // Another topic has the name of the deleted one, and the checkpoints have its lines.
  const found = { "t-0": { topicId: OTHER_ID }, "gone-3@1": { topicId: OTHER_ID } };
  const { places, actions } = await load(store, found, { recorded: ["t-0"] });
  assert.deepEqual(actions, ["remove t-0", "set aside gone-3@1", "sync"], "the row does not name log directory B");
  assert.deepEqual(places, [0]);
  assert.deepEqual(store.rows("deleted/"), { [OTHER_ID]: { name: "gone", directories: [away] } });
});

Deno.test("load() completes a move to another log directory that was interrupted when the store named it already", async () => {
  const store = await storeWith([rowOf(1, B), rowOf(1, A)]);
  const directories = new ListedDirectories({ "t-1": { topicId: ID } }, [A, B]);
  const futures = ["t-0.11-future", "t-1.22-future"].map((name, partition) => ({
    topic: "t",
    partition,
    directory: 1,
    name,
  }));
  for (const { name } of futures) directories.identities.set(name, { topicId: ID, latestLeaderEpoch: 4 });
  directories.futures = futures;
  directories.recorded.add("t-0@1");
  const plane = await Plane.start(store, 1, { directories });
  assert.deepEqual(plane.shard.topic("t")?.partitions.map(({ directory }) => directory), [1, 0]);
  const actions = directories.actions.filter((action) => !action.startsWith("identify"));
  assert.deepEqual(actions, ["promote t-0.11-future", "remove t-1.22-future"]);
});

Deno.test("load() refuses a damaged row and a partition that lies in two log directories", async () => {
  const store = await storeWith([rowOf(1, directoryId(1, 9))]);
  const found = { "t-0": { topicId: ID }, "t-0@1": { topicId: ID } };
  await assert.rejects(load(store, found), /t-0 lies in two log directories/);
  await store.transact({ set: [{ key: `partitions/${ID}/0`, value: "[]" }] });
  await assert.rejects(load(store, {}), /row that this version cannot read: partitions/);
});
