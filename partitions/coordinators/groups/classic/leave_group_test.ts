import assert from "node:assert/strict";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import { TestGroup } from "./classic_testing.ts";

Deno.test("leaveGroup() removes a member, and the others rebalance", () => {
  const group = new TestGroup();
  const [one, two] = group.stableGroup([{}, {}]) as [string, string];
  assert.equal(group.leaveOne(one), 0);
  assert.equal(group.heartbeat(two, 1), errorCode.REBALANCE_IN_PROGRESS);
  assert.equal(group.heartbeat(one, 1), errorCode.UNKNOWN_MEMBER_ID);
  assert.equal(group.join({ memberId: two }).answer.leader, two);
});

Deno.test("leaveGroup() of the leader makes the earliest of the others lead, not a new one", () => {
  const group = new TestGroup();
  const [one, two, three] = group.stableGroup([{}, {}, {}]) as [string, string, string];
  group.leaveOne(one);
  const calls = [group.join(), group.join({ memberId: three }), group.join({ memberId: two })];
  assert.deepEqual(calls.map((call) => call.answer.leader), [two, two, two]);
});

Deno.test("leaveGroup() of members that owe SyncGroup leaves no timer", () => {
  const group = new TestGroup();
  const calls = [group.join(), group.join()];
  group.advance(0);
  const members = calls.map((call) => ({ memberId: call.answer.memberId, groupInstanceId: null, reason: null }));
  group.leave({ members });
  assert.deepEqual([group.group.state, group.timers.count], ["Empty", 0]);
});

Deno.test("leaveGroup() of the last member leaves an Empty group, in the log too", () => {
  const group = new TestGroup();
  const [id] = group.stableGroup() as [string];
  assert.equal(group.leaveOne(id), 0);
  assert.deepEqual([group.group.state, group.group.generation, group.log.last.members], ["Empty", 2, []]);
  assert.equal(group.timers.count, 0);
});

Deno.test("leaveGroup() v0-2 names one member, and its error is the answer's", () => {
  const group = new TestGroup();
  const [one, two] = group.stableGroup([{}, {}]) as [string, string];
  assert.deepEqual(group.leave({ memberId: "stranger" }, 2), { errorCode: errorCode.UNKNOWN_MEMBER_ID, members: [] });
  assert.equal(group.group.state, "Stable");
  assert.deepEqual(group.leave({ memberId: one }, 0), { errorCode: 0, members: [] });
  assert.deepEqual([group.group.state, group.heartbeat(two, 1)], ["PreparingRebalance", 27]);
});

Deno.test("leaveGroup() v3 accepts several members, also by instance id, and answers for each", () => {
  const group = new TestGroup();
  const [one, two, three, four] = group.stableGroup([{ instanceId: "a" }, { instanceId: "b" }, {}, {}]) as [
    string,
    string,
    string,
    string,
  ];
  const leaving = [
    { memberId: "", groupInstanceId: "a" },
    { memberId: two, groupInstanceId: "b" },
    { memberId: three, groupInstanceId: null },
    { memberId: three, groupInstanceId: null },
    { memberId: "", groupInstanceId: null },
    { memberId: "", groupInstanceId: "nobody" },
    { memberId: one, groupInstanceId: "b" },
  ].map((member) => ({ ...member, reason: "test" }));
  const { errorCode: code, members } = group.leave({ members: leaving }, 5);
  const unknown = errorCode.UNKNOWN_MEMBER_ID;
  assert.equal(code, 0);
  assert.deepEqual(members!.map((member) => member.errorCode), [0, 0, 0, unknown, unknown, unknown, unknown]);
  assert.deepEqual(
    members!.map(({ memberId, groupInstanceId }) => ({ memberId, groupInstanceId, reason: "test" })),
    leaving,
  );
  assert.equal(group.join({ memberId: four }).answer.members.length, 1);
});

Deno.test("leaveGroup() fences an instance id that belongs to another member", () => {
  const group = new TestGroup();
  const [one] = group.stableGroup([{ instanceId: "a" }, { instanceId: "b" }]) as [string, string];
  assert.equal(group.leaveOne(one, "b"), errorCode.FENCED_INSTANCE_ID);
  assert.equal(group.group.state, "Stable");
});

Deno.test("leaveGroup() of a member id that was issued and not used ends the wait for it", () => {
  const group = new TestGroup();
  const [id] = group.stableGroup() as [string];
  const pending = group.join({ version: 4 }).answer.memberId;
  const again = group.join({ memberId: id });
  assert.equal(again.isWaiting, true);
  assert.equal(group.leaveOne(pending), 0);
  assert.equal(again.answer.generationId, 2);
  assert.equal(group.timers.count, 2, "a session, and the sync");
});

Deno.test("leaveGroup() answers what the member still waits for", () => {
  const group = new TestGroup();
  const calls = [group.join(), group.join()];
  group.advance(0);
  const [leader, follower] = calls.map((call) => call.answer.memberId) as [string, string];
  const syncing = group.sync(follower, 1);
  group.leaveOne(follower);
  assert.equal(syncing.answer.errorCode, errorCode.UNKNOWN_MEMBER_ID);
  const fresh = group.join();
  const joining = group.join({ memberId: leader });
  assert.equal(joining.isWaiting, false);
  const another = group.join({ memberId: fresh.answer.memberId, protocols: [] });
  assert.equal(another.answer.errorCode, errorCode.INCONSISTENT_GROUP_PROTOCOL);
});

Deno.test("leaveGroup() during a rebalance ends it when all other members have joined", () => {
  const group = new TestGroup();
  const [one, two, three] = group.stableGroup([{}, {}, {}]) as [string, string, string];
  const waiting = group.join({ memberId: one });
  group.leaveOne(two);
  assert.equal(waiting.isWaiting, true);
  group.leaveOne(three);
  assert.equal(waiting.answer.generationId, 2);
});

Deno.test("leaveGroup() before the first rebalance ends leaves a group that becomes Empty at its end", () => {
  const group = new TestGroup({ initialRebalanceDelayMs: 3000 });
  const { memberId } = group.join({ version: 4 }).answer;
  const joining = group.join({ memberId, version: 4 });
  assert.equal(group.leaveOne(memberId), 0);
  assert.deepEqual([joining.answer.errorCode, joining.answer.memberId], [errorCode.UNKNOWN_MEMBER_ID, ""]);
  group.advance(3000);
  assert.deepEqual([group.group.state, group.group.generation], ["Empty", 1]);
});

Deno.test("leaveGroup() refuses a group that does not exist, or that is coordinated elsewhere", () => {
  const group = new TestGroup();
  assert.equal(group.leaveOne("x"), errorCode.UNKNOWN_MEMBER_ID);
  assert.equal(group.group.isVacant, true);
  group.group.dispose();
  assert.deepEqual(group.leave({ members: [{ memberId: "x", groupInstanceId: null, reason: null }] }), {
    errorCode: errorCode.COORDINATOR_NOT_AVAILABLE,
    members: [],
  });
});
