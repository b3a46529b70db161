/**
 * Lends a fixed number of things, first come, first served. Those that wait are bounded in number and time. Main isolate.
 */
import { MetadataRefusedError } from "../store/store.ts";

/** How long the queue may be. */
export interface PoolLimits {
  /** Requests that wait at once; further ones are refused. */
  readonly waitingMax: number;
  /** How long one waits before it is refused. */
  readonly waitMs: number;
}

interface Waiting<T> {
  readonly lend: (item: T) => void;
  readonly refuse: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** A pool. */
export class BoundedPool<T> {
  readonly #free: T[];
  readonly #limits: PoolLimits;
  readonly #waiting = new Set<Waiting<T>>();

  /** @param items all things that it lends */
  constructor(items: readonly T[], limits: PoolLimits) {
    this.#free = [...items];
    this.#limits = limits;
  }

  /** Lends a thing, which the caller gives back. @throws MetadataRefusedError when too many wait, or it has waited too long */
  take(): Promise<T> {
    const item = this.#free.pop();
    if (item !== undefined) return Promise.resolve(item);
    const { waitingMax, waitMs } = this.#limits;
    if (this.#waiting.size >= waitingMax) {
      return Promise.reject(new MetadataRefusedError(`${waitingMax} requests wait for etcd already`));
    }
    return new Promise((lend, refuse) => {
      const waiting: Waiting<T> = {
        lend,
        refuse,
        timer: setTimeout(() => {
          this.#waiting.delete(waiting);
          refuse(new MetadataRefusedError("etcd has not answered earlier requests in time"));
        }, waitMs),
      };
      this.#waiting.add(waiting);
    });
  }

  /** Takes a thing back. */
  give(item: T): void {
    for (const waiting of this.#waiting) {
      this.#waiting.delete(waiting);
      clearTimeout(waiting.timer);
      return waiting.lend(item);
    }
    this.#free.push(item);
  }

  /** Refuses all that wait. */
  refuseAll(error: Error): void {
    for (const waiting of this.#waiting) {
      clearTimeout(waiting.timer);
      waiting.refuse(error);
    }
    this.#waiting.clear();
  }
}
