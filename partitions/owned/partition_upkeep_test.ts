import { strict as assert } from "node:assert";
import { type Kept, PartitionUpkeep } from "./partition_upkeep.ts";

/** An upkeep of some partitions, and the calls that they got. */
function keep(count: number, flushCheckMs: number) {
  const done = { flushes: 0, expiries: 0 };
  const kept: Kept = {
    flushIfDue: () => void done.flushes++,
    log: { expireProducers: () => void done.expiries++ },
  };
  const partitions = new Map(Array.from({ length: count }, (_, slot) => [slot, kept]));
  return { done, upkeep: new PartitionUpkeep(partitions, { nowMs: 0, flushCheckMs }) };
}

Deno.test("PartitionUpkeep checks flush.ms at its announced deadline, so an idle shard can sleep until then", () => {
  const { done, upkeep } = keep(3, 50);
  assert.equal(upkeep.nextDeadlineMs, 50);
  upkeep.run(49, () => 0);
  assert.equal(done.flushes, 0);
  upkeep.run(50, () => 0);
  assert.deepEqual([done.flushes, upkeep.nextDeadlineMs], [3, 100]);
  assert.ok(
    keep(3, Infinity).upkeep.nextDeadlineMs > 60_000,
    "without log.flush.scheduler.interval.ms nothing wakes it up",
  );
});

Deno.test("PartitionUpkeep checks the producers of a few partitions a turn, until all were checked", () => {
  const { done, upkeep } = keep(1000, Infinity);
  const dueMs = upkeep.nextDeadlineMs;
  const perTurn: number[] = [];
  for (let turn = 0; turn === 0 || upkeep.nextDeadlineMs <= dueMs; turn++) {
    const before = done.expiries;
    upkeep.run(dueMs, () => 0);
    perTurn.push(done.expiries - before);
  }
  assert.equal(done.expiries, 1000);
  assert.ok(Math.max(...perTurn) <= 64, `${perTurn}`);
});
