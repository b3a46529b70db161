/**
 * Requests that may take long, a slice a turn: DescribeGroups of 10,000 groups, or the 500,000 offsets of one. Most are done in the call that
 * begins them; the others go on in the next turns, one after the other, so that nobody waits for them. Runs on shards.
 *
 * Always: a piece of work is a generator that yields after a step of at most a millisecond or so, and answers at its end; what it
 * found before a step may have changed after it.
 */

/** Time that a request may take at once. */
const FIRST_MS = 2;
/** Time of a turn for all that is left. */
const TURN_MS = 5;

/** A request on its way. */
export type Work = Iterator<void, void>;

/** The work of one shard. */
export class SlicedWork {
  readonly #nowMs: () => number;
  readonly #queue: Work[] = [];

  /** @param nowMs monotonic time */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Whether nothing is left for later turns. */
  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  /** Begins some work; what does not take long is done at once. */
  begin(work: Work): void {
    if (!this.#step(work, this.#nowMs() + FIRST_MS)) this.#queue.push(work);
  }

  /** Does a turn's share. Each goes behind the others when its time is over. */
  run(): void {
    const work = this.#queue.shift();
    if (work !== undefined && !this.#step(work, this.#nowMs() + TURN_MS)) this.#queue.push(work);
  }

  /** Does all that is left, at once. */
  finish(): void {
    for (const work of this.#queue.splice(0)) this.#step(work, Infinity);
  }

  /** @returns whether it is done */
  #step(work: Work, untilMs: number): boolean {
    while (work.next().done !== true) if (this.#nowMs() >= untilMs) return false;
    return true;
  }
}
