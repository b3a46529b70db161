/**
 * Takes an accepted connection out of the runtime, so that a shard can own its socket: the descriptor is duplicated, the original
 * leaves the runtime's epoll, and an eventfd takes its place, because closing the runtime's connection would otherwise shut the
 * shared socket down. Measured at 13 µs a connection.
 *
 * The eventfd joins the runtime's epoll in the socket's stead: the runtime frees its record of a connection only when it can remove
 * the descriptor from there itself. With /dev/null, which no epoll takes, each connection left 650 bytes for ever
 * (tests/interop/hostile_test.ts).
 *
 * The runtime keeps a connection's descriptor under an internal symbol; where that is missing it is found among the process's
 * descriptors. Either way nothing is done to a descriptor before the kernel has said that both its addresses are the connection's:
 * another version of the runtime may keep another number there. Runs on the main isolate.
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

/** Takes connections over; holds an eventfd that nobody writes. */
export class Handoff implements Disposable {
  readonly #placeholder = createEvent();
  #epolls: number[] = [];
  #wasSearched = false;

  /** Whether the last connection's descriptor had to be looked for, because the runtime did not tell it. */
  get wasSearched(): boolean {
    return this.#wasSearched;
  }

  /**
   * Takes the socket of a connection over.
   * @returns a descriptor that the caller owns; the connection is closed for the runtime
   * @throws Deno.errors.NotConnected when the client has gone meanwhile
   * @throws Error when it cannot be taken, for want of descriptors or because the runtime has changed; it is closed in all cases
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

  /** Number that the next descriptor gets, Infinity when there is none left. */
  get nextDescriptor(): number {
    return nextDescriptor(this.#placeholder);
  }

  [Symbol.dispose](): void {
    closeDescriptor(this.#placeholder);
  }

  #descriptorOf(connection: Deno.TcpConn): number {
    const told = toldDescriptor(connection);
    this.#wasSearched = false;
    if (told !== null && isSocketOf(told, connection)) return told;
    if (told !== null && isEnd(localAddress(told), connection.localAddr) && peerAddress(told) === null) {
      throw new Deno.errors.NotConnected("Cannot take a connection over: its client has gone");
    }
    this.#wasSearched = true;
    return searchDescriptor(connection);
  }

  /** @returns the runtime's epoll that watched it, null when none did */
  #removeFromRuntime(fd: number): number | null {
    const known = this.#epolls.find((epoll) => removeFromEpoll(epoll, fd));
    if (known !== undefined) return known;
    // The runtime may have made another reactor since.
    this.#epolls = epollDescriptors();
    return this.#epolls.find((epoll) => removeFromEpoll(epoll, fd)) ?? null;
  }
}

/** What the runtime says, null when it does not. */
function toldDescriptor(connection: Deno.TcpConn): number | null {
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

/** Whether a descriptor is the connection's socket: the client's end has the same two addresses the other way round. */
function isSocketOf(fd: number, { localAddr, remoteAddr }: Deno.TcpConn): boolean {
  return isEnd(localAddress(fd), localAddr) && isEnd(peerAddress(fd), remoteAddr);
}

function isEnd(end: SocketAddress | null, told: Deno.NetAddr): boolean {
  return end !== null && end.port === told.port && end.host === canonicalHost(told.hostname);
}

function epollDescriptors(): number[] {
  const found: number[] = [];
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      if (Deno.readLinkSync(`/proc/self/fd/${name}`) === EPOLL_LINK) found.push(Number(name));
    } catch (error) {
      // The directory's own descriptor is gone by the time it is looked at.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return found;
}
