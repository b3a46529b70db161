/**
 * Operations that wait for an answer from another shard, by the number that travels in the ring record. Numbers are reused, so the table
 * never grows beyond the most operations that were in flight at a time. Runs on shards.
 */
import { assert } from "../../storage/base/assert.ts";

/** The table. `W` receives the answer; `tag` says for which part of its request. */
export class Operations<W> {
  readonly #waiters: (W | null)[] = [];
  readonly #tags: number[] = [];
  readonly #free: number[] = [];

  /** Operations in flight. */
  get count(): number {
    return this.#waiters.length - this.#free.length;
  }

  /** Adds an operation. @param waiter gets the answer @param tag the part of its request @returns the operation's number */
  add(waiter: W, tag: number): number {
    const number = this.#free.pop() ?? this.#waiters.length;
    this.#waiters[number] = waiter;
    this.#tags[number] = tag;
    return number;
  }

  /** The tag of an operation; to be read before `take()`. */
  tagOf(number: number): number {
    return this.#tags[number] ?? -1;
  }

  /** Ends an operation. @returns its waiter */
  take(number: number): W {
    const waiter = this.#waiters[number];
    assert(waiter !== null && waiter !== undefined, "an answer belongs to an operation in flight");
    this.#waiters[number] = null;
    this.#free.push(number);
    return waiter;
  }
}
