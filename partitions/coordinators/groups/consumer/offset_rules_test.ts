import assert from "node:assert/strict";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import { TestConsumerGroup } from "./consumer_testing.ts";

function commit(test: TestConsumerGroup, memberId: string, epoch: number, partition = 0, version = 9): number {
  const committer = { memberId, generationIdOrMemberEpoch: epoch };
  const code = test.consumers.validateOffsetCommit(committer, version);
  return code === 0 ? test.consumers.validatePartitionCommit(committer, "orders", partition) : code;
}

/** a has orders-0 since epoch 2, b has orders-1 since epoch 3; both are in epoch 3. */
function pair(): TestConsumerGroup {
  const test = new TestConsumerGroup();
  test.setTopics({ orders: 2 });
  test.join("a", ["orders"]);
  test.join("b", ["orders"]);
  test.heartbeat("a", 2, { owned: ["orders-0"] });
  test.heartbeat("b", 3);
  return test;
}

Deno.test("validateOffsetCommit() accepts commits with the member's epoch, and commits of tools while the group has no members", () => {
  const test = pair();
  assert.equal(commit(test, "a", 3), errorCode.NONE);
  assert.equal(commit(test, "nobody", 3), errorCode.UNKNOWN_MEMBER_ID);
  assert.equal(commit(test, "", -1), errorCode.UNKNOWN_MEMBER_ID);
  assert.equal(commit(test, "a", 4), errorCode.STALE_MEMBER_EPOCH);
  assert.equal(commit(test, "a", 3, 0, 8), errorCode.UNSUPPORTED_VERSION);
  test.heartbeat("a", -1);
  test.heartbeat("b", -1);
  assert.equal(commit(test, "", -1), errorCode.NONE);
  assert.equal(commit(test, "a", 3), errorCode.UNKNOWN_MEMBER_ID);
});

Deno.test("validatePartitionCommit() accepts an older epoch for partitions that the member has had since (KIP-1251)", () => {
  const test = pair();
  assert.equal(commit(test, "a", 2, 0), errorCode.NONE);
  assert.equal(commit(test, "a", 1, 0), errorCode.STALE_MEMBER_EPOCH);
  assert.equal(commit(test, "a", 2, 1), errorCode.STALE_MEMBER_EPOCH, "it gave that up");
  assert.equal(commit(test, "b", 2, 1), errorCode.STALE_MEMBER_EPOCH, "it got that later");
  const unknown = { memberId: "a", generationIdOrMemberEpoch: 2 };
  assert.equal(test.consumers.validatePartitionCommit(unknown, "gone", 0), errorCode.STALE_MEMBER_EPOCH);
});

Deno.test("validatePartitionCommit() accepts commits for partitions that the member still has to give up", () => {
  const test = new TestConsumerGroup();
  test.setTopics({ orders: 2 });
  test.join("a", ["orders"]);
  test.join("b", ["orders"]);
  test.heartbeat("a", 2);
  assert.equal(commit(test, "a", 2, 1), errorCode.NONE);
});

Deno.test("validateOffsetFetch() accepts the member's epoch, or neither a member nor an epoch", () => {
  const group = pair().consumers;
  assert.equal(group.validateOffsetFetch("a", 3), errorCode.NONE);
  assert.equal(group.validateOffsetFetch(null, -1), errorCode.NONE);
  assert.equal(group.validateOffsetFetch("a", 2), errorCode.STALE_MEMBER_EPOCH);
  assert.equal(group.validateOffsetFetch("a", 4), errorCode.STALE_MEMBER_EPOCH);
  assert.equal(group.validateOffsetFetch("nobody", 3), errorCode.UNKNOWN_MEMBER_ID);
  assert.equal(group.validateOffsetFetch("", -1), errorCode.UNKNOWN_MEMBER_ID);
  assert.equal(group.validateOffsetFetch(null, 3), errorCode.UNKNOWN_SERVER_ERROR, "as Kafka");
});
