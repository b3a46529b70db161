/**
 * Where a follower's log parts from its leader's: the leader's check of a fetch, and what the follower cuts off. Pure; shards.
 *
 *   leader    epoch 1: 0..4   epoch 3: 5..9      a fetch with (last epoch 2, offset 7): largest epoch ≤ 2 is 1, its end is 5
 *   follower  epoch 1: 0..4   epoch 2: 5..6      answer: diverging (1, 5); the follower ends epoch 1 at 5, cuts there, fetches (1, 5)
 *
 * Each round lowers the pair (epoch, offset), so it ends. To cut at the high watermark instead loses committed records, or leaves different
 * ones (KAFKA-1211). Source: KIP-101, KIP-279, KIP-320, KIP-595; Kafka's ReplicaManager.readFromLog, AbstractFetcherThread.
 */
import { NO_OFFSET, type Offset, toOffset } from "../../storage/base/units.ts";

/** End of an epoch in a log: the largest known epoch at most the one asked for. Epoch and offset -1: not known. */
export interface EpochEnd {
  readonly epoch: number;
  readonly endOffset: Offset;
}

/** What the state machines read of a replica's log. */
export interface ReplicaLog {
  readonly logStartOffset: Offset;
  readonly logEndOffset: Offset;
  /** Leader epoch at the log start, -1 for none. */
  readonly earliestEpoch: number;
  /** Latest entry of the log's leader epochs, -1 for none. */
  readonly latestEpoch: number;
  /** Leader epoch of the log that ends (LeaderEpochTable). */
  endOffsetFor(epoch: number): EpochEnd;
}

/** How the leader answers where a follower wants to read on. */
export type FetchPosition = "continues" | "offset-out-of-range" | EpochEnd;

/**
 * Compares a follower's position with the leader's log.
 * @param lastFetchedEpoch latest epoch of the follower's log, -1 for none @param fetchOffset the follower's log end
 */
export function positionOf(log: ReplicaLog, lastFetchedEpoch: number, fetchOffset: Offset): FetchPosition {
  if (lastFetchedEpoch >= 0) {
    const end = log.endOffsetFor(lastFetchedEpoch);
    if (end.endOffset === NO_OFFSET) return "offset-out-of-range";
    // Even when it diverges (KAFKA-12996): else the follower would cut at an offset that its leader does not have.
    if (fetchOffset < log.logStartOffset) return "offset-out-of-range";
    if (end.epoch < lastFetchedEpoch || end.endOffset < fetchOffset) return end;
    // Nothing says whether a log that ends where this one starts had the same records: see beginsAnew().
    if (lastFetchedEpoch < log.earliestEpoch) return end;
  }
  const isInside = fetchOffset >= log.logStartOffset && fetchOffset <= log.logEndOffset;
  return isInside ? "continues" : "offset-out-of-range";
}

/** Where a follower cuts its log after a diverging answer. @param highWatermark its own */
export function truncationOffset(log: ReplicaLog, diverging: EpochEnd, highWatermark: Offset): Offset {
  const { logEndOffset } = log;
  if (diverging.endOffset < 0) return highWatermark;
  if (log.latestEpoch < 0) return lower(diverging.endOffset, logEndOffset);
  const own = log.endOffsetFor(diverging.epoch);
  // All own epochs are later than the leader's: nothing of this log is the leader's.
  if (own.endOffset < 0) return lower(diverging.endOffset, logEndOffset);
  const end = lower(own.endOffset, logEndOffset);
  return own.epoch === diverging.epoch ? lower(end, diverging.endOffset) : end;
}

/**
 * Whether a follower drops its whole log, because all that it could share with the leader's is deleted there. Kafka keeps what lies below;
 * if that was never committed, its producers' sequence numbers would let this replica, once it leads, take a retried record for one
 * that it has (the simulation found it).
 */
export function beginsAnew(truncateTo: Offset, leaderLogStart: Offset): boolean {
  return truncateTo <= leaderLogStart;
}

function lower(a: Offset, b: Offset): Offset {
  return toOffset(Math.min(a, b));
}
