/**
 * Writes a line that is repeated once in a while, and says how often it was left out: what is tried again every second, for as long as
 * another broker is away. Main isolate.
 */
import type { Clock } from "../../storage/base/clock.ts";

/** The same sentence is written again after this time. */
const REPEATED_MS = 60_000;
/** Different sentences that are remembered, the latest ones. */
const SENTENCES_MAX = 64;

/** The sentences of one source. */
export class RepeatedLines {
  readonly #clock: Clock;
  readonly #report: (text: string) => void;
  readonly #known = new Map<string, { saidMs: number; leftOutCount: number }>();

  /** @param report writes a line */
  constructor(clock: Clock, report: (text: string) => void) {
    this.#clock = clock;
    this.#report = report;
  }

  /** Writes a sentence, unless it was written a short time ago. */
  report(text: string): void {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#known.get(text);
    if (known !== undefined && nowMs - known.saidMs < REPEATED_MS) return void known.leftOutCount++;
    this.#known.delete(text);
    this.#known.set(text, { saidMs: nowMs, leftOutCount: 0 });
    if (this.#known.size > SENTENCES_MAX) this.#known.delete([...this.#known.keys()][0] as string);
    const count = known?.leftOutCount ?? 0;
    this.#report(count === 0 ? text : `${text} (as ${count} times before)`);
  }
}
