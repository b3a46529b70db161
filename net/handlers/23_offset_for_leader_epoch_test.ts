import assert from "node:assert/strict";
import type { epochEnd } from "../../partitions/questions/epoch_end.ts";
import { toOffset } from "../../storage/base/units.ts";
import { errorCode } from "../protocol/error_codes.ts";
import type {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
} from "../protocol/messages/23_offset_for_leader_epoch.ts";
import { handleOffsetForLeaderEpoch } from "./23_offset_for_leader_epoch.ts";
import {
  askedPartitions,
  servedVersions,
  testServices,
  TOPIC_ID,
  topicImage,
  WireExchange,
} from "./handler_testing.ts";

function run(topics: OffsetForLeaderEpochRequest["topics"], version: number) {
  const { partitions, asked } = askedPartitions<typeof epochEnd>();
  const exchange = new WireExchange<OffsetForLeaderEpochResponse>(23, version);
  const { services } = testServices([topicImage("t", TOPIC_ID, 3)], { partitions });
  handleOffsetForLeaderEpoch({ replicaId: -1, topics }, exchange, services);
  return { exchange, asked };
}

const partition = (index: number) => ({ partition: index, currentLeaderEpoch: 6, leaderEpoch: 4 });

for (const version of servedVersions(23)) {
  Deno.test(`handleOffsetForLeaderEpoch() v${version} answers when every partition has answered, in the order of the request`, () => {
    const { exchange, asked } = run([{ topic: "t", partitions: [partition(2), partition(0)] }], version);
    assert.deepEqual(asked.map(({ slot, ask }) => [slot, ask.currentLeaderEpoch, ask.leaderEpoch]), [
      [2, 6, 4],
      [0, 6, 4],
    ]);
    const [first, second] = asked;
    second?.waiter.onAnswer(second.tag, {
      refusal: "unknown-leader-epoch",
      leaderEpoch: -1,
      endOffset: toOffset(-1),
    });
    assert.equal(exchange.isAnswered, false);
    first?.waiter.onAnswer(first.tag, { refusal: null, leaderEpoch: 3, endOffset: toOffset(77) });
    assert.deepEqual(exchange.answer.topics, [{
      topic: "t",
      partitions: [
        { errorCode: 0, partition: 2, leaderEpoch: 3, endOffset: 77 },
        { errorCode: errorCode.UNKNOWN_LEADER_EPOCH, partition: 0, leaderEpoch: -1, endOffset: -1 },
      ],
    }]);
  });
}

Deno.test("handleOffsetForLeaderEpoch() refuses unknown topics and partitions without asking", () => {
  const { exchange, asked } = run([
    { topic: "none", partitions: [partition(0)] },
    { topic: "t", partitions: [partition(3), partition(-1)] },
  ], 4);
  assert.equal(asked.length, 0);
  const answers = exchange.answer.topics.flatMap(({ partitions }) => partitions);
  assert.deepEqual(answers.map((answer) => [answer.errorCode, answer.leaderEpoch, answer.endOffset]), [
    [errorCode.UNKNOWN_TOPIC_OR_PARTITION, -1, -1],
    [errorCode.UNKNOWN_TOPIC_OR_PARTITION, -1, -1],
    [errorCode.UNKNOWN_TOPIC_OR_PARTITION, -1, -1],
  ]);
});
