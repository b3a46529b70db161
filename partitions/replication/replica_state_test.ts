import { strict as assert } from "node:assert";
import { toOffset } from "../../storage/base/units.ts";
import { partitionState } from "../shared/watermarks.ts";
import { ReplicaState } from "./replica_state.ts";

const EPOCH = 5;

/** A replica whose log holds the offsets from 2 up to 6, exclusive. */
function replicaOf(logEndBytes = 0): ReplicaState {
  const log = { logStartOffset: toOffset(2), logEndOffset: toOffset(6), recoveryPoint: toOffset(4) };
  return new ReplicaState(log, EPOCH, logEndBytes);
}

Deno.test("ReplicaState starts with its whole log committed, and continues the byte count of its row", () => {
  assert.deepEqual(replicaOf(70).row, {
    state: partitionState.open,
    highWatermark: 6,
    lastStableOffset: 6,
    logStartOffset: 2,
    logEndOffset: 6,
    recoveryPoint: 4,
    highWatermarkBytes: 70,
    logEndBytes: 70,
  });
});

Deno.test("ReplicaState.appended() moves only the log end; acknowledged() moves the high watermark and its bytes there, once", () => {
  const replica = replicaOf(70);
  replica.appended(toOffset(8), 20);
  replica.appended(toOffset(9), 10);
  const { row } = replica;
  assert.deepEqual([row.logEndOffset, row.logEndBytes], [9, 100]);
  assert.deepEqual([row.highWatermark, row.lastStableOffset, row.highWatermarkBytes], [6, 6, 70]);
  assert.equal(replica.acknowledged(), "complete");
  assert.deepEqual([row.highWatermark, row.lastStableOffset, row.highWatermarkBytes], [9, 9, 100]);
  assert.equal(replica.acknowledged(), "nothing", "of a duplicate, too");
});

Deno.test("ReplicaState.isComplete() requires the high watermark with acks=all, and nothing with acks 0 and 1", () => {
  const replica = replicaOf();
  replica.appended(toOffset(8), 20);
  const complete = (nextOffset: number) => [-1, 0, 1].map((acks) => replica.isComplete(acks, toOffset(nextOffset)));
  assert.deepEqual(complete(8), [false, true, true]);
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
