/**
 * The connections of a shard that have something to do, in the order in which they get to do it: whoever came first is served first,
 * and whoever was served and has more goes to the end. So one turn may serve a part of them and nobody starves. Runs on shards.
 */

/** A connection as far as its turn goes. */
export interface MaybeReady {
  /** Belongs to the queue. */
  isReady: boolean;
}

/** Served entries that are kept before the array is cut. */
const SERVED_MAX = 1024;

/** The queue. */
export class ReadyConnections<T extends MaybeReady> {
  #queue: T[] = [];
  #served = 0;

  /** How many wait for their turn. */
  get count(): number {
    return this.#queue.length - this.#served;
  }

  /** Puts a connection at the end, unless it waits already. */
  add(connection: T): void {
    if (connection.isReady) return;
    connection.isReady = true;
    this.#queue.push(connection);
  }

  /** Takes the connection that waited longest. @returns null when none waits */
  take(): T | null {
    const connection = this.#queue[this.#served];
    if (connection === undefined) return null;
    this.#served++;
    connection.isReady = false;
    if (this.#served === this.#queue.length) this.#queue = [];
    else if (this.#served < SERVED_MAX) return connection;
    else this.#queue.splice(0, this.#served);
    this.#served = 0;
    return connection;
  }
}
