import { strict as assert } from "node:assert";
import { toOffset } from "../../storage/base/units.ts";
import { LeaderEpochTable } from "../../storage/log/epochs/leader_epoch_table.ts";
import { beginsAnew, positionOf, type ReplicaLog, truncationOffset } from "./epoch_divergence.ts";

/** A log by the epoch of each record; `start` records were deleted. */
function logOf(epochs: readonly number[], start = 0): ReplicaLog {
  const table = new LeaderEpochTable();
  for (let offset = start; offset < epochs.length; offset++) table.assign(epochs[offset]!, toOffset(offset));
  const logEndOffset = toOffset(epochs.length);
  return {
    logStartOffset: toOffset(start),
    logEndOffset,
    earliestEpoch: table.epochFor(toOffset(start)),
    latestEpoch: table.latest,
    endOffsetFor: (epoch) => table.endOffsetFor(epoch, logEndOffset),
  };
}

/** Cuts a follower's log until the leader's continues it. @returns the cuts */
function align(leader: readonly number[], follower: readonly number[], highWatermark = 0): number[] {
  const cuts: number[] = [];
  let epochs = follower;
  for (let round = 0; round < 10; round++) {
    const own = logOf(epochs);
    const position = positionOf(logOf(leader), own.latestEpoch, own.logEndOffset);
    if (position === "continues") return cuts;
    assert(typeof position === "object", `${position}`);
    const to = truncationOffset(own, position, toOffset(highWatermark));
    assert(to <= own.logEndOffset);
    cuts.push(to);
    epochs = epochs.slice(0, to);
  }
  throw new Error("does not end");
}

Deno.test("a follower cuts its log where it parts from the leader's, in one round or several (KIP-101, KIP-279)", () => {
  assert.deepEqual(align([1, 1, 2], [1, 1, 2]), []);
  assert.deepEqual(align([1, 1, 2], [1, 1]), [], "behind");
  assert.deepEqual(align([1, 1], [1, 1, 1]), [2], "ahead in the same epoch");
  assert.deepEqual(align([1, 1, 3], [1, 1, 2, 2]), [2], "an epoch that the leader lacks");
  assert.deepEqual(align([1, 1, 4, 4], [1, 1, 1, 2, 3]), [2]);
  assert.deepEqual(align([1, 3, 3, 5], [1, 2, 2, 4]), [3, 1], "interleaved epochs");
  assert.deepEqual(align([1, 1], []), [], "an empty follower");
});

Deno.test("positionOf() refuses what lies outside the log, even when it diverges (KAFKA-12996), and an epoch that the leader does not know", () => {
  const leader = logOf([1, 1, 2, 2, 3], 3);
  assert.equal(positionOf(leader, 1, toOffset(1)), "offset-out-of-range");
  assert.equal(positionOf(leader, 4, toOffset(5)), "offset-out-of-range");
  assert.equal(positionOf(leader, -1, toOffset(6)), "offset-out-of-range");
  assert.equal(positionOf(leader, -1, toOffset(5)), "continues");
  assert.deepEqual(positionOf(leader, 2, toOffset(5)), { epoch: 2, endOffset: 4 });
  assert.deepEqual(positionOf(leader, 1, toOffset(3)), { epoch: 1, endOffset: 3 }, "all that it has is deleted here");
  assert.equal(beginsAnew(toOffset(3), leader.logStartOffset), true);
});

Deno.test("truncationOffset() is the high watermark when the leader's end is not known, and the leader's end in a log without epochs", () => {
  const unknown = { epoch: -1, endOffset: toOffset(-1) };
  assert.equal(truncationOffset(logOf([1, 1, 1]), unknown, toOffset(2)), 2);
  const withoutEpochs = { ...logOf([1, 1, 1]), latestEpoch: -1 };
  assert.equal(truncationOffset(withoutEpochs, { epoch: 1, endOffset: toOffset(2) }, toOffset(0)), 2);
  assert.equal(truncationOffset(withoutEpochs, { epoch: 1, endOffset: toOffset(9) }, toOffset(0)), 3);
});
