/** What a log is cleaned by: the order that a cleaner worker gets. Runs on the shard that owns the log. */
import { type Offset, toOffset } from "../base/units.ts";
import type { CompactedLog } from "../log/compacted_log.ts";
import type { LogConfig } from "../log/log_config.ts";
import type { ProducerState } from "../log/producers/producer_state.ts";
import type { CleaningOrder } from "../cleaner_workers/cleaner_messages.ts";
import { chooseCleaning, type CleaningChoice } from "./cleaning_choice.ts";
import type { ActiveProducers } from "./cleaning_job.ts";

/** When and from where a log is cleaned. */
export interface CleaningTerms {
  readonly config: LogConfig;
  /** Records below it are committed. */
  readonly lastStableOffset: Offset;
  /** Where the last cleaning ended, from `cleaner-offset-checkpoint`; null for none. */
  readonly checkpointed: Offset | null;
  /** Wall-clock time. */
  readonly nowMs: number;
}

/** Segments whose timestamp is read in one look: each costs opening its indexes, up to 0.1 ms. */
const LEARNED_SEGMENTS_MAX = 32;

/** The share of the offset map's memory that a cleaning gets. */
export type DedupeBuffer = Pick<CleaningOrder, "dedupeBufferBytes" | "dedupeLoadFactor">;

/**
 * Whether a log is worth a cleaning. Only durable records are cleaned: after a loss of power a key would otherwise have lost the old record to
 * the cleaning, and the new one, which took its place, with the power. Kafka's cleaner does not wait for that.
 * @returns null when it is not @throws SystemError, or the runtime's errors, when the disk refuses
 */
export function cleaningOf(log: CompactedLog, terms: CleaningTerms): CleaningChoice | null {
  const { logStartOffset, logEndOffset, segments, recoveryPoint } = log;
  if (terms.config.minCompactionLagMs > 0) learnTimestamps(log, terms.checkpointed);
  const committed = toOffset(Math.min(terms.lastStableOffset, recoveryPoint));
  const lastStableOffset = firstOpen(log.producers, committed);
  return chooseCleaning({ segments, logStartOffset, logEndOffset, lastStableOffset }, {
    checkpointed: terms.checkpointed,
    rules: terms.config,
    nowMs: terms.nowMs,
  });
}

/** The order for a cleaning that was chosen. */
export function cleaningOrder(
  log: CompactedLog,
  { firstDirtyOffset, firstUncleanableOffset }: CleaningChoice,
  { config, nowMs, buffer: { dedupeBufferBytes, dedupeLoadFactor } }:
    & Pick<CleaningTerms, "config" | "nowMs">
    & { buffer: DedupeBuffer },
): CleaningOrder {
  const { directory, segments } = log;
  const closed = segments.slice(0, -1).map(({ baseOffset, logFileBytes }, index) => {
    return { baseOffset, endOffset: segments[index + 1]?.baseOffset ?? log.logEndOffset, bytes: logFileBytes };
  });
  return {
    directory,
    segments: closed,
    firstDirtyOffset,
    firstUncleanableOffset,
    producers: listProducers(log.producers),
    nowMs,
    deleteRetentionMs: config.deleteRetentionMs,
    segmentBytes: config.segmentBytes,
    segmentIndexBytes: config.segmentIndexBytes,
    indexIntervalBytes: config.indexIntervalBytes,
    dedupeBufferBytes,
    dedupeLoadFactor,
  };
}

/** Reads the timestamps of the first dirty segments that are not known; the next looks read those of others. */
function learnTimestamps({ segments }: CompactedLog, checkpointed: Offset | null): void {
  let left = LEARNED_SEGMENTS_MAX;
  for (let index = 0; index < segments.length - 1 && left > 0; index++) {
    const segment = segments[index]!;
    const isClean = checkpointed !== null && segments[index + 1]!.baseOffset <= checkpointed;
    if (isClean || segment.knownRetentionTimestamp !== null) continue;
    segment.learnRetentionTimestamp();
    left--;
  }
}

/** The first offset of an open transaction, if it is the lower one: Apache Kafka may have left one. */
function firstOpen(producers: ProducerState, committed: Offset): Offset {
  let first: number = committed;
  producers.forEach((_id, _epoch, _last, txnFirstOffset) => {
    if (txnFirstOffset >= 0) first = Math.min(first, txnFirstOffset);
  });
  return toOffset(first);
}

function listProducers(producers: ProducerState): ActiveProducers {
  const { size } = producers;
  const listed = {
    producerIds: new Float64Array(size),
    epochs: new Int16Array(size),
    lastDataOffsets: new Float64Array(size),
  };
  let index = 0;
  producers.forEach((producerId, epoch, lastDataOffset) => {
    listed.producerIds[index] = producerId;
    listed.epochs[index] = epoch;
    listed.lastDataOffsets[index++] = lastDataOffset;
  });
  return listed;
}
