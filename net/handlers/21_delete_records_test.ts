import assert from "node:assert/strict";
import type { deleteRecords } from "../../partitions/questions/delete_records.ts";
import { toOffset } from "../../storage/base/units.ts";
import { errorCode } from "../protocol/error_codes.ts";
import type { DeleteRecordsRequest, DeleteRecordsResponse } from "../protocol/messages/21_delete_records.ts";
import { handleDeleteRecords } from "./21_delete_records.ts";
import {
  askedPartitions,
  OTHER_TOPIC_ID,
  servedVersions,
  testServices,
  TOPIC_ID,
  topicImage,
  WireExchange,
} from "./handler_testing.ts";

const topics = [
  topicImage("t", TOPIC_ID, 3),
  { ...topicImage("compacted", OTHER_TOPIC_ID), configs: { "cleanup.policy": "compact" } },
  { ...topicImage("both", OTHER_TOPIC_ID), configs: { "cleanup.policy": "compact,delete" } },
  { ...topicImage("kept", OTHER_TOPIC_ID), configs: { "cleanup.policy": "" } },
  topicImage("__consumer_offsets", OTHER_TOPIC_ID),
];

function run(asked: DeleteRecordsRequest["topics"], version = 2) {
  const { partitions, asked: deletions } = askedPartitions<typeof deleteRecords>();
  const exchange = new WireExchange<DeleteRecordsResponse>(21, version);
  const { services, calls } = testServices(topics, { partitions });
  handleDeleteRecords({ topics: asked, timeoutMs: 1000 }, exchange, services);
  return { exchange, calls, deletions };
}

function of(name: string, ...partitions: [partitionIndex: number, offset: number][]) {
  return { name, partitions: partitions.map(([partitionIndex, offset]) => ({ partitionIndex, offset })) };
}

for (const version of servedVersions(21)) {
  Deno.test(`handleDeleteRecords() v${version} answers when every partition has answered and its log start is durable`, () => {
    const { exchange, calls, deletions } = run([of("t", [0, 5], [2, -1])], version);
    assert.deepEqual(deletions.map(({ slot, ask }) => [slot, ask.offset]), [[0, 5], [2, -1]]);
    const [first, second] = deletions;
    second?.waiter.onAnswer(second.tag, { refusal: null, logStartOffset: toOffset(77), lowWatermark: toOffset(77) });
    assert.equal(calls.length, 0);
    first?.waiter.onAnswer(first.tag, {
      refusal: "offset-out-of-range",
      logStartOffset: toOffset(-1),
      lowWatermark: toOffset(-1),
    });
    assert.deepEqual([calls.map(({ name }) => name), exchange.isAnswered], [["saveLogStarts"], false]);
    calls[0]?.answer({});
    assert.deepEqual(exchange.answer.topics, [{
      name: "t",
      partitions: [
        { partitionIndex: 0, lowWatermark: -1, errorCode: errorCode.OFFSET_OUT_OF_RANGE },
        { partitionIndex: 2, lowWatermark: 77, errorCode: errorCode.NONE },
      ],
    }]);
  });
}

Deno.test("handleDeleteRecords() answers KAFKA_STORAGE_ERROR for moved log starts when their checkpoint cannot be written", () => {
  const { exchange, calls, deletions } = run([of("t", [0, 5], [9, 5])]);
  deletions[0]?.waiter.onAnswer(deletions[0].tag, {
    refusal: null,
    logStartOffset: toOffset(5),
    lowWatermark: toOffset(5),
  });
  calls[0]?.answer({ failure: "the disk is full" });
  assert.deepEqual(exchange.answer.topics[0]?.partitions, [
    { partitionIndex: 0, lowWatermark: -1, errorCode: errorCode.KAFKA_STORAGE_ERROR },
    { partitionIndex: 9, lowWatermark: -1, errorCode: errorCode.UNKNOWN_TOPIC_OR_PARTITION },
  ]);
});

Deno.test("handleDeleteRecords() refuses without asking: unknown partitions, internal and compacted topics, impossible offsets", () => {
  const cases: [topic: ReturnType<typeof of>, code: number][] = [
    [of("none", [0, 1]), errorCode.UNKNOWN_TOPIC_OR_PARTITION],
    [of("t", [3, 1]), errorCode.UNKNOWN_TOPIC_OR_PARTITION],
    [of("t", [-1, 1]), errorCode.UNKNOWN_TOPIC_OR_PARTITION],
    [of("t", [0, -2]), errorCode.OFFSET_OUT_OF_RANGE],
    [of("compacted", [0, 1]), errorCode.POLICY_VIOLATION],
    [of("__consumer_offsets", [0, 1]), errorCode.INVALID_TOPIC_EXCEPTION],
  ];
  for (const [topic, code] of cases) {
    const { exchange, calls, deletions } = run([topic]);
    assert.deepEqual([calls.length, deletions.length], [0, 0]);
    const [partition] = exchange.answer.topics[0]?.partitions ?? [];
    assert.deepEqual([partition?.errorCode, partition?.lowWatermark], [code, -1], topic.name);
  }
});

Deno.test("handleDeleteRecords() serves topics that are compacted and deleted, and those that keep everything", () => {
  for (const name of ["both", "kept"]) assert.equal(run([of(name, [0, 1])]).deletions.length, 1, name);
});

Deno.test("handleDeleteRecords() uses the last offset of a partition that is named more than once, and answers once", () => {
  const { exchange, calls, deletions } = run([of("t", [0, 5], [0, 4]), of("none", [0, 1]), of("t", [0, 3], [1, 2])]);
  assert.deepEqual(deletions.map(({ slot, ask }) => [slot, ask.offset]), [[0, 3], [1, 2]]);
  for (const { waiter, tag, ask: { offset } } of deletions) {
    waiter.onAnswer(tag, { refusal: null, logStartOffset: toOffset(offset), lowWatermark: toOffset(offset) });
  }
  calls[0]?.answer({});
  assert.deepEqual(exchange.answer.topics.map(({ name, partitions }) => [name, partitions.length]), [["t", 2], [
    "none",
    1,
  ]]);
});

Deno.test("handleDeleteRecords() answers a request without topics", () => {
  assert.deepEqual(run([]).exchange.answer.topics, []);
});
