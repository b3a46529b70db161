/**
 * Reads of a partition for fetches: they end at the last committed record, and the client's history must agree with the log's. Runs on the
 * shard that owns the partition. Source: Kafka's Partition.readRecords; KIP-320, KIP-595.
 */
import { type Log, NO_OFFSET, toOffset } from "../../storage/mod.ts";
import type { ReplicaState } from "../replication/replica_state.ts";
import { type EpochEndOutcome, type ReadOutcome, type ReadRequest, refuseRead } from "../requests/outcomes.ts";
import type { Refusal } from "../requests/refusals.ts";

/**
 * Lends a slice of the log.
 * @param partition its log and its replica @param outcome is filled
 * @param deferCold whether files outside the page cache must be loaded first
 * @returns null when it is done; otherwise the files to load before it is asked again
 */
export function readPartition(
  { log, replica }: { readonly log: Log; readonly replica: ReplicaState },
  request: ReadRequest,
  outcome: ReadOutcome,
  deferCold: boolean,
): readonly string[] | null {
  const refusal = replica.refusalOf(request.currentLeaderEpoch);
  if (refusal !== null) return refuse(outcome, refusal);
  const { row } = replica;
  outcome.refusal = null;
  outcome.length = 0;
  outcome.divergingEpoch = -1;
  outcome.divergingEndOffset = NO_OFFSET;
  outcome.reachesEnd = true;
  outcome.highWatermark = row.highWatermark;
  outcome.lastStableOffset = row.lastStableOffset;
  outcome.logStartOffset = row.logStartOffset;
  outcome.highWatermarkBytes = row.highWatermarkBytes;
  if (request.lastFetchedEpoch >= 0) {
    const history = compareHistory(log, request, outcome);
    if (history === "unknown-epoch") return refuse(outcome, "offset-out-of-range");
    if (history === "diverges") return null;
  }
  const maxOffset = request.committedOnly ? row.lastStableOffset : row.highWatermark;
  const { maxBytes, atLeastOne } = request;
  const result = log.read(request.fetchOffset, { maxBytes, maxOffset, atLeastOne, deferCold });
  if (result.refusal !== null) return refuse(outcome, result.refusal);
  if (result.slice === null) {
    // A batch larger than the limits is visible, too.
    outcome.reachesEnd = request.fetchOffset >= maxOffset;
    return result.coldFiles ?? null;
  }
  outcome.fd = result.slice.fd;
  outcome.position = result.slice.position;
  outcome.length = result.slice.length;
  outcome.lease = result.slice.leaseId;
  outcome.reachesEnd = result.slice.nextOffset >= maxOffset;
  return null;
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
