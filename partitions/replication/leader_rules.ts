/**
 * The decisions of a leader on which the safety of replication rests, apart from the state that they decide about. A simulation replaces one
 * at a time by a known mistake, and has to find it. Pure; shards.
 */
import type { Offset } from "../../storage/base/units.ts";
import type { FollowerProgress } from "./follower_progress.ts";

/** What the rules look at. */
export interface LeaderView {
  readonly highWatermark: Offset;
  /** Log end when this leadership began. */
  readonly epochStart: Offset;
  /** In-sync set of the row. */
  readonly committedIsr: readonly number[];
  /** The row's, and the members that a change adds which may have been written already. */
  readonly maximalIsr: readonly number[];
  /** min.insync.replicas of the row. */
  readonly minIsr: number;
  /** The topic's setting, which the row may not have yet. */
  readonly configuredMinIsr: number;
}

/** The rules. */
export interface LeaderRules {
  /**
   * The replicas that hold back the high watermark: also those that may be in the stored ISR already. A pending removal still counts, because
   * the row may keep the member.
   */
  holdingBack(view: LeaderView): readonly number[];
  /** Whether the high watermark may move: as long as fewer replicas are in sync, those outside stay eligible (KAFKA-15583). */
  mayCommit(view: LeaderView): boolean;
  /**
   * Whether a follower has all that may be committed. The high watermark of a new leader is an old one; everything that was committed
   * before lies below its epoch's start (KAFKA-7128).
   */
  hasCommitted(progress: FollowerProgress, view: LeaderView): boolean;
  /**
   * Broker epoch to note for a fetch; null refuses it, because it comes from a former process of the broker, which may have had records
   * that the present one has lost (KIP-903). @param sent the fetch's @param known the highest one of earlier fetches and of the image
   */
  lifeOf(sent: number, known: number): number | null;
  /**
   * Whether a change of the ISR is over that met another version of the row. It may have been written, and the present row be a later
   * one: the maximal set stays until that row is known (KAFKA-14144).
   */
  isOverOnConflict(): boolean;
  /**
   * Whether the same leader, elected again, keeps what it knows of its followers. If it has missed an epoch, another leader may have made
   * them cut their logs meanwhile (not so in Kafka, which keeps it).
   */
  keepsProgress(lastEpoch: number, epoch: number): boolean;
  /** Whether an acknowledgement belongs to this leadership: the records of another one at these offsets are others (KAFKA-20634). */
  isSameLeadership(waiting: number, present: number): boolean;
}

/** The rules of a sound leader. */
export const leaderRules: LeaderRules = {
  holdingBack: ({ maximalIsr }) => maximalIsr,
  mayCommit: ({ committedIsr, minIsr }) => committedIsr.length >= minIsr,
  hasCommitted: ({ logEndOffset }, { highWatermark, epochStart }) =>
    logEndOffset >= highWatermark && logEndOffset >= epochStart,
  lifeOf: (sent, known) => sent < known ? null : sent,
  isOverOnConflict: () => false,
  keepsProgress: (lastEpoch, epoch) => epoch === lastEpoch + 1,
  isSameLeadership: (waiting, present) => waiting === present,
};
