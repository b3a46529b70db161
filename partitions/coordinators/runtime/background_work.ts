/**
 * What a coordinated partition does beside its requests, in slices with pauses between them: the look for what has expired, each
 * interval, and what an event asks for. Runs on shards.
 *
 * Always: a slice takes a millisecond or two; nothing runs while the partition does not serve.
 */
import type { Deadlines } from "../../requests/deadlines.ts";
import type { Timer } from "./lazy_timer.ts";
import type { Work } from "./sliced_work.ts";

/** Between two slices. */
const PAUSE_MS = 10;

/** What it is built from. */
export interface BackgroundWorkParts {
  readonly timers: Deadlines<Timer>;
  readonly nowMs: () => number;
  /** Whether the partition serves. */
  readonly isServing: () => boolean;
  /** Between two looks for what has expired. */
  readonly expiryIntervalMs: number;
  /** Begins such a look. */
  readonly expire: () => Work;
}

/** The work of one partition. */
export class BackgroundWork implements Timer {
  deadlineMs = 0;
  heapIndex = -1;
  readonly #parts: BackgroundWorkParts;
  /** When to look for what has expired, monotonic ms. */
  #expiryMs = Infinity;
  /** The look that is under way. */
  #expiring: Work | null = null;
  #works: Work[] = [];

  /** @param parts the timers, the clock, and how to look for what has expired */
  constructor(parts: BackgroundWorkParts) {
    this.#parts = parts;
  }

  /** Begins to look for what has expired. @param delayMs added to the first interval, so that partitions do not all look at once */
  start(delayMs: number): void {
    this.#expiryMs = this.#parts.nowMs() + this.#parts.expiryIntervalMs + delayMs;
    this.#setTimer();
  }

  /** Looks for what has expired at once. */
  expireSoon(): void {
    this.#expiryMs = this.#parts.nowMs();
    this.#setTimer();
  }

  /** Does the first slice of some work; the others follow. */
  begin(work: Work): void {
    if (this.#parts.isServing() && work.next().done !== true) this.#works.push(work);
    this.#setTimer();
  }

  /** Ends all of it. */
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
