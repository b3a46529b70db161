/**
 * Reads of a partition for fetches. A consumer's ends at the last committed record, a follower's at the log end, and the reader's history must
 * agree with the log's. Runs on the shard that owns the partition.
 * Source: Kafka's Partition.readRecords, fetchRecords; KIP-320, KIP-595, KIP-903.
 */
import { type Log, NO_OFFSET, type Offset, type ReadResult, toOffset } from "../../storage/mod.ts";
import type { LeaderPartition } from "../replication/leader_partition.ts";
import type { ReplicaState } from "../replication/replica_state.ts";
import {
  type EpochEndOutcome,
  type FollowerReader,
  type ReadOutcome,
  type ReadRequest,
  refuseRead,
} from "../requests/outcomes.ts";
import type { Refusal } from "../requests/refusals.ts";

/** What is read. */
interface ReadPartition {
  readonly log: Log;
  readonly replica: ReplicaState;
  /** Its followers; null without any. */
  readonly leader: LeaderPartition | null;
}

/**
 * Lends a slice of the log.
 * @param partition its log, its replica and its followers @param outcome is filled
 * @param deferCold whether files outside the page cache must be loaded first
 * @returns null when it is done; otherwise the files to load before it is asked again
 */
export function readPartition(
  partition: ReadPartition,
  request: ReadRequest,
  outcome: ReadOutcome,
  deferCold: boolean,
): readonly string[] | null {
  const { log, replica } = partition;
  const refusal = replica.refusalOf(request.currentLeaderEpoch);
  if (refusal !== null) return refuse(outcome, refusal);
  if (request.follower !== null) return readAsFollower(partition, request, request.follower, { outcome, deferCold });
  const { row } = replica;
  fillOffsets(outcome, replica);
  outcome.visibleBytes = row.highWatermarkBytes;
  if (request.lastFetchedEpoch >= 0) {
    const history = compareHistory(log, request, outcome);
    if (history === "unknown-epoch") return refuse(outcome, "offset-out-of-range");
    if (history === "diverges") return null;
  }
  const maxOffset = request.committedOnly ? row.lastStableOffset : row.highWatermark;
  const { maxBytes, atLeastOne, fetchOffset } = request;
  // A batch larger than the limits is visible, too.
  outcome.reachesEnd = fetchOffset >= maxOffset;
  return take(outcome, log.read(fetchOffset, { maxBytes, maxOffset, atLeastOne, deferCold }), maxOffset);
}

/** Finds where a leader epoch ends (KIP-101, KIP-279). */
export function findEpochEnd(
  { log, replica }: { readonly log: Log; readonly replica: ReplicaState },
  query: { currentLeaderEpoch: number; leaderEpoch: number },
): EpochEndOutcome {
  const refusal = replica.refusalOf(query.currentLeaderEpoch);
  if (refusal !== null) return { refusal, leaderEpoch: -1, endOffset: NO_OFFSET };
  const { epoch, endOffset } = log.endOffsetForEpoch(query.leaderEpoch);
  return { refusal: null, leaderEpoch: epoch, endOffset };
}

/** The answer has the high watermark to which the follower's own fetch has moved it. */
function readAsFollower(
  { log, replica, leader }: ReadPartition,
  request: ReadRequest,
  follower: FollowerReader,
  to: { outcome: ReadOutcome; deferCold: boolean },
): readonly string[] | null {
  const { outcome } = to;
  const { currentLeaderEpoch, lastFetchedEpoch, fetchOffset: offset } = request;
  const leaderEpoch = currentLeaderEpoch < 0 ? replica.leaderEpoch : currentLeaderEpoch;
  const fetch = { ...follower, leaderEpoch, lastFetchedEpoch, offset };
  const position = leader === null ? "unknown-leader-epoch" : leader.fetched(fetch);
  // It may know a newer row, in which it is a replica.
  if (position === "unknown-leader-epoch" && currentLeaderEpoch < 0) return refuse(outcome, "not-leader-or-follower");
  if (typeof position === "string" && position !== "continues") return refuse(outcome, position);
  fillOffsets(outcome, replica);
  outcome.visibleBytes = replica.row.logEndBytes;
  if (position !== "continues") {
    outcome.divergingEpoch = position.epoch;
    outcome.divergingEndOffset = position.endOffset;
    return null;
  }
  const { maxBytes, atLeastOne } = request;
  const { logEndOffset: maxOffset } = log;
  outcome.reachesEnd = offset >= maxOffset;
  return take(outcome, log.read(offset, { maxBytes, maxOffset, atLeastOne, deferCold: to.deferCold }), maxOffset);
}

function fillOffsets(outcome: ReadOutcome, { row }: ReplicaState): void {
  outcome.refusal = null;
  outcome.length = 0;
  outcome.divergingEpoch = -1;
  outcome.divergingEndOffset = NO_OFFSET;
  outcome.reachesEnd = true;
  outcome.highWatermark = row.highWatermark;
  outcome.lastStableOffset = row.lastStableOffset;
  outcome.logStartOffset = row.logStartOffset;
}

/** Passes a slice on. @param maxOffset where the reader's records end @returns null when it is done; otherwise the files to load first */
function take(outcome: ReadOutcome, result: ReadResult, maxOffset: Offset): readonly string[] | null {
  if (result.refusal !== null) return refuse(outcome, result.refusal);
  if (result.slice === null) return result.coldFiles ?? null;
  outcome.fd = result.slice.fd;
  outcome.position = result.slice.position;
  outcome.length = result.slice.length;
  outcome.lease = result.slice.leaseId;
  outcome.reachesEnd = result.slice.nextOffset >= maxOffset;
  return null;
}

/** Compares the client's history with the log (KIP-595). As in Kafka, an unknown epoch is refused. */
function compareHistory(
  log: Log,
  { fetchOffset, lastFetchedEpoch }: ReadRequest,
  outcome: ReadOutcome,
): "agrees" | "diverges" | "unknown-epoch" {
  const { epoch, endOffset } = log.endOffsetForEpoch(lastFetchedEpoch);
  if (epoch < 0) return "unknown-epoch";
  if (fetchOffset < log.logStartOffset) return "agrees"; // the read refuses it: it is below the log start (KAFKA-12996)
  if (epoch === lastFetchedEpoch && endOffset >= fetchOffset) return "agrees";
  outcome.divergingEpoch = epoch;
  outcome.divergingEndOffset = toOffset(endOffset);
  return "diverges";
}

function refuse(outcome: ReadOutcome, refusal: Refusal): null {
  refuseRead(outcome, refusal);
  return null;
}
