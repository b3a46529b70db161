/**
 * Carries out requests that name many partitions step by step. A request starts at once and runs for a stretch of the turn. The rest
 * runs in later turns, one request after the other. So one request neither occupies the shard nor fills the rings: no step is done
 * while other shards owe many answers. Later requests on its connection wait until its last step. Runs on shards.
 *
 * Always: the request's bytes are held until its last step, also when its client disconnects. At most one request of a
 * connection waits here.
 */
import type { TurnBudget } from "../reactor/turn_budget.ts";

/** The work of a request. */
export interface SlicedWork {
  /** Does the next step; there is at least one. @returns whether there is another */
  step(): boolean;
  /** Called after the last step. */
  finish(): void;
}

/** The request that the work belongs to. */
export interface SlicedRequest {
  /**
   * Prepares the request for several turns: its bytes are held, and requests behind it wait.
   * @returns ends that; called once, after the last slice
   */
  beginSlices(): () => void;
  /** Called when a handler or a step threw: answers with an error and closes the connection. @throws the error where that is not safe */
  fail(error: unknown): void;
}

/** Runs sliced requests for handlers. */
export interface SliceRunner {
  /** Runs the request that is being handled. What does not fit into its stretch continues in later turns. */
  run(work: SlicedWork, exchange: SlicedRequest): void;
  /** Runs the work of a request that has waited. Nothing on its connection waits for it. */
  resume(work: SlicedWork, exchange: SlicedRequest): void;
  /** Like `resume()`, but not before the next turn, because many requests may become possible at once. */
  resumeLater(work: SlicedWork, exchange: SlicedRequest): void;
}

interface Waiting {
  readonly work: SlicedWork;
  readonly exchange: SlicedRequest;
  readonly end: () => void;
}

const nothing = () => {};

/** The unfinished requests of a shard. */
export class Slices implements SliceRunner {
  readonly #budget: TurnBudget;
  readonly #isCrowded: () => boolean;
  readonly #waiting: Waiting[] = [];

  /** @param budget of the turn @param isCrowded whether too many operations wait for other shards to add more */
  constructor(budget: TurnBudget, isCrowded: () => boolean) {
    this.#budget = budget;
    this.#isCrowded = isCrowded;
  }

  /** Whether there is work that need not wait for answers of other shards. */
  get isRunnable(): boolean {
    return this.#waiting.length > 0 && !this.#isCrowded();
  }

  /** Whether no work is left. */
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

  resumeLater(work: SlicedWork, exchange: SlicedRequest): void {
    this.#waiting.push({ work, exchange, end: nothing });
  }

  /** Continues unfinished work, the oldest first, while the turn has time. */
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
