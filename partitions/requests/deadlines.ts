/**
 * Deadlines in a binary heap, the earliest on top: the reactor waits until that one, so no deadline needs a timer of its own. Each entry
 * knows its position in the heap, so it can be removed. Pure; any isolate.
 */
import { assert } from "../../storage/base/assert.ts";

/** An entry with a deadline. `heapIndex` belongs to the heap: -1 while the entry is not in it. */
export interface Timed {
  deadlineMs: number;
  heapIndex: number;
}

/** The heap. */
export class Deadlines<T extends Timed> {
  readonly #heap: T[] = [];

  /** Number of entries. */
  get count(): number {
    return this.#heap.length;
  }

  /** All entries, in no order; not to be changed. */
  get entries(): readonly T[] {
    return this.#heap;
  }

  /** Earliest deadline in monotonic ms, Infinity when the heap is empty. */
  get nextMs(): number {
    return this.#heap[0]?.deadlineMs ?? Infinity;
  }

  /** Adds an entry; its `deadlineMs` must not change while it is in the heap. */
  add(entry: T): void {
    assert(entry.heapIndex === -1, "an entry waits once");
    this.#heap.push(entry);
    this.#rise(entry, this.#heap.length - 1);
  }

  /** Removes an entry; does nothing when it is not in the heap. */
  remove(entry: T): void {
    const index = entry.heapIndex;
    if (index === -1) return;
    entry.heapIndex = -1;
    const last = this.#heap.pop() as T;
    if (last === entry) return;
    this.#rise(last, index);
    this.#sink(last, last.heapIndex);
  }

  /** Removes the earliest entry whose deadline is at or before `nowMs`. @returns it, or null when there is none */
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
