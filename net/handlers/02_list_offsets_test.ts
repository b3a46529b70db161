import assert from "node:assert/strict";
import { listTimestamp } from "../../partitions/mod.ts";
import type { listOffsets } from "../../partitions/questions/list_offsets.ts";
import { toOffset } from "../../storage/base/units.ts";
import { errorCode } from "../protocol/error_codes.ts";
import type { ListOffsetsRequest, ListOffsetsResponse } from "../protocol/messages/02_list_offsets.ts";
import { handleListOffsets } from "./02_list_offsets.ts";
import {
  askedPartitions,
  servedVersions,
  testServices,
  TOPIC_ID,
  topicImage,
  WireExchange,
} from "./handler_testing.ts";

function run(topics: ListOffsetsRequest["topics"], version: number, isolationLevel = 0) {
  const { partitions, asked } = askedPartitions<typeof listOffsets>();
  const exchange = new WireExchange<ListOffsetsResponse>(2, version);
  const { services } = testServices([topicImage("t", TOPIC_ID, 3)], { partitions });
  handleListOffsets({ replicaId: -1, isolationLevel, topics, timeoutMs: 0 }, exchange, services);
  return { exchange, asked };
}

function of(name: string, ...partitions: [partitionIndex: number, timestamp: number][]) {
  return {
    name,
    partitions: partitions.map(([partitionIndex, timestamp]) => ({ partitionIndex, timestamp, currentLeaderEpoch: 6 })),
  };
}

function codes(topics: ListOffsetsRequest["topics"], version: number): number[] {
  const { exchange, asked } = run(topics, version);
  const found = { refusal: null, offset: toOffset(1), timestamp: 2, leaderEpoch: 3 };
  for (const { waiter, tag } of asked) waiter.onAnswer(tag, found);
  return exchange.answer.topics.flatMap(({ partitions }) => partitions.map((partition) => partition.errorCode));
}

for (const version of servedVersions(2)) {
  Deno.test(`handleListOffsets() v${version} answers when every partition has answered, in the order of the request`, () => {
    const { exchange, asked } = run([of("t", [2, 1000], [0, listTimestamp.latest])], version, 1);
    assert.deepEqual(asked.map(({ slot, ask }) => [slot, ask]), [
      [2, { timestamp: 1000, currentLeaderEpoch: 6, committedOnly: true, toLogEnd: false }],
      [0, { timestamp: -1, currentLeaderEpoch: 6, committedOnly: true, toLogEnd: false }],
    ]);
    const [first, second] = asked;
    second?.waiter.onAnswer(second.tag, {
      refusal: "fenced-leader-epoch",
      offset: toOffset(-1),
      timestamp: -1,
      leaderEpoch: -1,
    });
    assert.equal(exchange.isAnswered, false);
    first?.waiter.onAnswer(first.tag, { refusal: null, offset: toOffset(77), timestamp: 1001, leaderEpoch: 5 });
    assert.deepEqual(exchange.answer.topics, [{
      name: "t",
      partitions: [
        { partitionIndex: 2, errorCode: 0, timestamp: 1001, offset: 77, leaderEpoch: version < 4 ? -1 : 5 },
        { partitionIndex: 0, errorCode: errorCode.FENCED_LEADER_EPOCH, timestamp: -1, offset: -1, leaderEpoch: -1 },
      ],
    }]);
  });
}

Deno.test("handleListOffsets() refuses a special timestamp in versions before it, and asks for it from its version on", () => {
  const since: [timestamp: number, version: number][] = [[-1, 1], [-2, 1], [-3, 7], [-4, 8], [-5, 9], [-6, 11]];
  for (const [timestamp, first] of since) {
    for (const version of servedVersions(2)) {
      const expected = version < first ? errorCode.UNSUPPORTED_VERSION : errorCode.NONE;
      assert.deepEqual(codes([of("t", [0, timestamp])], version), [expected], `${timestamp} in v${version}`);
    }
  }
});

Deno.test("handleListOffsets() refuses unknown partitions, and each partition that is named twice", () => {
  const UNKNOWN = errorCode.UNKNOWN_TOPIC_OR_PARTITION;
  assert.deepEqual(codes([of("none", [0, -1]), of("t", [3, -1], [-1, -1], [1, -1])], 7), [
    UNKNOWN,
    UNKNOWN,
    UNKNOWN,
    0,
  ]);
  const TWICE = errorCode.INVALID_REQUEST;
  assert.deepEqual(codes([of("t", [0, -1], [1, -1]), of("t", [0, -2], [2, -1])], 7), [TWICE, 0, TWICE, 0]);
  assert.deepEqual(codes([], 7), []);
});

Deno.test("handleListOffsets() asks for committed records only when the client reads committed ones", () => {
  assert.deepEqual([0, 1].map((level) => run([of("t", [0, -1])], 2, level).asked[0]?.ask.committedOnly), [
    false,
    true,
  ]);
});

Deno.test("handleListOffsets() makes clients ask again while the search continues, by a code that they know (KIP-207)", () => {
  for (const version of servedVersions(2)) {
    const { exchange, asked } = run([of("t", [2, 1000])], version);
    const none = { offset: toOffset(-1), timestamp: -1, leaderEpoch: -1 };
    asked[0]?.waiter.onAnswer(asked[0].tag, { refusal: "offset-not-available", ...none });
    const code = version < 5 ? errorCode.LEADER_NOT_AVAILABLE : errorCode.OFFSET_NOT_AVAILABLE;
    assert.equal(exchange.answer.topics[0]?.partitions[0]?.errorCode, code);
  }
});
