/**
 * Listens and hands every accepted connection to a shard. Runs on the main isolate; never blocks.
 */
import { Handoff } from "./handoff.ts";

/**
 * Connections that may wait to be accepted. The runtime's default of 511 makes a storm of connects stall for a second
 * (a dropped SYN is sent again after that time).
 */
const BACKLOG = 4096;
/** Pause after a failed accept: out of descriptors, most likely. */
const ACCEPT_RETRY_MS = 100;

/** What accepting tells. */
export interface AcceptorEvents {
  /** A connection is there. @param fd to be owned by the receiver @param listener number of the listener */
  onConnection(fd: number, listener: number): void;
  /** A sentence about a connection that could not be taken. */
  onWarning(text: string): void;
}

/** The listeners of a broker. */
export class Acceptor implements Disposable {
  readonly #handoff = new Handoff();
  readonly #listeners: Deno.TcpListener[] = [];
  readonly #loops: Promise<void>[] = [];
  readonly #events: AcceptorEvents;
  #isClosed = false;

  /** @param events where connections go */
  constructor(events: AcceptorEvents) {
    this.#events = events;
  }

  /**
   * Listens on an address; connections wait until `start()`.
   * @param at host and port, 0 for any free port
   * @returns the port
   * @throws Deno.errors.AddrInUse and the like
   */
  listen(at: { host: string; port: number }): number {
    const listener = Deno.listen({ hostname: at.host, port: at.port, tcpBacklog: BACKLOG });
    this.#listeners.push(listener);
    return listener.addr.port;
  }

  /** Begins to accept on every listener. */
  start(): void {
    for (const [number, listener] of this.#listeners.entries()) this.#loops.push(this.#accept(listener, number));
  }

  /** Stops listening. Settles when no connection comes any more. */
  async close(): Promise<void> {
    this[Symbol.dispose]();
    await Promise.all(this.#loops);
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const listener of this.#listeners) listener.close();
    this.#handoff[Symbol.dispose]();
  }

  async #accept(listener: Deno.TcpListener, number: number): Promise<void> {
    while (!this.#isClosed) {
      try {
        const connection = await listener.accept();
        if (this.#isClosed) return connection.close();
        this.#events.onConnection(this.#handoff.take(connection), number);
      } catch (error) {
        if (this.#isClosed) return;
        this.#events.onWarning(`Cannot accept a connection: ${error instanceof Error ? error.message : error}`);
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_RETRY_MS));
      }
    }
  }
}
