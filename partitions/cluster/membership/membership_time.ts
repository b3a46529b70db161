/**
 * Time for the parts of the membership, as a parameter for tests. The main isolate.
 */
import { type Clock, systemClock } from "../../../storage/base/clock.ts";

/** A clock, and timers that follow it. */
export interface MembershipTime {
  readonly clock: Clock;
  /** Calls back once. @returns ends that, before it has happened */
  after(ms: number, callback: () => void): () => void;
}

/** The machine's time. */
export const systemTime: MembershipTime = {
  clock: systemClock,
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

/** Settles after a time. */
export function pauseFor(time: MembershipTime, ms: number): Promise<void> {
  return new Promise((resolve) => void time.after(ms, resolve));
}

/** Timers that end together. A pause that has not ended by then never does. */
export class OwnTimers implements MembershipTime, Disposable {
  readonly clock: Clock;
  readonly #time: MembershipTime;
  readonly #running = new Set<() => void>();
  #isDisposed = false;

  /** @param time that they follow */
  constructor(time: MembershipTime) {
    this.#time = time;
    this.clock = time.clock;
  }

  after(ms: number, callback: () => void): () => void {
    if (this.#isDisposed) return () => {};
    const cancel = this.#time.after(ms, () => {
      this.#running.delete(cancel);
      callback();
    });
    this.#running.add(cancel);
    return () => {
      this.#running.delete(cancel);
      cancel();
    };
  }

  /** Ends all of them. Idempotent. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    for (const cancel of this.#running) cancel();
    this.#running.clear();
  }
}
