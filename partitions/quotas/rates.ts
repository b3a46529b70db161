/**
 * How long a client has to pause so that its use keeps to a rate. Pure; any isolate.
 *
 *                 credit                          debt
 *   ├──────────────────────────────┼──────────────────────────────►
 *   now - burstMs                 now              dueMs: what was used is paid for by the rate from here on
 *
 * Use moves `dueMs` on by the time that the rate needs for it. Time that passes unused is credit, of `burstMs` at most. Who is in debt
 * pauses until it is paid.
 *
 * After idle time this is Kafka's delay: S bytes at once under a rate T give S / T - burstMs, which is (O - T) / T * W of
 * QuotaUtils.throttleTime with W = the windows behind the current one. It differs from then on. Kafka counts what was paid for by a pause
 * a second time, until its window ends, and then forgets it in one step: a producer that sends all it can measures 0.74 to 1.10 of its
 * quota over 30 s (a simulation of Kafka's SampledStat), because a burst comes back every 11 to 15 s. Here it measures 1.00 from the
 * end of its first burst on. Kafka itself uses such a bucket where that matters to it (TokenBucket, KIP-599).
 */

/** A rate, and the limits of credit and debt. */
export interface Rate {
  /** Units a second, above 0. */
  readonly perSecond: number;
  /** Most credit, as time. */
  readonly burstMs: number;
  /** Most debt, as time: what exceeds it, or the longest pause, is forgiven. */
  readonly debtMsMax: number;
}

/** Longest pause: an answer has 32 bits for it (24 days). */
export const PAUSE_MS_MAX = 2 ** 31 - 1;

/** Due time of one who has used nothing for long. */
export function unused(nowMs: number, { burstMs }: Pick<Rate, "burstMs">): number {
  return nowMs - burstMs;
}

/** Due time without credit that has lapsed. */
export function withoutLapsed(dueMs: number, nowMs: number, rate: Pick<Rate, "burstMs">): number {
  return Math.max(dueMs, unused(nowMs, rate));
}

/** Due time after use. @param amount in units */
export function afterUse(dueMs: number, amount: number, nowMs: number, rate: Rate): number {
  const afterMs = withoutLapsed(dueMs, nowMs, rate) + amount / rate.perSecond * 1000;
  return Math.min(afterMs, nowMs + Math.min(rate.debtMsMax, PAUSE_MS_MAX));
}

/** Due time under another rate, with the same units of credit or debt. */
export function atOtherRate(dueMs: number, nowMs: number, { from, to }: { from: number; to: number }): number {
  return from === to ? dueMs : nowMs + Math.min(PAUSE_MS_MAX, (dueMs - nowMs) * from / to);
}

/** How long to pause, in whole ms; 0 for not at all. */
export function pauseMs(dueMs: number, nowMs: number): number {
  return Math.min(PAUSE_MS_MAX, Math.max(0, Math.round(dueMs - nowMs)));
}
