/**
 * Whether a compacted log is worth a cleaning, and from where to where it would be cleaned. Pure: it sees what is known of the segments.
 * Shards use it.
 *
 *   segments   | clean ........... | dirty ............. | not yet .... | active |
 *              log start           firstDirtyOffset      firstUncleanableOffset
 *   share      cleanable bytes / (clean bytes + cleanable bytes); above min.cleanable.dirty.ratio a cleaning is due
 *
 * Never cleaned: the active segment, records above the last stable offset, and from the first closed segment on that has a record younger
 * than min.compaction.lag.ms. A record that waits longer than max.compaction.lag.ms makes a cleaning due, however little is dirty.
 *
 * Source: Kafka's LogCleanerManager (cleanableOffsets, grabFilthiestCompactedLog, maxCompactionDelay) and LogToClean.
 */
import { type Offset, toOffset } from "../base/units.ts";

/** Segments whose first batch is looked at, which may open a file: records are rarely older than all those before them. */
const LATE_SEGMENTS_MAX = 64;

/** What is looked at in a segment. */
export interface CleanableSegment {
  readonly baseOffset: Offset;
  readonly logFileBytes: number;
  /**
   * Largest record timestamp, or else the file's modification time, in ms; null where it has to be read from files first. Such a segment
   * counts as young.
   */
  readonly knownRetentionTimestamp: number | null;
  /** Largest timestamp of its first batch in ms, -1 for none. Read only if the topic has a longest lag. */
  readonly firstBatchTimestamp: number;
}

/** What is looked at in a log. */
export interface CleanableLog {
  /** All segments, the oldest first; the last one is active. */
  readonly segments: readonly CleanableSegment[];
  readonly logStartOffset: Offset;
  readonly logEndOffset: Offset;
  /** The first offset that may belong to an open transaction, or is not committed. */
  readonly lastStableOffset: Offset;
}

/** A topic's rules. */
export interface CleaningRules {
  /** `min.cleanable.dirty.ratio` */
  readonly minCleanableDirtyRatio: number;
  /** `min.compaction.lag.ms` */
  readonly minCompactionLagMs: number;
  /** `max.compaction.lag.ms`; Infinity for no limit */
  readonly maxCompactionLagMs: number;
}

/** A log that should be cleaned. */
export interface CleaningChoice {
  readonly firstDirtyOffset: Offset;
  readonly firstUncleanableOffset: Offset;
  /** Share of the bytes that are dirty and cleanable, 0 to 1: the log with the highest one is the next. */
  readonly dirtyRatio: number;
}

/**
 * Decides on a log.
 * @param checkpointed where the last cleaning ended; null for none
 * @param nowMs wall-clock time
 * @returns null when no cleaning is due
 */
export function chooseCleaning(
  log: CleanableLog,
  { checkpointed, rules, nowMs }: { checkpointed: Offset | null; rules: CleaningRules; nowMs: number },
): CleaningChoice | null {
  const closed = log.segments.slice(0, -1);
  const activeBase = log.segments.at(-1)?.baseOffset ?? log.logStartOffset;
  const firstDirtyOffset = firstDirty(log, checkpointed);
  const dirty = closed.slice(floorIndex(closed, firstDirtyOffset));
  const youngFrom = firstYoung(dirty, nowMs - rules.minCompactionLagMs, rules.minCompactionLagMs);
  const limit = Math.min(log.lastStableOffset, activeBase, youngFrom);
  const firstUncleanableOffset = toOffset(Math.max(firstDirtyOffset, limit));
  // Kafka counts whole segments: those that begin below the limit are cleanable, though only a part of the last one may be.
  const cleanBytes = bytesOf(closed.filter(({ baseOffset }) => baseOffset < firstDirtyOffset));
  const isAny = firstDirtyOffset < firstUncleanableOffset;
  const cleanable = isAny ? dirty.filter(({ baseOffset }) => baseOffset < firstUncleanableOffset) : [];
  const cleanableBytes = bytesOf(cleanable);
  if (cleanableBytes === 0) return null;
  const dirtyRatio = cleanableBytes / (cleanBytes + cleanableBytes);
  const isDue = dirtyRatio > rules.minCleanableDirtyRatio || isLate(cleanable, nowMs - rules.maxCompactionLagMs);
  return isDue ? { firstDirtyOffset, firstUncleanableOffset, dirtyRatio } : null;
}

/** Where the dirty part begins. An offset outside the log comes from another one, or the log start has passed it. */
function firstDirty(log: CleanableLog, checkpointed: Offset | null): Offset {
  const first = log.segments[0]?.baseOffset ?? log.logStartOffset;
  if (checkpointed === null || checkpointed > log.logEndOffset) return first;
  return toOffset(Math.max(first, checkpointed));
}

/** Base offset of the first segment that has a record younger than the least lag; Infinity for none. */
function firstYoung(dirty: readonly CleanableSegment[], olderThanMs: number, lagMs: number): number {
  if (lagMs <= 0) return Infinity;
  const isYoung = ({ knownRetentionTimestamp }: CleanableSegment) =>
    knownRetentionTimestamp === null || knownRetentionTimestamp > olderThanMs;
  return dirty.find(isYoung)?.baseOffset ?? Infinity;
}

/**
 * Whether one of the first segments begins with a batch from before a time. A first batch without a timestamp says nothing. Kafka looks at
 * all segments.
 */
function isLate(cleanable: readonly CleanableSegment[], beforeMs: number): boolean {
  if (beforeMs === -Infinity) return false;
  const looked = cleanable.slice(0, LATE_SEGMENTS_MAX);
  return looked.some(({ firstBatchTimestamp }) => firstBatchTimestamp > 0 && firstBatchTimestamp < beforeMs);
}

function bytesOf(segments: readonly CleanableSegment[]): number {
  return segments.reduce((sum, { logFileBytes }) => sum + logFileBytes, 0);
}

/** Index of the last segment that begins at or below an offset; 0 where all begin above. */
function floorIndex(segments: readonly CleanableSegment[], offset: Offset): number {
  return Math.max(0, segments.findLastIndex(({ baseOffset }) => baseOffset <= offset));
}
