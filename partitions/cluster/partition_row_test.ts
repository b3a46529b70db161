import { strict as assert } from "node:assert";
import { canLead, changeRow, createRow, NO_LEADER, type PartitionRow, type RowChange } from "./partition_row.ts";

const allActive = { isActive: () => true };
const active = (...ids: number[]) => ({ isActive: (broker: number) => ids.includes(broker) });

/** Leader 1 with the followers 2 and 3, all in sync, minimum 2. */
const row = createRow([1, 2, 3], 2, allActive);

/** The fields of a row that differ from another one. */
function differences(next: PartitionRow | null, last: PartitionRow): Partial<PartitionRow> {
  return Object.fromEntries(
    Object.entries(next ?? {}).filter(([field, value]) =>
      JSON.stringify(value) !== JSON.stringify(last[field as keyof PartitionRow])
    ),
  );
}

function assertChanges(last: PartitionRow, change: RowChange, ids: readonly number[], expected: Partial<PartitionRow>) {
  assert.deepEqual(differences(changeRow(last, change, active(...ids)), last), {
    partitionEpoch: last.partitionEpoch + 1,
    ...expected,
  });
}

Deno.test("createRow() takes the active replicas as ISR and the first of them as leader", () => {
  assert.deepEqual([row.isr, row.leader, row.minIsr, row.leaderEpoch, row.partitionEpoch], [[1, 2, 3], 1, 2, 0, 0]);
  assert.deepEqual(createRow([1, 2, 3], 5, active(2, 3)).isr, [2, 3]);
  assert.equal(createRow([1, 2, 3], 5, active(2, 3)).minIsr, 3, "at most the replication factor");
});

Deno.test("changeRow() to a smaller ISR keeps the leader epoch (KAFKA-15021), and below the minimum makes an ELR", () => {
  assertChanges(row, { isr: [1, 2], election: "none" }, [1, 2], { isr: [1, 2] });
  const two = { ...row, isr: [1, 2] };
  assertChanges(two, { isr: [1], election: "none" }, [1], { isr: [1], elr: [2] });
  const one = { ...row, isr: [1], elr: [2] };
  assertChanges(one, { isr: [1, 3], election: "none" }, [1, 2, 3], { isr: [1, 3], elr: [] });
  assert.equal(changeRow(row, { isr: [1, 2, 3], election: "online" }, allActive), null);
});

Deno.test("changeRow() elects from the ISR in assignment order, from the ELR when the ISR is empty, else nobody", () => {
  assertChanges(row, { isr: [2, 3], election: "online" }, [2, 3], { isr: [2, 3], leader: 2, leaderEpoch: 1 });
  const alone = { ...row, isr: [1], elr: [3] };
  assertChanges(alone, { isr: [], election: "online" }, [2, 3], { isr: [3], elr: [1], leader: 3, leaderEpoch: 1 });
  const gone = { isr: [], elr: [3, 1], leader: NO_LEADER, leaderEpoch: 1, lastKnownElr: [1] };
  assertChanges(alone, { isr: [], election: "online" }, [2], gone);
  const leaderless = { ...row, ...gone };
  const back = { isr: [1], elr: [3], leader: 1, leaderEpoch: 2, lastKnownElr: [] };
  assertChanges(leaderless, { isr: [], election: "online" }, [1, 2], back);
});

Deno.test("changeRow() lets the last leader lead again, uncleanly, when nobody else is eligible; with its log lost, nobody", () => {
  const last = { ...row, isr: [], elr: [1], leader: NO_LEADER, leaderEpoch: 4, lastKnownElr: [1] };
  const again = { isr: [1], elr: [], leader: 1, leaderEpoch: 5, lastKnownElr: [], recovering: true };
  assertChanges(last, { tailLost: [1], election: "online" }, [1, 2, 3], again);
  assertChanges(last, { logLost: [1], election: "online" }, [1, 2, 3], { elr: [], lastKnownElr: [] });
  const uncleanly = { ...again, isr: [2], leader: 2 };
  assertChanges(last, { logLost: [1], election: "unclean" }, [2, 3], uncleanly);
  assertChanges({ ...row, ...uncleanly }, { recovered: true, election: "none" }, [2], {
    recovering: false,
    partitionEpoch: 1,
  });
});

Deno.test("changeRow() of a changed minimum keeps the ELR as long as the ISR is below it", () => {
  const below = { ...row, isr: [1], elr: [2] };
  assertChanges(below, { minIsr: 3, election: "none" }, [1, 2, 3], { minIsr: 3 });
  assertChanges(below, { minIsr: 1, election: "none" }, [1, 2, 3], { minIsr: 1, elr: [] });
});

Deno.test("changeRow() prefers the first replica only if it is eligible", () => {
  const second = { ...row, leader: 2 };
  assertChanges(second, { election: "preferred" }, [1, 2, 3], { leader: 1, leaderEpoch: 1 });
  assert.equal(changeRow(second, { election: "preferred" }, active(2, 3)), null);
  assert.equal(changeRow({ ...second, isr: [2, 3] }, { election: "preferred" }, allActive), null);
  assert.equal(canLead(second, 1, allActive), true);
});

Deno.test("changeRow() ends a reassignment when the new replicas are in sync, and moves the leader out of the way", () => {
  const begun = changeRow(row, { target: [4, 2, 3], election: "none" }, allActive) as PartitionRow;
  assert.deepEqual([begun.replicas, begun.adding, begun.removing], [[4, 2, 3, 1], [4], [1]]);
  assertChanges(begun, { isr: [1, 2, 3, 4], election: "none" }, [1, 2, 3, 4], {
    replicas: [4, 2, 3],
    isr: [2, 3, 4],
    adding: [],
    removing: [],
    leader: 4,
    leaderEpoch: 1,
  });
  const alone = { ...begun, isr: [1, 4], minIsr: 2 };
  assert.equal(changeRow(alone, { election: "none" }, allActive), null, "one member in sync is below the minimum");
});
