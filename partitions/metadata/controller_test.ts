import assert from "node:assert/strict";
import { join } from "node:path";
import { errorCode } from "../../net/protocol/error_codes.ts";
import type { CreatableTopic } from "../../net/protocol/messages/19_create_topics.ts";
import type { DeleteTopicsRequest } from "../../net/protocol/messages/20_delete_topics.ts";
import { ZERO_UUID } from "../../net/protocol/text_cache.ts";
import { withDirectory } from "../../tests/temporary_directory.ts";
import type { Controller } from "./controller.ts";
import { ListedDirectories, MemoryStore, startController } from "./controller_testing.ts";
import { MetadataImage } from "./image.ts";
import { SqliteStore } from "./store/sqlite_store.ts";

function wanted(name: string, settings: Partial<CreatableTopic> = {}): CreatableTopic {
  return { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [], ...settings };
}

async function create(controller: Controller, topics: CreatableTopic[], validateOnly = false) {
  const request = { topics, timeoutMs: 1000, validateOnly };
  return (await controller.call("createTopics", { request, apiVersion: 7 })).topics;
}

function deletion(request: Partial<DeleteTopicsRequest>): DeleteTopicsRequest {
  return { topics: [], topicNames: [], timeoutMs: 1000, ...request };
}

async function remove(controller: Controller, request: Partial<DeleteTopicsRequest>, apiVersion = 6) {
  return (await controller.call("deleteTopics", { request: deletion(request), apiVersion })).responses;
}

Deno.test("createTopics stores, publishes and answers with the topic's id, partitions and effective configs", async () => {
  const store = new MemoryStore();
  const { controller, published } = await startController(store, { properties: { "log.segment.bytes": "2097152" } });
  const configs = [{ name: "retention.ms", value: "5000" }];
  const [result] = await create(controller, [wanted("orders", { numPartitions: 3, configs })]);
  assert.equal(result?.errorCode, errorCode.NONE);
  assert.deepEqual([result?.numPartitions, result?.replicationFactor], [3, 1]);
  const shown = new Map(result?.configs?.map(({ name, value, configSource }) => [name, [value, configSource]]));
  assert.deepEqual(shown.get("retention.ms"), ["5000", 1]);
  assert.deepEqual(shown.get("segment.bytes"), ["2097152", 4]);
  assert.deepEqual(shown.get("cleanup.policy"), ["delete", 5]);

  const id = result?.topicId ?? "";
  assert.deepEqual(store.keys(), [`partitions/${id}/0`, `partitions/${id}/1`, `partitions/${id}/2`, "topics/orders"]);
  assert.equal(published.length, 1);
  const topic = published[0]?.changed[0];
  assert.deepEqual([topic?.name, topic?.id, topic?.isInternal], ["orders", id, false]);
  assert.deepEqual(topic?.configs, { "retention.ms": "5000" });
  assert.equal(topic?.logConfig.segmentBytes, 2097152);
  assert.deepEqual(topic?.partitions.map(({ partition, shard, slot }) => [partition, shard, slot]), [
    [0, 0, 0],
    [1, 1, 1],
    [2, 0, 2],
  ]);
  for (const partition of topic?.partitions ?? []) {
    const { leader, leaderEpoch, partitionEpoch, replicas, isr } = partition;
    assert.deepEqual([leader, leaderEpoch, partitionEpoch, replicas, isr], [1, 0, 0, [1], [1]]);
  }
});

Deno.test("createTopics answers only after every shard has applied the change, and changes go one at a time", async () => {
  let applied = () => {};
  const { controller, published } = await startController(new MemoryStore(), {
    publish: () => new Promise<void>((resolve) => applied = resolve),
  });
  const order: string[] = [];
  const first = create(controller, [wanted("a")]).then(() => order.push("a answered"));
  const second = create(controller, [wanted("a")]).then(([result]) => order.push(`again ${result?.errorCode}`));
  while (published.length === 0) await Promise.resolve();
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  assert.deepEqual(order, []);
  applied();
  await Promise.all([first, second]);
  assert.deepEqual(order, ["a answered", `again ${errorCode.TOPIC_ALREADY_EXISTS}`]);
});

Deno.test("createTopics with validateOnly answers as if created and changes nothing", async () => {
  const store = new MemoryStore();
  const { controller, published } = await startController(store);
  const [result] = await create(controller, [wanted("a", { numPartitions: 4 })], true);
  assert.deepEqual([result?.errorCode, result?.numPartitions], [errorCode.NONE, 4]);
  assert.deepEqual([store.entries.size, published.length], [0, 0]);
});

Deno.test("createTopics creates the good topics of a request and refuses the bad ones", async () => {
  const { controller, published } = await startController(new MemoryStore());
  const results = await create(controller, [wanted("good"), wanted("bad!"), wanted("twice"), wanted("twice")]);
  assert.deepEqual(results.map(({ name, errorCode: code }) => [name, code]), [
    ["good", errorCode.NONE],
    ["bad!", errorCode.INVALID_TOPIC_EXCEPTION],
    ["twice", errorCode.INVALID_REQUEST],
  ]);
  assert.deepEqual(published.flatMap(({ changed }) => changed.map(({ name }) => name)), ["good"]);
});

Deno.test("createTopics changes nothing when the store fails, and works again when the store does", async () => {
  const store = new MemoryStore();
  const { controller, published } = await startController(store);
  store.failure = "the disk is full";
  await assert.rejects(create(controller, [wanted("a")]), /disk is full/);
  assert.equal(controller.image.topic("a"), undefined);
  assert.equal(published.length, 0);
  store.failure = null;
  assert.equal((await create(controller, [wanted("a")]))[0]?.errorCode, errorCode.NONE);
});

Deno.test("createTopics refuses when another process has created the topic in the store", async () => {
  const store = new MemoryStore();
  const { controller } = await startController(store);
  await store.transact({ set: [{ key: "topics/a", value: "{}" }] });
  await assert.rejects(create(controller, [wanted("a")]), /changed by somebody else: topics\/a/);
});

Deno.test("awaitChanges settles when every shard has applied the changes requested before it, even if one fails", async () => {
  const store = new MemoryStore();
  const applied = Promise.withResolvers<void>();
  const { controller } = await startController(store, { publish: () => applied.promise });
  const events: string[] = [];
  const creating = create(controller, [wanted("a")]).then(() => events.push("created"));
  const waiting = controller.call("awaitChanges", {}).then(() => events.push("awaited"));
  await Promise.race([creating, waiting, new Promise((resolve) => setTimeout(resolve))]);
  assert.deepEqual(events, []);
  applied.resolve();
  await Promise.all([creating, waiting]);
  assert.deepEqual(events, ["created", "awaited"]);
  store.failure = "no disk";
  const failing = assert.rejects(create(controller, [wanted("b")]), /no disk/);
  assert.deepEqual(await controller.call("awaitChanges", {}), {});
  await failing;
});

Deno.test("deleteTopics deletes by name and by id, publishes, and removes directories before it answers", async () => {
  const store = new MemoryStore();
  const directories = new ListedDirectories();
  const { controller, published } = await startController(store, { directories });
  const [a, b] = await create(controller, [wanted("a", { numPartitions: 2 }), wanted("b")]);
  const responses = await remove(controller, {
    topics: [{ name: "a", topicId: ZERO_UUID }, { name: null, topicId: b?.topicId ?? "" }],
  });
  assert.deepEqual(responses.map(({ name, topicId, errorCode: code }) => [name, topicId, code]), [
    ["a", a?.topicId, errorCode.NONE],
    ["b", b?.topicId, errorCode.NONE],
  ]);
  assert.deepEqual(published.at(-1), { changed: [], deletedIds: [a?.topicId, b?.topicId], version: 3 });
  assert.deepEqual(directories.actions, ["remove a-0", "remove a-1", "remove b-0", "sync"]);
  assert.equal([...controller.image.topics()].length, 0);
  assert.deepEqual(store.keys(), [`deleted/${a?.topicId}`, `deleted/${b?.topicId}`].sort());
  const [again] = await create(controller, [wanted("a")]);
  assert.equal(again?.errorCode, errorCode.NONE);
  assert.notEqual(again?.topicId, a?.topicId);
  assert.ok(store.keys().every((key) => !key.startsWith("deleted/")), "the next change forgets what is gone for good");
});

Deno.test("deleteTopics by name answers versions without topic ids", async () => {
  const { controller } = await startController(new MemoryStore());
  await create(controller, [wanted("a")]);
  const responses = await remove(controller, { topicNames: ["a", "none"] }, 5);
  assert.deepEqual(responses.map(({ name, errorCode: code }) => [name, code]), [
    ["a", errorCode.NONE],
    ["none", errorCode.UNKNOWN_TOPIC_OR_PARTITION],
  ]);
});

Deno.test("deleteTopics with delete.topic.enable=false refuses all: INVALID_REQUEST before v3", async () => {
  const { controller } = await startController(new MemoryStore(), { properties: { "delete.topic.enable": "false" } });
  await create(controller, [wanted("a")]);
  const codes = async (version: number, request: Partial<DeleteTopicsRequest>) =>
    (await remove(controller, request, version)).map(({ errorCode: code }) => code);
  assert.deepEqual(await codes(2, { topicNames: ["a", "b"] }), [errorCode.INVALID_REQUEST, errorCode.INVALID_REQUEST]);
  assert.deepEqual(await codes(3, { topicNames: ["a"] }), [errorCode.TOPIC_DELETION_DISABLED]);
  const topics = [{ name: "a", topicId: ZERO_UUID }];
  assert.deepEqual(await codes(6, { topics }), [errorCode.TOPIC_DELETION_DISABLED]);
  assert.ok(controller.image.topic("a") !== undefined);
});

Deno.test("a place is reused only after the shards have released it, and after all other places", async () => {
  const { controller } = await startController(new MemoryStore(), { slotsMax: 3 });
  await create(controller, [wanted("a"), wanted("b")]);
  await remove(controller, { topicNames: ["a"] });
  const slotOf = (name: string) => controller.image.topic(name)?.partitions[0]?.slot;
  await create(controller, [wanted("c")]);
  assert.equal(slotOf("c"), 2);
  await create(controller, [wanted("d")]);
  assert.equal(slotOf("d"), 0);
  const [full] = await create(controller, [wanted("e")]);
  assert.equal(full?.errorCode, errorCode.INVALID_PARTITIONS);
});

Deno.test("autoCreateTopics creates topics with the broker's defaults and answers an error code for every name", async () => {
  const properties = { "num.partitions": "5" };
  const { controller, published } = await startController(new MemoryStore(), { properties });
  await create(controller, [wanted("here"), wanted("a.b")]);
  const names = ["here", "new", "new", "a_b", "not a name", "__transaction_state"];
  const results = await controller.call("autoCreateTopics", { names });
  assert.deepEqual(results.map(({ errorCode: code }) => code), [
    errorCode.NONE,
    errorCode.NONE,
    errorCode.NONE,
    errorCode.INVALID_TOPIC_EXCEPTION,
    errorCode.INVALID_TOPIC_EXCEPTION,
    errorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ]);
  assert.equal(controller.image.topic("new")?.partitions.length, 5);
  assert.equal(published.length, 2);
});

Deno.test("autoCreateTopics of one name by many clients at once creates it once", async () => {
  const { controller, published } = await startController(new MemoryStore());
  const calls = Array.from({ length: 50 }, () => controller.call("autoCreateTopics", { names: ["t"] }));
  const results = await Promise.all(calls);
  assert.ok(results.every(([result]) => result?.errorCode === errorCode.NONE));
  assert.equal(published.length, 1);
});

Deno.test("autoCreateTopics answers INVALID_REPLICATION_FACTOR when the default exceeds the number of brokers", async () => {
  const properties = { "default.replication.factor": "3" };
  const { controller } = await startController(new MemoryStore(), { properties });
  const results = await controller.call("autoCreateTopics", { names: ["t"] });
  assert.deepEqual(results, [{ name: "t", errorCode: errorCode.INVALID_REPLICATION_FACTOR }]);
});

Deno.test("allocateProducerIds gives out every block once, also across restarts, and stores it first", async () => {
  const store = new MemoryStore();
  const first = await startController(store);
  const blocks = await Promise.all(
    Array.from({ length: 3 }, () => first.controller.call("allocateProducerIds", {})),
  );
  assert.deepEqual(blocks.map(({ firstId, count }) => [firstId, count]), [[0, 1000], [1000, 1000], [2000, 1000]]);
  assert.equal(store.entries.get("producer-ids")?.value, '{"next":3000}');
  const second = await startController(store);
  assert.equal((await second.controller.call("allocateProducerIds", {})).firstId, 3000);
  await assert.rejects(first.controller.call("allocateProducerIds", {}), /changed by somebody else: producer-ids/);
});

Deno.test("allocateProducerIds refuses ids above 2^53, which would not be exact", async () => {
  const store = new MemoryStore();
  const next = Number.MAX_SAFE_INTEGER - 500;
  await store.transact({ set: [{ key: "producer-ids", value: JSON.stringify({ next }) }] });
  const { controller } = await startController(store);
  await assert.rejects(controller.call("allocateProducerIds", {}), /used up/);
});

Deno.test("Controller over SQLite: every acknowledged topic is in a shard's image after a restart", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "store.sqlite");
    const run = async <T>(use: (controller: Controller) => Promise<T>): Promise<T> => {
      const store = new SqliteStore();
      await store.open(path);
      try {
        return await use((await startController(store)).controller);
      } finally {
        await store.close();
      }
    };
    const created = await run(async (controller) => {
      const configs = [{ name: "segment.bytes", value: "1048576" }];
      const [a, b] = await create(controller, [wanted("a", { numPartitions: 12, configs }), wanted("b")]);
      await remove(controller, { topicNames: ["b"] });
      assert.equal(b?.errorCode, errorCode.NONE);
      return a;
    });
    await run((controller) => {
      const image = new MetadataImage();
      image.apply({ changed: [...controller.image.topics()], deletedIds: [] });
      assert.deepEqual([...image.topics()].map(({ name }) => name), ["a"]);
      const topic = image.topicById(created?.topicId ?? "");
      assert.equal(topic?.logConfig.segmentBytes, 1048576);
      assert.deepEqual(topic?.partitions.map(({ partition }) => partition), Array.from({ length: 12 }, (_, n) => n));
      return Promise.resolve();
    });
  }));

Deno.test("brokerRegistration and brokerHeartbeat ask the elected controller, and a broker without a cluster is not one", async () => {
  const registration = {
    broker: 2,
    incarnation: "aW5jYXJuYXRpb24gMiBvZiA",
    directoryId: "ZGlyZWN0b3J5LW9mLXRlcw",
    cleanEpoch: -1,
    knownEpoch: 0,
    clusterId: "c",
    rack: null,
    listeners: [],
    directories: [],
    shards: 1,
    version: "1",
  };
  const heartbeat = { broker: 2, brokerEpoch: 7, revision: 9, wantsStop: false };
  const asked: unknown[] = [];
  const registered = { errorCode: errorCode.NONE, brokerEpoch: 7 };
  const alive = { errorCode: errorCode.NONE, isFenced: false, shouldStop: false };
  const member = await startController(new MemoryStore(), {
    membership: {
      register: (request) => (asked.push(request), Promise.resolve(registered)),
      heartbeat: (request) => (asked.push(request), Promise.resolve(alive)),
      disconnected: (broker) => void asked.push(broker),
    },
  });
  assert.equal(await member.controller.call("brokerRegistration", registration), registered);
  assert.equal(await member.controller.call("brokerHeartbeat", heartbeat), alive);
  assert.deepEqual(await member.controller.call("brokerDisconnected", { broker: 3 }), {});
  assert.deepEqual(asked, [registration, heartbeat, 3]);

  const { controller } = await startController(new MemoryStore());
  const refused = await controller.call("brokerRegistration", registration);
  assert.deepEqual(refused, { errorCode: errorCode.NOT_CONTROLLER, brokerEpoch: -1 });
  const unheard = await controller.call("brokerHeartbeat", heartbeat);
  assert.deepEqual(unheard, { errorCode: errorCode.NOT_CONTROLLER, isFenced: true, shouldStop: false });
});
