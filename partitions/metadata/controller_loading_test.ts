import assert from "node:assert/strict";
import { randomUuid } from "../../storage/base/uuid.ts";
import { DIRECTORY_ID, ListedDirectories, MemoryStore, startController } from "./controller_testing.ts";
import type { MetadataStore } from "./store/store.ts";

const ID = "MTIzNDU2Nzg5MDEyMzQ1Ng";
const OTHER_ID = "YWFhYWFhYWFhYWFhYWFhYQ";

/** The row of a partition, as versions before several log directories wrote it. */
function rowOf(node: number, leaderEpoch: number) {
  return { replicas: [node], isr: [node], leader: node, leaderEpoch, partitionEpoch: 0 };
}

/** A store that has topics of some partitions. */
async function storeOf(topics: Record<string, { id: string; partitions: number }>): Promise<MemoryStore> {
  const store = new MemoryStore();
  const set = Object.entries(topics).flatMap(([name, { id, partitions }]) => [
    { key: `topics/${name}`, value: JSON.stringify({ id, configs: {} }) },
    ...Array.from({ length: partitions }, (_, partition) => ({
      key: `partitions/${id}/${partition}`,
      value: JSON.stringify(rowOf(1, 4)),
    })),
  ]);
  await store.transact({ set });
  return store;
}

Deno.test("load() raises every leader epoch by one, in one transaction, before anything is published", async () => {
  const store = await storeOf({ a: { id: ID, partitions: 3 }, b: { id: OTHER_ID, partitions: 1 } });
  const { loaded, published } = await startController(store);
  const partitions = loaded.delta.changed.flatMap((topic) => topic.partitions);
  assert.deepEqual(partitions.map(({ leaderEpoch, partitionEpoch }) => [leaderEpoch, partitionEpoch]), [
    [5, 1],
    [5, 1],
    [5, 1],
    [5, 1],
  ]);
  assert.equal(store.committed.length, 2);
  assert.equal(JSON.parse(store.entries.get(`partitions/${ID}/2`)?.value ?? "").leaderEpoch, 5);
  assert.equal(published.length, 0, "the first image is returned, not published");
  const again = await startController(store);
  assert.equal(again.loaded.delta.changed[0]?.partitions[0]?.leaderEpoch, 6);
});

Deno.test("load() of an empty store and directory writes no entry, but is a new version, with this broker alone in its cluster", async () => {
  const store = new MemoryStore();
  for (const version of [1, 2]) {
    const { loaded } = await startController(store);
    const brokers = [{ nodeId: 1, rack: null, state: "active", advertised: [], directories: [DIRECTORY_ID] }];
    const cluster = { brokers, controllerId: 1 };
    const delta = { changed: [], deletedIds: [], offlineDirectories: [], groups: [], ...cluster, version };
    assert.deepEqual(loaded, { delta, adopted: [], warnings: [] });
  }
  assert.deepEqual(store.keys(), []);
});

Deno.test("load() keeps a topic without a directory: its log starts empty, as in Kafka", async () => {
  const store = await storeOf({ a: { id: ID, partitions: 2 } });
  const directories = new ListedDirectories({ "a-1": { topicId: ID } });
  const { loaded } = await startController(store, { directories });
  assert.deepEqual(loaded.delta.changed.map(({ name, partitions }) => [name, partitions.length]), [["a", 2]]);
  assert.deepEqual(loaded.warnings, []);
  assert.deepEqual(directories.actions, [], "directories of known partitions are not looked into");
});

Deno.test("load() adopts directories with their topic ids, with leader epochs above theirs, and fills missing partitions", async () => {
  const store = new MemoryStore();
  const directories = new ListedDirectories({
    "orders-0": { topicId: ID, latestLeaderEpoch: 7 },
    "orders-2": { topicId: ID, latestLeaderEpoch: -1 },
    "with-dash-0": { topicId: OTHER_ID },
    "__cluster_metadata-0": { topicId: "AAAAAAAAAAAAAAAAAAAAAQ" },
  });
  const { loaded, controller } = await startController(store, { directories });
  const [orders, withDash] = loaded.delta.changed;
  assert.deepEqual([orders?.name, orders?.id], ["orders", ID]);
  assert.deepEqual(orders?.partitions.map(({ leaderEpoch }) => leaderEpoch), [8, 0, 0]);
  assert.deepEqual([withDash?.name, withDash?.id, withDash?.partitions.length], ["with-dash", OTHER_ID, 1]);
  assert.equal(loaded.delta.changed.length, 2);
  assert.equal(loaded.warnings.length, 2);
  assert.match(loaded.warnings[0] ?? "", /Adopted 2 directories of topic orders .*3 partitions.*configs/);
  assert.ok(!directories.actions.includes("identify __cluster_metadata-0"));

  const { firstId } = await controller.call("allocateProducerIds", {});
  assert.ok(firstId >= 2 ** 40, "producer ids of the adopted logs are far away");
  const again = await startController(store, { directories });
  assert.deepEqual(again.loaded.delta.changed.map(({ id }) => id).sort(), [ID, OTHER_ID].sort());
  assert.deepEqual(again.loaded.delta.changed[0]?.partitions.map(({ leaderEpoch }) => leaderEpoch), [9, 1, 1]);
  assert.deepEqual(again.loaded.warnings, []);
  const next = await again.controller.call("allocateProducerIds", {});
  assert.equal(next.firstId, firstId + 1000);
});

Deno.test("load() adopts Kafka's internal topics as compacted ones", async () => {
  const directories = new ListedDirectories({ "__consumer_offsets-49": { topicId: ID } });
  const { loaded } = await startController(new MemoryStore(), { directories });
  const [topic] = loaded.delta.changed;
  assert.deepEqual([topic?.isInternal, topic?.partitions.length, topic?.logConfig.compact], [true, 50, true]);
});

Deno.test("load() gives a topic without partition.metadata a new id", async () => {
  const directories = new ListedDirectories({ "old-0": {} });
  const { loaded } = await startController(new MemoryStore(), { directories });
  assert.match(loaded.delta.changed[0]?.id ?? "", /^[A-Za-z0-9_-]{22}$/);
});

Deno.test("load() does not adopt the second of two topics with one id, and says so", async () => {
  const directories = new ListedDirectories({ "copy-0": { topicId: ID }, "original-0": { topicId: ID } });
  const { loaded } = await startController(new MemoryStore(), { directories });
  assert.deepEqual(loaded.delta.changed.map(({ name }) => name), ["copy"]);
  assert.match(loaded.warnings.join("\n"), /Leaving the directories of original alone: another topic has its id/);

  const store = await storeOf({ original: { id: ID, partitions: 1 } });
  const known = await startController(store, { directories });
  assert.deepEqual(known.loaded.delta.changed.map(({ name }) => name), ["original"]);
  assert.match(known.loaded.warnings.join("\n"), /Leaving the directories of copy alone/);
});

Deno.test("load() does not adopt a partition with another topic's id, and adds one with the topic's own id", async () => {
  const mixed = new ListedDirectories({ "a-0": { topicId: ID }, "a-1": { topicId: OTHER_ID }, "a-2": "it is damaged" });
  const { loaded } = await startController(new MemoryStore(), { directories: mixed });
  assert.equal(loaded.delta.changed[0]?.partitions.length, 1);
  assert.match(loaded.warnings.join("\n"), /a-2 alone: it is damaged[^]*a-1 alone: it belongs to topic id YWFh/);

  const store = await storeOf({ a: { id: ID, partitions: 1 }, b: { id: OTHER_ID, partitions: 1 } });
  const further = new ListedDirectories({
    "a-0": { topicId: ID },
    "a-2": { topicId: ID, latestLeaderEpoch: 3 },
    "b-1": { topicId: randomUuid() },
  });
  const known = await startController(store, { directories: further });
  const [a, b] = known.loaded.delta.changed;
  assert.deepEqual(a?.partitions.map(({ leaderEpoch }) => leaderEpoch), [5, 0, 4]);
  assert.equal(b?.partitions.length, 1);
});

Deno.test("load() removes directories that a crash left of deleted topics, and never adopts them", async () => {
  const store = new MemoryStore();
  await store.transact({ set: [{ key: `deleted/${ID}`, value: '{"name":"gone"}' }] });
  const directories = new ListedDirectories({ "gone-0": { topicId: ID }, "gone-1": { topicId: ID } });
  const { loaded } = await startController(store, { directories });
  assert.deepEqual(loaded.delta.changed, []);
  assert.deepEqual(loaded.warnings, ["Removed 2 directories of topic gone, which was deleted before"]);
  assert.deepEqual(directories.actions.slice(-3), ["remove gone-0", "remove gone-1", "sync"]);
  assert.deepEqual(store.keys(), [], "forgotten only after the directory was flushed");
});

Deno.test("load() does not adopt names and partition numbers that no topic may have", async () => {
  const directories = new ListedDirectories({
    "ok-0": { topicId: ID },
    "many-2147483647": { topicId: OTHER_ID },
    "white space-0": {},
    "ümlaut-0": {},
    "..-0": {},
    "__proto__-0": { topicId: randomUuid() },
    [`${"x".repeat(250)}-0`]: {},
    "late-0": { topicId: randomUuid(), latestLeaderEpoch: 0x7fff_ffff },
  });
  const { loaded, controller } = await startController(new MemoryStore(), { directories });
  assert.deepEqual(loaded.delta.changed.map(({ name }) => name).sort(), ["__proto__", "ok"]);
  assert.equal(controller.image.topic("__proto__")?.partitions.length, 1);
  assert.equal(loaded.warnings.filter((text) => text.startsWith("Leaving")).length, 6);
});

Deno.test("load() adopts only as many partitions as fit", async () => {
  const directories = new ListedDirectories({ "a-1": { topicId: ID }, "b-9": { topicId: OTHER_ID } });
  const { loaded } = await startController(new MemoryStore(), { directories, slotsMax: 5 });
  assert.deepEqual(loaded.delta.changed.map(({ name }) => name), ["a"]);
  assert.match(loaded.warnings.join("\n"), /b alone: partition 9 is beyond/);
});

Deno.test("load() refuses a damaged store, whichever row is wrong, and says why", async () => {
  const partition = JSON.stringify(rowOf(1, 0));
  const topic = JSON.stringify({ id: ID, configs: {} });
  const cases: [rows: Record<string, string>, sentence: RegExp][] = [
    [{ "topics/a": "{" }, /row topics\/a is damaged/],
    [{ "topics/a": '{"id":"short","configs":{}}' }, /row topics\/a is damaged/],
    [{ "topics/a": `{"id":"${ID}","configs":{"x":1}}` }, /row topics\/a is damaged/],
    [{ "topics/a": "null" }, /row topics\/a is damaged/],
    [{ "topics/a": topic }, /lacks partition a-0/],
    [{ "topics/a": topic, [`partitions/${ID}/1`]: partition }, /lacks partition a-0/],
    [{ [`partitions/${ID}/0`]: partition }, /partitions of an unknown topic/],
    [{ "topics/a": topic, [`partitions/${ID}/0`]: "[]" }, /row partitions\/.*\/0 is damaged/],
    [{ "topics/a": topic, [`partitions/${ID}/9999999`]: partition }, /is damaged/],
    [{ "topics/a": topic, [`partitions/${ID}/01`]: partition }, /is damaged/],
    [{ "topics/a": topic, [`partitions/${ID}/0`]: JSON.stringify(rowOf(2, 0)) }, /belongs to broker 2/],
    [{ "producer-ids": '{"next":-1}' }, /row producer-ids is damaged/],
    [{ "unheard-of": "{}" }, /unknown kind: unheard-of/],
  ];
  for (const [rows, sentence] of cases) {
    const store = new MemoryStore();
    await store.transact({ set: Object.entries(rows).map(([key, value]) => ({ key, value })) });
    await assert.rejects(startController(store), sentence);
    assert.equal(store.committed.length, 1, "nothing was changed");
  }
});

Deno.test("load() stops when the store changes while it is loaded", async () => {
  const store = await storeOf({ a: { id: ID, partitions: 1 } });
  const racing: MetadataStore = {
    ...bound(store),
    range: async (prefix) => {
      const entries = await store.range(prefix);
      await store.transact({ set: [{ key: `partitions/${ID}/0`, value: "{}" }] });
      return entries;
    },
  };
  await assert.rejects(startController(racing), /changed while it was loaded: partitions/);
});

function bound(store: MemoryStore): MetadataStore {
  return {
    limits: store.limits,
    get: (key) => store.get(key),
    range: (prefix) => store.range(prefix),
    snapshot: (prefix) => store.snapshot(prefix),
    resolve: (id) => store.resolve(id),
    transact: (transaction) => store.transact(transaction),
    watch: (...args) => store.watch(...args),
    grantLease: () => store.grantLease(),
    close: () => store.close(),
  };
}

const [A, B] = ["ZGlyZWN0b3J5LUEtb2YtdA", "ZGlyZWN0b3J5LUItb2YtdA"];

/** Which log directory has each partition after a start, by index and in the store. */
async function placesOf(store: MemoryStore, directories: ListedDirectories) {
  const { loaded } = await startController(store, { directories });
  const places = loaded.delta.changed.flatMap(({ partitions }) => partitions.map(({ directory }) => directory));
  const stored = store.keys().filter((key) => key.startsWith("partitions/"))
    .map((key) => JSON.parse(store.entries.get(key)?.value ?? "").directories);
  return { places, stored, warnings: loaded.warnings, offline: loaded.delta.offlineDirectories };
}

Deno.test("load() finds partitions in their log directories and places new ones where there are fewest", async () => {
  const store = await storeOf({ a: { id: ID, partitions: 4 } });
  const { places, stored, warnings } = await placesOf(
    store,
    new ListedDirectories({ "a-0@1": {}, "a-1@1": {} }, [A, B]),
  );
  assert.deepEqual([places, warnings], [[1, 1, 0, 0], []]);
  assert.deepEqual(stored, [[B], [B], [A], [A]]);
});

Deno.test("load() takes partitions offline whose log directory is, and gives them back when it returns", async () => {
  const store = await storeOf({ a: { id: ID, partitions: 2 } });
  const both = new ListedDirectories({ "a-0": {}, "a-1@1": {} }, [A, B]);
  await placesOf(store, both);
  const broken = await placesOf(store, new ListedDirectories({ "a-0": {} }, [A, null]));
  assert.deepEqual([broken.places, broken.offline], [[0, -1], [1]]);
  assert.deepEqual(broken.stored, [[A], [B]], "the store keeps where it lies");
  const removed = await placesOf(store, new ListedDirectories({ "a-0": {} }, [A]));
  assert.deepEqual([removed.places, removed.offline], [[0, -1], []]);
  assert.deepEqual((await placesOf(store, both)).places, [0, 1]);
});

Deno.test("load() follows a directory that was moved by hand, and leaves a second one alone", async () => {
  const store = await storeOf({ a: { id: ID, partitions: 1 } });
  await placesOf(store, new ListedDirectories({ "a-0": {} }, [A, B]));
  const moved = await placesOf(store, new ListedDirectories({ "a-0@1": {} }, [A, B]));
  assert.deepEqual([moved.places, moved.stored], [[1], [[B]]]);
  assert.match(moved.warnings.join(), /^a-0 lies in another log directory than before/);
  const twice = await placesOf(store, new ListedDirectories({ "a-0": {}, "a-0@1": {} }, [A, B]));
  assert.deepEqual(twice.places, [1]);
  assert.match(
    twice.warnings.join(),
    /^Leaving a second directory of a-0 alone: .*of which ZGlyZWN0b3J5LUItb2YtdA counts/,
  );
  const away = await placesOf(store, new ListedDirectories({ "a-0": {} }, [A]));
  assert.deepEqual(away.places, [0], "its log directory left log.dirs, and somebody moved it before");
});

Deno.test("load() refuses to guess which of two directories of a partition counts", async () => {
  const store = await storeOf({ a: { id: ID, partitions: 1 } });
  const directories = new ListedDirectories({ "a-0": {}, "a-0@1": {} }, [A, B]);
  await assert.rejects(
    startController(store, { directories }),
    /Partition a-0 lies in two log directories, .*remove one/,
  );
});

Deno.test("load() adopts directories where they lie, but not a partition that lies in two", async () => {
  const store = new MemoryStore();
  const found = { "a-0@1": { topicId: ID }, "b-0": { topicId: OTHER_ID }, "b-0@1": { topicId: OTHER_ID } };
  const { places, stored, warnings } = await placesOf(store, new ListedDirectories(found, [A, B]));
  assert.deepEqual([places, stored], [[1], [[B]]]);
  assert.match(warnings.join("\n"), /Leaving the directories of b alone: partition 0 lies in two log directories/);
});

Deno.test("load() does not forget a deletion while a log directory is offline: its directories would be adopted later", async () => {
  const store = await storeOf({ a: { id: ID, partitions: 2 } });
  await store.transact({ set: [{ key: `deleted/${OTHER_ID}`, value: '{"name":"gone"}' }] });
  await placesOf(store, new ListedDirectories({}, [A, null]));
  assert(store.keys().includes(`deleted/${OTHER_ID}`));
  await placesOf(store, new ListedDirectories({}, [A, B]));
  assert(!store.keys().includes(`deleted/${OTHER_ID}`));
});

Deno.test("new partitions of one request are spread over the log directories, and none goes to an offline one", async () => {
  const { controller } = await startController(new MemoryStore(), {
    directories: new ListedDirectories({}, [A, null, B]),
  });
  const topics = ["a", "b", "c"].map((name) => {
    return { name, numPartitions: name === "c" ? 3 : 1, replicationFactor: 1, assignments: [], configs: [] };
  });
  const request = { topics, timeoutMs: 1000, validateOnly: false };
  await controller.call("createTopics", { request, apiVersion: 7 });
  const placesOf = (name: string) => controller.image.topic(name)?.partitions.map(({ directory }) => directory);
  assert.deepEqual(["a", "b", "c"].map(placesOf), [[0], [2], [0, 2, 0]]);
  const growth = { topics: [{ name: "a", count: 2, assignments: null }], timeoutMs: 1000, validateOnly: false };
  await controller.call("createPartitions", { request: growth });
  assert.deepEqual(placesOf("a"), [0, 2]);
  const deletion = { topics: [{ name: "c", topicId: ID }], topicNames: ["c"], timeoutMs: 1000 };
  await controller.call("deleteTopics", { request: deletion, apiVersion: 5 });
  await controller.call("createTopics", {
    request: { ...request, topics: [{ ...topics[1]!, name: "d" }] },
    apiVersion: 7,
  });
  assert.deepEqual(placesOf("d"), [0]);
});

Deno.test("load() completes a move that a crash interrupted when only the copy is left, and otherwise removes the copy", async () => {
  const topicId = ID;
  const copy = { topic: "a", partition: 0, directory: 1, name: "a-0.0123456789abcdef0123456789abcdef-future" };
  const cases: {
    row: string[];
    found: Record<string, object>;
    identity: { topicId: string | null } | string;
    expected: string;
  }[] = [
    { row: [B], found: {}, identity: { topicId }, expected: `promote ${copy.name}` },
    { row: [B], found: { "a-0": {} }, identity: { topicId }, expected: `remove ${copy.name}` },
    { row: [A], found: { "a-0": {} }, identity: { topicId }, expected: `remove ${copy.name}` },
    { row: [A], found: {}, identity: { topicId }, expected: `remove ${copy.name}` },
    { row: [B], found: {}, identity: { topicId: OTHER_ID }, expected: `remove ${copy.name}` },
    // What names the topic is copied last.
    { row: [B], found: {}, identity: { topicId: null }, expected: `remove ${copy.name}` },
    // The only copy of the records: the log's opening says what is wrong.
    { row: [B], found: {}, identity: "leader-epoch-checkpoint is damaged", expected: `promote ${copy.name}` },
  ];
  for (const { row, found, identity, expected } of cases) {
    const store = new MemoryStore();
    await store.transact({
      set: [
        { key: "topics/a", value: JSON.stringify({ id: ID, configs: {} }) },
        { key: `partitions/${ID}/0`, value: JSON.stringify({ ...rowOf(1, 4), directories: row }) },
      ],
    });
    const directories = new ListedDirectories(found, [A, B]);
    directories.futures = [copy];
    const read = typeof identity === "string" ? identity : { ...identity, latestLeaderEpoch: 0 };
    directories.identities.set(copy.name, read);
    const { loaded } = await startController(store, { directories });
    assert(directories.actions.includes(expected), `${row} ${Object.keys(found)}: ${directories.actions}`);
    const place = loaded.delta.changed[0]?.partitions[0]?.directory;
    assert.equal(place, Object.keys(found).length > 0 || row[0] === A ? 0 : 1);
  }
});
