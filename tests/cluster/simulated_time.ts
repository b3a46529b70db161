/**
 * Simulated time, in which processes are paused and killed: what happens to a paused process waits, what happens to a dead one is lost. Promises
 * of the code under test go on between two events. Test code.
 */
import { setImmediate } from "node:timers";
import { strict as assert } from "node:assert";
import type { Clock } from "../../storage/base/clock.ts";
import type { MembershipTime } from "../../partitions/cluster/membership/membership_time.ts";

/** To whom something happens. */
export interface Subject {
  isPaused: boolean;
  isDead: boolean;
}

interface Event {
  readonly atMs: number;
  readonly number: number;
  readonly subject: Subject | null;
  readonly run: () => void;
}

/** A clock with the events that are to come. */
export class SimulatedTime implements Clock {
  #nowMs = 0;
  #number = 0;
  #events: Event[] = [];

  wallMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  /** Lets something happen later. @param subject to whom; null where nothing can prevent it @returns prevents it */
  after(ms: number, subject: Subject | null, run: () => void): () => void {
    const event = { atMs: this.#nowMs + ms, number: this.#number++, subject, run };
    this.#events.push(event);
    return () => void (this.#events = this.#events.filter((other) => other !== event));
  }

  /** The time of a process. */
  of(subject: Subject): MembershipTime {
    return { clock: this, after: (ms, callback) => this.after(ms, subject, callback) };
  }

  /** Passes time. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await afterPromises();
    for (let event = this.#take(endMs); event !== null; event = this.#take(endMs)) {
      this.#nowMs = Math.max(this.#nowMs, event.atMs);
      event.run();
      await afterPromises();
    }
    this.#nowMs = endMs;
  }

  /** Passes time until something is so. @param withinMs how long at most @returns how long it took */
  async until(what: string, isSo: () => boolean, withinMs: number): Promise<number> {
    const startMs = this.#nowMs;
    const stepMs = 5;
    while (!isSo()) {
      assert.ok(this.#nowMs - startMs < withinMs, `not within ${withinMs} ms: ${what}`);
      await this.pass(stepMs);
    }
    return this.#nowMs - startMs;
  }

  /** The next event until a time, in the order of time; events of the dead are lost. */
  #take(endMs: number): Event | null {
    this.#events = this.#events.filter(({ subject }) => subject?.isDead !== true);
    let next: Event | null = null;
    for (const event of this.#events) {
      if (event.atMs > endMs || event.subject?.isPaused === true) continue;
      if (next === null || event.atMs < next.atMs || (event.atMs === next.atMs && event.number < next.number)) {
        next = event;
      }
    }
    if (next !== null) this.#events = this.#events.filter((event) => event !== next);
    return next;
  }
}

function afterPromises(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
