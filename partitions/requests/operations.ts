/**
 * Operations that wait for an answer from another shard, by the number that travels in the ring record. Numbers are reused,
 * so the table stays as large as the most ever in flight. Runs on shards.
 */
import { assert } from "../../storage/base/assert.ts";

/** The table. `W` is who gets the answer, `tag` says for which of its parts. */
export class Operations<W> {
  readonly #waiters: (W | null)[] = [];
  readonly #tags: number[] = [];
  readonly #free: number[] = [];

  /** Operations in flight. */
  get count(): number {
    return this.#waiters.length - this.#free.length;
  }

  /** Remembers who waits. @returns the operation's number */
  add(waiter: W, tag: number): number {
    const number = this.#free.pop() ?? this.#waiters.length;
    this.#waiters[number] = waiter;
    this.#tags[number] = tag;
    return number;
  }

  /** The part of the waiter that the operation is for; ask before `take()`. */
  tagOf(number: number): number {
    return this.#tags[number] ?? -1;
  }

  /** Ends an operation. @returns who waited */
  take(number: number): W {
    const waiter = this.#waiters[number];
    assert(waiter !== null && waiter !== undefined, "an answer belongs to an operation in flight");
    this.#waiters[number] = null;
    this.#free.push(number);
    return waiter;
  }
}
