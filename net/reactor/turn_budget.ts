/**
 * How long a turn of a shard may take. Each part of a turn (requests, work cut into slices, mail of other shards, answers) does at
 * least one thing and then stops at its end. Work that is left over continues in the next turn, which does not wait. So a turn takes
 * about as long as its last part ends, however much arrives, and answers are sent at least that often. Runs on shards.
 */
import type { Clock } from "../../storage/mod.ts";

/** Ends of the parts of a turn, in milliseconds from its beginning. */
export const turnPart = { requests: 4, slices: 6, mail: 8, answers: 10 } as const;

/**
 * After this time from the beginning of a turn, no request is handled that has waited for memory: it may have thousands of elements,
 * which take 4 ms. The next turn begins with it.
 */
export const LAST_GRANT_MS = 6;

/** Longest time that one connection, or one piece of work, occupies the shard in a row. */
export const STRETCH_MS = 2;

/** Is told of readings of the clock while it wants to be. */
export interface ReadingListener {
  readonly isWaiting: boolean;
  /** @param tookUs whole microseconds since the reading before, because other numbers would be allocated */
  onReading(tookUs: number): void;
}

/** The time of one turn. It reads the clock as rarely as possible: a reading takes 85 ns, a small produce 10 µs. */
export class TurnBudget {
  readonly #clock: Clock;
  #beganMs = 0;
  /** When the clock was read last. */
  #nowMs = 0;
  #partEndMs = 0;
  #stretchEndMs = 0;
  /** Set once, before the first turn. */
  listener: ReadingListener | null = null;

  /** @param clock measures how much of the turn is over */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#read();
  }

  /** Begins a turn. @returns monotonic ms */
  begin(): number {
    this.#beganMs = this.#read();
    return this.#beganMs;
  }

  /** Ends the turn. @returns how long it took in ms */
  end(): number {
    return this.#read() - this.#beganMs;
  }

  /** When the last turn, or the last part of this one, ended; monotonic ms. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** The same in microseconds, as int32 that wraps after 71 minutes. */
  get nowUs(): number {
    return (this.#nowMs * 1000) | 0;
  }

  /** Begins the next part. @param endMs when it ends, from `turnPart` */
  beginPart(endMs: number): void {
    this.#partEndMs = this.#beganMs + endMs;
  }

  /** Whether the time of the part is over. */
  get isSpent(): boolean {
    return this.#read() >= this.#partEndMs;
  }

  /** Whether this much of the turn is over. @param ms from its beginning */
  isAfter(ms: number): boolean {
    return this.#read() >= this.#beganMs + ms;
  }

  /** Begins the stretch of one connection or piece of work. It uses the clock reading of the `isSpent` before it. */
  beginStretch(): void {
    this.#stretchEndMs = this.#nowMs + STRETCH_MS;
  }

  /** Whether the stretch is over, so that others have to be served. */
  get isStretchOver(): boolean {
    return this.#read() >= this.#stretchEndMs;
  }

  #read(): number {
    const beforeMs = this.#nowMs;
    this.#nowMs = this.#clock.monotonicMs();
    if (this.listener?.isWaiting === true) this.listener.onReading(((this.#nowMs - beforeMs) * 1000) | 0);
    return this.#nowMs;
  }
}
