/**
 * Limits how many bytes a cleaning reads and writes a second (`log.cleaner.io.max.bytes.per.second`). Pure; cleaner workers use it.
 *
 * Bytes that were not used are not saved up: after a slow second, the next one has no more than its own.
 * Source: Kafka's Throttler.
 */

/** Time between two decisions. Shorter pauses than a decision's share would cost more than they limit. */
const DECISION_MS = 300;

/** The throttle of one cleaning. */
export class Throttle {
  readonly #bytesPerSecond: number;
  #beganMs: number;
  #bytesAtBegin = 0;

  /** @param bytesPerSecond Infinity for no limit @param nowMs monotonic time */
  constructor(bytesPerSecond: number, nowMs: number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#beganMs = nowMs;
  }

  /** @param bytesMoved by the cleaning so far @param nowMs monotonic time @returns how long to pause now, in ms */
  pauseMs(bytesMoved: number, nowMs: number): number {
    if (this.#bytesPerSecond === Infinity) return 0;
    const passedMs = nowMs - this.#beganMs;
    const dueMs = (bytesMoved - this.#bytesAtBegin) / this.#bytesPerSecond * 1000;
    if (passedMs < DECISION_MS && dueMs < DECISION_MS) return 0;
    const pauseMs = Math.max(0, dueMs - passedMs);
    this.#beganMs = nowMs + pauseMs;
    this.#bytesAtBegin = bytesMoved;
    return pauseMs;
  }
}
