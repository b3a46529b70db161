/** Runs changes one after the other. Main isolate. */

/** What a change is answered with whose turn comes too late. */
export interface LateAnswer<T> {
  /** How long it may wait for its turn. */
  readonly timeoutMs: number;
  readonly answer: () => T;
}

/** A queue of changes. */
export class Turns {
  readonly #nowMs: () => number;
  #last: Promise<unknown> = Promise.resolve();

  /** @param nowMs monotonic time in ms */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Runs a change after the earlier ones, even after a failed one. @param late gives the answer when the turn comes after the deadline */
  take<T>(change: () => Promise<T>, late?: LateAnswer<T>): Promise<T> {
    const deadlineMs = late === undefined ? Infinity : this.#nowMs() + late.timeoutMs;
    const begin = () => late !== undefined && this.#nowMs() > deadlineMs ? Promise.resolve(late.answer()) : change();
    const result = this.#last.then(begin, begin);
    this.#last = result;
    return result;
  }
}
