/**
 * Requests that may take long, done in slices: DescribeGroups of 10,000 groups, or the 500,000 offsets of one group. Most end in the call
 * that begins them. The others continue in the next turns, one a turn, and other requests are served in between. Runs on shards.
 *
 * Always: a piece of work is a generator that yields after a step of at most about a millisecond, and answers at its end. The state it
 * read before a yield may have changed after it.
 */

/** Time of a request in the call that begins it. Decoding it, and sending parts of it to other shards, may have taken 4 ms before. */
const FIRST_MS = 0.5;
/**
 * When the unfinished requests of a turn pause, in ms from its beginning. At least one step is done in each turn. The last step of a
 * request makes an answer of thousands of elements and encodes it, which takes 3 ms.
 */
const TURN_END_MS = 6;

/** An unfinished request. */
export type Work = Iterator<void, void>;

/** The long requests of one shard. */
export class SlicedWork {
  readonly #nowMs: () => number;
  readonly #queue: Work[] = [];

  /** @param nowMs monotonic time */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Whether no request is unfinished. */
  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  /** Begins a piece of work. Short work is done in this call. */
  begin(work: Work): void {
    if (!this.#step(work, this.#nowMs() + FIRST_MS)) this.#queue.push(work);
  }

  /**
   * Continues the first request while the turn has time. If it is still unfinished, it goes behind the others.
   * @param beganMs when the turn began, monotonic
   */
  run(beganMs: number): void {
    const work = this.#queue.shift();
    if (work !== undefined && !this.#step(work, beganMs + TURN_END_MS)) this.#queue.push(work);
  }

  /** Finishes all requests in this call. */
  finish(): void {
    for (const work of this.#queue.splice(0)) this.#step(work, Infinity);
  }

  /** @returns whether the work is done */
  #step(work: Work, untilMs: number): boolean {
    while (work.next().done !== true) if (this.#nowMs() >= untilMs) return false;
    return true;
  }
}
