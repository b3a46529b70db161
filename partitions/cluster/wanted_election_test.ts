import assert from "node:assert/strict";
import { createRow, NO_LEADER, type PartitionRow } from "./partition_row.ts";
import { wantedElection } from "./wanted_election.ts";

const among = (...active: number[]) => ({ isActive: (broker: number) => active.includes(broker) });
const row = createRow([1, 2, 3], 2, among(1, 2, 3));
const led = { ...row, leader: 2, leaderEpoch: 4 };
const leaderless: PartitionRow = { ...row, leader: NO_LEADER, isr: [], leaderEpoch: 4 };

function chosen(next: ReturnType<typeof wantedElection>) {
  if (typeof next === "string") return next;
  const { leader, leaderEpoch, isr, recovering } = next;
  return { leader, leaderEpoch, isr, recovering };
}

Deno.test("wantedElection() elects the preferred replica if it is in sync and active, and not where it leads", () => {
  assert.equal(wantedElection(row, "preferred", among(1, 2, 3)), "not-needed");
  const first = { leader: 1, leaderEpoch: 5, isr: [1, 2, 3], recovering: false };
  assert.deepEqual(chosen(wantedElection(led, "preferred", among(1, 2, 3))), first);
  assert.equal(wantedElection(led, "preferred", among(2, 3)), "no-preferred-leader");
  assert.equal(wantedElection({ ...led, isr: [2, 3] }, "preferred", among(1, 2, 3)), "no-preferred-leader");
  assert.equal(wantedElection(leaderless, "preferred", among(1, 2, 3)), "no-preferred-leader", "nobody is in sync");
});

Deno.test("wantedElection() elects uncleanly only without a leader, the last one that is known first", () => {
  assert.equal(wantedElection(led, "unclean", among(1, 2, 3)), "not-needed");
  assert.equal(wantedElection(leaderless, "unclean", among()), "no-eligible-leader");
  const unclean = (leader: number) => ({ leader, leaderEpoch: 5, isr: [leader], recovering: true });
  assert.deepEqual(chosen(wantedElection(leaderless, "unclean", among(2, 3))), unclean(2));
  assert.deepEqual(chosen(wantedElection({ ...leaderless, lastKnownElr: [3] }, "unclean", among(2, 3))), unclean(3));
  const eligible = { ...leaderless, elr: [3] };
  const clean = { leader: 3, leaderEpoch: 5, isr: [3], recovering: false };
  assert.deepEqual(chosen(wantedElection(eligible, "unclean", among(1, 2, 3))), clean, "without loss, if somebody can");
});
