import assert from "node:assert/strict";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import { protocols, SESSION_MS, TestGroup } from "./classic_testing.ts";

/** A subscription to one topic of one character. */
function subscribed(topic: string) {
  return [{ name: "range", metadata: Uint8Array.from([0, 1, 0, 0, 0, 1, 0, 1, topic.charCodeAt(0)]) }];
}

Deno.test("checkOffsetCommit() accepts commits without a generation while the group is Empty, and from members", () => {
  const group = new TestGroup();
  assert.equal(group.commit("", -1), 0);
  assert.equal(group.commit("x", 0), errorCode.UNKNOWN_MEMBER_ID);
  const [id] = group.stableGroup() as [string];
  assert.equal(group.commit(id, 1), 0);
  assert.equal(group.commit("", -1), errorCode.UNKNOWN_MEMBER_ID, "an administrator while there are members");
  assert.equal(group.commit(id, -1), errorCode.ILLEGAL_GENERATION);
  assert.equal(group.commit("x", 1), errorCode.UNKNOWN_MEMBER_ID);
  assert.deepEqual([group.commit(id, 0), group.commit(id, 2)], [22, 22]);
  group.leaveOne(id);
  assert.equal(group.commit("", -1), 0);
});

Deno.test("checkOffsetCommit() accepts commits of the old generation until the members have the answer to JoinGroup", () => {
  const group = new TestGroup();
  const [one, two] = group.stableGroup([{}, {}]) as [string, string];
  const again = group.join({ memberId: one });
  assert.deepEqual([group.commit(two, 1), group.commit(one, 1)], [0, 0], "while the rebalance is prepared");
  group.join({ memberId: two });
  assert.equal(again.answer.generationId, 2);
  assert.equal(group.commit(two, 1), errorCode.ILLEGAL_GENERATION);
  assert.equal(group.commit(two, 2), errorCode.REBALANCE_IN_PROGRESS);
  group.syncAll([one, two], 2);
  assert.equal(group.commit(two, 2), 0);
});

Deno.test("checkOffsetCommit() knows static members by both ids", () => {
  const group = new TestGroup();
  const [id] = group.stableGroup([{ instanceId: "i" }]) as [string];
  assert.equal(group.commit(id, 1, "i"), 0);
  assert.equal(group.commit("", -1, "i"), errorCode.FENCED_INSTANCE_ID);
  assert.equal(group.commit("", -1, "j"), errorCode.UNKNOWN_MEMBER_ID);
});

Deno.test("checkOffsetCommit() renews the member's session when it accepts a commit", () => {
  const group = new TestGroup();
  const [id] = group.stableGroup() as [string];
  group.advance(SESSION_MS - 1);
  assert.equal(group.commit(id, 1), 0);
  group.advance(SESSION_MS - 1);
  assert.equal(group.group.state, "Stable");
  assert.equal(group.commit(id, 0), errorCode.ILLEGAL_GENERATION);
  group.advance(1);
  assert.equal(group.group.state, "Empty", "one that is refused does not");
});

Deno.test("a group can be deleted while it is Empty, and its offsets also while consumers are in it", () => {
  const group = new TestGroup();
  const codes = () => [group.group.validateDelete(), group.group.validateOffsetDelete()];
  assert.deepEqual(codes(), [0, 0]);
  const [id] = group.stableGroup() as [string];
  assert.deepEqual(codes(), [errorCode.NON_EMPTY_GROUP, 0]);
  group.leaveOne(id);
  group.stableGroup([{ protocolType: "connect" }]);
  assert.deepEqual(codes(), [errorCode.NON_EMPTY_GROUP, errorCode.NON_EMPTY_GROUP]);
  assert.equal(group.group.validateOffsetFetch("", -1), 0);
  group.group.dispose();
  assert.deepEqual(codes(), [errorCode.GROUP_ID_NOT_FOUND, errorCode.GROUP_ID_NOT_FOUND]);
  assert.equal(group.group.validateOffsetFetch("", -1), errorCode.GROUP_ID_NOT_FOUND);
});

Deno.test("isSubscribedTo() knows the topics of the generation's members, and counts every topic if it cannot read a subscription", () => {
  const group = new TestGroup();
  assert.equal(group.group.isSubscribedTo("a"), false);
  const ids = group.stableGroup([{ protocols: subscribed("a") }, { protocols: subscribed("b") }]);
  const topics = () => ["a", "b", "c"].map((topic) => group.group.isSubscribedTo(topic));
  assert.deepEqual(topics(), [true, true, false]);
  group.leaveOne(ids[0]!);
  assert.deepEqual(topics(), [true, true, false], "until the next generation");
  group.join({ memberId: ids[1], protocols: subscribed("b") });
  assert.deepEqual(topics(), [false, true, false]);
  group.restart();
  assert.deepEqual(topics(), [true, true, false], "what the log says");
  const other = new TestGroup();
  other.stableGroup([{ protocols: protocols(["range"]) }]);
  assert.equal(other.group.isSubscribedTo("any"), true);
  const connect = new TestGroup();
  connect.stableGroup([{ protocolType: "connect", protocols: subscribed("a") }]);
  assert.equal(connect.group.isSubscribedTo("a"), false);
});

Deno.test("unusedSince() counts from the commit, from when the group became Empty, or not at all (KIP-211)", () => {
  const group = new TestGroup();
  const since = (topic: string) => group.group.unusedSince(topic, 123);
  assert.equal(since("a"), 123, "no members ever");
  const [id] = group.stableGroup([{ protocols: subscribed("a") }]) as [string];
  assert.deepEqual([since("a"), since("b")], [null, 123]);
  const second = group.join({ protocols: subscribed("b") });
  assert.deepEqual([since("a"), since("b")], [null, null], "while it rebalances nothing expires");
  group.leaveOne(id);
  group.leaveOne(second.answer.memberId);
  const emptyAt = group.clock.wallMs();
  group.advance(5000);
  assert.deepEqual([since("a"), since("b")], [emptyAt, emptyAt]);
  group.restart();
  assert.equal(since("a"), emptyAt);
  const connect = new TestGroup();
  connect.stableGroup([{ protocolType: "connect" }]);
  assert.equal(connect.group.unusedSince("a", 123), null);
});

Deno.test("unusedSince() counts from the commit if an old log does not tell when the group became Empty", () => {
  const group = new TestGroup();
  const value = { protocolType: "consumer", generation: 3, protocol: null, leader: null, members: [] };
  group.group.replay({
    kind: "group-metadata",
    key: { group: "g" },
    value: { ...value, currentStateTimestamp: -1 },
  });
  assert.deepEqual([group.group.unusedSince("a", 123), group.group.emptySinceMs], [123, null]);
});
