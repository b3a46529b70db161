/** A callback at a deadline, which waits in the purgatory beside requests and so needs no timer of its own. Runs on shards. */
import type { DelayedOperation } from "./purgatory.ts";

/** The callback. */
export class DelayedCall implements DelayedOperation {
  readonly deadlineMs: number;
  heapIndex = -1;
  isMarked = false;
  readonly #callback: () => void;

  /** @param deadlineMs monotonic time @param callback called once, unless it is cancelled before */
  constructor(deadlineMs: number, callback: () => void) {
    this.deadlineMs = deadlineMs;
    this.#callback = callback;
  }

  onProgress(): void {}

  onExpired(): void {
    this.#callback();
  }
}
