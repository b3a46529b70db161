/**
 * A histogram of durations in shared words of one writer: four buckets for each power of two microseconds, so a bucket's bounds are at most
 * 25 % apart. Any isolate may read it while the writer counts.
 *
 *   sum (a total, µs) | bucket 0 … bucket 119, each a count
 *
 *   µs         0   1   2   3   4   5   6   7   8-9   10-11   12-13   14-15   16-19 …
 *   bucket     0   1   2   3   4   5   6   7   8     9       10      11      12
 */
import { addOne, addTotal, readCount, readTotal, TOTAL_WORDS } from "./total_words.ts";

/** Buckets of a histogram; the last one has no upper bound. */
export const BUCKETS = 120;
/** Words of a histogram: 8 lines of 64 bytes. */
export const HISTOGRAM_WORDS = 128;
/** Longer durations, half an hour and more, count as this long. */
export const DURATION_US_MAX = 0x7fff_ffff;

/** Upper bounds of the buckets but the last, in milliseconds. */
export const BUCKET_BOUNDS_MS: readonly number[] = Array.from(
  { length: BUCKETS - 1 },
  (_, bucket) => lowerBoundUs(bucket + 1) / 1000,
);

/** What a histogram has counted. */
export interface HistogramCounts {
  /** By bucket. */
  readonly counts: readonly number[];
  readonly sumMs: number;
}

/** The bucket of a duration. @param us whole microseconds, 0 to DURATION_US_MAX */
export function bucketOf(us: number): number {
  if (us < 4) return us;
  const exponent = 31 - Math.clz32(us);
  return (exponent - 1) * 4 + (us >>> (exponent - 2) & 3);
}

/** Counts a duration; only the one writer calls it. @param at first word of the histogram @param us negative ones count as 0, parts of a microsecond are left out */
export function countDuration(words: Int32Array, at: number, us: number): void {
  const counted = us < 0 ? 0 : us > DURATION_US_MAX ? DURATION_US_MAX : us | 0;
  addTotal(words, at, counted);
  addOne(words, at + TOTAL_WORDS + bucketOf(counted));
}

/** Adds what a histogram has counted to numbers by bucket. @param at its first word @param read reads a count @returns its sum in ms */
export function readHistogram(words: Int32Array, at: number, counts: number[], read = readCount): number {
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    counts[bucket] = (counts[bucket] ?? 0) + read(words, at + TOTAL_WORDS + bucket);
  }
  return readTotal(words, at) / 1000;
}

function lowerBoundUs(bucket: number): number {
  if (bucket < 4) return bucket;
  return (4 + bucket % 4) * 2 ** (Math.floor(bucket / 4) - 1);
}
