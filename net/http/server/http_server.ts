/**
 * The HTTP listener: accepts connections within the limits, and ends those that are overdue. Written on plain TCP, because Deno.serve()
 * has no limit for connections, for the bytes of a head, or for a client that sends or reads slowly. Worker of the HTTP listener.
 */
import type { Clock } from "../../../storage/base/clock.ts";
import { type Page, textPage } from "./http_answer.ts";
import { type ConnectionHost, HttpConnection, type HttpStream } from "./http_connection.ts";
import type { HttpLimits } from "./http_limits.ts";
import type { Pages } from "./pages.ts";
import type { PageName } from "../http_messages.ts";

/** What is asked by which path. */
const PAGES: ReadonlyMap<string, PageName> = new Map([
  ["/metrics", "metrics"],
  ["/healthz", "health"],
  ["/readyz", "ready"],
]);

const INDEX = "Barnabas\n\n/metrics  for Prometheus\n/healthz  200 while the broker works\n" +
  "/readyz   200 while it leads all that it should lead";

/** What accepts. */
export type HttpAcceptor = { accept(): Promise<HttpStream>; close(): void };

/** What the listener needs. */
export interface HttpServerParts {
  readonly listener: HttpAcceptor;
  readonly pages: Pages;
  readonly limits: HttpLimits;
  readonly clock: Clock;
  /** Settles after a while. */
  readonly pause: (ms: number) => Promise<void>;
}

/** The listener. */
export class HttpServer {
  readonly #parts: HttpServerParts;
  readonly #host: ConnectionHost;
  readonly #connections = new Set<HttpConnection>();
  #isClosed = false;

  /** @param parts what it needs; it owns the listener */
  constructor(parts: HttpServerParts) {
    this.#parts = parts;
    const { limits, clock } = parts;
    this.#host = {
      limits,
      pageOf: (path) => this.#pageOf(path),
      now: () => clock.monotonicMs(),
    };
  }

  /** Open connections. */
  get connectionsCount(): number {
    return this.#connections.size;
  }

  /** Accepts until it is closed. @throws what is a bug of this program */
  async serve(): Promise<void> {
    const failed = Promise.withResolvers<never>();
    await Promise.race([this.#acceptAll(failed.reject), failed.promise]);
  }

  /** Ends what has taken too long; called again and again. */
  sweep(): void {
    const { pages, limits, clock } = this.#parts;
    pages.sweep();
    const nowMs = clock.monotonicMs();
    const oldest = pages.newest - limits.pagesMax;
    for (const connection of [...this.#connections]) {
      if (connection.isOverdue(nowMs) || connection.sendsOlderThan(oldest)) this.#end(connection);
    }
  }

  /** Closes the listener and all connections. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#parts.listener.close();
    for (const connection of [...this.#connections]) this.#end(connection);
  }

  async #acceptAll(onFailure: (error: unknown) => void): Promise<void> {
    const { listener, limits, pause } = this.#parts;
    while (!this.#isClosed) {
      try {
        await this.#room();
        const stream = await listener.accept();
        this.#serve(stream).catch(onFailure);
      } catch (error) {
        // Descriptors are short, or the client has gone.
        if (!this.#isClosed && !(error instanceof Deno.errors.ConnectionAborted)) await pause(limits.acceptRetryMs);
      }
    }
  }

  /** Settles when one more connection may be open. */
  async #room(): Promise<void> {
    const { limits: { connectionsMax, roomMs }, clock, pause } = this.#parts;
    while (!this.#isClosed && this.#connections.size >= connectionsMax) {
      const nowMs = clock.monotonicMs();
      const found = [...this.#connections].find((connection) => connection.givesWay(nowMs));
      if (found === undefined) await pause(roomMs);
      else this.#end(found);
    }
  }

  async #serve(stream: HttpStream): Promise<void> {
    const connection = new HttpConnection(stream, this.#host);
    this.#connections.add(connection);
    if (this.#isClosed) this.#end(connection);
    await connection.serve();
    this.#connections.delete(connection);
  }

  #end(connection: HttpConnection): void {
    this.#connections.delete(connection);
    connection.close();
  }

  #pageOf(path: string): Promise<Page> {
    const name = PAGES.get(path);
    if (name !== undefined) return this.#parts.pages.page(name);
    return Promise.resolve(path === "/" ? textPage(200, INDEX) : textPage(404, `There is no ${path} here: ask for /`));
  }
}
