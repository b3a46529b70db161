/**
 * Finds the connections on which nothing has happened for `connections.max.idle.ms`, without a timer or a clock reading for each.
 * Time is cut into ticks, a connection notes the tick in which it was last active, and all are checked once a tick. Pure; runs on
 * shards.
 *
 * As in Kafka, a client that does not take its answers is idle. A connection whose request waits for its answer is not idle, and
 * neither is one that the broker lets wait for memory.
 */

/** Reason for closing a connection on which nothing happened for `connections.max.idle.ms`. */
export const IDLE = "idle";

/** What idleness needs of a connection. */
export interface MaybeIdle {
  /** Owned by IdleConnections: the tick in which something last happened. */
  activeTick: number;
  /** Whether the client waits for the broker. Such a connection is never idle. */
  readonly isServed: boolean;
}

/** Ticks in the idle time. A connection is found at most two ticks late. */
const TICKS = 16;
/** Shortest tick, because the idle time may be configured as 0. */
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

  /** Something happened on a connection: bytes arrived, or the socket accepted more. */
  markActive(connection: MaybeIdle): void {
    connection.activeTick = this.#tick;
  }

  /** Ends the tick when its time is over. @returns the connections that have been idle for too long */
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
