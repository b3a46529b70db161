/**
 * The decisions of a follower on which the safety of replication rests, apart from the state that they decide about. A simulation replaces
 * one at a time by a known mistake, and has to find it. Pure; shards.
 */
import type { Offset } from "../../storage/base/units.ts";
import { beginsAnew, type EpochEnd, type ReplicaLog, truncationOffset } from "./epoch_divergence.ts";

/** The end of the log for which a request asked, and the leader epoch that it named. */
export interface FetchPlace {
  readonly offset: Offset;
  readonly lastFetchedEpoch: number;
  readonly leaderEpoch: number;
}

/** The rules. */
export interface FollowerRules {
  /** Where to cut after a diverging answer. */
  truncationOffset(log: ReplicaLog, diverging: EpochEnd, highWatermark: Offset): Offset;
  /** Whether nothing of the log is left after a cut, because the leader's starts there. */
  beginsAnew(truncateTo: Offset, leaderLogStart: Offset): boolean;
  /**
   * Whether an answer is for what the follower fetches now (KAFKA-18991). Equal ends of the log (offset and epoch) mean equal logs, so a late
   * answer does no harm then. By the offset alone, a late diverging answer would cut a log that was cut already, and has grown to the same
   * length again. (Kafka compares no epoch of the log: there, late answers end with their connection.)
   */
  isAnswerTo(place: FetchPlace, answered: FetchPlace): boolean;
  /** Whether a diverging answer also brings the high watermark: the log still ends with other records (KAFKA-14704). */
  takesHighWatermarkOfDiverging(): boolean;
  /**
   * Whether a batch may be appended that came for a fetch in a leader epoch. One of a later epoch was read after the leader had lost its
   * leadership and cut its log: it does not continue this log (KAFKA-18723).
   */
  acceptsBatch(batchEpoch: number, leaderEpoch: number): boolean;
  /** Whether the next place to fetch from is computed only after the write under way has ended (KAFKA-13266). */
  waitsForWrite(): boolean;
}

/** The rules of a sound follower. */
export const followerRules: FollowerRules = {
  truncationOffset,
  beginsAnew,
  isAnswerTo: isSamePlace,
  takesHighWatermarkOfDiverging: () => false,
  acceptsBatch: (batchEpoch, leaderEpoch) => batchEpoch <= leaderEpoch,
  waitsForWrite: () => true,
};

/** Whether two requests ask for the same. */
export function isSamePlace(one: FetchPlace, other: FetchPlace): boolean {
  return one.offset === other.offset && one.lastFetchedEpoch === other.lastFetchedEpoch &&
    one.leaderEpoch === other.leaderEpoch;
}
