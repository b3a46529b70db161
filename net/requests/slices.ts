/**
 * Requests that name many partitions are carried out a step at a time: at once as far as a stretch of the turn goes, the rest on later
 * turns, one request after the other. So one request neither holds the shard nor fills the rings: no step is done while the other
 * shards owe many answers. What comes behind it on its connection waits until its last step. Runs on shards.
 *
 * Always: the request's bytes stay where they are until its last step, also when its client goes meanwhile; at most one request of a
 * connection waits here.
 */
import type { TurnBudget } from "../reactor/turn_budget.ts";

/** What a request has to do. */
export interface SlicedWork {
  /** Does the next step; there is at least one. @returns whether there is another */
  step(): boolean;
  /** Follows the last step. */
  finish(): void;
}

/** The request whose work that is. */
export interface SlicedRequest {
  /**
   * The request is carried out over several turns: its bytes stay where they are, and those behind it wait.
   * @returns ends that; called once, after the last slice
   */
  beginSlices(): () => void;
  /** What follows when a handler or a step threw: an answer that says so, and the end of the connection. @throws it, where that is not safe */
  fail(error: unknown): void;
}

/** How handlers run such requests. */
export interface SliceRunner {
  /** Runs the request that is being handled; what does not fit into its stretch goes on in later turns. */
  run(work: SlicedWork, exchange: SlicedRequest): void;
  /** Runs work of a request that has waited. Nothing of its connection waits for it. */
  resume(work: SlicedWork, exchange: SlicedRequest): void;
  /** As `resume()`, but not before the next turn: much may become possible at once. */
  later(work: SlicedWork, exchange: SlicedRequest): void;
}

interface Waiting {
  readonly work: SlicedWork;
  readonly exchange: SlicedRequest;
  readonly end: () => void;
}

const nothing = () => {};

/** The requests of a shard that are not done. */
export class Slices implements SliceRunner {
  readonly #budget: TurnBudget;
  readonly #isCrowded: () => boolean;
  readonly #waiting: Waiting[] = [];

  /** @param budget of the turn @param isCrowded whether so many operations wait for other shards that no more may be added */
  constructor(budget: TurnBudget, isCrowded: () => boolean) {
    this.#budget = budget;
    this.#isCrowded = isCrowded;
  }

  /** Whether there is something to do now, and not only once other shards have answered. */
  get isRunnable(): boolean {
    return this.#waiting.length > 0 && !this.#isCrowded();
  }

  /** Whether nothing is left to do. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  run(work: SlicedWork, exchange: SlicedRequest): void {
    if (this.#advance(work)) return;
    this.#waiting.push({ work, exchange, end: exchange.beginSlices() });
  }

  resume(work: SlicedWork, exchange: SlicedRequest): void {
    this.#budget.beginStretch();
    const waiting = { work, exchange, end: nothing };
    if (!this.#advanceWaiting(waiting)) this.#waiting.push(waiting);
  }

  later(work: SlicedWork, exchange: SlicedRequest): void {
    this.#waiting.push({ work, exchange, end: nothing });
  }

  /** Goes on with what is not done, the oldest first, as far as the time goes. */
  runWaiting(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      this.#budget.beginStretch();
      if (this.#advanceWaiting(first)) {
        this.#waiting.shift();
        first.end();
      }
      if (this.#budget.isSpent || this.#isCrowded()) return;
    }
  }

  /** @returns whether the work is done, or has failed */
  #advanceWaiting({ work, exchange }: Waiting): boolean {
    try {
      return this.#advance(work);
    } catch (error) {
      exchange.fail(error);
      return true;
    }
  }

  /** @returns whether the work is done */
  #advance(work: SlicedWork): boolean {
    while (!this.#isCrowded()) {
      if (!work.step()) {
        work.finish();
        return true;
      }
      if (this.#budget.isStretchOver) return false;
    }
    return false;
  }
}
