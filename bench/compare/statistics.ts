/** Medians of few runs and their confidence intervals, for noise of unknown distribution. Pure. */

/** A range of values; both ends belong to it. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** The middle value, or the mean of the two in the middle; NaN without values. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return NaN;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * The interval of the true median: from the k-th lowest to the k-th highest value, with the largest k that gives the confidence (sign
 * test). It requires independent samples and nothing else: a sample is below the median as often as above.
 * @param confidence probability that the median is in the interval, 0 to 1
 * @returns null when there are too few values for that confidence
 */
export function medianInterval(values: readonly number[], confidence: number): Interval | null {
  const sorted = values.toSorted((a, b) => a - b);
  const count = sorted.length;
  // Probability that fewer than k samples are below the median, which is then left of the interval; right of it is as likely.
  let outside = 0.5 ** count;
  let k = 0;
  for (let ways = 1; k < count >> 1 && 1 - 2 * outside >= confidence; k++) {
    ways *= (count - k) / (k + 1);
    outside += ways * 0.5 ** count;
  }
  return k === 0 ? null : { low: sorted[k - 1]!, high: sorted[count - k]! };
}
