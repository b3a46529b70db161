import assert from "node:assert/strict";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import { groupWith, reconciledPair } from "./consumer_group_testing.ts";
import { REBALANCE_MS, SESSION_MS } from "./consumer_testing.ts";

Deno.test("ConsumerGroup.heartbeat() assigns all partitions to the first member in epoch 2, as Kafka does", () => {
  const test = groupWith(3);
  const answer = test.join("a", ["orders"]);
  assert.equal(answer.errorCode, errorCode.NONE);
  assert.equal(answer.memberId, "a");
  assert.equal(answer.memberEpoch, 2);
  assert.equal(answer.heartbeatIntervalMs, 5000);
  assert.deepEqual(test.assigned(answer), ["orders-0", "orders-1", "orders-2"]);
  assert.equal(test.consumers.state, "Stable");
});

Deno.test("ConsumerGroup.heartbeat() makes an id for a member of version 0 that has none", () => {
  const test = groupWith(1);
  const answer = test.join("", ["orders"], { version: 0 });
  assert.equal(answer.memberId, "id-1");
  assert.equal(test.heartbeat("id-1", 2, { version: 0 }).errorCode, errorCode.NONE);
});

Deno.test("ConsumerGroup.heartbeat() assigns a partition to another member only after its owner no longer reports it", () => {
  const test = groupWith(2);
  test.join("a", ["orders"]);
  const b = test.join("b", ["orders"]);
  assert.equal(b.memberEpoch, 3);
  assert.deepEqual(test.assigned(b), []);
  const answer = test.heartbeat("a", 2, { owned: ["orders-0", "orders-1"] });
  assert.equal(answer.memberEpoch, 2);
  assert.deepEqual(test.assigned(answer), ["orders-0"]);
  assert.equal(test.assigned(test.heartbeat("b", 3)), null, "not yet");
  assert.equal(test.assigned(test.heartbeat("a", 2)), null, "a member that reports nothing still owns its partitions");
  const released = test.heartbeat("a", 2, { owned: ["orders-0"] });
  assert.equal(released.memberEpoch, 3);
  assert.equal(test.assigned(released), null);
  assert.deepEqual(test.assigned(test.heartbeat("b", 3)), ["orders-1"]);
  assert.equal(test.consumers.state, "Stable");
});

Deno.test("ConsumerGroup.heartbeat() repeats the assignment in the answer to a full request", () => {
  const test = groupWith(1);
  test.join("a", ["orders"]);
  const full = { rebalanceTimeoutMs: REBALANCE_MS, subscribedTopicNames: ["orders"], owned: ["orders-0"] };
  assert.deepEqual(test.assigned(test.heartbeat("a", 2, full)), ["orders-0"]);
  const { rebalanceTimeoutMs, owned } = full;
  for (const partial of [{}, { owned }, { ...full, rebalanceTimeoutMs: -1 }, { rebalanceTimeoutMs, owned }]) {
    assert.equal(test.assigned(test.heartbeat("a", 2, partial)), null);
  }
  const byRegex = { rebalanceTimeoutMs, owned, subscribedTopicRegex: "" };
  assert.deepEqual(test.assigned(test.heartbeat("a", 2, byRegex)), ["orders-0"]);
});

Deno.test("ConsumerGroup.heartbeat() writes nothing and keeps no timer for heartbeats that change nothing", () => {
  const test = groupWith(1);
  test.join("a", ["orders"]);
  const { batchesCount } = test;
  const timersCount = test.timers.count;
  for (let beat = 0; beat < 100; beat++) {
    test.advance(5000);
    assert.equal(test.heartbeat("a", 2).errorCode, errorCode.NONE);
  }
  assert.equal(test.batchesCount, batchesCount);
  assert.equal(test.timers.count, timersCount);
});

Deno.test("ConsumerGroup.heartbeat() makes a new assignment only if the subscription changes", () => {
  const test = groupWith(1);
  test.setTopics({ more: 1 });
  test.join("a", ["orders"]);
  const { batchesCount } = test;
  assert.equal(test.heartbeat("a", 2, { rackId: "r", clientId: "other" }).memberEpoch, 2);
  assert.equal(test.batchesCount, batchesCount + 1, "only the record of its facts");
  assert.equal(test.heartbeat("a", 2, { subscribedTopicNames: ["orders"] }).memberEpoch, 2);
  const answer = test.heartbeat("a", 2, { subscribedTopicNames: ["more", "orders", "more"] });
  assert.equal(answer.memberEpoch, 3);
  assert.deepEqual(test.assigned(answer), ["more-0", "orders-0"]);
  const described = test.consumers.describe().members[0]!;
  assert.equal(described.rackId, "r");
  assert.deepEqual(described.subscribedTopicNames, ["more", "orders"]);
});

Deno.test("ConsumerGroup.heartbeat() fences epochs that are not the member's", () => {
  const test = groupWith(2);
  const epoch = reconciledPair(test);
  assert.equal(test.heartbeat("a", epoch + 1).errorCode, errorCode.FENCED_MEMBER_EPOCH);
  assert.equal(test.heartbeat("a", 1, { owned: [] }).errorCode, errorCode.FENCED_MEMBER_EPOCH);
  assert.equal(test.heartbeat("nobody", epoch).errorCode, errorCode.UNKNOWN_MEMBER_ID);
  // The answer with the new epoch may have been lost.
  assert.equal(test.heartbeat("a", epoch - 1).errorCode, errorCode.FENCED_MEMBER_EPOCH);
  assert.equal(test.heartbeat("a", epoch - 1, { owned: ["orders-0", "orders-1"] }).errorCode, 110);
  assert.equal(test.heartbeat("a", epoch - 1, { owned: ["orders-0"] }).memberEpoch, epoch);
});

Deno.test("ConsumerGroup.heartbeat() accepts a member that joins again with its id", () => {
  const test = groupWith(2);
  reconciledPair(test);
  const again = test.join("a", ["orders"]);
  assert.equal(again.memberEpoch, 3);
  assert.deepEqual(test.assigned(again), ["orders-0"]);
});

Deno.test("ConsumerGroup.heartbeat() removes members that leave, and assigns their partitions to the others", () => {
  const test = groupWith(2);
  reconciledPair(test);
  const left = test.heartbeat("a", -1);
  assert.deepEqual([left.errorCode, left.memberId, left.memberEpoch], [0, "a", -1]);
  assert.equal(test.heartbeat("a", -1).errorCode, errorCode.UNKNOWN_MEMBER_ID);
  assert.deepEqual(test.assigned(test.heartbeat("b", 3)), ["orders-0", "orders-1"]);
  test.heartbeat("b", -1);
  assert.equal(test.consumers.state, "Empty");
  assert.equal(test.consumers.validateDelete(), errorCode.NONE);
  assert.equal(test.timers.count, 0, "no timers are left behind");
});

Deno.test("ConsumerGroup.heartbeat() refuses members beyond group.consumer.max.size, but not existing members", () => {
  const test = groupWith(1);
  test.settings = { ...test.settings, consumerMaxSize: 2 };
  test.join("a", ["orders"], { instanceId: "i" });
  test.join("b", ["orders"]);
  const { errorCode: code, errorMessage } = test.join("c", ["orders"]);
  assert.equal(code, errorCode.GROUP_MAX_SIZE_REACHED);
  assert.equal(errorMessage, "The consumer group has reached its maximum capacity of 2 members.");
  assert.equal(test.join("b", ["orders"]).errorCode, errorCode.NONE);
  test.heartbeat("a", -2, { instanceId: "i" });
  assert.equal(test.join("d", ["orders"], { instanceId: "i" }).errorCode, errorCode.NONE, "it replaces a");
});

Deno.test("ConsumerGroup.heartbeat() keeps an absent static member for a session", () => {
  const test = groupWith(2);
  test.join("a", ["orders"], { instanceId: "one" });
  const away = test.heartbeat("a", -2, { instanceId: "one" });
  assert.deepEqual([away.errorCode, away.memberEpoch], [0, -2]);
  assert.equal(test.heartbeat("a", 2, { instanceId: "one" }).errorCode, errorCode.FENCED_MEMBER_EPOCH);
  const back = test.join("b", ["orders"], { instanceId: "one" });
  assert.equal(back.memberEpoch, 2, "no new assignment");
  assert.deepEqual(test.assigned(back), ["orders-0", "orders-1"]);
  assert.equal(test.heartbeat("a", 2, { instanceId: "one" }).errorCode, errorCode.FENCED_INSTANCE_ID);
  test.heartbeat("b", -2, { instanceId: "one" });
  test.advance(SESSION_MS);
  assert.equal(test.consumers.memberCount, 0);
});

Deno.test("ConsumerGroup.heartbeat() refuses an instance id that is in use, and a member id that does not belong to the instance id", () => {
  const test = groupWith(1);
  test.join("a", ["orders"], { instanceId: "one" });
  const other = test.join("b", ["orders"], { instanceId: "one" });
  assert.equal(other.errorCode, errorCode.UNRELEASED_INSTANCE_ID);
  assert.equal(
    other.errorMessage,
    "Static member b with instance id one cannot join the group because the instance id is owned by a member.",
  );
  assert.equal(test.heartbeat("a", 2, { instanceId: "two" }).errorCode, errorCode.UNKNOWN_MEMBER_ID);
  assert.equal(test.heartbeat("b", 2, { instanceId: "one" }).errorCode, errorCode.FENCED_INSTANCE_ID);
  assert.equal(test.heartbeat("b", -1, { instanceId: "one" }).errorCode, errorCode.FENCED_INSTANCE_ID);
  assert.equal(test.heartbeat("b", -2, { instanceId: "two" }).errorCode, errorCode.UNKNOWN_MEMBER_ID);
});

Deno.test("ConsumerGroup.heartbeat() assigns members together if they join within the assignment interval", () => {
  const test = groupWith(4);
  test.groupSettings = { ...test.groupSettings, assignmentIntervalMs: 1000 };
  assert.equal(test.join("a", ["orders"]).memberEpoch, 2, "the first member need not wait");
  for (const id of ["b", "c", "d"]) {
    test.advance(100);
    const answer = test.join(id, ["orders"]);
    assert.equal(answer.memberEpoch, 2);
    assert.deepEqual(test.assigned(answer), []);
  }
  assert.equal(test.consumers.state, "Assigning");
  test.advance(699);
  assert.equal(test.heartbeat("b", 2).memberEpoch, 2);
  test.advance(1);
  assert.equal(test.heartbeat("b", 2).memberEpoch, 5);
  assert.equal(test.consumers.describe().assignmentEpoch, 5);
  for (const id of ["a", "b", "c", "d"]) test.heartbeat(id, test.consumers.describe().members.length, {});
  assert.equal(new Set(test.owners("targetAssignment").values()).size, 4);
});

Deno.test("ConsumerGroup.heartbeat() does not make the first member of an empty group wait", () => {
  const test = groupWith(1);
  test.groupSettings = { ...test.groupSettings, assignmentIntervalMs: 60_000 };
  test.join("a", ["orders"]);
  test.heartbeat("a", -1);
  assert.deepEqual(test.assigned(test.join("b", ["orders"])), ["orders-0"]);
});

Deno.test("ConsumerGroup.heartbeat() does not limit the time of an absent static member to give up partitions", () => {
  const test = groupWith(2);
  test.join("a", ["orders"], { instanceId: "one" });
  test.join("b", ["orders"]);
  test.heartbeat("a", 2);
  test.advance(REBALANCE_MS - 5000);
  test.heartbeat("b", 3);
  test.heartbeat("a", -2, { instanceId: "one" });
  test.advance(10_000);
  assert.equal(test.consumers.memberCount, 2);
});
