/**
 * How long a turn of a shard may take. Each part of a turn (requests, work cut into slices, mail of other shards, answers) does at
 * least one thing and then stops at its end; what is left goes on in the next turn, which does not wait. So a turn takes about
 * TURN_MS however much arrives, and answers leave at least that often. Runs on shards.
 */
import type { Clock } from "../../storage/mod.ts";

/** Ends of the parts of a turn, in milliseconds from its beginning. */
export const turnPart = { requests: 4, slices: 6, mail: 8, answers: 10 } as const;

/** Longest time that one connection, or one piece of work, keeps the shard at a stretch. */
export const STRETCH_MS = 2;

/** The time of one turn. It reads the clock as seldom as it can: that takes 85 ns, a small produce 10 µs. */
export class TurnBudget {
  readonly #clock: Clock;
  #beganMs = 0;
  /** When the clock was read last. */
  #nowMs = 0;
  #partEndMs = 0;
  #stretchEndMs = 0;

  /** @param clock tells how much of the turn is over */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#read();
  }

  /** A turn begins. @returns monotonic ms */
  begin(): number {
    this.#beganMs = this.#read();
    return this.#beganMs;
  }

  /** The turn ends. @returns how long it took in ms */
  end(): number {
    return this.#read() - this.#beganMs;
  }

  /** When the last turn ended, or another part of this one did; monotonic ms. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** The next part begins. @param endMs when it ends, from `turnPart` */
  enter(endMs: number): void {
    this.#partEndMs = this.#beganMs + endMs;
  }

  /** Whether the time of the part is over. */
  get isSpent(): boolean {
    return this.#read() >= this.#partEndMs;
  }

  /** One connection, or one piece of work, begins its stretch; whoever was before it has asked `isSpent`. */
  beginStretch(): void {
    this.#stretchEndMs = this.#nowMs + STRETCH_MS;
  }

  /** Whether it has to let the others go on. */
  get isStretchOver(): boolean {
    return this.#read() >= this.#stretchEndMs;
  }

  #read(): number {
    return this.#nowMs = this.#clock.monotonicMs();
  }
}
