/**
 * A deadline that is put off often and met seldom, like a member's session: putting it off writes one number and leaves the heap
 * as it is; the timer wakes up at the old time, sees that it is not due yet, and waits for the rest. Runs on shards.
 *
 * What must always hold: it never fires before the last time that was set, and it fires once.
 */
import type { Deadlines, Timed } from "../../requests/deadlines.ts";

/** Something that is due at a time: wakes up in `Deadlines`, looks whether it is really due, and adds itself again if not yet. */
export interface Timer extends Timed {
  /** Its deadline has passed, and it has been removed. @param nowMs monotonic time */
  onDue(nowMs: number): void;
}

/** A timer that is put off. */
export class LazyTimer implements Timer {
  /** When it wakes up, monotonic ms; belongs to the heap. */
  deadlineMs = 0;
  /** Belongs to the heap. */
  heapIndex = -1;
  readonly #timers: Deadlines<Timer>;
  readonly #fire: () => void;
  /** When it is due, at or after `deadlineMs`; Infinity while it is not set. */
  #dueMs = Infinity;

  /** @param timers where it waits @param fire what to do when it is due */
  constructor(timers: Deadlines<Timer>, fire: () => void) {
    this.#timers = timers;
    this.#fire = fire;
  }

  /** Whether it waits. */
  get isSet(): boolean {
    return this.#dueMs !== Infinity;
  }

  /** Sets it, or moves it to another time. @param dueMs monotonic ms */
  set(dueMs: number): void {
    this.#dueMs = dueMs;
    if (this.heapIndex === -1) this.#wait();
    else if (dueMs < this.deadlineMs) {
      this.#timers.remove(this);
      this.#wait();
    }
  }

  /** Takes it back; one that is not set is fine. */
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
