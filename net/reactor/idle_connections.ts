/**
 * Finds the connections on which nothing has happened for `connections.max.idle.ms`, without a timer or a clock reading for each:
 * time is cut into ticks, a connection notes the tick in which it was last active, and all are looked at once a tick. Pure; runs on
 * shards.
 *
 * As in Kafka, a client that does not take its answers is idle. One whose request still waits for its answer is not, and neither is
 * one that the broker itself lets wait for memory.
 */

/** Why a connection on which nothing happened for `connections.max.idle.ms` is closed. */
export const IDLE = "idle";

/** A connection as far as idleness goes. */
export interface MaybeIdle {
  /** Belongs to IdleConnections: the tick in which something last happened. */
  activeTick: number;
  /** Whether the broker owes it something: it is not idle, however long that takes. */
  readonly isServed: boolean;
}

/** Ticks in the idle time: a connection is found at most two of them late. */
const TICKS = 16;
/** Shortest tick; the idle time may be given as nothing. */
const TICK_MS_MIN = 10;

/** The ticks of one shard. */
export class IdleConnections {
  readonly #tickMs: number;
  #tick = 0;
  #nextMs: number;

  /** @param maxIdleMs `connections.max.idle.ms`, Infinity for never @param nowMs monotonic time */
  constructor(maxIdleMs: number, nowMs: number) {
    this.#tickMs = Math.max(TICK_MS_MIN, maxIdleMs / TICKS);
    this.#nextMs = nowMs + this.#tickMs;
  }

  /** When `expire()` has to be called next, in monotonic ms. */
  get nextMs(): number {
    return this.#nextMs;
  }

  /** Something happened on a connection: bytes came, or there was room for more. */
  markActive(connection: MaybeIdle): void {
    connection.activeTick = this.#tick;
  }

  /** Ends the tick when its time has come. @returns the connections that have been idle for too long */
  expire<T extends MaybeIdle>(nowMs: number, connections: Iterable<T>): T[] {
    if (nowMs < this.#nextMs) return [];
    this.#nextMs = nowMs + this.#tickMs;
    this.#tick++;
    const idle: T[] = [];
    for (const connection of connections) {
      if (connection.isServed) connection.activeTick = this.#tick;
      else if (this.#tick - connection.activeTick > TICKS) idle.push(connection);
    }
    return idle;
  }
}
