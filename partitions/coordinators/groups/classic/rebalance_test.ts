import assert from "node:assert/strict";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import { REBALANCE_MS, SESSION_MS, TestGroup } from "./classic_testing.ts";
import { NEW_MEMBER_JOIN_MS_MAX } from "./join_group.ts";

Deno.test("the first rebalance waits group.initial.rebalance.delay.ms, and again while members join", () => {
  const group = new TestGroup({ initialRebalanceDelayMs: 3000 });
  const one = group.join();
  group.advance(2999);
  const two = group.join();
  group.advance(1);
  assert.equal(one.isWaiting, true, "a second one came");
  group.advance(2999);
  assert.equal(one.isWaiting, true);
  group.advance(1);
  assert.deepEqual([one.answer.generationId, two.answer.generationId], [1, 1]);
});

Deno.test("the first rebalance waits no longer than the rebalance timeout, even if more members join", () => {
  const group = new TestGroup({ initialRebalanceDelayMs: 3000 });
  const one = group.join({ rebalanceTimeoutMs: 8000 });
  for (let ms = 0; ms < 8000; ms += 500) {
    assert.equal(one.isWaiting, true, `${ms}`);
    group.join({ rebalanceTimeoutMs: 8000 });
    group.advance(500);
  }
  assert.equal(one.isWaiting, false);
});

Deno.test("the first rebalance without a delay takes the members of its turn", () => {
  const group = new TestGroup();
  const calls = [group.join(), group.join(), group.join()];
  assert.deepEqual(calls.map((call) => call.isWaiting), [true, true, true]);
  group.advance(0);
  assert.deepEqual(calls.map((call) => call.answer.generationId), [1, 1, 1]);
});

Deno.test("a rebalance ends when all have joined again, or without those that do not in time", () => {
  const group = new TestGroup();
  const ids = group.stableGroup([{}, {}, {}]);
  const fresh = group.join();
  const one = group.join({ memberId: ids[1] });
  for (let ms = 0; ms < REBALANCE_MS - SESSION_MS / 2; ms += SESSION_MS / 2) {
    group.advance(SESSION_MS / 2);
    for (const id of [ids[0]!, ids[2]!]) assert.equal(group.heartbeat(id, 1), errorCode.REBALANCE_IN_PROGRESS);
  }
  assert.equal(fresh.isWaiting, true);
  group.advance(SESSION_MS / 2);
  assert.deepEqual(one.answer.members.map(({ memberId }) => memberId), [ids[1], fresh.answer.memberId]);
  assert.equal(one.answer.leader, ids[1], "the old leader did not come");
  assert.equal(group.heartbeat(ids[0]!, 1), errorCode.UNKNOWN_MEMBER_ID);
});

Deno.test("a member that sends nothing within its session is removed, and the others rebalance", () => {
  const group = new TestGroup();
  const [one, two] = group.stableGroup([{}, { sessionTimeoutMs: 20_000 }]) as [string, string];
  group.advance(SESSION_MS - 1);
  assert.equal(group.heartbeat(one, 1), 0);
  group.advance(SESSION_MS - 1);
  assert.deepEqual([group.heartbeat(two, 1), group.group.state], [0, "Stable"]);
  group.advance(1);
  assert.equal(group.group.state, "PreparingRebalance");
  const again = group.join({ memberId: two });
  assert.deepEqual([again.answer.generationId, again.answer.leader], [2, two]);
  assert.equal(group.heartbeat(one, 1), errorCode.UNKNOWN_MEMBER_ID);
});

Deno.test("a member's session restarts when it gets its generation, and again when it gets its assignment", () => {
  const group = new TestGroup();
  const one = group.join();
  const two = group.join();
  group.advance(0);
  const [leader, follower] = [one.answer.memberId, two.answer.memberId];
  group.advance(SESSION_MS - 1);
  const waiting = group.sync(follower, 1);
  group.heartbeat(leader, 1);
  group.advance(SESSION_MS - 1);
  assert.equal(waiting.isWaiting, true, "its session does not end while it waits for the leader");
  group.sync(leader, 1, { assign: { [follower]: "x" } });
  group.advance(SESSION_MS - 1);
  assert.deepEqual([group.heartbeat(leader, 1), group.heartbeat(follower, 1)], [0, 0]);
});

Deno.test("a member that waits for others keeps its session, however long they take", () => {
  const group = new TestGroup();
  const ids = group.stableGroup([{}, { sessionTimeoutMs: 100_000 }]) as [string, string];
  const fresh = group.join({ sessionTimeoutMs: 6000 });
  const again = group.join({ memberId: ids[0] });
  group.advance(REBALANCE_MS - 1);
  assert.deepEqual([fresh.isWaiting, again.isWaiting], [true, true]);
  group.advance(1);
  assert.equal(again.answer.members.length, 2);
});

Deno.test("a group without members is Empty, in the log too, and keeps its generation", () => {
  const group = new TestGroup();
  group.stableGroup([{}, {}]);
  const emptyAt = group.clock.wallMs() + SESSION_MS;
  group.advance(SESSION_MS + 500);
  assert.deepEqual([group.group.state, group.group.generation, group.timers.count], ["Empty", 2, 0]);
  const { protocolType, protocol, generation, leader, members, currentStateTimestamp } = group.log.last;
  assert.deepEqual([protocolType, protocol, generation, leader, members], ["consumer", null, 2, null, []]);
  assert.deepEqual([currentStateTimestamp, group.group.emptySinceMs], [emptyAt, emptyAt]);
  group.stableGroup([{ protocolType: "connect" }]);
  assert.deepEqual([group.group.generation, group.group.protocolType], [3, "connect"]);
});

Deno.test("a group that could not write its Empty state continues to work", () => {
  const group = new TestGroup();
  group.stableGroup();
  group.log.refusal = errorCode.NOT_COORDINATOR;
  group.advance(SESSION_MS);
  assert.equal(group.group.state, "Empty");
  group.log.refusal = 0;
  const [id] = group.stableGroup();
  assert.deepEqual([group.group.generation, group.log.last.leader], [3, id]);
});

Deno.test("members that joined and never sent SyncGroup are removed after the rebalance timeout (KAFKA-9752)", () => {
  const group = new TestGroup();
  const calls = [group.join(), group.join(), group.join()];
  group.advance(0);
  const [leader, synced, silent] = calls.map((call) => call.answer.memberId) as [string, string, string];
  group.sync(synced, 1);
  group.sync(leader, 1, { assign: { [synced]: "x", [silent]: "y" } });
  const beat = (ids: string[]) => {
    for (let ms = 0; ms < REBALANCE_MS - 5000; ms += 5000) {
      group.advance(5000);
      for (const id of ids) assert.equal(group.heartbeat(id, 1), 0);
    }
  };
  beat([leader, synced, silent]);
  assert.equal(group.group.state, "Stable");
  group.advance(5000);
  assert.equal(group.group.state, "PreparingRebalance");
  assert.equal(group.heartbeat(silent, 1), errorCode.UNKNOWN_MEMBER_ID);
  assert.deepEqual([group.heartbeat(leader, 1), group.heartbeat(synced, 1)], [27, 27]);
});

Deno.test("a leader that never sends SyncGroup is removed after the rebalance timeout, and the waiting members join again", () => {
  const group = new TestGroup();
  const calls = [group.join({ sessionTimeoutMs: 1_800_000 }), group.join()];
  group.advance(0);
  const [leader, follower] = calls.map((call) => call.answer.memberId) as [string, string];
  const waiting = group.sync(follower, 1);
  group.advance(REBALANCE_MS - 1);
  assert.equal(waiting.isWaiting, true);
  group.advance(1);
  assert.equal(waiting.answer.errorCode, errorCode.REBALANCE_IN_PROGRESS);
  const again = group.join({ memberId: follower });
  assert.deepEqual([again.answer.leader, group.heartbeat(leader, 2)], [follower, errorCode.UNKNOWN_MEMBER_ID]);
});

Deno.test("members that sync in time are not affected by the sync timeout", () => {
  const group = new TestGroup();
  const ids = group.stableGroup([{ sessionTimeoutMs: 1_800_000 }, { sessionTimeoutMs: 1_800_000 }]);
  group.advance(10 * REBALANCE_MS);
  assert.deepEqual([group.group.state, ids.map((id) => group.heartbeat(id, 1))], ["Stable", [0, 0]]);
});

Deno.test("a rebalance of static members that all stay away waits until their sessions end", () => {
  const group = new TestGroup();
  const members = ["a", "b"].map((instanceId) => ({ instanceId, sessionTimeoutMs: 200_000, rebalanceTimeoutMs: 1 }));
  group.stableGroup(members);
  const { memberId } = group.join({ version: 4 }).answer;
  const fresh = group.join({ memberId, version: 4, rebalanceTimeoutMs: 1 });
  group.leaveOne(memberId);
  assert.equal(fresh.answer.errorCode, errorCode.UNKNOWN_MEMBER_ID);
  group.advance(150_000);
  assert.deepEqual([group.group.state, group.group.memberCount], ["PreparingRebalance", 2]);
  group.advance(50_000);
  assert.deepEqual([group.group.state, group.timers.count], ["Empty", 0]);
});

Deno.test("a rebalance in which nobody joins is retried at a limited rate, whatever timeouts clients choose", () => {
  const group = new TestGroup();
  const hasty = { instanceId: "a", sessionTimeoutMs: 200_000, rebalanceTimeoutMs: 0 };
  group.stableGroup([{ ...hasty, rebalanceTimeoutMs: 60_000 }]);
  group.join(hasty);
  const { memberId } = group.join({ version: 4, sessionTimeoutMs: 7000 }).answer;
  const fresh = group.join({ memberId, version: 4, rebalanceTimeoutMs: 1 });
  group.leaveOne(memberId);
  assert.equal(fresh.answer.errorCode, errorCode.UNKNOWN_MEMBER_ID);
  let steps = 0;
  while (group.clock.monotonicMs() < 10_000) {
    group.advance(Math.max(1, group.timers.nextMs - group.clock.monotonicMs()));
    steps++;
  }
  assert.ok(steps <= 101, `${steps} attempts in 10 s`);
});

Deno.test("static members that do not join again in time stay members until their sessions end", () => {
  const group = new TestGroup();
  const [one, two] = group.stableGroup([{ instanceId: "i", sessionTimeoutMs: 300_000 }, {}]) as [string, string];
  const again = group.join({ memberId: two, protocols: [{ name: "range", metadata: new Uint8Array(1) }] });
  group.advance(REBALANCE_MS);
  assert.deepEqual([again.answer.leader, again.answer.members.map(({ memberId }) => memberId)], [two, [one, two]]);
});

Deno.test("1,000 members join, sync and join again in a number of steps that grows with them, not with their square", () => {
  const count = 1000;
  let reads = 0;
  const watched = (): { name: string; metadata: Uint8Array }[] => [{
    get name() {
      reads++;
      return "range";
    },
    metadata: new Uint8Array(8),
  }];
  const group = new TestGroup();
  const ids = group.stableGroup(Array.from({ length: count }, () => ({ protocols: watched() })));
  const again = ids.map((memberId) => group.join({ memberId, protocols: watched() }));
  assert.deepEqual([again[0]!.answer.members.length, again.at(-1)!.answer.generationId], [count, 2]);
  group.syncAll(ids, 2);
  assert.ok(reads < 60 * count, `${reads} looks at protocols`);
  assert.equal(group.timers.count, count, "a session each, nothing else");
});

Deno.test("a heartbeat does not change the heap of timers", () => {
  const group = new TestGroup();
  const [id] = group.stableGroup() as [string];
  const { nextMs, count } = group.timers;
  for (let i = 0; i < 9; i++) {
    group.advance(1000);
    assert.equal(group.heartbeat(id, 1), 0);
  }
  assert.deepEqual([group.timers.nextMs, group.timers.count], [nextMs, count]);
  assert.ok(NEW_MEMBER_JOIN_MS_MAX > nextMs, "the five minutes of a new member gave way to its session");
});
