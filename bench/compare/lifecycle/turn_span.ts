/** The turns of a broker's shards between two readings of their histograms. Pure. */
import { TURN_TIME_BOUNDS_MS, type TurnTimes } from "../../../partitions/shared/turn_times.ts";

/** What happened between two readings. */
export interface TurnSpan {
  /** Turns that took longer than 10 ms. */
  readonly longTurns: number;
  /**
   * No turn took longer, in milliseconds: the time of the longest one where that is the longest since the start, otherwise the upper bound
   * of its bucket.
   */
  readonly longestMs: number;
}

/** What a turn may take at most: ARCHITECTURE.md says how turns end early. */
const LONG_TURN_MS = 10;
/** Histograms count modulo this. */
const WRAP = 2 ** 32;

/**
 * Compares two readings.
 * @param before the histograms of all shards
 * @param after the same later, in the same order
 */
export function turnsBetween(before: readonly TurnTimes[], after: readonly TurnTimes[]): TurnSpan {
  const shards = after.map((late, index) => spanOf(before[index]!, late));
  return {
    longTurns: shards.reduce((sum, { longTurns }) => sum + longTurns, 0),
    longestMs: Math.max(0, ...shards.map(({ longestMs }) => longestMs)),
  };
}

function spanOf(before: TurnTimes, after: TurnTimes): TurnSpan {
  const counts = after.counts.map((count, bucket) => (count - before.counts[bucket]! + WRAP) % WRAP);
  const firstLong = TURN_TIME_BOUNDS_MS.indexOf(LONG_TURN_MS) + 1;
  const longTurns = counts.slice(firstLong).reduce((sum, count) => sum + count, 0);
  if (after.longestMs > before.longestMs) return { longTurns, longestMs: after.longestMs };
  const last = counts.findLastIndex((count) => count > 0);
  const bound = last < 0 ? 0 : TURN_TIME_BOUNDS_MS[last] ?? after.longestMs;
  return { longTurns, longestMs: Math.min(bound, after.longestMs) };
}
