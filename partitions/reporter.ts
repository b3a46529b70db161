/**
 * Limits what reaches the operator's log: a few sentences a second pass, and the others are counted. A full disk or a hostile client
 * therefore does not fill the log. Runs on shards, and on the main isolate for its listeners.
 */
import { type Clock, systemClock } from "../storage/base/clock.ts";

/** Sentences that pass in one period. */
const SENTENCES_MAX = 5;
const PERIOD_MS = 1000;

/** Limits the sentences of one source. @param report writes a sentence to the log @returns what the source reports to */
export function atIntervals(report: (text: string) => void, clock: Clock = systemClock): (text: string) => void {
  const reporter = new Reporter(clock, report);
  return (text) => reporter.report(text);
}

/** Passes sentences on, within the limit. */
export class Reporter {
  readonly #clock: Clock;
  readonly #send: (text: string) => void;
  #periodStartMs = -Infinity;
  #sentCount = 0;
  #leftOutCount = 0;

  /** @param send writes a sentence to the log, on the main isolate */
  constructor(clock: Clock, send: (text: string) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** Reports a sentence, or counts it when the limit of this period is reached. */
  report(text: string): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#periodStartMs >= PERIOD_MS) {
      if (this.#leftOutCount > 0) this.#send(`… and ${this.#leftOutCount} more of this kind`);
      [this.#periodStartMs, this.#sentCount, this.#leftOutCount] = [nowMs, 0, 0];
    }
    this.#sentCount++;
    if (this.#sentCount <= SENTENCES_MAX) this.#send(text);
    else this.#leftOutCount++;
  }
}
