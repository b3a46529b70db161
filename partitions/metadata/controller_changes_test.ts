import assert from "node:assert/strict";
import { join } from "node:path";
import { errorCode, errorName } from "../../net/protocol/error_codes.ts";
import { ZERO_UUID } from "../../net/protocol/text_cache.ts";
import { resourceTypes } from "../config/resource_types.ts";
import { withDirectory } from "../../tests/temporary_directory.ts";
import type { Controller } from "./controller.ts";
import { ListedDirectories, MemoryStore, startController } from "./controller_testing.ts";
import { MetadataImage } from "./image.ts";
import { packAlterations } from "./configs/packed_alterations.ts";
import { SqliteStore } from "./store/sqlite_store.ts";

async function create(controller: Controller, name: string, numPartitions = 1): Promise<string> {
  const topics = [{ name, numPartitions, replicationFactor: 1, assignments: [], configs: [] }];
  const request = { topics, timeoutMs: 1000, validateOnly: false };
  const [topic] = (await controller.call("createTopics", { request, apiVersion: 7 })).topics;
  return topic?.topicId ?? "";
}

async function grow(controller: Controller, name: string, count: number, options: { validateOnly?: boolean } = {}) {
  const topics = [{ name, count, assignments: null }];
  const request = { topics, timeoutMs: 1000, validateOnly: options.validateOnly ?? false };
  const [result] = (await controller.call("createPartitions", { request })).results;
  return errorName(result?.errorCode ?? 0);
}

async function set(
  controller: Controller,
  [resourceType, resourceName]: [number, string],
  configs: Record<string, string | null>,
  validateOnly = false,
) {
  const changes = Object.entries(configs).map(([name, value]) => ({
    name,
    value,
    configOperation: value === null ? 1 : 0,
  }));
  const resources = [{ resourceType, resourceName, configs: changes }];
  const [result] = await controller.call("alterConfigs", packAlterations({ resources, validateOnly }, false));
  return errorName(result?.errorCode ?? 0);
}

const { topic: TOPIC, broker: BROKER, group: GROUP } = resourceTypes;
const SESSION = "consumer.session.timeout.ms";

Deno.test("Controller publishes each change with a higher version, also after restarts, whatever the store still holds", async () => {
  await withDirectory(async (directory) => {
    const versions: number[] = [];
    const open = async () => {
      const store = new SqliteStore((error) => assert.fail(error));
      await store.open(join(directory, "metadata.sqlite"));
      return store;
    };
    const running = async (change: (controller: Controller) => Promise<unknown>) => {
      const store = await open();
      const { controller, loaded, published } = await startController(store);
      await change(controller);
      await store.close();
      const all = [loaded.delta, ...published].flatMap(({ version }) => version ?? []);
      assert.equal(all.length, 1 + published.length);
      assert.equal(controller.image.version, all.at(-1), "the main isolate's image has it too");
      versions.push(...all);
    };
    await running(() => Promise.resolve());
    await running(async (controller) => {
      await create(controller, "t");
      await grow(controller, "t", 2);
      await set(controller, [TOPIC, "t"], { "retention.ms": "1" });
      await set(controller, [GROUP, "g"], { [SESSION]: "50000" });
      await set(controller, [GROUP, "g"], { [SESSION]: null });
      await controller.call("autoCreateTopics", { names: ["u"] });
      const topics = ["t", "u"].map((name) => ({ name, topicId: ZERO_UUID }));
      const request = { topics, topicNames: [], timeoutMs: 1000 };
      await controller.call("deleteTopics", { request, apiVersion: 6 });
    });
    await running(() => Promise.resolve());
    await running((controller) => create(controller, "t"));
    assert.equal(versions.length, 1 + 8 + 1 + 2);
    versions.forEach((version, index) => assert.ok(index === 0 || version > (versions[index - 1] as number)));
  });
});

Deno.test("createPartitions stores and publishes new partitions with their places, and the old ones keep theirs", async () => {
  const store = new MemoryStore();
  const { controller, published } = await startController(store);
  const id = await create(controller, "t", 2);
  const before = controller.image.topic("t")?.partitions;
  assert.equal(await grow(controller, "t", 5), "NONE");
  assert.deepEqual(store.keys(), [0, 1, 2, 3, 4].map((index) => `partitions/${id}/${index}`).concat("topics/t"));
  const topic = published.at(-1)?.changed[0];
  assert.equal(topic, controller.image.topic("t"));
  assert.deepEqual(topic?.partitions.slice(0, 2), before);
  assert.deepEqual(topic?.partitions.map(({ partition, shard, slot }) => [partition, shard, slot]), [
    [0, 0, 0],
    [1, 1, 1],
    [2, 0, 2],
    [3, 1, 3],
    [4, 0, 4],
  ]);
  assert.equal(await grow(controller, "t", 6), "NONE", "a topic that grew grows again");
});

Deno.test("createPartitions with validateOnly answers the same and changes nothing", async () => {
  const store = new MemoryStore();
  const { controller, published } = await startController(store);
  await create(controller, "t");
  const rows = store.keys();
  assert.equal(await grow(controller, "t", 3, { validateOnly: true }), "NONE");
  assert.equal(await grow(controller, "t", 1, { validateOnly: true }), "INVALID_PARTITIONS");
  assert.deepEqual([store.keys(), published.length], [rows, 1]);
});

Deno.test("deleting a topic that grew removes all its rows and frees its places", async () => {
  const store = new MemoryStore();
  const { controller } = await startController(store, { slotsMax: 4 });
  const id = await create(controller, "t");
  assert.equal(await grow(controller, "t", 4), "NONE");
  assert.equal(await grow(controller, "t", 5), "INVALID_PARTITIONS", "no room");
  const request = { topics: [], topicNames: ["t"], timeoutMs: 1000 };
  await controller.call("deleteTopics", { request, apiVersion: 5 });
  assert.deepEqual(store.keys(), [`deleted/${id}`]);
  await create(controller, "u", 4);
  assert.equal(controller.image.topic("u")?.partitions.length, 4);
});

Deno.test("deleteTopics answers once the checkpoints no longer contain the topic", async () => {
  const seen: (string | undefined)[] = [];
  const { controller } = await startController(new MemoryStore(), {
    saveCheckpoints: () => Promise.resolve(void seen.push(controller.image.topic("t")?.name)),
  });
  await create(controller, "t");
  const request = { topics: [], topicNames: ["t"], timeoutMs: 1000 };
  await controller.call("deleteTopics", { request, apiVersion: 5 });
  assert.deepEqual(seen, [undefined]);
});

Deno.test("alterConfigs of a topic stores, resolves and publishes the configs; a refused one changes nothing", async () => {
  const store = new MemoryStore();
  const { controller, published } = await startController(store);
  const id = await create(controller, "t");
  assert.equal(await set(controller, [TOPIC, "t"], { "segment.bytes": "2000000", "retention.ms": "5" }), "NONE");
  assert.equal(
    await set(controller, [TOPIC, "t"], { "retention.ms": null }),
    "NONE",
    "by the version of the last change",
  );
  const topic = published.at(-1)?.changed[0];
  assert.deepEqual([topic?.configs, topic?.logConfig.segmentBytes], [{ "segment.bytes": "2000000" }, 2_000_000]);
  assert.deepEqual(JSON.parse(store.entries.get("topics/t")?.value ?? ""), {
    id,
    configs: { "segment.bytes": "2000000" },
  });
  const [transactions, deltas] = [store.committed.length, published.length];
  assert.equal(await set(controller, [TOPIC, "t"], { "segment.bytes": "1" }), "INVALID_CONFIG");
  assert.equal(await set(controller, [TOPIC, "t"], { "segment.bytes": "3000000" }, true), "NONE");
  assert.equal(await set(controller, [TOPIC, "t"], { "segment.bytes": "2000000" }), "NONE");
  assert.deepEqual([store.committed.length, published.length], [transactions, deltas], "nothing was written");
});

Deno.test("alterConfigs of a group stores and publishes its configs, whatever its name; a group without configs has no row", async () => {
  const store = new MemoryStore();
  const { controller, published } = await startController(store);
  const groupId = "my group/\u{1F98A}\0%";
  assert.equal(await set(controller, [GROUP, groupId], { [SESSION]: "50000" }), "NONE");
  assert.deepEqual(published.at(-1)?.groups, [{ groupId, configs: { [SESSION]: "50000" } }]);
  assert.deepEqual(controller.image.groupConfigs(groupId), { [SESSION]: "50000" });
  const [key] = store.keys();
  assert.match(key ?? "", /^groups\/[\x21-\x7e]+$/);
  const restarted = await startController(store);
  assert.deepEqual(restarted.loaded.delta.groups, [{ groupId, configs: { [SESSION]: "50000" } }]);
  assert.equal(await set(restarted.controller, [GROUP, groupId], { [SESSION]: "60000" }), "NONE");
  assert.equal(await set(restarted.controller, [GROUP, groupId], { [SESSION]: null }), "NONE");
  assert.deepEqual([store.keys(), [...restarted.controller.image.configuredGroups()]], [[], []]);
  assert.equal(await set(restarted.controller, [GROUP, groupId], { [SESSION]: "60000" }), "NONE", "and comes again");
});

Deno.test("a change that waits for its turn longer than its timeout is answered with REQUEST_TIMED_OUT and does not happen", async () => {
  let nowMs = 0;
  let applied = () => {};
  const { controller, published } = await startController(new MemoryStore(), {
    nowMs: () => nowMs,
    publish: () => new Promise<void>((resolve) => applied = resolve),
  });
  const first = create(controller, "slow");
  while (published.length === 0) await Promise.resolve();
  const topics = [{ name: "late", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }];
  const create2 = { topics, timeoutMs: 1000, validateOnly: false };
  const second = controller.call("createTopics", { request: create2, apiVersion: 7 });
  const grow2 = { topics: [{ name: "slow", count: 2, assignments: null }], timeoutMs: 1000, validateOnly: false };
  const third = controller.call("createPartitions", { request: grow2 });
  const remove2 = { topics: [], topicNames: ["slow"], timeoutMs: 1000 };
  const fourth = controller.call("deleteTopics", { request: remove2, apiVersion: 6 });
  const patient = controller.call("createPartitions", { request: { ...grow2, timeoutMs: 1001 } });
  nowMs = 1001;
  applied();
  await first;
  const codes = [(await second).topics[0], (await third).results[0], (await fourth).responses[0]];
  assert.deepEqual(codes.map((result) => result?.errorCode), new Array(3).fill(errorCode.REQUEST_TIMED_OUT));
  assert.deepEqual(codes.map((result) => result?.name), ["late", "slow", "slow"]);
  while (published.length === 1) await Promise.resolve();
  applied();
  assert.equal((await patient).results[0]?.errorCode, errorCode.NONE);
  assert.equal(controller.image.topic("late"), undefined);
  assert.equal(controller.image.topic("slow")?.partitions.length, 2);
});

Deno.test("Controller over SQLite: every acknowledged change is in a shard's image after a restart", () =>
  withDirectory(async (directory) => {
    const open = async () => {
      const store = new SqliteStore(() => {});
      await store.open(join(directory, "metadata.sqlite"));
      return store;
    };
    {
      const store = await open();
      const { controller } = await startController(store);
      await create(controller, "t", 2);
      assert.equal(await grow(controller, "t", 3), "NONE");
      assert.equal(await set(controller, [TOPIC, "t"], { "retention.ms": "5" }), "NONE");
      assert.equal(await set(controller, [GROUP, "ä b"], { [SESSION]: "50000" }), "NONE");
      await store.close();
    }
    const store = await open();
    const { loaded } = await startController(store, { directories: new ListedDirectories() });
    const image = new MetadataImage();
    image.apply(structuredClone(loaded.delta));
    assert.deepEqual(image.topic("t")?.partitions.map(({ leaderEpoch }) => leaderEpoch), [1, 1, 1]);
    assert.deepEqual(image.topic("t")?.configs, { "retention.ms": "5" });
    assert.deepEqual(image.groupConfigs("ä b"), { [SESSION]: "50000" });
    await store.close();
  }));

Deno.test("handOverPartition() publishes the new shard and the old row, once the old shard has handed over, and stores nothing", async () => {
  const store = new MemoryStore();
  const handOver: [shard: number, slot: number][] = [];
  const answers = [true, false];
  const { controller, published } = await startController(store, {
    handOver: ({ shard, slot }) => Promise.resolve((handOver.push([shard, slot]), answers.shift() ?? true)),
  });
  const topicId = await create(controller, "t", 3);
  const committed = store.committed.length;
  assert.equal(await controller.handOverPartition({ topicId, partition: 1, shard: 0 }), true);
  const places = () => controller.image.topic("t")?.partitions.map(({ shard, slot }) => [shard, slot]);
  const moved = [[0, 0], [0, 1], [0, 2]];
  assert.deepEqual([places(), handOver, store.committed.length], [moved, [[1, 1]], committed]);
  assert.equal(published.at(-1)?.changed[0], controller.image.topic("t"));
  const count = published.length;
  assert.equal(await controller.handOverPartition({ topicId, partition: 0, shard: 1 }), false, "its shard keeps it");
  assert.equal(await controller.handOverPartition({ topicId, partition: 0, shard: 0 }), false, "it is there");
  assert.equal(await controller.handOverPartition({ topicId, partition: 3, shard: 0 }), false, "there is none");
  assert.equal(await controller.handOverPartition({ topicId: "none", partition: 0, shard: 1 }), false);
  await controller.call("autoCreateTopics", { names: ["__consumer_offsets"] });
  const offsets = controller.image.topic("__consumer_offsets");
  const [first] = offsets?.partitions ?? [];
  const toOther = { topicId: offsets?.id ?? "", partition: 0, shard: 1 - (first?.shard ?? 0) };
  assert.equal(await controller.handOverPartition(toOther), false, "groups are coordinated there");
  assert.deepEqual([places(), handOver.length, published.length], [moved, 2, count + 1]);
});

Deno.test("handOverPartition() waits for its turn: a topic that grew meanwhile is moved as it is then, a deleted one is not moved", async () => {
  const { controller, published } = await startController(new MemoryStore());
  const topicId = await create(controller, "t", 1);
  const [grown, moved, set_] = await Promise.all([
    grow(controller, "t", 2),
    controller.handOverPartition({ topicId, partition: 1, shard: 0 }),
    set(controller, [TOPIC, "t"], { "max.message.bytes": "2000" }),
  ]);
  assert.deepEqual([grown, moved, set_], ["NONE", true, "NONE"]);
  const last = published.at(-1)?.changed[0];
  assert.deepEqual(last?.partitions.map(({ shard }) => shard), [0, 0]);
  assert.deepEqual(last?.configs, { "max.message.bytes": "2000" });
  const request = { topics: [{ name: "t", topicId: ZERO_UUID }], topicNames: [], timeoutMs: 1000 };
  const [, late] = await Promise.all([
    controller.call("deleteTopics", { request, apiVersion: 6 }),
    controller.handOverPartition({ topicId, partition: 0, shard: 1 }),
  ]);
  assert.equal(late, false);
  assert.deepEqual(published.at(-1)?.deletedIds, [topicId]);
});

Deno.test("no partition is created without a descriptor: by CreateTopics, CreatePartitions, auto-creation, or for the offsets topic", async () => {
  const room = (count: number) => ({ count: Math.max(0, 52 - count), scarcity: "of the test" });
  const properties = { "auto.create.topics.enable": "true", "num.partitions": "3" };
  const { controller, reports } = await startController(new MemoryStore(), { properties, room });
  const auto = async (name: string) => {
    const [result] = await controller.call("autoCreateTopics", { names: [name] });
    return errorName(result?.errorCode ?? 0);
  };
  assert.notEqual(await create(controller, "t"), "");
  assert.equal(await grow(controller, "t", 53), "INVALID_PARTITIONS");
  assert.equal(await grow(controller, "t", 2), "NONE");
  assert.equal(await auto("__consumer_offsets"), "NONE", "the last 50");
  assert.equal(await auto("u"), "INVALID_PARTITIONS");
  const text = "This broker has no room for 3 partitions: 0 more fit, because of the test.";
  assert.deepEqual(reports, [`Cannot create topic u: ${text}`]);
  const topics = [{ name: "v", numPartitions: 3, replicationFactor: 1, assignments: [], configs: [] }];
  const request = { topics, timeoutMs: 1000, validateOnly: false };
  const [refused] = (await controller.call("createTopics", { request, apiVersion: 7 })).topics;
  assert.deepEqual([refused?.errorCode, refused?.errorMessage], [errorCode.INVALID_PARTITIONS, text]);
  await controller.call("deleteTopics", {
    request: { topics: [], topicNames: ["t"], timeoutMs: 1000 },
    apiVersion: 5,
  });
  assert.equal(await auto("__consumer_offsets"), "NONE");
  assert.equal(await grow(controller, "t", 3), "UNKNOWN_TOPIC_OR_PARTITION");
  assert.notEqual(await create(controller, "w", 2), "");
});

Deno.test("a setting of the broker is published before the topics that inherit it, some at a time, and is there after a restart", async () => {
  const store = new MemoryStore();
  const { controller, published } = await startController(store);
  for (let index = 0; index < 9; index++) await create(controller, `t${index}`, 100);
  published.length = 0;
  assert.equal(await set(controller, [BROKER, "1"], { "log.segment.bytes": "2097152" }), "NONE");
  const [stored, settings, ...parts] = published;
  assert.deepEqual([stored?.changed, stored?.brokerSettings], [[], undefined]);
  assert.equal(settings?.brokerSettings?.properties["log.segment.bytes"], "2097152");
  assert.deepEqual(parts.map(({ changed }) => changed.length), [4, 4, 1]);
  for (const { changed } of parts) for (const { logConfig } of changed) assert.equal(logConfig.segmentBytes, 2_097_152);
  published.length = 0;
  assert.equal(await set(controller, [BROKER, "1"], { "max.connections": "70" }), "NONE");
  assert.deepEqual(published.map(({ changed }) => changed.length), [0, 0], "topics inherit nothing of that");
  const again = await startController(store);
  assert.equal(again.loaded.delta.changed[0]?.logConfig.segmentBytes, 2_097_152);
  assert.deepEqual(again.reports, []);
});

Deno.test("Controller with a store of its own does not change settings that it cannot read, and starts with them", async () => {
  const store = new MemoryStore();
  const keys = ["broker-configs/1", "broker-configs/default"];
  await store.transact({ set: keys.map((key) => ({ key, value: '{"later":1}' })) });
  const { controller, reports } = await startController(store);
  assert.match(reports.join(), /broker 1 are not used: this version cannot read broker-configs\/1/);
  for (const name of ["1", ""]) {
    for (const value of ["70000", null]) {
      assert.equal(await set(controller, [BROKER, name], { "message.max.bytes": value }), "UNSUPPORTED_VERSION");
    }
  }
  for (const key of keys) assert.equal(store.entries.get(key)?.value, '{"later":1}');
});
