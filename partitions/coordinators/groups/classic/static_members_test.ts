import assert from "node:assert/strict";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import { protocols, SESSION_MS, TestGroup, text } from "./classic_testing.ts";

const members = [{ instanceId: "a" }, { instanceId: "b" }];

Deno.test("a static member's new process gets the old one's assignment without a rebalance (KIP-345)", () => {
  const group = new TestGroup();
  const [, old] = group.stableGroup(members) as [string, string];
  const { answer } = group.join({ instanceId: "b" });
  assert.deepEqual([answer.errorCode, answer.generationId, answer.memberId], [0, 1, "b-id3"]);
  assert.deepEqual([answer.leader, answer.members, answer.skipAssignment], ["a-id1", [], false]);
  assert.equal(group.group.state, "Stable");
  assert.equal(text(group.sync(answer.memberId, 1, { groupInstanceId: "b" }).answer.assignment), old);
});

Deno.test("a static member's old process is fenced, whatever it asks", () => {
  const group = new TestGroup();
  const [, old] = group.stableGroup(members) as [string, string];
  group.join({ instanceId: "b" });
  const fenced = errorCode.FENCED_INSTANCE_ID;
  assert.equal(group.heartbeat(old, 1, "b"), fenced);
  assert.equal(group.join({ memberId: old, instanceId: "b" }).answer.errorCode, fenced);
  assert.equal(group.sync(old, 1, { groupInstanceId: "b" }).answer.errorCode, fenced);
  assert.equal(group.commit(old, 1, "b"), fenced);
  assert.equal(group.leaveOne(old, "b"), fenced);
  assert.equal(group.heartbeat(old, 1), errorCode.UNKNOWN_MEMBER_ID, "where it does not say its instance");
  assert.equal(group.group.memberCount, 2);
});

Deno.test("a static leader's new process is told all members, and not to assign, from v9 on (KIP-814)", () => {
  const group = new TestGroup();
  group.stableGroup(members);
  const { answer } = group.join({ instanceId: "a", version: 9 });
  assert.deepEqual([answer.skipAssignment, answer.leader], [true, answer.memberId]);
  assert.equal(group.log.last.leader, answer.memberId);
  assert.deepEqual(answer.members.map(({ memberId, groupInstanceId }) => [memberId, groupInstanceId]), [
    ["b-id2", "b"],
    [answer.memberId, "a"],
  ]);
});

Deno.test("a static leader's new process is told before v9 that the old one leads, so that it does not assign", () => {
  const group = new TestGroup();
  const [old] = group.stableGroup(members);
  const { answer } = group.join({ instanceId: "a", version: 8 });
  assert.deepEqual([answer.skipAssignment, answer.leader, answer.members], [false, old, []]);
  const again = group.join({ memberId: answer.memberId, instanceId: "a" });
  assert.equal(group.group.state, "PreparingRebalance", "it leads all the same: joining again rebalances");
  assert.equal(group.join({ memberId: "b-id2", instanceId: "b" }).answer.leader, answer.memberId);
  assert.equal(again.answer.members.length, 2);
});

Deno.test("a static member's new id is in the log: after a restart the group knows it and its assignment", () => {
  const group = new TestGroup();
  const [, old] = group.stableGroup(members) as [string, string];
  const { memberId } = group.join({ instanceId: "b", rebalanceTimeoutMs: 7000, sessionTimeoutMs: 8000 }).answer;
  const written = group.log.last.members.find(({ groupInstanceId }) => groupInstanceId === "b")!;
  assert.deepEqual([written.memberId, text(written.assignment), written.rebalanceTimeout, written.sessionTimeout], [
    memberId,
    old,
    7000,
    8000,
  ]);
  group.restart();
  assert.equal(group.heartbeat(old, 1, "b"), errorCode.FENCED_INSTANCE_ID);
  assert.equal(text(group.sync(memberId, 1, { groupInstanceId: "b" }).answer.assignment), old);
});

Deno.test("a static member's new id that cannot be written is not issued, and the old process stays", () => {
  const group = new TestGroup();
  const [, old] = group.stableGroup(members) as [string, string];
  group.log.refusal = errorCode.COORDINATOR_NOT_AVAILABLE;
  const { answer } = group.join({ instanceId: "b" });
  assert.deepEqual([answer.errorCode, answer.memberId], [errorCode.COORDINATOR_NOT_AVAILABLE, ""]);
  assert.equal(group.heartbeat(old, 1, "b"), 0);
  assert.equal(group.timers.count, 2);
});

Deno.test("a static member's new process that changes the group's protocol makes it rebalance", () => {
  const group = new TestGroup();
  const both = ["range", "sticky"];
  const [leader] = group.stableGroup([
    { instanceId: "a", protocols: protocols(both) },
    { instanceId: "b", protocols: protocols(both) },
  ]);
  const fresh = group.join({ instanceId: "b", protocols: protocols(["sticky"]) });
  assert.deepEqual([fresh.isWaiting, group.group.state], [true, "PreparingRebalance"]);
  group.join({ memberId: leader, instanceId: "a", protocols: protocols(both) });
  assert.deepEqual([fresh.answer.generationId, fresh.answer.protocolName], [2, "sticky"]);
});

Deno.test("a static member's new process while the leader assigns makes the group rebalance", () => {
  const group = new TestGroup();
  const calls = members.map((options) => group.join(options));
  group.advance(0);
  const [leader, old] = calls.map((call) => call.answer.memberId) as [string, string];
  const waiting = group.sync(old, 1, { groupInstanceId: "b" });
  const fresh = group.join({ instanceId: "b" });
  assert.equal(waiting.answer.errorCode, errorCode.FENCED_INSTANCE_ID);
  assert.equal(group.group.state, "PreparingRebalance");
  group.join({ memberId: leader, instanceId: "a" });
  assert.equal(fresh.answer.generationId, 2);
});

Deno.test("a static member's new process during a rebalance takes the old one's place; the old one's JoinGroup is fenced", () => {
  const group = new TestGroup();
  const [one, two] = group.stableGroup([...members, {}]) as [string, string, string];
  const older = group.join({ memberId: two, instanceId: "b", protocols: protocols(["range"], "new") });
  const newer = group.join({ instanceId: "b" });
  assert.deepEqual([older.answer.errorCode, older.answer.memberId], [errorCode.FENCED_INSTANCE_ID, two]);
  group.join({ memberId: one, instanceId: "a" });
  assert.equal(newer.isWaiting, true, "the third is not there");
  group.leaveOne("c-id3");
  assert.equal(newer.answer.generationId, 2);
});

Deno.test("a static member's new process has a session; the old one's ends without effect", () => {
  const group = new TestGroup();
  group.stableGroup([{ instanceId: "a", sessionTimeoutMs: 600_000 }, { instanceId: "b" }]);
  group.advance(SESSION_MS - 1);
  const { memberId } = group.join({ instanceId: "b" }).answer;
  group.advance(SESSION_MS - 1);
  assert.deepEqual([group.group.state, group.heartbeat(memberId, 1, "b")], ["Stable", 0]);
  group.advance(SESSION_MS);
  assert.equal(group.group.state, "PreparingRebalance");
});

Deno.test("a static member's new process that owes SyncGroup, like the old one, is removed after the same time", () => {
  const group = new TestGroup();
  const calls = [{ instanceId: "a", sessionTimeoutMs: 600_000 }, { instanceId: "b", sessionTimeoutMs: 600_000 }].map((
    options,
  ) => group.join(options));
  group.advance(0);
  group.sync(calls[0]!.answer.memberId, 1);
  group.join({ instanceId: "b", sessionTimeoutMs: 600_000 });
  assert.equal(group.group.state, "Stable");
  group.advance(60_000);
  assert.deepEqual([group.group.state, group.group.memberCount], ["PreparingRebalance", 1]);
});

Deno.test("identify() knows a static member by both ids", () => {
  const group = new TestGroup();
  const [one, two] = group.stableGroup(members) as [string, string];
  assert.equal(group.heartbeat(one, 1, "a"), 0);
  assert.equal(group.heartbeat(one, 1), 0);
  assert.equal(group.heartbeat(one, 1, "b"), errorCode.FENCED_INSTANCE_ID);
  assert.equal(group.heartbeat(two, 1, "nobody"), errorCode.UNKNOWN_MEMBER_ID);
});
