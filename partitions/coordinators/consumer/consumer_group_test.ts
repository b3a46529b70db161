import assert from "node:assert/strict";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { REBALANCE_MS, SESSION_MS, TestConsumerGroup } from "./consumer_testing.ts";

/** A group with one topic of so many partitions. */
function groupWith(partitionsCount: number): TestConsumerGroup {
  const test = new TestConsumerGroup();
  test.setTopics({ orders: partitionsCount });
  return test;
}

/** Two members that have what is theirs. @returns their epoch */
function settledPair(test: TestConsumerGroup): number {
  test.join("a", ["orders"]);
  test.join("b", ["orders"]);
  test.heartbeat("a", 2);
  const kept = test.consumers.describe().members.find(({ memberId }) => memberId === "a")!.targetAssignment;
  const owned = [...kept.topicPartitions].flatMap(({ topicName, partitions }) =>
    Array.from(partitions, (partition) => `${topicName}-${partition}`)
  );
  test.heartbeat("a", 2, { owned });
  test.heartbeat("b", 3);
  assert.equal(test.consumers.state, "Stable");
  return 3;
}

Deno.test("ConsumerGroup.heartbeat() gives the first member everything in epoch 2, as Kafka", () => {
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

Deno.test("ConsumerGroup.heartbeat() hands a partition on only after its owner no longer names it", () => {
  const test = groupWith(2);
  test.join("a", ["orders"]);
  const b = test.join("b", ["orders"]);
  assert.equal(b.memberEpoch, 3);
  assert.deepEqual(test.assigned(b), []);
  const told = test.heartbeat("a", 2, { owned: ["orders-0", "orders-1"] });
  assert.equal(told.memberEpoch, 2);
  assert.deepEqual(test.assigned(told), ["orders-0"]);
  assert.equal(test.assigned(test.heartbeat("b", 3)), null, "not yet");
  assert.equal(test.assigned(test.heartbeat("a", 2)), null, "who does not say still owns");
  const released = test.heartbeat("a", 2, { owned: ["orders-0"] });
  assert.equal(released.memberEpoch, 3);
  assert.equal(test.assigned(released), null);
  assert.deepEqual(test.assigned(test.heartbeat("b", 3)), ["orders-1"]);
  assert.equal(test.consumers.state, "Stable");
});

Deno.test("ConsumerGroup.heartbeat() tells the assignment again to who asks with a full request", () => {
  const test = groupWith(1);
  test.join("a", ["orders"]);
  const full = { rebalanceTimeoutMs: REBALANCE_MS, subscribedTopicNames: ["orders"], owned: ["orders-0"] };
  assert.deepEqual(test.assigned(test.heartbeat("a", 2, full)), ["orders-0"]);
  for (const partial of [{}, { owned: ["orders-0"] }, { ...full, rebalanceTimeoutMs: -1 }]) {
    assert.equal(test.assigned(test.heartbeat("a", 2, partial)), null);
  }
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

Deno.test("ConsumerGroup.heartbeat() makes a new assignment only for who subscribes to something else", () => {
  const test = groupWith(1);
  test.setTopics({ more: 1 });
  test.join("a", ["orders"]);
  assert.equal(test.heartbeat("a", 2, { rackId: "r", clientId: "other" }).memberEpoch, 2);
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
  const epoch = settledPair(test);
  assert.equal(test.heartbeat("a", epoch + 1).errorCode, errorCode.FENCED_MEMBER_EPOCH);
  assert.equal(test.heartbeat("a", 1, { owned: [] }).errorCode, errorCode.FENCED_MEMBER_EPOCH);
  assert.equal(test.heartbeat("nobody", epoch).errorCode, errorCode.UNKNOWN_MEMBER_ID);
  // The answer with the new epoch may have been lost.
  assert.equal(test.heartbeat("a", epoch - 1).errorCode, errorCode.FENCED_MEMBER_EPOCH);
  assert.equal(test.heartbeat("a", epoch - 1, { owned: ["orders-0", "orders-1"] }).errorCode, 110);
  assert.equal(test.heartbeat("a", epoch - 1, { owned: ["orders-0"] }).memberEpoch, epoch);
});

Deno.test("ConsumerGroup.heartbeat() takes a member back that joins again with its id", () => {
  const test = groupWith(2);
  settledPair(test);
  const again = test.join("a", ["orders"]);
  assert.equal(again.memberEpoch, 3);
  assert.deepEqual(test.assigned(again), ["orders-0"]);
});

Deno.test("ConsumerGroup.heartbeat() lets members leave, and gives what they had to the others", () => {
  const test = groupWith(2);
  settledPair(test);
  const left = test.heartbeat("a", -1);
  assert.deepEqual([left.errorCode, left.memberId, left.memberEpoch], [0, "a", -1]);
  assert.equal(test.heartbeat("a", -1).errorCode, errorCode.UNKNOWN_MEMBER_ID);
  assert.deepEqual(test.assigned(test.heartbeat("b", 3)), ["orders-0", "orders-1"]);
  test.heartbeat("b", -1);
  assert.equal(test.consumers.state, "Empty");
  assert.equal(test.consumers.validateDelete(), errorCode.NONE);
  assert.equal(test.timers.count, 0, "no timers are left behind");
});

Deno.test("ConsumerGroup puts a member out that is silent for a session, and no sooner", () => {
  const test = groupWith(2);
  settledPair(test);
  test.advance(SESSION_MS - 1);
  assert.equal(test.heartbeat("b", 3).errorCode, errorCode.NONE);
  assert.equal(test.consumers.memberCount, 2);
  test.advance(1);
  assert.equal(test.consumers.memberCount, 1);
  assert.deepEqual(test.assigned(test.heartbeat("b", 3)), ["orders-0", "orders-1"]);
  assert.equal(test.heartbeat("a", 3).errorCode, errorCode.UNKNOWN_MEMBER_ID);
});

Deno.test("ConsumerGroup puts a member out that does not give up its partitions in time", () => {
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

Deno.test("ConsumerGroup no longer limits the time of a member that has given up", () => {
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

Deno.test("ConsumerGroup.heartbeat() refuses members beyond group.consumer.max.size, but not those that are there", () => {
  const test = groupWith(1);
  test.settings = { ...test.settings, consumerMaxSize: 2 };
  test.join("a", ["orders"], { instanceId: "i" });
  test.join("b", ["orders"]);
  const { errorCode: code, errorMessage } = test.join("c", ["orders"]);
  assert.equal(code, errorCode.GROUP_MAX_SIZE_REACHED);
  assert.equal(errorMessage, "The consumer group has reached its maximum capacity of 2 members.");
  assert.equal(test.join("b", ["orders"]).errorCode, errorCode.NONE);
  test.heartbeat("a", -2, { instanceId: "i" });
  assert.equal(test.join("d", ["orders"], { instanceId: "i" }).errorCode, errorCode.NONE, "it takes a's place");
});

Deno.test("ConsumerGroup.heartbeat() keeps the place of a static member that is away, for a session", () => {
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

Deno.test("ConsumerGroup.heartbeat() refuses an instance id that somebody has, and ids that do not belong together", () => {
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

Deno.test("ConsumerGroup.heartbeat() assigns members together that come within the assignment interval", () => {
  const test = groupWith(4);
  test.groupSettings = { ...test.groupSettings, assignmentIntervalMs: 1000 };
  assert.equal(test.join("a", ["orders"]).memberEpoch, 2, "the first need not wait");
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

Deno.test("ConsumerGroup assigns topics that come, grow and go", () => {
  const test = groupWith(1);
  test.join("a", ["orders", "later"]);
  test.setTopics({ unrelated: 1 });
  assert.equal(test.heartbeat("a", 2).memberEpoch, 2);
  test.setTopics({ orders: 2 });
  assert.deepEqual(test.assigned(test.heartbeat("a", 2)), ["orders-0", "orders-1"]);
  test.setTopics({ later: 1 });
  assert.deepEqual(test.assigned(test.heartbeat("a", 3)), ["later-0", "orders-0", "orders-1"]);
  test.setTopics({ orders: null });
  const told = test.heartbeat("a", 4, { owned: ["later-0"] });
  assert.equal(told.memberEpoch, 5);
  assert.deepEqual(test.assigned(told), ["later-0"]);
  // Of the same name, but another topic: nothing of the old one is taken for its own.
  test.setTopics({ orders: 1 });
  assert.deepEqual(test.assigned(test.heartbeat("a", 5)), ["later-0", "orders-0"]);
});

Deno.test("ConsumerGroup uses the assignor that most members want", () => {
  const test = groupWith(4);
  test.join("a", ["orders"], { serverAssignor: "range" });
  assert.equal(test.consumers.describe().assignorName, "range");
  test.join("b", ["orders"], { serverAssignor: "uniform" });
  assert.equal(test.consumers.describe().assignorName, "uniform", "a tie: the broker's first");
  test.join("c", ["orders"], { serverAssignor: "range" });
  assert.equal(test.consumers.describe().assignorName, "range");
});

Deno.test("ConsumerGroup changes nothing when the log refuses, and goes on when it no longer does", () => {
  const test = groupWith(2);
  settledPair(test);
  test.refusal = errorCode.NOT_LEADER_OR_FOLLOWER;
  const before = JSON.stringify(test.consumers.describe());
  assert.equal(test.join("c", ["orders"]).errorCode, errorCode.NOT_COORDINATOR);
  assert.equal(test.heartbeat("a", -1).errorCode, errorCode.NOT_COORDINATOR);
  assert.equal(test.heartbeat("b", 3, { subscribedTopicNames: ["x"] }).errorCode, errorCode.NOT_COORDINATOR);
  assert.equal(JSON.stringify(test.consumers.describe()), before);
  test.advance(SESSION_MS + 500);
  assert.equal(test.consumers.memberCount, 2, "nobody can be put out");
  test.refusal = errorCode.NONE;
  test.advance(1000);
  assert.equal(test.consumers.memberCount, 0, "it is tried again");
});

Deno.test("ConsumerGroup is vacant until something of it is in the log", () => {
  const test = groupWith(1);
  test.refusal = errorCode.KAFKA_STORAGE_ERROR;
  assert.equal(test.join("a", ["orders"]).errorCode, errorCode.NOT_COORDINATOR);
  assert.equal(test.consumers.isVacant, true);
  test.refusal = errorCode.NONE;
  test.join("a", ["orders"]);
  assert.equal(test.consumers.isVacant, false);
});

Deno.test("ConsumerGroup is the same after a restart, sessions begin again", () => {
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

Deno.test("ConsumerGroup puts a member out after a restart that was giving up partitions and does not", () => {
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

Deno.test("ConsumerGroup.tombstones() make the log forget it", () => {
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
  assert.equal(kinds.at(-1), "consumer-group-metadata", "the group last, or Kafka does not load the log");
});

Deno.test("ConsumerGroup replaces what Kafka 4.0 kept of its topics", () => {
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
  assert.deepEqual(a.assignment.topicPartitions[0]!.partitions, [0, 1], "what is to be given up is its own still");
  assert.deepEqual(a.targetAssignment.topicPartitions[0]!.partitions, [0]);
  assert.deepEqual([a.memberEpoch, a.memberType, a.clientHost], [2, 1, "/127.0.0.1"]);
});

Deno.test("ConsumerGroup.isSubscribedTo() and unusedSince() go by names and expressions", () => {
  const test = groupWith(1);
  test.setTopics({ payments: 1 });
  test.join("a", ["orders"]);
  test.join("b", [], { subscribedTopicNames: [], subscribedTopicRegex: "pay.*" });
  assert(test.consumers.isSubscribedTo("orders"));
  assert(test.consumers.isSubscribedTo("payments"));
  assert(!test.consumers.isSubscribedTo("other"));
  assert.equal(test.consumers.unusedSince("payments", 7), null);
  assert.equal(test.consumers.unusedSince("other", 7), 7);
  assert.equal(test.consumers.validateDelete(), errorCode.NON_EMPTY_GROUP);
  test.heartbeat("b", -1);
  assert(!test.consumers.isSubscribedTo("payments"));
});
