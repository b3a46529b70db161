/**
 * The background work of a coordinated partition, in slices with pauses between them: the periodic search for expired state, and work
 * that an event starts. Runs on shards.
 *
 * Always: a slice takes a millisecond or two, and nothing runs while the partition does not serve.
 */
import type { Deadlines } from "../../requests/deadlines.ts";
import type { Timer } from "./lazy_timer.ts";
import type { Work } from "./sliced_work.ts";

/** Pause between two slices. */
const PAUSE_MS = 10;

/** What BackgroundWork is built from. */
export interface BackgroundWorkParts {
  readonly timers: Deadlines<Timer>;
  readonly nowMs: () => number;
  /** Whether the partition serves. */
  readonly isServing: () => boolean;
  /** Time between two searches for expired state. */
  readonly expiryIntervalMs: number;
  /** Begins such a search. */
  readonly expire: () => Work;
}

/** The background work of one partition. */
export class BackgroundWork implements Timer {
  deadlineMs = 0;
  heapIndex = -1;
  readonly #parts: BackgroundWorkParts;
  /** When the next search for expired state begins, monotonic ms. */
  #expiryMs = Infinity;
  /** The search that is under way. */
  #expiring: Work | null = null;
  #works: Work[] = [];

  /** @param parts the timers, the clock, and how to search for expired state */
  constructor(parts: BackgroundWorkParts) {
    this.#parts = parts;
  }

  /** Starts the periodic search for expired state. @param delayMs added to the first interval: partitions then search at different times */
  start(delayMs: number): void {
    this.#expiryMs = this.#parts.nowMs() + this.#parts.expiryIntervalMs + delayMs;
    this.#setTimer();
  }

  /** Makes the next search for expired state due now. */
  expireSoon(): void {
    this.#expiryMs = this.#parts.nowMs();
    this.#setTimer();
  }

  /** Does the first slice of a piece of work. The other slices follow on the timer. */
  begin(work: Work): void {
    if (this.#parts.isServing() && work.next().done !== true) this.#works.push(work);
    this.#setTimer();
  }

  /** Ends all work and the timer. */
  stop(): void {
    this.#drop();
    this.#parts.timers.remove(this);
  }

  onDue(nowMs: number): void {
    if (nowMs >= this.#expiryMs) {
      this.#expiryMs = nowMs + this.#parts.expiryIntervalMs;
      this.#expiring ??= this.#parts.expire();
    }
    if (!this.#parts.isServing()) this.#drop();
    if (this.#expiring?.next().done === true) this.#expiring = null;
    this.#works = this.#works.filter((work) => work.next().done !== true);
    this.#setTimer();
  }

  #drop(): void {
    this.#expiring = null;
    for (const work of this.#works.splice(0)) work.return?.();
  }

  #setTimer(): void {
    const { timers, nowMs } = this.#parts;
    timers.remove(this);
    const isIdle = this.#expiring === null && this.#works.length === 0;
    this.deadlineMs = isIdle ? this.#expiryMs : Math.min(this.#expiryMs, nowMs() + PAUSE_MS);
    timers.add(this);
  }
}
