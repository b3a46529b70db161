/**
 * Takes an accepted connection out of the runtime, so that a shard can own its socket. The descriptor is duplicated, the original
 * is removed from the runtime's epoll, and an eventfd takes its place. Otherwise closing the runtime's connection would shut the
 * shared socket down. This takes 13 µs for each connection.
 *
 * The eventfd is added to the runtime's epoll in place of the socket, because the runtime frees its record of a connection only when it
 * can remove the descriptor from there itself. With /dev/null, which no epoll accepts, each connection leaked 650 bytes
 * (tests/interop/hostile_test.ts).
 *
 * The runtime keeps a connection's descriptor under an internal symbol. Where the symbol is missing, the descriptor is searched among
 * those of the process. Before anything is done to a descriptor, the kernel must confirm that both its addresses are those of the
 * connection, because another version of the runtime may keep another number there. Runs on the main isolate.
 */
import {
  addToEpoll,
  canonicalHost,
  closeDescriptor,
  createEvent,
  duplicate,
  localAddress,
  nextDescriptor,
  peerAddress,
  removeFromEpoll,
  replaceDescriptor,
  type SocketAddress,
} from "../../storage/control.ts";

const FD_SYMBOL = "Deno.internal.fd";
const EPOLL_LINK = "anon_inode:[eventpoll]";

/** Takes connections over. Holds an eventfd that is never written. */
export class Handoff implements Disposable {
  readonly #placeholder = createEvent();
  #epolls: number[] = [];
  #wasSearched = false;

  /** Whether the last connection's descriptor was found by search, because the runtime did not report it. */
  get wasSearched(): boolean {
    return this.#wasSearched;
  }

  /**
   * Takes over the socket of a connection. The connection is closed for the runtime in all cases.
   * @returns a descriptor that the caller owns
   * @throws Deno.errors.NotConnected when the client has disconnected meanwhile
   * @throws Error when no descriptor is free, or when the runtime has changed
   */
  take(connection: Deno.TcpConn): number {
    let copy = -1;
    try {
      const original = this.#descriptorOf(connection);
      copy = duplicate(original);
      const epoll = this.#removeFromRuntime(original);
      if (epoll === null) {
        throw new Error(
          "Cannot take a connection over: this version of Deno does not watch sockets by epoll; use Deno 2.9",
        );
      }
      replaceDescriptor(original, this.#placeholder);
      addToEpoll(epoll, original);
      return copy;
    } catch (error) {
      if (copy !== -1) closeDescriptor(copy);
      throw error;
    } finally {
      connection.close();
    }
  }

  /** Number that the next descriptor gets; Infinity when none is left. */
  get nextDescriptor(): number {
    return nextDescriptor(this.#placeholder);
  }

  [Symbol.dispose](): void {
    closeDescriptor(this.#placeholder);
  }

  #descriptorOf(connection: Deno.TcpConn): number {
    const reported = reportedDescriptor(connection);
    this.#wasSearched = false;
    if (reported !== null && isSocketOf(reported, connection)) return reported;
    if (reported !== null && isEnd(localAddress(reported), connection.localAddr) && peerAddress(reported) === null) {
      throw new Deno.errors.NotConnected("Cannot take a connection over: its client has gone");
    }
    this.#wasSearched = true;
    return searchDescriptor(connection);
  }

  /** @returns the runtime's epoll that watched the descriptor, null when none did */
  #removeFromRuntime(fd: number): number | null {
    const known = this.#epolls.find((epoll) => removeFromEpoll(epoll, fd));
    if (known !== undefined) return known;
    // The runtime may have created another reactor since.
    this.#epolls = epollDescriptors();
    return this.#epolls.find((epoll) => removeFromEpoll(epoll, fd)) ?? null;
  }
}

/** The descriptor that the runtime keeps for a connection, null when it has none. */
function reportedDescriptor(connection: Deno.TcpConn): number | null {
  for (let holder: object | null = connection; holder !== null; holder = Object.getPrototypeOf(holder)) {
    for (const symbol of Object.getOwnPropertySymbols(holder)) {
      if (symbol.description !== FD_SYMBOL) continue;
      const fd: unknown = Reflect.get(connection, symbol);
      if (typeof fd === "number") return fd;
    }
  }
  return null;
}

function searchDescriptor(connection: Deno.TcpConn): number {
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    if (isSocketOf(Number(name), connection)) return Number(name);
  }
  throw new Error("Cannot take a connection over: its descriptor was not found under /proc/self/fd");
}

/** Whether a descriptor is the connection's socket. The client's end has the same two addresses in reverse. */
function isSocketOf(fd: number, { localAddr, remoteAddr }: Deno.TcpConn): boolean {
  return isEnd(localAddress(fd), localAddr) && isEnd(peerAddress(fd), remoteAddr);
}

function isEnd(end: SocketAddress | null, expected: Deno.NetAddr): boolean {
  return end !== null && end.port === expected.port && end.host === canonicalHost(expected.hostname);
}

function epollDescriptors(): number[] {
  const found: number[] = [];
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      if (Deno.readLinkSync(`/proc/self/fd/${name}`) === EPOLL_LINK) found.push(Number(name));
    } catch (error) {
      // The directory's own descriptor is closed by the time it is read.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return found;
}
