import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type MetadataRequest,
  type MetadataResponse,
  OPERATIONS_NOT_REQUESTED,
} from "../protocol/messages/03_metadata.ts";
import { randomUuid } from "../../storage/base/uuid.ts";
import { ZERO_UUID } from "../protocol/text_cache.ts";
import type { SlicedWork } from "../requests/slices.ts";
import { handleMetadata } from "./03_metadata.ts";
import {
  context,
  OTHER_TOPIC_ID,
  servedVersions,
  type TestServices,
  testServices,
  TOPIC_ID,
  topicImage,
  WireExchange,
} from "./handler_testing.ts";

function ask(names: (string | null)[] | null, changes: Partial<MetadataRequest> = {}): MetadataRequest {
  return {
    topics: names === null ? null : names.map((name) => ({ name, topicId: ZERO_UUID })),
    allowAutoTopicCreation: false,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
    ...changes,
  };
}

function handle(request: MetadataRequest, version: number, { services }: TestServices, connection = context()) {
  const exchange = new WireExchange<MetadataResponse>(3, version, connection);
  handleMetadata(request, exchange, services);
  return exchange;
}

const shard = testServices([topicImage("a", TOPIC_ID, 2), topicImage("__consumer_offsets", OTHER_TOPIC_ID)]);

for (const version of servedVersions(3)) {
  Deno.test(`handleMetadata() v${version} describes broker, topics and partitions`, () => {
    const { answer } = handle(ask(["a", "__consumer_offsets"]), version, shard);
    assert.deepEqual(answer.brokers, [{ nodeId: 1, host: "192.0.2.7", port: 19092, rack: null }]);
    assert.equal(answer.clusterId, version >= 2 ? "test-cluster" : null);
    assert.equal(answer.controllerId, version >= 1 ? 1 : -1);
    const [a, offsets] = answer.topics;
    assert.deepEqual([a?.name, a?.errorCode, a?.isInternal], ["a", errorCode.NONE, false]);
    assert.equal(a?.topicId, version >= 10 ? TOPIC_ID : ZERO_UUID);
    assert.equal(offsets?.isInternal, version >= 1);
    assert.deepEqual(a?.partitions.map(({ partitionIndex }) => partitionIndex), [0, 1]);
    for (const partition of a?.partitions ?? []) {
      assert.deepEqual([partition.errorCode, partition.leaderId], [errorCode.NONE, 1]);
      assert.equal(partition.leaderEpoch, version >= 7 ? 3 : -1);
      assert.deepEqual([partition.replicaNodes, partition.isrNodes, partition.offlineReplicas], [[1], [1], []]);
    }
  });

  Deno.test(`handleMetadata() v${version} distinguishes an unknown name from an invalid one`, () => {
    const { answer } = handle(ask(["none", "no/name"]), version, shard);
    assert.deepEqual(answer.topics.map(({ name, errorCode: code, partitions }) => [name, code, partitions]), [
      ["none", errorCode.UNKNOWN_TOPIC_OR_PARTITION, []],
      ["no/name", errorCode.INVALID_TOPIC_EXCEPTION, []],
    ]);
  });
}

Deno.test("handleMetadata() treats an empty list as all topics in v0 only, and null as all from v1 on", () => {
  const count = (names: string[] | null, version: number) => handle(ask(names), version, shard).answer.topics.length;
  assert.deepEqual([count([], 0), count([], 1), count([], 13)], [2, 0, 0]);
  assert.deepEqual([count(null, 1), count(null, 13)], [2, 2]);
});

Deno.test("handleMetadata() answers a name once, however often it is asked for", () => {
  assert.equal(handle(ask(["a", "a", "none", "none"]), 9, shard).answer.topics.length, 2);
});

Deno.test("handleMetadata() finds topics by id from v12 on, and then by ids alone", () => {
  const unknown = "YmJiYmJiYmJiYmJiYmJiYg";
  const request = ask([], {
    topics: [TOPIC_ID, unknown, ZERO_UUID].map((topicId) => ({ topicId, name: topicId === ZERO_UUID ? "none" : null })),
  });
  for (const version of [12, 13]) {
    const { answer } = handle(request, version, shard);
    assert.deepEqual(answer.topics.map(({ name, topicId, errorCode: code }) => [name, topicId, code]), [
      ["a", TOPIC_ID, errorCode.NONE],
      [null, unknown, errorCode.UNKNOWN_TOPIC_ID],
    ]);
  }
});

Deno.test("handleMetadata() refuses ids and null names in v10 and v11, which have the field but no meaning for it", () => {
  for (const version of [10, 11]) {
    const topics = [{ name: "a", topicId: TOPIC_ID }, { name: null, topicId: ZERO_UUID }];
    const { answer } = handle(ask([], { topics }), version, shard);
    assert.deepEqual(answer.topics.map(({ name, errorCode: code }) => [name, code]), [
      ["a", errorCode.INVALID_REQUEST],
      ["", errorCode.INVALID_REQUEST],
    ]);
  }
});

Deno.test("handleMetadata() refuses a topic without name and id", () => {
  const { answer } = handle(ask([null, "a"]), 12, shard);
  assert.deepEqual(answer.topics.map(({ errorCode: code }) => code), [errorCode.INVALID_REQUEST, errorCode.NONE]);
});

Deno.test("handleMetadata() returns authorized operations when asked, those of the cluster in v8 to v10 only", () => {
  const request = ask(["a", "none"], {
    includeTopicAuthorizedOperations: true,
    includeClusterAuthorizedOperations: true,
  });
  for (const version of [8, 10, 11, 13]) {
    const { answer } = handle(request, version, shard);
    // The bits of all operations that Kafka knows for a topic, and for the cluster.
    assert.equal(answer.topics[0]?.topicAuthorizedOperations, 0b1101_1111_1000);
    assert.equal(answer.clusterAuthorizedOperations, version <= 10 ? 0b1_1111_1010_0000 : OPERATIONS_NOT_REQUESTED);
  }
  const silent = handle(ask(["a"]), 9, shard).answer;
  assert.equal(silent.topics[0]?.topicAuthorizedOperations, OPERATIONS_NOT_REQUESTED);
  assert.equal(silent.clusterAuthorizedOperations, OPERATIONS_NOT_REQUESTED);
});

Deno.test("handleMetadata() advertises advertised.listeners by the listener's name, otherwise the address of the connection", () => {
  const advertised = testServices([], {
    properties: {
      "listeners": "PLAINTEXT://127.0.0.1:9092,OUTSIDE://127.0.0.1:9093",
      "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,OUTSIDE:PLAINTEXT",
      "advertised.listeners": "OUTSIDE://kafka.example.org:443",
    },
  });
  const brokers = (listenerName: string) => handle(ask([]), 9, advertised, context({ listenerName })).answer.brokers;
  assert.deepEqual(brokers("OUTSIDE"), [{ nodeId: 1, host: "kafka.example.org", port: 443, rack: null }]);
  assert.deepEqual(brokers("PLAINTEXT"), [{ nodeId: 1, host: "192.0.2.7", port: 19092, rack: null }]);
});

Deno.test("handleMetadata() delays the answer until a created topic has its leader", () => {
  const test = testServices([topicImage("a", TOPIC_ID)]);
  const exchange = handle(ask(["a", "new", "no/name", "new"], { allowAutoTopicCreation: true }), 9, test);
  assert.equal(exchange.isAnswered, false);
  const client = { principal: "User:ANONYMOUS", clientId: "test", isStrict: true };
  assert.deepEqual(test.calls.map(({ name, args }) => [name, args]), [["autoCreateTopics", {
    names: ["new"],
    client,
  }]]);
  test.services.image.apply({ changed: [topicImage("new", OTHER_TOPIC_ID)], deletedIds: [] });
  test.calls[0]?.answer([{ name: "new", errorCode: errorCode.NONE }]);
  assert.deepEqual(exchange.answer.topics.map(({ name, errorCode: code }) => [name, code]), [
    ["a", errorCode.NONE],
    ["new", errorCode.NONE],
    ["no/name", errorCode.INVALID_TOPIC_EXCEPTION],
  ]);
  assert.equal(exchange.answer.topics[1]?.partitions[0]?.leaderId, 1);
});

Deno.test("handleMetadata() returns the code for which a topic could not be created, and -1 when the reason is unknown", () => {
  const test = testServices();
  const refused = handle(ask(["new"], { allowAutoTopicCreation: true }), 9, test);
  test.calls[0]?.answer([{ name: "new", errorCode: errorCode.INVALID_REPLICATION_FACTOR }]);
  assert.equal(refused.answer.topics[0]?.errorCode, errorCode.INVALID_REPLICATION_FACTOR);
  const failed = handle(ask(["new"], { allowAutoTopicCreation: true }), 9, test);
  test.calls[1]?.answer({ failure: "the disk is full" });
  assert.equal(failed.answer.topics[0]?.errorCode, errorCode.UNKNOWN_SERVER_ERROR);
  for (const code of [errorCode.KAFKA_STORAGE_ERROR, errorCode.THROTTLING_QUOTA_EXCEEDED]) {
    const later = handle(ask(["new"], { allowAutoTopicCreation: true }), 9, test);
    test.calls.pop()?.answer([{ name: "new", errorCode: code }]);
    assert.equal(later.answer.topics[0]?.errorCode, errorCode.LEADER_NOT_AVAILABLE, "every client asks again then");
  }
  const deleted = handle(ask(["new"], { allowAutoTopicCreation: true }), 9, test);
  test.calls[2]?.answer([{ name: "new", errorCode: errorCode.NONE }]);
  assert.equal(deleted.answer.topics[0]?.errorCode, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
});

Deno.test("handleMetadata() creates topics only when broker and client both want it, and none for all topics or ids", () => {
  const off = testServices([], { properties: { "auto.create.topics.enable": "false" } });
  const on = testServices();
  const creating = { allowAutoTopicCreation: true };
  assert.ok(handle(ask(["new"], creating), 9, off).isAnswered);
  assert.ok(handle(ask(["new"]), 9, on).isAnswered);
  assert.ok(handle(ask(null, creating), 9, on).isAnswered);
  assert.ok(handle(ask([], { ...creating, topics: [{ name: "n", topicId: TOPIC_ID }] }), 12, on).isAnswered);
  assert.deepEqual([...off.calls, ...on.calls], []);
});

Deno.test("handleMetadata() returns LEADER_NOT_AVAILABLE for a partition that another node leads", () => {
  const topic = topicImage("a", TOPIC_ID);
  const [partition] = topic.partitions;
  assert.ok(partition !== undefined);
  const moved = { ...topic, partitions: [{ ...partition, leader: 2, replicas: [1, 2] }] };
  const [described] = handle(ask(["a"]), 9, testServices([moved])).answer.topics;
  const found = described?.partitions[0];
  assert.deepEqual([found?.errorCode, found?.leaderId, found?.offlineReplicas], [
    errorCode.LEADER_NOT_AVAILABLE,
    -1,
    [2],
  ]);
});

Deno.test("handleMetadata() looks up a few topics a step, by name, by id and of all, and answers in order", () => {
  const images = Array.from({ length: 700 }, (_, index) => topicImage(`t${index}`, randomUuid()));
  const { services } = testServices(images);
  const lengths: number[] = [];
  const slices = {
    ...services.slices,
    run: (work: SlicedWork) => {
      let steps = 1;
      while (work.step()) steps++;
      lengths.push(steps);
      work.finish();
    },
  };
  const names = images.map(({ name }) => name);
  const byId = { topics: images.map(({ id }) => ({ name: null, topicId: id })) };
  for (const request of [ask(names), ask(null), ask([], byId)]) {
    const { answer } = handle(request, 12, { ...shard, services: { ...services, slices } });
    assert.deepEqual(answer.topics.map(({ name }) => name), names);
  }
  assert.deepEqual(lengths, [3, 3, 3]);
  const twice = handle(ask([...names, ...names]), 12, { ...shard, services: { ...services, slices } });
  assert.deepEqual(twice.answer.topics.map(({ name }) => name), names);
  assert.equal(lengths.pop(), 3, "a name that was found is not counted again");
  assert.equal(
    handle(ask(names.slice(0, 256)), 12, { ...shard, services: { ...services, slices } }).answer.topics.length,
    256,
  );
  assert.equal(lengths.length, 3, "a request of few topics is answered at once");
});

Deno.test("handleMetadata() looks for missing topics a few a step, and creates each once", () => {
  const test = testServices();
  const steps = { run: 0, resume: 0 };
  const inSteps = (how: "run" | "resume") => (work: SlicedWork) => {
    do steps[how]++; while (work.step());
    work.finish();
  };
  const slices = { ...test.services.slices, run: inSteps("run"), resume: inSteps("resume") };
  const names = Array.from({ length: 600 }, (_, index) => `n${index}`);
  const at = { ...test, services: { ...test.services, slices } };
  const exchange = handle(ask([...names, ...names], { allowAutoTopicCreation: true }), 12, at);
  assert.deepEqual(test.calls.map(({ args }) => (args as { names: string[] }).names), [names]);
  test.calls[0]?.answer(names.map((name) => ({ name, errorCode: errorCode.INVALID_REPLICATION_FACTOR })));
  assert.deepEqual(exchange.answer.topics.map(({ name }) => name), names);
  assert.deepEqual(steps, { run: 3, resume: 3 });
});

Deno.test("handleMetadata() describes no more topics once the answer has more bytes than an answer may have", () => {
  let steps = 1;
  const run = (work: SlicedWork) => {
    while (work.step()) steps++;
    work.finish();
  };
  const { services } = shard;
  const names = Array.from({ length: 1024 }, (_, index) => String(index).padStart(32_000, "n"));
  const at = { ...shard, services: { ...services, slices: { ...services.slices, run } } };
  const { answer } = handle(ask(names), 12, at);
  assert.deepEqual([steps, answer.topics.length], [3, 768]);
});
