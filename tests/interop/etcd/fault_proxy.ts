/**
 * A proxy in front of an etcd, which loses, delays and repeats requests and answers. It takes one request from each connection, and hands
 * the bytes of the answer on, so that a watch streams. Main isolate of a test.
 */
import { LocalServer } from "./local_server.ts";

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
  /** Requests by what became of them. */
  readonly counts = new Map<Fault, number>();
  plan: (request: ProxiedRequest) => Fault;
  readonly #options: FaultProxyOptions;
  readonly #server = new LocalServer((client) => this.#serve(client));
  readonly #wakes = new Set<() => void>();
  #isClosed = false;

  /** @param options where it forwards to, and what it does */
  constructor(options: FaultProxyOptions) {
    this.#options = options;
    this.plan = options.plan;
  }

  /** "http://127.0.0.1:23790" */
  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  /** Ends all connections, as a restart of a proxy does. */
  cutAll(): void {
    this.#server.cutAll();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const wake of [...this.#wakes]) wake();
    await this.#server[Symbol.asyncDispose]();
  }

  async #serve(client: Deno.TcpConn): Promise<void> {
    try {
      const request = await readRequest(client);
      if (request === null) return;
      const fault = this.plan(request);
      this.counts.set(fault, (this.counts.get(fault) ?? 0) + 1);
      await this.#carryOut(fault, client, request.bytes);
    } finally {
      this.#server.close(client);
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
        this.#server.close(client);
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
      this.#server.close(upstream);
    }
  }

  /** Hands an answer on while it comes. @param limit how much of it, and whether the connection stays then */
  async #relay(client: Deno.TcpConn, request: Uint8Array, limit: { bytesMax: number; stays: boolean }): Promise<void> {
    const upstream = await this.#connect();
    // A client that ends its watch sends nothing more.
    const gone = client.read(new Uint8Array(1)).then(
      () => this.#server.close(upstream),
      () => this.#server.close(upstream),
    );
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
      this.#server.close(upstream);
      this.#server.close(client);
      await gone;
    }
  }

  async #connect(): Promise<Deno.TcpConn> {
    const upstream = await this.#server.connect(this.#options.target);
    if (this.#isClosed) this.#server.close(upstream);
    return upstream;
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
