/**
 * What a shard has to tell the operator, on its way to the main isolate's log: at most a few sentences a second, so that a
 * full disk or a hostile client does not fill the log; what was left out is counted. Runs on shards, and on the
 * main isolate for what it accepts.
 */
import type { Clock } from "../storage/mod.ts";

/** Sentences that pass in a second. */
const SENTENCES_MAX = 5;
const PERIOD_MS = 1000;

/** The way out. */
export class Reporter {
  readonly #clock: Clock;
  readonly #send: (text: string) => void;
  #periodStartMs = -Infinity;
  #sentCount = 0;
  #leftOutCount = 0;

  /** @param send takes a sentence to the main isolate */
  constructor(clock: Clock, send: (text: string) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** Tells something, unless too much was told just now. */
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
