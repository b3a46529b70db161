/**
 * Deadlines without a timer each: a binary heap, the earliest on top; the reactor waits until that one. Removal is by the
 * position that each entry remembers. Pure; any isolate.
 */
import { assert } from "../../storage/base/assert.ts";

/** Something with a deadline. `heapIndex` belongs to the heap: -1 while outside. */
export interface Timed {
  deadlineMs: number;
  heapIndex: number;
}

/** The heap. */
export class Deadlines<T extends Timed> {
  readonly #heap: T[] = [];

  /** How many wait. */
  get count(): number {
    return this.#heap.length;
  }

  /** Earliest deadline in monotonic ms, Infinity when nothing waits. */
  get nextMs(): number {
    return this.#heap[0]?.deadlineMs ?? Infinity;
  }

  /** Adds an entry; its `deadlineMs` must not change while it is inside. */
  add(entry: T): void {
    assert(entry.heapIndex === -1, "an entry waits once");
    this.#heap.push(entry);
    this.#rise(entry, this.#heap.length - 1);
  }

  /** Removes an entry; one that is not inside is fine. */
  remove(entry: T): void {
    const index = entry.heapIndex;
    if (index === -1) return;
    entry.heapIndex = -1;
    const last = this.#heap.pop() as T;
    if (last === entry) return;
    this.#rise(last, index);
    this.#sink(last, last.heapIndex);
  }

  /** Takes the earliest entry whose deadline is at or before `nowMs`, or null. */
  takeExpired(nowMs: number): T | null {
    const first = this.#heap[0];
    if (first === undefined || first.deadlineMs > nowMs) return null;
    this.remove(first);
    return first;
  }

  #rise(entry: T, from: number): void {
    let index = from;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.#heap[parentIndex] as T;
      if (parent.deadlineMs <= entry.deadlineMs) break;
      this.#put(parent, index);
      index = parentIndex;
    }
    this.#put(entry, index);
  }

  #sink(entry: T, from: number): void {
    const heap = this.#heap;
    let index = from;
    for (;;) {
      const left = 2 * index + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const childIndex = right < heap.length && (heap[right] as T).deadlineMs < (heap[left] as T).deadlineMs
        ? right
        : left;
      const child = heap[childIndex] as T;
      if (child.deadlineMs >= entry.deadlineMs) break;
      this.#put(child, index);
      index = childIndex;
    }
    this.#put(entry, index);
  }

  #put(entry: T, index: number): void {
    this.#heap[index] = entry;
    entry.heapIndex = index;
  }
}
