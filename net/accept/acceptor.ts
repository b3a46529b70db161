/**
 * Listens, and hands every accepted connection to a shard within the limits. Runs on the main isolate and never blocks.
 *
 * While too many connections are open, each listener holds one that it has accepted, and the others wait in the kernel's queue.
 * So they do while more come than the rate of the broker or the listener allows (connection_rates.ts).
 * While descriptors are short, new connections wait for a second in all. After that they are closed until there are descriptors again.
 */
import type { ConnectionLimits } from "./connection_limits.ts";
import type { ConnectionRates } from "./connection_rates.ts";
import { HeldConnections } from "./held_connections.ts";
import { Handoff } from "./handoff.ts";
import { checkHandoff } from "./handoff_check.ts";
import { systemClock } from "../../storage/control.ts";

/**
 * Connections that may wait to be accepted. The runtime's default of 511 makes a storm of connects stall for a second
 * (a dropped SYN is sent again after that time).
 */
const BACKLOG = 4096;
/** Pause after an accept that failed for a reason other than its client. The usual reason is a lack of descriptors. */
const ACCEPT_RETRY_MS = 100;

/** How often a listener that holds a connection checks whether there is room for it. */
const ROOM_CHECK_MS = 20;

/** How long connections wait for descriptors, counted from the moment when descriptors became short. */
const SHORTAGE_WAITED_MS = 1000;

/** An obstacle is reported at most once in this time. */
const OBSTACLE_REPEAT_MS = 60_000;

/** An accepted connection. */
export interface AcceptedConnection {
  /** The receiver owns it. */
  readonly fd: number;
  /** Index of the listener. */
  readonly listener: number;
  /** Number by which the limits count the connection. */
  readonly peer: number;
}

/** Callbacks of the acceptor. */
export interface AcceptorEvents {
  /** A connection was accepted. */
  onConnection(connection: AcceptedConnection): void;
  /** A connection could not be taken. @param text a sentence for the operator */
  onWarning(text: string): void;
}

/** The listeners of a broker. */
export class Acceptor implements Disposable {
  readonly #handoff = new Handoff();
  readonly #listeners: Deno.TcpListener[] = [];
  readonly #loops: Promise<void>[] = [];
  readonly #limits: ConnectionLimits;
  readonly #rates: Pick<ConnectionRates, "accepted" | "refused">;
  /** Connections that will be closed, because their address makes too many. */
  readonly #held = new HeldConnections();
  /** Wake those that wait, because the acceptor closes. */
  readonly #wakes = new Set<() => void>();
  readonly #events: AcceptorEvents;
  #isClosed = false;
  #warnedMs = -Infinity;
  #shortSinceMs = Infinity;

  /** @param by decide which connections are taken, and how many a second @param events receive them */
  constructor(
    by: { limits: ConnectionLimits; rates: Pick<ConnectionRates, "accepted" | "refused"> },
    events: AcceptorEvents,
  ) {
    this.#limits = by.limits;
    this.#rates = by.rates;
    this.#events = events;
  }

  /**
   * Listens on an address. Connections wait until `start()`.
   * @param at host and port; port 0 for any free port
   * @returns the port
   * @throws Deno.errors.AddrInUse and other errors of Deno.listen
   */
  listen(at: { host: string; port: number }): number {
    const listener = Deno.listen({ hostname: at.host, port: at.port, tcpBacklog: BACKLOG });
    this.#listeners.push(listener);
    return listener.addr.port;
  }

  /**
   * Takes over a connection of its own to check that this works. It warns when the runtime behaves differently than expected.
   * @throws HandoffError when connections cannot be taken over
   */
  async check(): Promise<void> {
    const warning = await checkHandoff(this.#handoff);
    if (warning !== null) this.#events.onWarning(warning);
  }

  /** Starts to accept on every listener. Idempotent. */
  start(): void {
    if (this.#loops.length > 0) return;
    for (const [number, listener] of this.#listeners.entries()) this.#loops.push(this.#accept(listener, number));
  }

  /** Stops listening. Settles when no further connection can come. */
  async close(): Promise<void> {
    this[Symbol.dispose]();
    await Promise.all(this.#loops);
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const listener of this.#listeners) listener.close();
    this.#held[Symbol.dispose]();
    for (const wake of this.#wakes) wake();
    this.#handoff[Symbol.dispose]();
  }

  async #accept(listener: Deno.TcpListener, number: number): Promise<void> {
    while (!this.#isClosed) {
      try {
        const connection = await listener.accept();
        const waitMs = this.#rates.accepted(number, systemClock.monotonicMs());
        if (waitMs > 0) await this.#pause(waitMs);
        const refusal = await this.#room(number);
        if (this.#isClosed) return connection.close();
        if (refusal === null) this.#take(connection, number);
        else this.#refuse(connection, refusal);
      } catch (error) {
        if (this.#isClosed) return;
        if (isGone(error)) continue;
        this.#events.onWarning(`Cannot accept a connection: ${error instanceof Error ? error.message : error}`);
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_RETRY_MS));
      }
    }
  }

  /** Settles when one more connection of a listener may be taken, or when it has to be closed. @returns the reason to close it, or null */
  async #room(listener: number): Promise<string | null> {
    while (!this.#isClosed) {
      const obstacle = this.#limits.obstacle(this.#handoff.nextDescriptor, listener);
      const nowMs = systemClock.monotonicMs();
      if (obstacle === null || !obstacle.closes) this.#shortSinceMs = Infinity;
      if (obstacle === null) return null;
      if (obstacle.closes) {
        this.#shortSinceMs = Math.min(this.#shortSinceMs, nowMs);
        if (nowMs - this.#shortSinceMs >= SHORTAGE_WAITED_MS) return obstacle.text;
      }
      this.#warnOfObstacle(`New connections wait: ${obstacle.text}`, nowMs);
      await new Promise((resolve) => setTimeout(resolve, ROOM_CHECK_MS));
    }
    return null;
  }

  async #pause(ms: number): Promise<void> {
    const over = Promise.withResolvers<void>();
    const timer = setTimeout(over.resolve, ms);
    this.#wakes.add(over.resolve);
    await over.promise;
    this.#wakes.delete(over.resolve);
    clearTimeout(timer);
  }

  #refuse(connection: Deno.TcpConn, why: string): void {
    connection.close();
    this.#events.onWarning(`Closed a new connection: ${why}`);
  }

  #warnOfObstacle(text: string, nowMs: number): void {
    if (nowMs - this.#warnedMs < OBSTACLE_REPEAT_MS) return;
    this.#warnedMs = nowMs;
    this.#events.onWarning(text);
  }

  #take(connection: Deno.TcpConn, listener: number): void {
    const { hostname } = connection.remoteAddr;
    const holdMs = this.#rates.refused(hostname, listener, systemClock.monotonicMs());
    if (holdMs > 0) return this.#held.closeLater(connection, holdMs);
    const admitted = this.#limits.admit(hostname);
    if (typeof admitted !== "number") {
      connection.close();
      return this.#events.onWarning(admitted.refused);
    }
    try {
      this.#events.onConnection({ fd: this.#handoff.take(connection), listener, peer: admitted });
    } catch (error) {
      this.#limits.onClosed([admitted]);
      throw error;
    }
  }
}

/** Whether a client reset its connection before it was accepted. The next connection may be in the queue already. */
function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotConnected || error instanceof Deno.errors.ConnectionAborted;
}
