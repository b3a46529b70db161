/**
 * A deadline that is postponed often and reached seldom, like a member's session. Postponing writes one number and leaves the heap
 * unchanged. The timer wakes up at the old time, sees that it is not due yet, and waits for the rest. Runs on shards.
 *
 * What must always hold: the timer never fires before the last time that was set, and it fires once.
 */
import type { Deadlines, Timed } from "../../requests/deadlines.ts";

/** An entry of `Deadlines` that is due at a time. An entry that wakes up too early adds itself again. */
export interface Timer extends Timed {
  /** The deadline has passed, and the entry has been removed from the heap. @param nowMs monotonic time */
  onDue(nowMs: number): void;
}

/** A timer that is cheap to postpone. */
export class LazyTimer implements Timer {
  /** When the timer wakes up, monotonic ms; belongs to the heap. */
  deadlineMs = 0;
  /** Belongs to the heap. */
  heapIndex = -1;
  readonly #timers: Deadlines<Timer>;
  readonly #fire: () => void;
  /** When the timer is due, at or after `deadlineMs`; Infinity while it is not set. */
  #dueMs = Infinity;

  /** @param timers the heap it waits in @param fire called when it is due */
  constructor(timers: Deadlines<Timer>, fire: () => void) {
    this.#timers = timers;
    this.#fire = fire;
  }

  /** Whether the timer is set. */
  get isSet(): boolean {
    return this.#dueMs !== Infinity;
  }

  /** Sets the timer, or moves it to another time. @param dueMs monotonic ms */
  set(dueMs: number): void {
    this.#dueMs = dueMs;
    if (this.heapIndex === -1) this.#wait();
    else if (dueMs < this.deadlineMs) {
      this.#timers.remove(this);
      this.#wait();
    }
  }

  /** Cancels the timer. Does nothing when it is not set. */
  cancel(): void {
    this.#dueMs = Infinity;
    this.#timers.remove(this);
  }

  onDue(nowMs: number): void {
    if (this.#dueMs > nowMs) return this.#wait();
    this.#dueMs = Infinity;
    this.#fire();
  }

  #wait(): void {
    this.deadlineMs = this.#dueMs;
    this.#timers.add(this);
  }
}
