import { strict as assert } from "node:assert";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { ZERO_UUID } from "../../../net/protocol/text_cache.ts";
import { CheckpointError } from "../../directory/checkpoint_writer.ts";
import { resourceTypes } from "../../config/resource_types.ts";
import { configOperations } from "../configs/config_operations.ts";
import type { Controller } from "../controller.ts";
import { ListedDirectories, MemoryStore, startController } from "../controller_testing.ts";
import type { ImageDelta, PartitionFailure } from "../image.ts";
import { packAlterations } from "../configs/packed_alterations.ts";

const { KAFKA_STORAGE_ERROR, NONE } = errorCode;
const FULL = "Cannot write metadata store: the disk is full";
const refused = [KAFKA_STORAGE_ERROR, FULL];
const done = [NONE, null];

async function create(controller: Controller, names: readonly string[], numPartitions = 1): Promise<Outcomes> {
  const topics = names.map((name) => ({ name, numPartitions, replicationFactor: -1, assignments: [], configs: [] }));
  const request = { topics, timeoutMs: 1000, validateOnly: false };
  const { topics: results } = await controller.call("createTopics", { request, apiVersion: 7 });
  return outcomesOf(results);
}

async function remove(controller: Controller, names: readonly string[]): Promise<Outcomes> {
  const topics = names.map((name) => ({ name, topicId: ZERO_UUID }));
  const request = { topics, topicNames: [], timeoutMs: 1000 };
  return outcomesOf((await controller.call("deleteTopics", { request, apiVersion: 6 })).responses);
}

async function grow(controller: Controller, names: readonly string[], count: number): Promise<Outcomes> {
  const topics = names.map((name) => ({ name, count, assignments: null }));
  const request = { topics, timeoutMs: 1000, validateOnly: false };
  return outcomesOf((await controller.call("createPartitions", { request })).results);
}

async function alter(controller: Controller, resources: readonly (readonly [number, string])[]): Promise<Outcomes> {
  const configs = (type: number) =>
    type === resourceTypes.topic
      ? { name: "retention.ms", value: "5" }
      : { name: "consumer.session.timeout.ms", value: "50000" };
  const packed = packAlterations({
    resources: resources.map(([resourceType, resourceName]) => ({
      resourceType,
      resourceName,
      configs: [{ ...configs(resourceType), configOperation: configOperations.set }],
    })),
    validateOnly: false,
  }, false);
  return outcomesOf(await controller.call("alterConfigs", packed));
}

type Outcomes = (readonly [number, string | null])[];

function outcomesOf(results: readonly { errorCode: number; errorMessage?: string | null }[]): Outcomes {
  return results.map(({ errorCode: code, errorMessage = null }) => [code, errorMessage]);
}

/** What the store and the image hold. */
function stateOf(store: MemoryStore, controller: Controller): unknown {
  const topics = [...controller.image.topics()];
  const groups = [...controller.image.configuredGroups()];
  return structuredClone({ entries: [...store.entries], topics, groups, partitions: controller.partitionsCount });
}

/** Every change, the names that it works on, and a part of the same request that is refused for another reason. */
const changes: { name: string; make: (controller: Controller) => Promise<Outcomes>; outcomes: number }[] = [
  { name: "createTopics", make: (controller) => create(controller, ["new", "newer"], 3), outcomes: 2 },
  { name: "deleteTopics", make: (controller) => remove(controller, ["a", "b"]), outcomes: 2 },
  { name: "createPartitions", make: (controller) => grow(controller, ["a", "b"], 4), outcomes: 2 },
  {
    name: "alterConfigs",
    make: (controller) => alter(controller, [[resourceTypes.topic, "a"], [resourceTypes.group, "g"]]),
    outcomes: 2,
  },
];

for (const { name, make, outcomes } of changes) {
  Deno.test(`${name} answers KAFKA_STORAGE_ERROR with a sentence when the disk is full, changes nothing, and works with room again`, async () => {
    const store = new MemoryStore();
    const { controller, published } = await startController(store);
    await create(controller, ["a", "b"]);
    const [before, publishedBefore] = [stateOf(store, controller), published.length];
    store.refusal = () => FULL;
    for (let i = 0; i < 2; i++) assert.deepEqual(await make(controller), new Array(outcomes).fill(refused));
    assert.deepEqual([stateOf(store, controller), published.length], [before, publishedBefore]);
    store.refusal = () => null;
    assert.deepEqual(await make(controller), new Array(outcomes).fill(done));
  });
}

Deno.test("parts of a request that are refused for another reason keep their code when the disk is full", async () => {
  const store = new MemoryStore();
  const { controller } = await startController(store);
  await create(controller, ["a"]);
  store.refusal = () => FULL;
  const codes = (outcomes: Outcomes) => outcomes.map(([code]) => code);
  const { TOPIC_ALREADY_EXISTS, UNKNOWN_TOPIC_OR_PARTITION, INVALID_PARTITIONS } = errorCode;
  assert.deepEqual(codes(await create(controller, ["a", "n"])), [TOPIC_ALREADY_EXISTS, KAFKA_STORAGE_ERROR]);
  assert.deepEqual(codes(await remove(controller, ["x", "a"])), [UNKNOWN_TOPIC_OR_PARTITION, KAFKA_STORAGE_ERROR]);
  assert.deepEqual(codes(await grow(controller, ["x"], 9)), [UNKNOWN_TOPIC_OR_PARTITION]);
  assert.deepEqual(codes(await grow(controller, ["a"], 1)), [INVALID_PARTITIONS]);
  const altered = await alter(controller, [[resourceTypes.topic, "x"], [resourceTypes.topic, "a"]]);
  assert.deepEqual(codes(altered), [UNKNOWN_TOPIC_OR_PARTITION, KAFKA_STORAGE_ERROR]);
});

Deno.test("on a full disk automatic creations are refused and reported, and no producer ids are allocated", async () => {
  const store = new MemoryStore();
  const { controller, reports } = await startController(store);
  store.refusal = () => FULL;
  const names = ["auto", "__consumer_offsets"];
  const codes = names.map((name) => ({ name, errorCode: KAFKA_STORAGE_ERROR }));
  assert.deepEqual(await controller.call("autoCreateTopics", { names }), codes);
  assert.deepEqual(reports, names.map((name) => `Cannot create topic ${name}: ${FULL}`));
  await assert.rejects(controller.call("allocateProducerIds", {}), { message: FULL });
  store.refusal = () => null;
  assert.equal((await controller.call("allocateProducerIds", {})).firstId, 0, "no id is lost");
  assert.deepEqual((await controller.call("autoCreateTopics", { names })).map(({ errorCode: code }) => code), [0, 0]);
});

Deno.test("a store that fails for good refuses the change as a failure of the control plane, not of the disk alone", async () => {
  const store = new MemoryStore();
  const { controller } = await startController(store);
  store.failure = "it is damaged";
  for (const { make } of changes.slice(0, 1)) await assert.rejects(make(controller), /damaged/);
  await create(controller, []);
});

/** A shard that has no room for files of some partitions. */
class FullShard {
  /** Names of topics whose new partitions get no files. */
  readonly full = new Set<string>();
  /** The partition that gets none; the last one by default. */
  failed: number | null = null;

  readonly publish = ({ changed }: ImageDelta): Promise<readonly PartitionFailure[]> => {
    const failed = changed.filter(({ name }) => this.full.has(name));
    this.full.clear();
    return Promise.resolve(failed.map(({ id, name, partitions }) => {
      const partition = this.failed ?? partitions.length - 1;
      return { topicId: id, partition, text: `Cannot open ${name}-${partition}: no space` };
    }));
  };
}

Deno.test("createTopics undoes the creation of a topic whose files got no room, and creates the others of the request", async () => {
  const store = new MemoryStore();
  const shard = new FullShard();
  const directories = new ListedDirectories();
  const { controller, published } = await startController(store, { publish: shard.publish, directories });
  shard.full.add("b");
  const outcomes = await create(controller, ["a", "b", "c"], 2);
  assert.deepEqual(outcomes, [done, [KAFKA_STORAGE_ERROR, "Cannot open b-1: no space"], done]);
  assert.deepEqual([...controller.image.topics()].map(({ name }) => name), ["a", "c"]);
  assert.deepEqual([controller.partitionsCount, published.at(-1)?.deletedIds.length], [4, 1]);
  assert.deepEqual(store.keys().filter((key) => /^topics|^deleted/.test(key)).length, 3);
  assert(!directories.actions.includes("remove b-0"), "a directory of that name is not the new topic's");
  assert.deepEqual(await create(controller, ["b"], 2), [done]);
});

Deno.test("an undone creation removes the directories with the topic's id, and no others", async () => {
  const store = new MemoryStore();
  const shard = new FullShard();
  const directories = new ListedDirectories();
  const identities = new Map([["b-0", "another"], ["b-1", ""]]);
  const { controller } = await startController(store, {
    publish: ({ changed, ...rest }) => {
      for (const { id, name } of changed) if (name === "b") identities.set("b-1", id);
      return shard.publish({ changed, ...rest });
    },
    directories: Object.assign(directories, {
      identify: ({ topic, partition }: { topic: string; partition: number }) =>
        Promise.resolve({ topicId: identities.get(`${topic}-${partition}`) ?? null, latestLeaderEpoch: -1 }),
    }),
  });
  shard.full.add("b");
  await create(controller, ["b"], 3);
  assert.deepEqual(directories.actions, ["remove b-1", "sync"]);
});

Deno.test("createPartitions undoes the growth of a topic whose files got no room", async () => {
  const store = new MemoryStore();
  const shard = new FullShard();
  const { controller, published } = await startController(store, { publish: shard.publish });
  await create(controller, ["a", "b"], 2);
  const before = stateOf(store, controller) as { topics: unknown };
  shard.full.add("a");
  const outcomes = await grow(controller, ["a", "b"], 5);
  assert.deepEqual(outcomes, [[KAFKA_STORAGE_ERROR, "Cannot open a-4: no space"], done]);
  assert.deepEqual([...controller.image.topics()].map(({ partitions }) => partitions.length), [2, 5]);
  assert.deepEqual(published.at(-1)?.changed.map(({ name, partitions }) => [name, partitions.length]), [["a", 2]]);
  assert.deepEqual(controller.partitionsCount, 7);
  const { topics } = stateOf(store, controller) as { topics: unknown };
  assert.deepEqual((topics as unknown[])[0], (before.topics as unknown[])[0]);
  assert.deepEqual(await grow(controller, ["a"], 5), [done]);
  shard.failed = 4;
  shard.full.add("a");
  assert.deepEqual(await grow(controller, ["a"], 6), [done], "an old partition that is offline refuses no new ones");
  assert.deepEqual(await remove(controller, ["a", "b"]), [done, done], "rows and versions fit");
  assert.equal(store.keys().filter((key) => key.startsWith("partitions/")).length, 0);
});

Deno.test("a creation that cannot be undone is refused and reported, and the topic can be deleted later", async () => {
  const store = new MemoryStore();
  const shard = new FullShard();
  const { controller, reports } = await startController(store, { publish: shard.publish });
  shard.full.add("a");
  store.refusal = ({ delete: deleted = [] }) => deleted.length > 0 ? FULL : null;
  assert.deepEqual(await create(controller, ["a"]), [[KAFKA_STORAGE_ERROR, "Cannot open a-0: no space"]]);
  assert.deepEqual(reports, [`New partitions stay offline: ${FULL}`]);
  store.refusal = () => null;
  assert.deepEqual(await remove(controller, ["a"]), [done]);
  assert.deepEqual([...controller.image.topics()], []);
});

Deno.test("deleteTopics succeeds when a checkpoint is refused, and no topic is created before it is written", async () => {
  const store = new MemoryStore();
  let isFull = true;
  let written = 0;
  const { controller, reports } = await startController(store, {
    saveCheckpoints: () => {
      if (isFull) return Promise.reject(new CheckpointError("Cannot write checkpoint x: no space"));
      return Promise.resolve(void written++);
    },
  });
  await create(controller, ["a"]);
  assert.deepEqual(await remove(controller, ["a"]), [done]);
  assert.deepEqual(reports, [
    "No partition can be created until the checkpoints are written: Cannot write checkpoint x: no space",
  ]);
  assert.deepEqual(await create(controller, ["a"]), [[KAFKA_STORAGE_ERROR, "Cannot write checkpoint x: no space"]]);
  isFull = false;
  assert.deepEqual([await create(controller, ["a"]), written], [[done], 1]);
  assert.deepEqual([await create(controller, ["b"]), written], [[done], 1]);
});

Deno.test("deleteTopics keeps the row of a deleted topic whose directories could not be removed durably", async () => {
  const store = new MemoryStore();
  let isFull = true;
  const directories = Object.assign(new ListedDirectories(), {
    sync: () => isFull ? Promise.reject(new Deno.errors.PermissionDenied("no")) : Promise.resolve(),
  });
  const { controller, reports } = await startController(store, { directories });
  await create(controller, ["a", "b"]);
  assert.deepEqual(await remove(controller, ["a"]), [done]);
  assert.equal(reports.length, 1);
  isFull = false;
  assert.deepEqual(await remove(controller, ["b"]), [done]);
  await create(controller, ["c"]);
  assert.equal(store.keys().filter((key) => key.startsWith("deleted/")).length, 1, "the next start removes them");
});
