/**
 * The descriptors of a shard that have something to do, first come, first served. A descriptor that was served and has more to do
 * goes to the end. So a turn may serve a part of them, and none starves. Runs on shards.
 */

/** An entry of the queue. */
export interface MaybeReady {
  /** Owned by the queue. */
  isReady: boolean;
}

/** Served entries that are kept before the array is cut. */
const SERVED_MAX = 1024;

/** The queue. */
export class ReadyQueue<T extends MaybeReady> {
  #queue: T[] = [];
  #served = 0;

  /** How many wait for their turn. */
  get count(): number {
    return this.#queue.length - this.#served;
  }

  /** Adds one at the end, unless it waits already. */
  add(ready: T): void {
    if (ready.isReady) return;
    ready.isReady = true;
    this.#queue.push(ready);
  }

  /** Takes the one that waited longest. @returns null when none waits */
  take(): T | null {
    const first = this.#queue[this.#served];
    if (first === undefined) return null;
    this.#served++;
    first.isReady = false;
    if (this.#served === this.#queue.length) this.#queue = [];
    else if (this.#served < SERVED_MAX) return first;
    else this.#queue.splice(0, this.#served);
    this.#served = 0;
    return first;
  }
}
