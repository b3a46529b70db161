import { strict as assert } from "node:assert";
import { toOffset } from "../../storage/base/units.ts";
import { emptyWatermarks, partitionState } from "../shared/watermarks.ts";
import { ReplicaState } from "./replica_state.ts";

const EPOCH = 5;

const LOG = { logStartOffset: toOffset(2), logEndOffset: toOffset(6), recoveryPoint: toOffset(4) };

/** A replica whose log holds the offsets from 2 up to 6, exclusive. */
function replicaOf(): ReplicaState {
  return new ReplicaState(LOG, EPOCH);
}

Deno.test("ReplicaState starts with its whole log committed, or with the high watermark and the byte counts of a row that was handed over", () => {
  const whole = { highWatermark: 6, lastStableOffset: 6, highWatermarkBytes: 0, logEndBytes: 0 };
  const extent = { state: partitionState.open, logStartOffset: 2, logEndOffset: 6, recoveryPoint: 4 };
  assert.deepEqual(replicaOf().row, { ...extent, ...whole });
  const before = { highWatermark: toOffset(5), lastStableOffset: toOffset(5), highWatermarkBytes: 60, logEndBytes: 70 };
  const handedOver = { ...emptyWatermarks(), ...LOG, ...before, state: partitionState.handedOver };
  const replica = new ReplicaState(LOG, EPOCH, handedOver);
  assert.deepEqual(replica.row, { ...extent, ...before });
  assert.equal(replica.acknowledged(), "complete");
  assert.deepEqual([replica.row.highWatermark, replica.row.highWatermarkBytes], [6, 70]);
});

Deno.test("ReplicaState.appended() moves only the log end; acknowledged() moves the high watermark and its bytes there, once", () => {
  const replica = replicaOf();
  replica.appended(toOffset(8), 20);
  replica.appended(toOffset(9), 10);
  const { row } = replica;
  assert.deepEqual([row.logEndOffset, row.logEndBytes, replica.hasUnacknowledged], [9, 30, true]);
  assert.deepEqual([row.highWatermark, row.lastStableOffset, row.highWatermarkBytes], [6, 6, 0]);
  assert.equal(replica.acknowledged(), "complete");
  assert.deepEqual([row.highWatermark, row.lastStableOffset, row.highWatermarkBytes], [9, 9, 30]);
  assert.equal(replica.acknowledged(), "nothing", "of a duplicate, too");
  assert.equal(replica.hasUnacknowledged, false);
});

Deno.test("ReplicaState.flushed() moves the high watermark to the log end at which the flush began, not to what came meanwhile", () => {
  const replica = replicaOf();
  const { row } = replica;
  replica.appended(toOffset(8), 20);
  replica.flushBegan();
  replica.appended(toOffset(9), 10);
  assert.equal(replica.flushed(toOffset(8)), "complete");
  assert.deepEqual([row.recoveryPoint, row.highWatermark, row.highWatermarkBytes], [8, 8, 20]);
  replica.flushBegan();
  assert.equal(replica.flushed(toOffset(9)), "complete");
  assert.deepEqual([row.recoveryPoint, row.highWatermark, row.highWatermarkBytes], [9, 9, 30]);
});

Deno.test("ReplicaState.flushed() of the first segments of a flush, or after one that could not be executed, keeps the end to be reached", () => {
  const replica = replicaOf();
  const { row } = replica;
  replica.appended(toOffset(10), 40);
  replica.flushBegan();
  assert.equal(replica.flushed(toOffset(7)), "publish");
  assert.deepEqual([row.recoveryPoint, row.highWatermark], [7, 6]);
  replica.appended(toOffset(12), 20);
  replica.flushBegan();
  assert.equal(replica.flushed(toOffset(10)), "complete");
  assert.deepEqual([row.highWatermark, row.highWatermarkBytes], [10, 40]);
});

Deno.test("ReplicaState.isComplete() requires the high watermark with acks=all and acks=1, and nothing with acks=0", () => {
  const replica = replicaOf();
  replica.appended(toOffset(8), 20);
  const complete = (nextOffset: number) => [-1, 0, 1].map((acks) => replica.isComplete(acks, toOffset(nextOffset)));
  assert.deepEqual(complete(8), [false, true, false]);
  assert.deepEqual(complete(6), [true, true, true], "a duplicate waits for its own first append");
  replica.acknowledged();
  assert.deepEqual(complete(8), [true, true, true]);
});

Deno.test("ReplicaState.flushed() and handedOver() publish the row and notify no waiting request", () => {
  const replica = replicaOf();
  assert.equal(replica.flushed(toOffset(6)), "publish");
  assert.equal(replica.row.recoveryPoint, 6);
  assert.equal(replica.handedOver(toOffset(5)), "publish");
  assert.deepEqual([replica.row.state, replica.row.recoveryPoint], [partitionState.handedOver, 5]);
  assert.equal(replica.failed(), "nothing", "the row is the next owner's");
  assert.equal(replica.row.state, partitionState.handedOver);
});

Deno.test("a ReplicaState that ends refuses everything and notifies waiting requests; a removed one leaves no offsets for checkpoints", () => {
  const { closed, closedCleanly, offline } = partitionState;
  for (
    const [end, state] of [
      [(replica: ReplicaState) => replica.failed(), offline],
      [(replica: ReplicaState) => replica.closed(toOffset(6), true), closedCleanly],
      [(replica: ReplicaState) => replica.closed(toOffset(4), false), closed],
      [(replica: ReplicaState) => replica.removed(), closed],
    ] as const
  ) {
    const replica = replicaOf();
    assert.equal(end(replica), "complete");
    assert.deepEqual([replica.row.state, replica.isOpen], [state, false]);
    assert.deepEqual([-1, EPOCH, EPOCH + 1].map((epoch) => replica.refusalOf(epoch)), Array(3).fill("log-offline"));
  }
  const removed = replicaOf();
  removed.removed();
  assert.deepEqual([removed.row.logStartOffset, removed.row.recoveryPoint], [0, 0]);
  const failed = replicaOf();
  failed.failed();
  assert.equal(failed.failed(), "nothing", "it is told once");
});

Deno.test("ReplicaState.lead() returns whether the epoch is new, and requests are checked against it (KIP-320)", () => {
  const replica = replicaOf();
  assert.equal(replica.lead(EPOCH), false);
  assert.equal(replica.lead(EPOCH + 1), true);
  assert.equal(replica.leaderEpoch, EPOCH + 1);
  const refusals = [-1, EPOCH, EPOCH + 1, EPOCH + 2].map((epoch) => replica.refusalOf(epoch));
  assert.deepEqual(refusals, [null, "fenced-leader-epoch", null, "unknown-leader-epoch"]);
});
