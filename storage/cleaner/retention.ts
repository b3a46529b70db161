/**
 * What retention removes of a log: whole segments, the oldest first, up to the first one that stays. Pure: it sees what is known of the
 * segments, and opens none. Shards use it.
 *
 *   closed ─ closed ─ closed ─ closed ─ active
 *   ├── by size ──┤                              while the log without the segment still has retention.bytes
 *                 ├ by time ┤                    while the segment's largest timestamp is older than retention.ms
 *                           └── first one that stays: later ones stay too, however old they are
 *
 * Always: a segment goes only if all of its records lie below the high watermark. An empty active segment stays. One that holds records
 * goes only when all others go; the log rolls first then, so that it never is without a segment.
 *
 * Segments below the log start are not the concern of this file: they go at once (partitions/owned/segment_removal.ts).
 * Source: Kafka's UnifiedLog.deletableSegments, deleteRetentionSizeBreachedSegments and deleteRetentionMsBreachedSegments.
 */
import type { Offset } from "../base/units.ts";

/** What retention looks at in a segment. */
export interface RetainedSegment {
  readonly baseOffset: Offset;
  readonly logFileBytes: number;
  /** Largest record timestamp, or else the file's modification time, in ms; null where it has to be read from files first. */
  readonly knownRetentionTimestamp: number | null;
}

/** What retention looks at in a log. */
export interface RetainedLog<Segment extends RetainedSegment = RetainedSegment> {
  /** All segments, the oldest first; the last one is active. */
  readonly segments: readonly Segment[];
  /** Index of the first segment that holds records from the log start on. */
  readonly first: number;
  readonly highWatermark: Offset;
  readonly logEndOffset: Offset;
}

/** A topic's rules; a negative number is no rule. */
export interface RetentionRules {
  /** `retention.ms` */
  readonly retentionMs: number;
  /** `retention.bytes` */
  readonly retentionBytes: number;
}

/** What goes. The rules are applied in this order. */
export interface RetentionDecision {
  /** Segments that go, from the log's `first` on, because the log is too large. */
  readonly bySize: number;
  /** Segments after them that go because they are too old. */
  readonly byTime: number;
  /** Bytes of all of them. */
  readonly bytes: number;
  /** New log start: the end of the last one that goes; null when none goes. */
  readonly endOffset: Offset | null;
  /** Whether the active segment is among them: the log has to roll before. */
  readonly isRollDue: boolean;
  /** Whether it ends at the most segments that were asked for: another decision may remove more. */
  readonly isCut: boolean;
  /** Index of the segment whose timestamp has to be read before more can be decided; -1 for none. */
  readonly unknownAt: number;
  /** Index of the segment that stays because a timestamp of it lies in the future, and with it all later ones; -1 for none. */
  readonly futureAt: number;
}

/** Decides what goes. @param nowMs wall-clock time @param removedMax most segments that go; by default there is no limit */
export function decideRetention(
  log: RetainedLog,
  rules: RetentionRules,
  nowMs: number,
  removedMax = Infinity,
): RetentionDecision {
  const { segments, first } = log;
  const bySize = Math.min(removedMax, countBySize(log, rules.retentionBytes));
  let [at, unknownAt, futureAt] = [first + bySize, -1, -1];
  for (; rules.retentionMs >= 0 && at - first < removedMax && mayGo(log, at); at++) {
    const timestamp = segments[at]?.knownRetentionTimestamp ?? null;
    if (timestamp === null) unknownAt = at;
    else if (timestamp > nowMs) futureAt = at;
    if (timestamp === null || nowMs - timestamp <= rules.retentionMs) break;
  }
  return {
    bySize,
    byTime: at - first - bySize,
    bytes: bytesOf(segments, first, at),
    endOffset: at === first ? null : endOf(log, at - 1),
    isRollDue: at === segments.length,
    isCut: at - first === removedMax,
    unknownAt,
    futureAt,
  };
}

function countBySize(log: RetainedLog, retentionBytes: number): number {
  const { segments, first } = log;
  if (retentionBytes < 0) return 0;
  let excessBytes = bytesOf(segments, first, segments.length) - retentionBytes;
  let at = first;
  for (; mayGo(log, at); at++) {
    excessBytes -= segments[at]?.logFileBytes ?? 0;
    if (excessBytes < 0) break;
  }
  return at - first;
}

/** Whether the rules may remove a segment: all of its records are committed, and if it is active, it has some. */
function mayGo(log: RetainedLog, at: number): boolean {
  const segment = log.segments[at];
  if (segment === undefined || endOf(log, at) > log.highWatermark) return false;
  return at < log.segments.length - 1 || segment.logFileBytes > 0;
}

function endOf({ segments, logEndOffset }: RetainedLog, at: number): Offset {
  return segments[at + 1]?.baseOffset ?? logEndOffset;
}

function bytesOf(segments: readonly RetainedSegment[], from: number, to: number): number {
  let bytes = 0;
  for (let at = from; at < to; at++) bytes += segments[at]?.logFileBytes ?? 0;
  return bytes;
}
