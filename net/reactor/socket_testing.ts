/**
 * Fixtures for tests of connections: real sockets of this machine, one end taken out of the runtime as the acceptor does, and the
 * part of a shard that a connection uses, fully visible to the test. Tests only.
 */
import { strict as assert } from "node:assert";
import { allocateArena, Arena } from "../../partitions/shared/arena.ts";
import { closeDescriptor, Epoll, READABLE } from "../../storage/mod.ts";
import { Affinity } from "./affinity.ts";
import { Connection, type ConnectionShard } from "./connection.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import { Handoff } from "../accept/handoff.ts";
import { type ConnectionContext, newContext } from "../requests/connection_context.ts";
import { fetchApi } from "../handlers/01_fetch.ts";
import { untimed } from "../requests/times/request_times_testing.ts";
import { Writer } from "../protocol/writer.ts";
import { RequestMemory } from "./request_memory.ts";
import { AnswerMemory } from "./answer_memory.ts";

/** A connected pair: the broker's end as a descriptor, the client's end as a connection of the runtime. */
export class SocketPair implements Disposable {
  readonly fd: number;
  readonly peer: Deno.TcpConn;
  #isClosed = false;

  private constructor(fd: number, peer: Deno.TcpConn) {
    this.fd = fd;
    this.peer = peer;
  }

  /** Connects over loopback. */
  static async open(): Promise<SocketPair> {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const port = listener.addr.port;
    const [peer, accepted] = await Promise.all([Deno.connect({ hostname: "127.0.0.1", port }), listener.accept()]);
    using handoff = new Handoff();
    return new SocketPair(handoff.take(accepted), peer);
  }

  /** Waits, without the runtime, until the broker's end is ready. @returns the readiness bits, 0 after the timeout */
  ready(interest: number): number {
    using epoll = new Epoll(1);
    epoll.add(this.fd, interest);
    return epoll.wait(10_000) > 0 ? epoll.eventBits(0) : 0;
  }

  /** Whether the broker's end is ready now. */
  isReady(interest: number): boolean {
    using epoll = new Epoll(1);
    epoll.add(this.fd, interest);
    return epoll.wait(0) > 0;
  }

  /** Sends from the client and waits until the first bytes have arrived. */
  async send(bytes: Uint8Array): Promise<void> {
    await this.write(bytes);
    this.ready(READABLE);
  }

  /** Sends from the client, as fast as the broker's end receives. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await this.peer.write(bytes.subarray(sent));
  }

  /** Receives at the client. @returns fewer bytes than asked for when the broker's end was closed */
  async receive(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const count = await this.peer.read(bytes.subarray(filled));
      if (count === null) break;
      filled += count;
    }
    return bytes.subarray(0, filled);
  }

  /** Hands the broker's end over. @returns the descriptor, which its receiver closes */
  release(): number {
    this.#isClosed = true;
    return this.fd;
  }

  /** Closes the broker's end. */
  closeFd(): void {
    if (!this.#isClosed) closeDescriptor(this.fd);
    this.#isClosed = true;
  }

  [Symbol.dispose](): void {
    this.closeFd();
    try {
      this.peer.close();
    } catch (error) {
      // The test closed it.
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }
}

/** A connection's context. */
export function testContext(): ConnectionContext {
  return newContext({
    listenerName: "PLAINTEXT",
    localHost: "127.0.0.1",
    localPort: 9092,
    peerHost: "127.0.0.1",
  });
}

/** The shard of one connection. */
export class FakeShard implements ConnectionShard {
  readonly arena = new Arena(allocateArena(), { reservedBytes: 4 + 100 * 1024 * 1024 });
  readonly writer = new Writer();
  readonly answers = new AnswerMemory(1);
  readonly times = untimed();
  readonly counts = { copiedSlices: 0, sentSlices: 0, loadedSlices: 0 };
  requestBytesMax = 100 * 1024 * 1024;
  /** Requests that were handled, as copies of their bytes. */
  readonly requests: Uint8Array[] = [];
  /** What a handler would do. */
  handle: (connection: Connection) => void = () => {};
  dirtyCount = 0;
  isReading = true;
  readonly loads: (() => void)[] = [];
  readonly #later: Connection[] = [];
  readonly memory = new RequestMemory(this.arena, { budgetBytes: Infinity, requestBytesMax: 100 * 1024 * 1024 });
  /** How often the broker was asked to make room for an answer. */
  roomsCount = 0;

  get isWaitingForMemory(): boolean {
    return this.memory.waitingCount > 0;
  }

  /** Releases the landing block, as at the end of a shard. Memory of the arena that is still in use then has leaked. */
  releaseLanding(): void {
    this.memory.releaseLanding();
  }

  onRequest(connection: Connection, start: number, length: number): number {
    this.requests.push(this.arena.memory.bytes.slice(start, start + length));
    this.handle(connection);
    return 0;
  }

  markDirty(): void {
    this.dirtyCount++;
  }

  readonly isStretchOver = false;

  yieldTurn(connection: Connection): void {
    this.#later.push(connection);
  }

  /** Runs the next turn of the connections that have more to handle, until none has. */
  takeTurns(): void {
    while (this.#later.length > 0) this.#later.shift()?.onTurn();
  }

  onHandlerFailure(): void {}

  markActive(): void {}

  onPeerGone(): void {}

  /** How long the connection was muted, each time. */
  readonly mutedMs: number[] = [];

  onMuted(_connection: Connection, pauseMs: number): void {
    this.mutedMs.push(pauseMs);
  }

  setReading(_connection: Connection, reading: boolean): void {
    this.isReading = reading;
  }

  closeMostUnsent(): boolean {
    this.roomsCount++;
    return false;
  }

  load(_range: { fd: number; position: number; length: number }, done: () => void): void {
    this.loads.push(done);
  }

  /** A connection of this shard. */
  connect(pair: SocketPair): Connection {
    return new Connection(pair.fd, testContext(), this, new Affinity(0, 0));
  }
}

/** The API of a test's requests. */
export const FETCH = fetchApi;
/** Header of a test's requests, except their number. */
export const HEADER = { apiKey: 1, apiVersion: 4, clientId: null };

/** A request frame. Its body is a number, then bytes of that number. @param length of the body, in bytes */
export function frame(id: number, length = 12): Uint8Array {
  const bytes = new Uint8Array(4 + length).fill(id);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, length);
  if (length >= 4) view.setInt32(4, id);
  return bytes;
}

/** The size before a request. */
export function sizePrefix(size: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, size);
  return bytes;
}

/** The numbers of the requests that were handled. */
export function ids(shard: FakeShard): number[] {
  return shard.requests.map((bytes) => new DataView(bytes.buffer).getInt32(0));
}

/** Keeps every request waiting, like a fetch that waits. */
export function collectExchanges(shard: FakeShard): RequestExchange[] {
  const exchanges: RequestExchange[] = [];
  shard.handle = ({ pipeline }) => {
    exchanges.push(pipeline.push({ ...HEADER, correlationId: exchanges.length }, FETCH));
  };
  return exchanges;
}

/** Asserts that no memory of the arena is in use. */
export function assertNothingHeld(shard: FakeShard): void {
  shard.releaseLanding();
  assert.equal(shard.arena.usedBytes, 0);
}
