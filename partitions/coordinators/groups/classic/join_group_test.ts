import assert from "node:assert/strict";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import { protocols, REBALANCE_MS, SESSION_MS, TestGroup, text } from "./classic_testing.ts";
import { GROUP_BYTES_MAX, NEW_MEMBER_JOIN_MS_MAX } from "./join_group.ts";
import { PENDING_MEMBERS_MAX } from "./classic_members.ts";

Deno.test("joinGroup() v4 first issues an id to a dynamic member, which then joins with it (KIP-394)", () => {
  const group = new TestGroup();
  const { answer } = group.join({ version: 4, clientId: "app" });
  assert.deepEqual([answer.errorCode, answer.memberId, answer.generationId], [
    errorCode.MEMBER_ID_REQUIRED,
    "app-id1",
    -1,
  ]);
  assert.deepEqual([group.group.memberCount, group.group.state], [0, "Empty"]);
  const joined = group.join({ version: 4, memberId: "app-id1" });
  group.advance(0);
  assert.deepEqual([joined.answer.errorCode, joined.answer.generationId, joined.answer.leader], [0, 1, "app-id1"]);
});

Deno.test("joinGroup() v3 joins in one step", () => {
  const group = new TestGroup();
  const joined = group.join({ version: 3, clientId: "app" });
  assert.equal(joined.isWaiting, true);
  group.advance(0);
  assert.deepEqual([joined.answer.memberId, joined.answer.protocolName, joined.answer.protocolType], [
    "app-id1",
    "range",
    "consumer",
  ]);
});

Deno.test("joinGroup() writes an empty group to the log before it answers; if that fails there is no group", () => {
  const group = new TestGroup();
  group.log.refusal = errorCode.NOT_COORDINATOR;
  assert.deepEqual(group.join({ version: 4 }).answer.errorCode, errorCode.NOT_COORDINATOR);
  assert.deepEqual([group.group.isVacant, group.timers.count], [true, 0]);
  group.log.refusal = 0;
  group.join({ version: 4 });
  assert.equal(group.group.isVacant, false);
  assert.deepEqual(group.log.last, {
    protocolType: "",
    generation: 0,
    protocol: null,
    leader: null,
    currentStateTimestamp: group.clock.wallMs(),
    members: [],
  });
  group.join({ version: 4 });
  assert.equal(group.log.records.length, 1);
});

Deno.test("joinGroup() refuses an id that the group does not know, and leaves a vacant group vacant", () => {
  const group = new TestGroup();
  assert.equal(group.join({ memberId: "who" }).answer.errorCode, errorCode.UNKNOWN_MEMBER_ID);
  assert.deepEqual([group.group.isVacant, group.log.records.length], [true, 0]);
  group.stableGroup();
  const { answer } = group.join({ memberId: "who" });
  assert.deepEqual([answer.errorCode, answer.memberId], [errorCode.UNKNOWN_MEMBER_ID, "who"]);
});

Deno.test("joinGroup() refuses a session timeout out of bounds, and accepts the bounds themselves", () => {
  const group = new TestGroup();
  for (const sessionTimeoutMs of [5999, 1_800_001, -1]) {
    assert.equal(group.join({ sessionTimeoutMs }).answer.errorCode, errorCode.INVALID_SESSION_TIMEOUT);
  }
  assert.equal(group.group.isVacant, true);
  for (const sessionTimeoutMs of [6000, 1_800_000]) {
    assert.equal(group.join({ sessionTimeoutMs, version: 4 }).answer.errorCode, errorCode.MEMBER_ID_REQUIRED);
  }
});

Deno.test("joinGroup() refuses protocols that do not fit the group, or none", () => {
  const group = new TestGroup();
  const refused = (options: Parameters<TestGroup["join"]>[0]) => group.join(options).answer.errorCode;
  assert.equal(refused({ protocols: [] }), errorCode.INCONSISTENT_GROUP_PROTOCOL);
  assert.equal(refused({ protocolType: "" }), errorCode.INCONSISTENT_GROUP_PROTOCOL);
  const [id] = group.stableGroup([{ protocols: protocols(["range", "sticky"]) }]);
  assert.equal(refused({ protocolType: "connect" }), errorCode.INCONSISTENT_GROUP_PROTOCOL);
  assert.equal(refused({ protocols: protocols(["roundrobin"]) }), errorCode.INCONSISTENT_GROUP_PROTOCOL);
  assert.equal(
    refused({ memberId: id, protocols: protocols(["roundrobin"]) }),
    errorCode.INCONSISTENT_GROUP_PROTOCOL,
    "also of a member: it counts itself, as in Kafka",
  );
  assert.equal(group.group.state, "Stable");
});

Deno.test("joinGroup() lets the members vote, and sends the first one all members with their metadata", () => {
  const group = new TestGroup();
  const calls = [["a", "b"], ["b", "a"], ["b", "a"]].map((names, index) =>
    group.join({ protocols: protocols(names, `of ${index}`) })
  );
  group.advance(0);
  const [first, ...others] = calls.map((call) => call.answer);
  assert.deepEqual([first!.protocolName, first!.leader, first!.skipAssignment], ["b", "c-id1", false]);
  assert.deepEqual(
    first!.members.map((member) => [member.memberId, member.groupInstanceId, text(member.metadata)]),
    [["c-id1", null, "b:of 0"], ["c-id2", null, "b:of 1"], ["c-id3", null, "b:of 2"]],
  );
  for (const { leader, members } of others) assert.deepEqual([leader, members], ["c-id1", []]);
});

Deno.test("joinGroup() of a stable group's follower without changes returns the generation again", () => {
  const group = new TestGroup();
  const [leader, follower] = group.stableGroup([{}, {}]);
  const { answer } = group.join({ memberId: follower });
  assert.deepEqual([answer.errorCode, answer.generationId, answer.leader, answer.members], [0, 1, leader, []]);
  assert.equal(group.group.state, "Stable");
});

Deno.test("joinGroup() of a stable group's leader, or of a member with changes, starts a rebalance", () => {
  for (const which of [0, 1]) {
    const group = new TestGroup();
    const ids = group.stableGroup([{}, {}]);
    const memberId = ids[which];
    const again = group.join({ memberId, protocols: protocols(["range"], which === 0 ? "m" : "new") });
    assert.deepEqual([again.isWaiting, group.group.state], [true, "PreparingRebalance"]);
    assert.equal(group.heartbeat(ids[1 - which]!, 1), errorCode.REBALANCE_IN_PROGRESS);
    const other = group.join({ memberId: ids[1 - which] });
    assert.deepEqual([again.answer.generationId, other.answer.generationId], [2, 2]);
  }
});

Deno.test("joinGroup() while the leader assigns repeats the answer for the same data, and rebalances for changes or a new member", () => {
  const group = new TestGroup();
  const leader = group.join();
  const follower = group.join();
  group.advance(0);
  const ids = [leader.answer.memberId, follower.answer.memberId] as const;
  assert.equal(group.join({ memberId: ids[0] }).answer.members.length, 2, "the leader missed its answer");
  assert.deepEqual(group.join({ memberId: ids[1] }).answer.members, []);
  assert.equal(group.group.state, "CompletingRebalance");
  const waiting = group.sync(ids[1], 1);
  const fresh = group.join();
  assert.equal(waiting.answer.errorCode, errorCode.REBALANCE_IN_PROGRESS);
  const again = ids.map((memberId) => group.join({ memberId, protocols: protocols(["range"], "new") }));
  assert.deepEqual([fresh, ...again].map((call) => call.answer.generationId), [2, 2, 2]);
});

Deno.test("joinGroup() answers an older waiting JoinGroup that it replaces", () => {
  const group = new TestGroup({ initialRebalanceDelayMs: 3000 });
  const { memberId } = group.join({ version: 4 }).answer;
  const older = group.join({ memberId, version: 4 });
  const newer = group.join({ memberId, version: 4 });
  assert.equal(older.answer.errorCode, errorCode.REBALANCE_IN_PROGRESS);
  group.advance(6000);
  assert.deepEqual([newer.answer.errorCode, newer.answer.generationId], [0, 1]);
});

Deno.test("joinGroup() v0 waits for others as long as a session", () => {
  const group = new TestGroup();
  const [id] = group.stableGroup([{ version: 0, rebalanceTimeoutMs: -1, sessionTimeoutMs: 7000 }]);
  const fresh = group.join();
  group.advance(REBALANCE_MS);
  assert.equal(group.log.records[1]!.value!.members[0]!.rebalanceTimeout, 7000);
  assert.deepEqual([fresh.answer.members.map(({ memberId }) => memberId), id], [[fresh.answer.memberId], "c-id1"]);
});

Deno.test("joinGroup() forgets an id that was not used within a session, and stops waiting for it", () => {
  const group = new TestGroup();
  const [id] = group.stableGroup();
  const pending = group.join({ version: 4 }).answer.memberId;
  const again = group.join({ memberId: id });
  assert.equal(again.isWaiting, true, "the pending member may still come");
  group.advance(SESSION_MS - 1);
  assert.equal(again.isWaiting, true);
  group.advance(1);
  assert.equal(again.answer.generationId, 2);
  assert.equal(group.join({ memberId: pending, version: 4 }).answer.errorCode, errorCode.UNKNOWN_MEMBER_ID);
});

Deno.test("joinGroup() of a member that was never answered ends after five minutes, not after its session", () => {
  const group = new TestGroup();
  const [id] = group.stableGroup([{ sessionTimeoutMs: 1_800_000, rebalanceTimeoutMs: 1_800_000 }]);
  const fresh = group.join();
  group.advance(NEW_MEMBER_JOIN_MS_MAX - 1);
  assert.equal(fresh.isWaiting, true);
  group.advance(1);
  assert.deepEqual([fresh.answer.errorCode, fresh.answer.memberId], [errorCode.UNKNOWN_MEMBER_ID, ""]);
  assert.equal(group.join({ memberId: id }).answer.generationId, 2);
});

Deno.test("joinGroup() enforces group.max.size", () => {
  const group = new TestGroup({ maxSize: 2 });
  const [one, two] = group.stableGroup([{}, {}]);
  const third = group.join();
  assert.deepEqual([third.answer.errorCode, third.answer.memberId], [errorCode.GROUP_MAX_SIZE_REACHED, ""]);
  assert.equal(group.join({ version: 4 }).answer.errorCode, errorCode.GROUP_MAX_SIZE_REACHED);
  assert.equal(group.group.state, "Stable");
  const again = [one, two].map((memberId) => group.join({ memberId }));
  assert.equal(group.join().answer.errorCode, errorCode.GROUP_MAX_SIZE_REACHED, "two are there again");
  assert.deepEqual(again.map((call) => call.answer.errorCode), [0, 0]);
});

Deno.test("joinGroup() of a group that is too large refuses the last members, and the others continue", () => {
  const group = new TestGroup();
  const ids = group.stableGroup([{}, {}, {}]);
  const smaller = new TestGroup({ maxSize: 2 });
  smaller.group.replay(group.log.records.at(-1)!);
  smaller.group.start();
  assert.equal(smaller.group.state, "PreparingRebalance");
  const [one, two, three] = ids.map((memberId) => smaller.join({ memberId }));
  assert.equal(three!.answer.errorCode, errorCode.GROUP_MAX_SIZE_REACHED);
  assert.deepEqual([one!.answer.members.length, two!.answer.errorCode], [2, 0]);
});

Deno.test("joinGroup() limits the total bytes that the members of a group may send", () => {
  const group = new TestGroup();
  const large = [{ name: "range", metadata: new Uint8Array(GROUP_BYTES_MAX / 2) }];
  const [id] = group.stableGroup([{}]);
  const again = group.join({ memberId: id, protocols: large });
  assert.equal(again.answer.errorCode, 0);
  assert.equal(group.join({ protocols: large }).answer.errorCode, errorCode.GROUP_MAX_SIZE_REACHED);
  assert.equal(group.join({ memberId: id, protocols: large }).answer.errorCode, 0, "it replaces its own");
});

Deno.test("joinGroup() limits the ids that were issued and not used: a new id replaces the oldest", () => {
  const group = new TestGroup();
  const oldest = group.join({ version: 4 }).answer.memberId;
  const second = group.join({ version: 4 }).answer.memberId;
  for (let i = 0; i < PENDING_MEMBERS_MAX - 1; i++) group.join({ version: 4 });
  assert.equal(group.timers.count, PENDING_MEMBERS_MAX);
  assert.equal(group.join({ memberId: oldest, version: 4 }).answer.errorCode, errorCode.UNKNOWN_MEMBER_ID);
  assert.equal(group.join({ memberId: second, version: 4 }).isWaiting, true);
});

Deno.test("joinGroup() refuses an instance id for a member id that was issued to a dynamic member, as Kafka does", () => {
  const group = new TestGroup();
  const { memberId } = group.join({ version: 4 }).answer;
  const { answer } = group.join({ memberId, instanceId: "i" });
  assert.deepEqual([answer.errorCode, answer.memberId], [errorCode.UNKNOWN_SERVER_ERROR, ""]);
});

Deno.test("joinGroup() accepts a protocol with an empty name, which the answer cannot distinguish from none", () => {
  const group = new TestGroup();
  const joined = group.join({ protocols: protocols([""]) });
  group.advance(0);
  assert.deepEqual([joined.answer.protocolName, group.group.protocolName], [null, ""]);
});

Deno.test("joinGroup() makes member ids that fit a string whatever the client id is", () => {
  const group = new TestGroup();
  const { memberId } = group.join({ version: 4, clientId: "x".repeat(254) + "😀".repeat(8000) }).answer;
  assert.equal(memberId, `${"x".repeat(254)}-id1`, "no half of a character");
});

Deno.test("joinGroup() of a group that is no longer coordinated here is refused", () => {
  const group = new TestGroup();
  const [id] = group.stableGroup();
  group.group.dispose();
  for (const memberId of ["", id]) {
    assert.equal(group.join({ memberId }).answer.errorCode, errorCode.COORDINATOR_NOT_AVAILABLE);
  }
});
