/**
 * Accepted connections that are closed after a delay, because their address makes more than its quota: a client that connects again at
 * once does so less often then. Runs on the main isolate.
 */

/** Connections that are held at a time; further ones are closed at once. Each takes a descriptor. */
export const HELD_MAX = 256;

/** The connections. */
export class HeldConnections implements Disposable {
  readonly #timers = new Map<Disposable, ReturnType<typeof setTimeout>>();

  /** Closes a connection after a delay. @param delayMs before that */
  closeLater(connection: Disposable, delayMs: number): void {
    if (this.#timers.size >= HELD_MAX) return connection[Symbol.dispose]();
    this.#timers.set(connection, setTimeout(() => this.#close(connection), delayMs));
  }

  /** Closes all of them now. */
  [Symbol.dispose](): void {
    for (const [connection, timer] of this.#timers) {
      clearTimeout(timer);
      this.#close(connection);
    }
  }

  #close(connection: Disposable): void {
    this.#timers.delete(connection);
    connection[Symbol.dispose]();
  }
}
