/**
 * A proxy in front of an etcd, which loses, delays and repeats requests and answers. It takes one request from each connection, and hands
 * the bytes of the answer on, so that a watch streams. Main isolate of a test.
 */

/** What becomes of a request. */
export type Fault =
  /** Nothing. */
  | "none"
  /** The connection ends before etcd gets the request. */
  | "lose-request"
  /** etcd carries the request out; the connection ends before the answer. */
  | "lose-answer"
  /** etcd carries the request out; the answer comes `lateMs` later. */
  | "late-answer"
  /** etcd gets the request `lateMs` later, when the sender has repeated it. */
  | "late-request"
  /** etcd gets the request twice; the second answer is handed on. */
  | "repeat"
  /** etcd gets the request, and again `lateMs` later; the first answer is handed on. */
  | "late-repeat"
  /** Nothing is handed on, and the connection stays. */
  | "silent"
  /** The answer ends after its first `cutBytes`. */
  | "cut"
  /** Nothing more of the answer comes after its first `cutBytes`, and the connection stays. */
  | "stall";

/** What the plan sees of a request. */
export interface ProxiedRequest {
  /** "/v3/kv/txn" */
  readonly path: string;
  readonly body: string;
}

/** How a proxy behaves. */
export interface FaultProxyOptions {
  /** Port of the etcd on 127.0.0.1. */
  readonly target: number;
  readonly plan: (request: ProxiedRequest) => Fault;
  readonly lateMs?: number;
  readonly cutBytes?: number;
}

const HEAD_BYTES_MAX = 16 * 1024;
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** The proxy. Disposal ends its connections, and waits until late requests are through. */
export class FaultProxy implements AsyncDisposable {
  /** "http://127.0.0.1:23790" */
  readonly url: string;
  /** Requests by what became of them. */
  readonly counts = new Map<Fault, number>();
  plan: (request: ProxiedRequest) => Fault;
  readonly #options: FaultProxyOptions;
  readonly #listener: Deno.TcpListener;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #tasks = new Set<Promise<void>>();
  readonly #wakes = new Set<() => void>();
  #isClosed = false;

  /** @param options where it forwards to, and what it does */
  constructor(options: FaultProxyOptions) {
    this.#options = options;
    this.plan = options.plan;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.url = `http://127.0.0.1:${this.#listener.addr.port}`;
    this.#track(this.#accept());
  }

  /** Ends all connections, as a restart of a proxy does. */
  cutAll(): void {
    for (const connection of [...this.#open]) this.#close(connection);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#listener.close();
    this.cutAll();
    for (const wake of [...this.#wakes]) wake();
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
    // A connection that ends while it is used is what the proxy is for.
    const done = task.catch((error) => {
      if (!isConnectionError(error)) throw error;
    }).finally(() => this.#tasks.delete(done));
    this.#tasks.add(done);
  }

  async #serve(client: Deno.TcpConn): Promise<void> {
    try {
      const request = await readRequest(client);
      if (request === null) return;
      const fault = this.plan(request);
      this.counts.set(fault, (this.counts.get(fault) ?? 0) + 1);
      await this.#carryOut(fault, client, request.bytes);
    } finally {
      this.#close(client);
    }
  }

  async #carryOut(fault: Fault, client: Deno.TcpConn, request: Uint8Array): Promise<void> {
    switch (fault) {
      case "lose-request":
        return;
      case "silent":
        return void await client.read(new Uint8Array(1));
      case "lose-answer":
        return void await this.#exchange(request);
      case "late-answer": {
        const answer = await this.#exchange(request);
        await this.#late();
        return void await writeAll(client, answer);
      }
      case "late-request":
        await this.#late();
        return void await writeAll(client, await this.#exchange(request));
      case "repeat":
        await this.#exchange(request);
        return void await writeAll(client, await this.#exchange(request));
      case "late-repeat":
        await writeAll(client, await this.#exchange(request));
        this.#close(client);
        await this.#late();
        return void await this.#exchange(request);
      case "cut":
      case "stall":
        return await this.#relay(client, request, { bytesMax: this.#options.cutBytes ?? 0, stays: fault === "stall" });
      case "none":
        return await this.#relay(client, request, { bytesMax: Infinity, stays: false });
    }
  }

  /** Sends a request to etcd. @returns the whole answer */
  async #exchange(request: Uint8Array): Promise<Uint8Array> {
    const upstream = await this.#connect();
    try {
      await writeAll(upstream, request);
      const parts: Uint8Array[] = [];
      for await (const part of upstream.readable) parts.push(part);
      return joined(parts);
    } finally {
      this.#close(upstream);
    }
  }

  /** Hands an answer on while it comes. @param limit how much of it, and whether the connection stays then */
  async #relay(client: Deno.TcpConn, request: Uint8Array, limit: { bytesMax: number; stays: boolean }): Promise<void> {
    const upstream = await this.#connect();
    // A client that ends its watch sends nothing more.
    const gone = client.read(new Uint8Array(1)).then(() => this.#close(upstream), () => this.#close(upstream));
    try {
      await writeAll(upstream, request);
      let left = limit.bytesMax;
      for await (const part of upstream.readable) {
        if (left > 0) await writeAll(client, part.subarray(0, Math.min(part.length, left)));
        left -= part.length;
        if (left <= 0 && !limit.stays) break;
      }
      if (left < 0 && limit.stays) await gone;
    } finally {
      this.#close(upstream);
      this.#close(client);
      await gone;
    }
  }

  async #connect(): Promise<Deno.TcpConn> {
    const upstream = await Deno.connect({ hostname: "127.0.0.1", port: this.#options.target });
    this.#open.add(upstream);
    if (this.#isClosed) this.#close(upstream);
    return upstream;
  }

  #close(connection: Deno.TcpConn): void {
    if (!this.#open.delete(connection)) return;
    try {
      connection.close();
    } catch (error) {
      if (!isConnectionError(error)) throw error;
    }
  }

  #late(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#wakes.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, this.#options.lateMs ?? 0);
      this.#wakes.add(wake);
    });
  }
}

/** Whether a connection has ended, at any of its ends. */
export function isConnectionError(error: unknown): boolean {
  const { errors } = Deno;
  return [errors.BadResource, errors.Interrupted, errors.ConnectionReset, errors.BrokenPipe, errors.ConnectionRefused]
    .some((kind) => error instanceof kind) ||
    error instanceof errors.ConnectionAborted || error instanceof errors.NotConnected;
}

/** Reads one request; asks for the end of the connection behind its answer. @returns null when the connection ends before */
async function readRequest(client: Deno.TcpConn): Promise<ProxiedRequest & { bytes: Uint8Array } | null> {
  let bytes = new Uint8Array();
  const chunk = new Uint8Array(64 * 1024);
  let [headBytes, bodyBytes] = [-1, 0];
  while (headBytes < 0 || bytes.length < headBytes + bodyBytes) {
    const count = await client.read(chunk);
    if (count === null) return null;
    bytes = joined([bytes, chunk.subarray(0, count)]);
    if (headBytes >= 0) continue;
    const end = decoder.decode(bytes.subarray(0, HEAD_BYTES_MAX)).indexOf("\r\n\r\n"); // ASCII until there
    if (end < 0) continue;
    headBytes = end + 4;
    bodyBytes = Number(/^content-length: *(\d+)/im.exec(decoder.decode(bytes.subarray(0, headBytes)))?.[1] ?? 0);
  }
  const head = decoder.decode(bytes.subarray(0, headBytes)).replace(/\r\nconnection:[^\r]*/i, "");
  const body = bytes.subarray(headBytes, headBytes + bodyBytes);
  const closing = encoder.encode(head.replace("\r\n", "\r\nConnection: close\r\n"));
  return { path: head.split(" ", 2)[1] ?? "", body: decoder.decode(body), bytes: joined([closing, body]) };
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}
