import { strict as assert } from "node:assert";
import { changeRow, createRow, NO_LEADER, type PartitionRow, type RowChange } from "./partition_row.ts";
import { isRefusal, reassignmentChange, type ReassignmentRefusal } from "./reassignment.ts";

const allActive = { isActive: () => true };
const active = (...ids: number[]) => ({ isActive: (broker: number) => ids.includes(broker) });
const RULES = { mayChangeFactor: true, isUncleanElectionEnabled: false };

/** Leader 1 with the followers 2 and 3, all in sync, minimum 2. */
const row = createRow([1, 2, 3], 2, allActive);

/** The row after a reassignment was asked for; the same one where it changes nothing. */
function reassigned(from: PartitionRow, replicas: number[] | null, brokers = allActive): PartitionRow {
  const change = reassignmentChange(from, replicas, RULES);
  assert.ok(isChange(change), JSON.stringify(change));
  return changeRow(from, change, brokers) ?? from;
}

function isChange(change: RowChange | ReassignmentRefusal): change is RowChange {
  return !isRefusal(change);
}

function listsOf({ replicas, adding, removing, isr }: PartitionRow): unknown {
  return { replicas, adding, removing, isr };
}

Deno.test("reassignmentChange() adds and removes, and to the same replicas in another order it is over at once", () => {
  const begun = reassigned(row, [4, 2, 3]);
  assert.deepEqual(listsOf(begun), { replicas: [4, 2, 3, 1], adding: [4], removing: [1], isr: [1, 2, 3] });
  assert.deepEqual([begun.leader, begun.leaderEpoch], [1, 0], "nobody notices yet");
  const reordered = reassigned(row, [3, 1, 2]);
  assert.deepEqual(listsOf(reordered), { replicas: [3, 1, 2], adding: [], removing: [], isr: [1, 2, 3] });
  assert.equal(reassigned(row, [1, 2, 3]), row);
});

Deno.test("reassignmentChange() to fewer replicas is over at once where one that stays is in sync; a leader that goes is replaced", () => {
  const shrunk = reassigned(row, [3]);
  assert.deepEqual(listsOf(shrunk), { replicas: [3], adding: [], removing: [], isr: [3] });
  assert.deepEqual([shrunk.leader, shrunk.leaderEpoch, shrunk.minIsr], [3, 1, 1]);
  const behind = { ...row, isr: [1, 2] };
  const waiting = reassigned(behind, [3]);
  assert.deepEqual(listsOf(waiting), { replicas: [3, 1, 2], adding: [], removing: [1, 2], isr: [1, 2] });
  assert.equal(waiting.minIsr, 2, "until then as many have to be in sync as before");
});

Deno.test("reassignmentChange() to more replicas leaves the minimum as it was, until they are in sync", () => {
  const one = createRow([1], 2, allActive);
  const grown = reassigned(one, [1, 2, 3]);
  assert.deepEqual([grown.minIsr, grown.isr, grown.adding], [1, [1], [2, 3]]);
  assert.equal(changeRow(grown, { minIsr: 2, election: "none" }, allActive), null, "the leader raises it no sooner");
  const half = changeRow(grown, { isr: [1, 2], election: "none" }, allActive) as PartitionRow;
  assert.deepEqual(half.adding, [2, 3]);
  const whole = changeRow(half, { isr: [1, 2, 3], election: "none" }, allActive) as PartitionRow;
  assert.deepEqual(listsOf(whole), { replicas: [1, 2, 3], adding: [], removing: [], isr: [1, 2, 3] });
  assert.equal(changeRow(whole, { minIsr: 2, election: "none" }, allActive)?.minIsr, 2);
});

Deno.test("reassignmentChange() of null goes back: what was added leaves at once, and another one leads if it has led", () => {
  const begun = reassigned(row, [4, 5]);
  const half = changeRow(begun, { isr: [1, 2, 3, 4], election: "none" }, allActive) as PartitionRow;
  const back = reassigned(half, null);
  assert.deepEqual(listsOf(back), { replicas: [1, 2, 3], adding: [], removing: [], isr: [1, 2, 3] });
  assert.equal(back.leaderEpoch, half.leaderEpoch + 1, "late fetches of broker 4 count no more");
  const led = { ...half, leader: 4, isr: [2, 4] };
  assert.deepEqual([reassigned(led, null).leader, reassigned(led, null).isr], [2, [2]]);
  assert.equal(reassignmentChange(row, null, RULES), "none-in-progress");
});

Deno.test("reassignmentChange() replaces one that is under way: it goes on from the original replicas", () => {
  const begun = reassigned(row, [4, 2, 3]);
  const half = changeRow(begun, { isr: [1, 2], election: "none" }, allActive) as PartitionRow;
  const other = reassigned(half, [2, 3, 5]);
  assert.deepEqual(listsOf(other), { replicas: [2, 3, 5, 1], adding: [5], removing: [1], isr: [1, 2] });
  const kept = reassigned(half, [4, 5, 3]);
  assert.deepEqual(listsOf(kept), { replicas: [4, 5, 3, 2, 1], adding: [4, 5], removing: [2, 1], isr: [1, 2] });
  const same = reassigned(begun, [4, 2, 3]);
  assert.deepEqual(listsOf(same), listsOf(begun));
});

Deno.test("reassignmentChange() is refused where all that are in sync would leave at once, unless unclean elections are allowed", () => {
  const begun = { ...reassigned(row, [4, 5]), isr: [4], leader: 4 };
  for (const replicas of [null, [1, 2], [5, 6]]) {
    assert.equal(reassignmentChange(begun, replicas, RULES), "would-be-unclean", `${replicas}`);
  }
  assert.ok(isChange(reassignmentChange(begun, [4], RULES)), "broker 4 stays");
  const eligible = { ...begun, elr: [2] };
  const elected = reassigned(eligible, null);
  assert.deepEqual([elected.leader, elected.isr, elected.recovering], [2, [2], false], "broker 2 has the records, too");
  const left = { ...begun, isr: [], leader: NO_LEADER, lastKnownElr: [4] };
  assert.equal(reassignmentChange(left, null, RULES), "would-be-unclean");
  const unclean = reassignmentChange(begun, null, { ...RULES, isUncleanElectionEnabled: true });
  assert.ok(isChange(unclean));
  const lost = changeRow(begun, unclean, active(2, 3)) as PartitionRow;
  assert.deepEqual([lost.leader, lost.isr, lost.recovering, lost.lastKnownElr], [2, [2], true, []]);
});

Deno.test("reassignmentChange() keeps the number of replicas where it must not change (KIP-860): that of the target, if there is one", () => {
  const fixed = { ...RULES, mayChangeFactor: false };
  assert.deepEqual(reassignmentChange(row, [1, 2], fixed), { kind: "factor-changes", from: 3, to: 2 });
  assert.ok(isChange(reassignmentChange(row, [4, 5, 6], fixed)));
  const begun = reassigned(row, [4, 5]);
  assert.deepEqual(reassignmentChange(begun, [1, 2, 3], fixed), { kind: "factor-changes", from: 2, to: 3 });
  assert.ok(isChange(reassignmentChange(begun, null, fixed)), "to cancel is always allowed");
});
