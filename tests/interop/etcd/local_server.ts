/** A server on 127.0.0.1 whose connections end, and may have been ended by others, at any time. Main isolate of a test. */

/** The server. Disposal ends its connections, and waits until nothing is done with them. */
export class LocalServer implements AsyncDisposable {
  readonly port: number;
  readonly #serve: (client: Deno.TcpConn) => Promise<void>;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.TcpConn>();
  readonly #tasks = new Set<Promise<void>>();

  /** Listens on a free port. @param serve uses a connection; one that ends meanwhile is no failure */
  constructor(serve: (client: Deno.TcpConn) => Promise<void>) {
    this.#serve = serve;
    this.port = this.#listener.addr.port;
    this.#track(this.#accept());
  }

  /** Connects to another port, for a connection of this server. */
  async connect(port: number): Promise<Deno.TcpConn> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    this.#open.add(connection);
    return connection;
  }

  /** Ends a connection; idempotent. */
  close(connection: Deno.TcpConn): void {
    if (!this.#open.delete(connection)) return;
    try {
      connection.close();
    } catch (error) {
      if (!isConnectionError(error)) throw error;
    }
  }

  /** Ends all connections. */
  cutAll(): void {
    for (const connection of [...this.#open]) this.close(connection);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cutAll();
    while (this.#tasks.size > 0) {
      await Promise.all(this.#tasks);
      this.cutAll();
    }
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) {
      this.#open.add(connection);
      this.#track(this.#serve(connection));
    }
  }

  #track(task: Promise<void>): void {
    const done = task.catch((error) => {
      if (!isConnectionError(error)) throw error;
    }).finally(() => this.#tasks.delete(done));
    this.#tasks.add(done);
  }
}

/** Whether a connection has ended, at any of its ends. */
function isConnectionError(error: unknown): boolean {
  const { errors } = Deno;
  return [errors.BadResource, errors.Interrupted, errors.ConnectionReset, errors.BrokenPipe, errors.ConnectionRefused]
    .some((kind) => error instanceof kind) ||
    error instanceof errors.ConnectionAborted || error instanceof errors.NotConnected;
}
