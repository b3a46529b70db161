import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import type {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
} from "../protocol/messages/75_describe_topic_partitions.ts";
import { ZERO_UUID } from "../protocol/text_cache.ts";
import { handleDescribeTopicPartitions } from "./75_describe_topic_partitions.ts";
import { OTHER_TOPIC_ID, testServices, TOPIC_ID, topicImage, WireExchange } from "./handler_testing.ts";

const images = [
  topicImage("b", TOPIC_ID, 3),
  topicImage("a", OTHER_TOPIC_ID, 2),
  topicImage("c", "YmJiYmJiYmJiYmJiYmJiYg", 1),
];

function describe(
  names: string[],
  changes: Partial<DescribeTopicPartitionsRequest> = {},
  properties: Record<string, string> = {},
): DescribeTopicPartitionsResponse {
  const { services } = testServices(images, { properties });
  const exchange = new WireExchange<DescribeTopicPartitionsResponse>(75, 0);
  const topics = names.map((name) => ({ name }));
  handleDescribeTopicPartitions({ topics, responsePartitionLimit: 2000, cursor: null, ...changes }, exchange, services);
  return exchange.answer;
}

/** A page as "name:0,1" for each topic, and its cursor as "name:2". */
function pageOf({ topics, nextCursor }: DescribeTopicPartitionsResponse): [topics: string[], next: string | null] {
  const shown = topics.map(({ name, partitions }) => `${name}:${partitions.map((it) => it.partitionIndex).join()}`);
  return [shown, nextCursor ? `${nextCursor.topicName}:${nextCursor.partitionIndex}` : null];
}

Deno.test("handleDescribeTopicPartitions() returns a topic's id, leaders, replicas and authorized operations", () => {
  const [topic] = describe(["c"]).topics;
  assert.deepEqual([topic?.errorCode, topic?.name, topic?.topicId, topic?.isInternal], [0, "c", images[2]?.id, false]);
  assert.ok((topic?.topicAuthorizedOperations ?? 0) > 0);
  assert.deepEqual(topic?.partitions, [{
    errorCode: errorCode.NONE,
    partitionIndex: 0,
    leaderId: 1,
    leaderEpoch: 3,
    replicaNodes: [1],
    isrNodes: [1],
    eligibleLeaderReplicas: [],
    lastKnownElr: [],
    offlineReplicas: [],
  }]);
});

Deno.test("handleDescribeTopicPartitions() sorts by name, names each topic once, and treats an empty list as all", () => {
  assert.deepEqual(pageOf(describe(["c", "a", "c"])), [["a:0,1", "c:0"], null]);
  assert.deepEqual(pageOf(describe([])), [["a:0,1", "b:0,1,2", "c:0"], null]);
});

Deno.test("handleDescribeTopicPartitions() pages through all partitions, each once, for every size of page", () => {
  for (let responsePartitionLimit = 1; responsePartitionLimit <= 7; responsePartitionLimit++) {
    const seen: string[] = [];
    let cursor: DescribeTopicPartitionsRequest["cursor"] = null;
    for (let page = 0; page < 10; page++) {
      const answer = describe([], { responsePartitionLimit, cursor });
      for (const { name, partitions } of answer.topics) {
        assert.ok(partitions.length > 0);
        seen.push(...partitions.map(({ partitionIndex }) => `${name}${partitionIndex}`));
      }
      const count = answer.topics.reduce((sum, { partitions }) => sum + partitions.length, 0);
      assert.ok(count <= responsePartitionLimit);
      cursor = answer.nextCursor ?? null;
      if (cursor === null) break;
      assert.equal(count, responsePartitionLimit, "a page that is not the last is full");
    }
    assert.deepEqual(seen, ["a0", "a1", "b0", "b1", "b2", "c0"], `pages of ${responsePartitionLimit}`);
  }
});

Deno.test("handleDescribeTopicPartitions() describes many topics and a large one in several steps, and pages are the same", () => {
  const names = Array.from({ length: 1200 }, (_, number) => `t${String(number).padStart(4, "0")}`);
  const many = names.map((name, number) => topicImage(name, `id-${number}`.padEnd(22, "A"), 1));
  const { services } = testServices([topicImage("big", TOPIC_ID, 1500), ...many.toReversed()]);
  let stepsCount = 0;
  const run: typeof services.slices.run = (work) => {
    for (stepsCount = 1; work.step();) stepsCount++;
    work.finish();
  };
  const found: string[] = [];
  let cursor: DescribeTopicPartitionsRequest["cursor"] = null;
  do {
    const exchange = new WireExchange<DescribeTopicPartitionsResponse>(75, 0);
    const slices = { ...services.slices, run };
    const request = { topics: [], responsePartitionLimit: 1000, cursor };
    handleDescribeTopicPartitions(request, exchange, { ...services, slices });
    const { topics, nextCursor } = exchange.answer;
    for (const { name, partitions } of topics) {
      for (const { partitionIndex } of partitions) found.push(`${name}-${partitionIndex}`);
    }
    assert.ok(stepsCount >= 5, `${stepsCount} steps`);
    cursor = nextCursor ?? null;
  } while (cursor !== null);
  const expected = [
    ...Array.from({ length: 1500 }, (_, partition) => `big-${partition}`),
    ...names.map((name) => `${name}-0`),
  ];
  assert.deepEqual(found, expected);
});

Deno.test("handleDescribeTopicPartitions() goes on behind topics that are deleted while it describes others", () => {
  const names = ["a", "b", "c", "d"];
  const test = testServices(names.map((name, number) => topicImage(name, `id-${number}`.padEnd(22, "A"), 1)));
  const run: typeof test.services.slices.run = (work) => {
    for (let isFirst = true; work.step(); isFirst = false) {
      if (isFirst) {
        test.services.image.apply({ changed: [], deletedIds: ["id-0".padEnd(22, "A"), "id-1".padEnd(22, "A")] });
      }
    }
    work.finish();
  };
  const exchange = new WireExchange<DescribeTopicPartitionsResponse>(75, 0);
  const services = { ...test.services, slices: { ...test.services.slices, run } };
  handleDescribeTopicPartitions({ topics: [], responsePartitionLimit: 2, cursor: null }, exchange, services);
  assert.deepEqual(pageOf(exchange.answer), [[], "c:0"]);
});

Deno.test("handleDescribeTopicPartitions() never returns more partitions than the broker's limit, nor less than one", () => {
  const properties = { "max.request.partition.size.limit": "2" };
  assert.deepEqual(pageOf(describe([], {}, properties)), [["a:0,1"], "b:0"]);
  for (const responsePartitionLimit of [0, -5]) {
    assert.deepEqual(pageOf(describe([], { responsePartitionLimit })), [["a:0"], "a:1"]);
  }
});

Deno.test("handleDescribeTopicPartitions() continues at the cursor, also when its topic is gone or has fewer partitions", () => {
  const at = (topicName: string, partitionIndex: number) => ({ cursor: { topicName, partitionIndex } });
  assert.deepEqual(pageOf(describe([], at("b", 1))), [["b:1,2", "c:0"], null]);
  assert.deepEqual(pageOf(describe([], at("aa", 1))), [["b:0,1,2", "c:0"], null]);
  assert.deepEqual(pageOf(describe(["a", "b"], at("b", 3))), [["b:"], null]);
});

Deno.test("handleDescribeTopicPartitions() answers unknown and impossible names as Metadata does", () => {
  const { topics, nextCursor } = describe(["none", "a/b", "__consumer_offsets", "a"]);
  assert.equal(nextCursor, null);
  const shown = topics.map(({ name, errorCode: code, topicId, isInternal }) => [name, code, topicId, isInternal]);
  assert.deepEqual(shown, [
    ["__consumer_offsets", errorCode.UNKNOWN_TOPIC_OR_PARTITION, ZERO_UUID, true],
    ["a", errorCode.NONE, OTHER_TOPIC_ID, false],
    ["a/b", errorCode.INVALID_TOPIC_EXCEPTION, ZERO_UUID, false],
    ["none", errorCode.UNKNOWN_TOPIC_OR_PARTITION, ZERO_UUID, false],
  ]);
});

Deno.test("handleDescribeTopicPartitions() refuses a cursor that is not in the list or names a negative partition, in every topic", () => {
  for (const cursor of [{ topicName: "c", partitionIndex: 0 }, { topicName: "a", partitionIndex: -1 }]) {
    const { topics, nextCursor } = describe(["a", "b"], { cursor });
    assert.deepEqual(topics.map(({ name, errorCode: code }) => [name, code]), [
      ["a", errorCode.INVALID_REQUEST],
      ["b", errorCode.INVALID_REQUEST],
    ]);
    assert.equal(nextCursor, null);
  }
});
