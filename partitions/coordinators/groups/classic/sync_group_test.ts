import assert from "node:assert/strict";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import { bytes, TestGroup, text } from "./classic_testing.ts";

/** Members that were told generation 1 and have not synced. */
function joined(count: number, instanceIds: (string | null)[] = []): { group: TestGroup; ids: string[] } {
  const group = new TestGroup();
  const calls = Array.from({ length: count }, (_, index) => group.join({ instanceId: instanceIds[index] ?? null }));
  group.advance(0);
  return { group, ids: calls.map((call) => call.answer.memberId) };
}

Deno.test("syncGroup() waits for the leader, then sends each member its own bytes unchanged", () => {
  const { group, ids: [leader, follower] } = joined(2) as { group: TestGroup; ids: [string, string] };
  const waiting = group.sync(follower, 1);
  assert.equal(waiting.isWaiting, true);
  const opaque = Uint8Array.from([0, 255, 1, 254]);
  const first = group.sync(leader, 1, {
    assignments: [{ memberId: follower, assignment: opaque }, { memberId: leader, assignment: bytes("mine") }],
  });
  assert.deepEqual(waiting.answer, {
    errorCode: 0,
    protocolType: "consumer",
    protocolName: "range",
    assignment: opaque,
  });
  assert.equal(text(first.answer.assignment), "mine");
  assert.equal(group.group.state, "Stable");
});

Deno.test("syncGroup() writes the assignment to the log before any member gets it", () => {
  const { group, ids: [leader, follower] } = joined(2, [null, "i"]) as { group: TestGroup; ids: [string, string] };
  const stateSinceMs = group.clock.wallMs();
  const waiting = group.sync(follower, 1, { groupInstanceId: "i" });
  group.clock.advance(5);
  group.sync(leader, 1, { assign: { [leader]: "l", [follower]: "f" } });
  assert.equal(waiting.isWaiting, false);
  const member = {
    clientId: "c",
    clientHost: "/127.0.0.1",
    rebalanceTimeout: 60_000,
    sessionTimeout: 10_000,
    subscription: bytes("range:m"),
  };
  assert.deepEqual(group.log.last, {
    protocolType: "consumer",
    generation: 1,
    protocol: "range",
    leader,
    currentStateTimestamp: stateSinceMs,
    members: [
      { ...member, memberId: leader, groupInstanceId: null, assignment: bytes("l") },
      { ...member, memberId: follower, groupInstanceId: "i", assignment: bytes("f") },
    ],
  });
});

Deno.test("syncGroup() of a stable group returns the assignment and accepts no other", () => {
  const { group, ids: [leader, follower] } = joined(2) as { group: TestGroup; ids: [string, string] };
  group.sync(leader, 1, { assign: { [leader]: "l", [follower]: "f" } });
  assert.equal(text(group.sync(follower, 1).answer.assignment), "f");
  assert.equal(text(group.sync(leader, 1, { assign: { [leader]: "other" } }).answer.assignment), "l");
  assert.equal(group.log.records.length, 2);
});

Deno.test("syncGroup() sends members that the leader omitted an empty assignment, and ignores unknown members", () => {
  const { group, ids: [leader, follower] } = joined(2) as { group: TestGroup; ids: [string, string] };
  const waiting = group.sync(follower, 1);
  group.sync(leader, 1, { assign: { [leader]: "l", stranger: "s" } });
  assert.deepEqual([waiting.answer.errorCode, waiting.answer.assignment.length], [0, 0]);
  assert.deepEqual(group.log.last.members.map(({ memberId }) => memberId), [leader, follower]);
});

Deno.test("syncGroup() refuses unknown members, another generation and another protocol", () => {
  const { group, ids: [id] } = joined(1) as { group: TestGroup; ids: [string] };
  const code = (...of: Parameters<TestGroup["sync"]>) => group.sync(...of).answer.errorCode;
  assert.equal(code("stranger", 1), errorCode.UNKNOWN_MEMBER_ID);
  assert.equal(code(id, 0), errorCode.ILLEGAL_GENERATION);
  assert.equal(code(id, 2), errorCode.ILLEGAL_GENERATION);
  assert.equal(code(id, 1, { protocolType: "connect" }), errorCode.INCONSISTENT_GROUP_PROTOCOL);
  assert.equal(code(id, 1, { protocolName: "sticky" }), errorCode.INCONSISTENT_GROUP_PROTOCOL);
  assert.equal(code(id, 1, { version: 5 }), errorCode.INCONSISTENT_GROUP_PROTOCOL, "v5 must name both");
  assert.equal(group.group.state, "CompletingRebalance");
  assert.equal(code(id, 1, { version: 5, protocolType: "consumer", protocolName: "range" }), 0);
});

Deno.test("syncGroup() of an empty group finds no member, and of a rebalancing group answers REBALANCE_IN_PROGRESS", () => {
  const group = new TestGroup();
  assert.equal(group.sync("x", 0).answer.errorCode, errorCode.UNKNOWN_MEMBER_ID);
  const [one] = group.stableGroup([{}, {}]) as [string, string];
  group.join();
  assert.equal(group.sync(one, 1).answer.errorCode, errorCode.REBALANCE_IN_PROGRESS);
});

Deno.test("syncGroup() answers an older waiting SyncGroup that it replaces", () => {
  const { group, ids: [leader, follower] } = joined(2) as { group: TestGroup; ids: [string, string] };
  const older = group.sync(follower, 1);
  const newer = group.sync(follower, 1);
  assert.equal(older.answer.errorCode, errorCode.REBALANCE_IN_PROGRESS);
  group.sync(leader, 1, { assign: { [follower]: "f" } });
  assert.equal(text(newer.answer.assignment), "f");
});

Deno.test("syncGroup() whose record is refused answers all members with the error, and they join again", () => {
  for (const refusal of ["NOT_COORDINATOR", "COORDINATOR_NOT_AVAILABLE", "UNKNOWN_SERVER_ERROR"] as const) {
    const { group, ids: [leader, follower] } = joined(2) as { group: TestGroup; ids: [string, string] };
    const waiting = group.sync(follower, 1);
    group.log.refusal = errorCode[refusal];
    const first = group.sync(leader, 1, { assign: { [leader]: "l", [follower]: "f" } });
    for (const { answer } of [waiting, first]) {
      assert.deepEqual([answer.errorCode, answer.assignment.length], [errorCode[refusal], 0]);
    }
    assert.equal(group.group.state, "PreparingRebalance");
    assert.deepEqual(group.group.describe().members.map(({ memberAssignment }) => memberAssignment.length), [0, 0]);
    group.log.refusal = 0;
    group.join({ memberId: leader });
    assert.equal(group.join({ memberId: follower }).answer.generationId, 2);
    group.syncAll([leader, follower], 2);
  }
});
