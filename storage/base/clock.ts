/**
 * Time as a parameter: code that needs the time takes a Clock, and tests pass one that they control. Any isolate.
 */

/** Where the time comes from. */
export interface Clock {
  /** Wall-clock time in milliseconds since 1970, for timestamps that leave the process. */
  wallMs(): number;
  /** Milliseconds that never go back, for deadlines and durations. */
  monotonicMs(): number;
}

/** The machine's clock. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

/** A clock that moves only by `advance()`. */
export class ManualClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;

  /** @param wallMs the wall-clock time it starts at */
  constructor(wallMs = 1_700_000_000_000) {
    this.#wallMs = wallMs;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  /** Moves both clocks forward. @param ms how far */
  advance(ms: number): void {
    this.#wallMs += ms;
    this.#monotonicMs += ms;
  }
}
