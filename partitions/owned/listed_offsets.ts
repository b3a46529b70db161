/**
 * Finds offsets for ListOffsets, by a time or by one of Kafka's special timestamps. Runs on the shard that owns the partition.
 * Source: Kafka's ListOffsetsRequest, UnifiedLog.fetchOffsetByTimestamp.
 */
import { type Log, NO_OFFSET, type Offset, storageFailure } from "../../storage/mod.ts";
import type { LeaderPartition } from "../replication/leader_partition.ts";
import type { ReplicaState } from "../replication/replica_state.ts";
import type { ListOffsetOutcome } from "../requests/outcomes.ts";

/** Kafka's special timestamps in ListOffsets (ListOffsetsRequest). */
export const listTimestamp = {
  latest: -1,
  earliest: -2,
  /** Offset of the record with the largest timestamp (KIP-734). */
  maxTimestamp: -3,
  /** First offset on this broker's own disk (KIP-405); the log start while nothing is tiered. */
  earliestLocal: -4,
  /** Last offset in tiered storage (KIP-1005); there is none. */
  latestTiered: -5,
  /** First offset not yet tiered (KIP-1023); there is none. */
  earliestPendingUpload: -6,
} as const;

/** The answer when nothing was found or the search was refused. */
const NOTHING_LISTED: ListOffsetOutcome = Object.freeze({
  refusal: null,
  offset: NO_OFFSET,
  timestamp: -1,
  leaderEpoch: -1,
});

/** What a client asks for. */
export interface OffsetQuery {
  /** In ms, or a special timestamp. */
  readonly timestamp: number;
  readonly currentLeaderEpoch: number;
  /** Whether only records count that no open transaction has. */
  readonly committedOnly: boolean;
  /** Whether a follower asks: all records of the log count. */
  readonly toLogEnd: boolean;
}

/**
 * Finds the offset that a client asks for.
 * @param partition its log and its replica @param onTrouble gets a sentence when the disk refuses
 */
export function listOffset(
  { log, replica, leader }: {
    readonly log: Log;
    readonly replica: ReplicaState;
    /** Its followers; null without any. */
    readonly leader: Pick<LeaderPartition, "epochStart"> | null;
  },
  { timestamp, currentLeaderEpoch, committedOnly, toLogEnd }: OffsetQuery,
  onTrouble: (message: string) => void,
): ListOffsetOutcome {
  const refusal = replica.refusalOf(currentLeaderEpoch);
  if (refusal !== null) return { ...NOTHING_LISTED, refusal };
  const { highWatermark, lastStableOffset } = replica.row;
  const end = toLogEnd ? log.logEndOffset : committedOnly ? lastStableOffset : highWatermark;
  // The high watermark of a new leader is an old one: clients may have seen later offsets (KIP-207).
  const isOld = !toLogEnd && leader !== null && highWatermark < leader.epochStart;
  try {
    const found = findListedOffset(log, timestamp, { end, leaderEpoch: replica.leaderEpoch });
    const endsThere = timestamp === listTimestamp.latest || (found.offset === NO_OFFSET && isSearched(timestamp));
    return isOld && endsThere ? { ...NOTHING_LISTED, refusal: "offset-not-available" } : found;
  } catch (error) {
    // The search only reads segment files. It throws when the disk refuses; the log is unchanged.
    onTrouble(`Cannot search the log: ${storageFailure(error)}`);
    return { ...NOTHING_LISTED, refusal: "log-offline" };
  }
}

/** Whether a timestamp is searched for in the records. */
function isSearched(timestamp: number): boolean {
  return timestamp >= 0 || timestamp === listTimestamp.maxTimestamp;
}

/**
 * Finds the offset for a timestamp.
 * @param log of the partition @param timestamp in ms, or a special timestamp
 * @param visible the end of the records that consumers see, and the epoch of this leadership
 * @throws Error when the disk refuses
 */
function findListedOffset(
  log: Log,
  timestamp: number,
  visible: { end: Offset; leaderEpoch: number },
): ListOffsetOutcome {
  switch (timestamp) {
    case listTimestamp.latest:
      return { ...NOTHING_LISTED, offset: visible.end, leaderEpoch: visible.leaderEpoch };
    case listTimestamp.earliest:
    case listTimestamp.earliestLocal:
      return { ...NOTHING_LISTED, offset: log.logStartOffset, leaderEpoch: log.epochFor(log.logStartOffset) };
    case listTimestamp.latestTiered:
    case listTimestamp.earliestPendingUpload:
      return NOTHING_LISTED;
  }
  if (timestamp < 0 && timestamp !== listTimestamp.maxTimestamp) {
    return { ...NOTHING_LISTED, refusal: "unsupported-timestamp" };
  }
  const record = timestamp === listTimestamp.maxTimestamp
    ? log.maxTimestampOffset(visible.end)
    : log.offsetForTimestamp(timestamp, { maxOffset: visible.end });
  if (record === "unfinished") return { ...NOTHING_LISTED, refusal: "offset-not-available" };
  return record === null ? NOTHING_LISTED : { refusal: null, ...record };
}
