import assert from "node:assert/strict";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import { groupWith, reconciledPair } from "./consumer_group_testing.ts";
import { REBALANCE_MS, SESSION_MS } from "./consumer_testing.ts";

Deno.test("ConsumerGroup removes a member that is silent for a session, and no sooner", () => {
  const test = groupWith(2);
  reconciledPair(test);
  test.advance(SESSION_MS - 1);
  assert.equal(test.heartbeat("b", 3).errorCode, errorCode.NONE);
  assert.equal(test.consumers.memberCount, 2);
  test.advance(1);
  assert.equal(test.consumers.memberCount, 1);
  assert.deepEqual(test.assigned(test.heartbeat("b", 3)), ["orders-0", "orders-1"]);
  assert.equal(test.heartbeat("a", 3).errorCode, errorCode.UNKNOWN_MEMBER_ID);
});

Deno.test("ConsumerGroup removes a member that does not give up its partitions in time", () => {
  const test = groupWith(2);
  test.join("a", ["orders"]);
  test.join("b", ["orders"]);
  test.heartbeat("a", 2);
  for (let passedMs = 0; passedMs < REBALANCE_MS - 5000; passedMs += 5000) {
    test.advance(5000);
    assert.equal(test.heartbeat("a", 2, { owned: ["orders-0", "orders-1"] }).errorCode, errorCode.NONE);
    test.heartbeat("b", 3);
  }
  test.advance(5000);
  assert.equal(test.heartbeat("a", 2).errorCode, errorCode.UNKNOWN_MEMBER_ID);
  assert.deepEqual(test.assigned(test.heartbeat("b", 3)), ["orders-0", "orders-1"]);
});

Deno.test("ConsumerGroup no longer limits the time of a member that gave up its partitions", () => {
  const test = groupWith(2);
  test.join("a", ["orders"]);
  test.join("b", ["orders"]);
  test.heartbeat("a", 2);
  test.heartbeat("a", 2, { owned: ["orders-0"] });
  for (let passedMs = 0; passedMs < 2 * REBALANCE_MS; passedMs += 5000) {
    test.advance(5000);
    assert.equal(test.heartbeat("a", 3).errorCode, errorCode.NONE);
    test.heartbeat("b", 3);
  }
});

Deno.test("ConsumerGroup follows topics that are created, extended and deleted", () => {
  const test = groupWith(1);
  test.join("a", ["orders", "later"]);
  test.setTopics({ unrelated: 1 });
  assert.equal(test.heartbeat("a", 2).memberEpoch, 2);
  test.setTopics({ orders: 2 });
  assert.deepEqual(test.assigned(test.heartbeat("a", 2)), ["orders-0", "orders-1"]);
  test.setTopics({ later: 1 });
  assert.deepEqual(test.assigned(test.heartbeat("a", 3)), ["later-0", "orders-0", "orders-1"]);
  test.setTopics({ orders: null });
  const answer = test.heartbeat("a", 4, { owned: ["later-0"] });
  assert.equal(answer.memberEpoch, 5);
  assert.deepEqual(test.assigned(answer), ["later-0"]);
  // A new topic has the old name: partitions of the old topic do not count as its own.
  test.setTopics({ orders: 1 });
  assert.deepEqual(test.assigned(test.heartbeat("a", 5)), ["later-0", "orders-0"]);
});

Deno.test("ConsumerGroup uses the assignor that most members want", () => {
  const test = groupWith(4);
  test.join("a", ["orders"], { serverAssignor: "range" });
  assert.equal(test.consumers.describe().assignorName, "range");
  test.join("b", ["orders"], { serverAssignor: "uniform" });
  assert.equal(test.consumers.describe().assignorName, "uniform", "the broker's first assignor breaks a tie");
  test.join("c", ["orders"], { serverAssignor: "range" });
  assert.equal(test.consumers.describe().assignorName, "range");
});

Deno.test("ConsumerGroup changes nothing while the log refuses records, and continues afterwards", () => {
  const test = groupWith(2);
  reconciledPair(test);
  test.refusal = errorCode.NOT_COORDINATOR;
  const before = JSON.stringify(test.consumers.describe());
  assert.equal(test.join("c", ["orders"]).errorCode, errorCode.NOT_COORDINATOR);
  assert.equal(test.heartbeat("a", -1).errorCode, errorCode.NOT_COORDINATOR);
  assert.equal(test.heartbeat("b", 3, { subscribedTopicNames: ["x"] }).errorCode, errorCode.NOT_COORDINATOR);
  assert.equal(JSON.stringify(test.consumers.describe()), before);
  test.advance(SESSION_MS + 500);
  assert.equal(test.consumers.memberCount, 2, "no member can be removed");
  test.refusal = errorCode.NONE;
  test.advance(1000);
  assert.equal(test.consumers.memberCount, 0, "the removal is tried again");
});

Deno.test("ConsumerGroup is vacant until the log has a record of it", () => {
  const test = groupWith(1);
  test.refusal = errorCode.NOT_COORDINATOR;
  assert.equal(test.join("a", ["orders"]).errorCode, errorCode.NOT_COORDINATOR);
  assert.equal(test.consumers.isVacant, true);
  test.refusal = errorCode.NONE;
  test.join("a", ["orders"]);
  assert.equal(test.consumers.isVacant, false);
});

Deno.test("ConsumerGroup is the same after a restart, and sessions begin again", () => {
  const test = groupWith(3);
  // Shorter than the time to give up partitions.
  test.groupSettings = { ...test.groupSettings, sessionTimeoutMs: 20_000 };
  test.join("a", ["orders"], { instanceId: "one", rackId: "r", serverAssignor: "range" });
  test.join("b", ["orders"]);
  test.heartbeat("a", 2, { instanceId: "one" });
  test.advance(19_000);
  const before = test.consumers.describe();
  test.restart();
  assert.deepEqual(test.consumers.describe(), before);
  test.advance(2000);
  assert.equal(test.consumers.memberCount, 2, "nobody lost a session because of the restart");
  const released = test.heartbeat("a", 2, { instanceId: "one", owned: ["orders-0", "orders-1"] });
  assert.equal(released.memberEpoch, 3);
  assert.deepEqual(test.assigned(test.heartbeat("b", 3)), ["orders-2"]);
});

Deno.test("ConsumerGroup removes a member after a restart if it does not give up the partitions that it was asked for before", () => {
  const test = groupWith(2);
  test.join("a", ["orders"]);
  test.join("b", ["orders"]);
  test.heartbeat("a", 2);
  test.restart();
  for (let passedMs = 0; passedMs < REBALANCE_MS; passedMs += 5000) {
    test.heartbeat("a", 2);
    test.advance(5000);
  }
  assert.equal(test.heartbeat("a", 2).errorCode, errorCode.UNKNOWN_MEMBER_ID);
});

Deno.test("ConsumerGroup notices after a restart that topics changed meanwhile", () => {
  const test = groupWith(1);
  test.join("a", ["orders"]);
  test.group!.dispose();
  test.group = null;
  test.setTopics({ orders: 2 });
  test.restart();
  assert.deepEqual(test.assigned(test.heartbeat("a", 2)), ["orders-0", "orders-1"]);
});

Deno.test("ConsumerGroup.tombstones() removes all records of the group", () => {
  const test = groupWith(1);
  test.join("a", [], { subscribedTopicNames: [], subscribedTopicRegex: "o.*" });
  const tombstones = test.consumers.tombstones();
  const kinds = tombstones.map(({ kind }) => kind);
  const left = new Map<string, unknown>();
  for (const { kind, key, value } of [...test.records, ...tombstones]) {
    if (value === null) left.delete(`${kind} ${JSON.stringify(key)}`);
    else left.set(`${kind} ${JSON.stringify(key)}`, value);
  }
  assert.deepEqual([...left], []);
  assert.equal(
    kinds.at(-1),
    "consumer-group-metadata",
    "the group comes last, because Kafka does not load the log otherwise",
  );
});

Deno.test("ConsumerGroup removes the record of its topics that Kafka 4.0 wrote", () => {
  const test = groupWith(1);
  test.join("a", ["orders"]);
  test.consumers.replay({
    kind: "consumer-group-partition-metadata",
    key: { groupId: "group" },
    value: { topics: [] },
  });
  test.setTopics({ orders: 2 });
  test.heartbeat("a", 2);
  const record = test.records.findLast(({ kind }) => kind === "consumer-group-partition-metadata");
  assert.equal(record?.value, null);
});

Deno.test("ConsumerGroup.overview() and describe() show the group as Kafka does", () => {
  const test = groupWith(2);
  test.join("a", ["orders"]);
  test.join("b", ["orders"]);
  test.heartbeat("a", 2);
  assert.deepEqual(test.consumers.overview(), {
    groupId: "group",
    protocolType: "consumer",
    groupState: "Reconciling",
    groupType: "consumer",
  });
  const { groupEpoch, assignmentEpoch, assignorName, members } = test.consumers.describe();
  assert.deepEqual([groupEpoch, assignmentEpoch, assignorName], [3, 3, "uniform"]);
  const a = [...members].find(({ memberId }) => memberId === "a")!;
  assert.deepEqual(a.assignment.topicPartitions[0]!.partitions, [0, 1], "partitions to give up are still its own");
  assert.deepEqual(a.targetAssignment.topicPartitions[0]!.partitions, [0]);
  assert.deepEqual([a.memberEpoch, a.memberType, a.clientHost], [2, 1, "/127.0.0.1"]);
});

Deno.test("ConsumerGroup.isSubscribedTo() and unusedSince() consider names and expressions", () => {
  const test = groupWith(1);
  test.setTopics({ payments: 1 });
  test.join("a", ["orders"]);
  test.join("b", [], { subscribedTopicNames: [], subscribedTopicRegex: "pay.*" });
  test.advance(0);
  assert(test.consumers.isSubscribedTo("orders"));
  assert(test.consumers.isSubscribedTo("payments"));
  assert(!test.consumers.isSubscribedTo("other"));
  assert.equal(test.consumers.unusedSince("payments", 7), null);
  assert.equal(test.consumers.unusedSince("other", 7), 7);
  assert.equal(test.consumers.validateDelete(), errorCode.NON_EMPTY_GROUP);
  test.heartbeat("b", -1);
  assert(!test.consumers.isSubscribedTo("payments"));
});

Deno.test("ConsumerGroup writes a large assignment in several batches, with its epoch in the last", () => {
  const test = groupWith(60_000);
  test.join("a", ["orders"]);
  const { batchesCount } = test;
  const from = test.records.length;
  test.join("b", ["orders"]);
  const kinds = test.records.slice(from).map(({ kind }) => kind.replace("consumer-group-", ""));
  assert.deepEqual(kinds, [
    "member-metadata",
    "metadata",
    "target-assignment-member",
    "target-assignment-member",
    "target-assignment-metadata",
    "current-member-assignment",
  ]);
  assert.equal(test.batchesCount - batchesCount, 4);
});
