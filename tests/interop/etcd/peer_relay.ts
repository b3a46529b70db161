/**
 * Relays the connections between the members of an etcd, so that a member can be isolated: what is sent from it and to it then stays on the
 * way, without an error. A member's process is known by the socket at the other end. Main isolate of a test.
 *
 * Source: proc(5) for /proc/net/tcp and /proc/PID/fd.
 */
import { LocalServer } from "./local_server.ts";

/** What a relay asks for every piece it hands on. */
export interface Links {
  /** Process of the member that listens behind the relay. */
  readonly to: () => number;
  /** All members' processes. */
  readonly pids: () => readonly number[];
  /** Whether nothing passes between two processes now. */
  readonly isCut: (from: number, to: number) => boolean;
}

/** The relay in front of one member. */
export class PeerRelay implements AsyncDisposable {
  readonly #target: number;
  readonly #links: Links;
  readonly #server = new LocalServer((client) => this.#relay(client));

  /** @param target port of the member on 127.0.0.1 */
  constructor(target: number, links: Links) {
    this.#target = target;
    this.#links = links;
  }

  /** Where the other members connect to. */
  get port(): number {
    return this.#server.port;
  }

  /** Ends the connections, as the members do when they find out that nothing has passed. */
  cutAll(): void {
    this.#server.cutAll();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }

  async #relay(client: Deno.TcpConn): Promise<void> {
    const ports = { from: (client.remoteAddr as Deno.NetAddr).port, to: this.port };
    const from = processOf(ports, this.#links.pids());
    const isCut = () => from === null || this.#links.isCut(from, this.#links.to());
    try {
      const server = await this.#server.connect(this.#target);
      await Promise.all([this.#copy(client, server, isCut), this.#copy(server, client, isCut)]);
    } finally {
      this.#server.close(client);
    }
  }

  /** Hands on what comes; while the link is cut, it is read and lost. */
  async #copy(source: Deno.TcpConn, target: Deno.TcpConn, isCut: () => boolean): Promise<void> {
    const chunk = new Uint8Array(64 * 1024);
    let hasLost = false;
    try {
      for (let count = await source.read(chunk); count !== null; count = await source.read(chunk)) {
        // Behind lost bytes nothing may follow: the connection is of no use any more.
        if (hasLost && !isCut()) return;
        hasLost ||= isCut();
        for (let at = 0; !hasLost && at < count;) at += await target.write(chunk.subarray(at, count));
      }
    } finally {
      this.#server.close(source);
      this.#server.close(target);
    }
  }
}

/** The process that has the connection between two ports of 127.0.0.1, at its first end. */
export function processOf({ from, to }: { from: number; to: number }, pids: readonly number[]): number | null {
  const addressOf = (port: number) => `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = Deno.readTextFileSync("/proc/net/tcp").split("\n").map((line) => line.trim().split(/\s+/));
  // Ended connections from the same port may be listed too.
  const inode = rows.find((row) => row[1] === addressOf(from) && row[2] === addressOf(to))?.[9];
  if (inode === undefined) return null;
  return pids.find((pid) => holdsSocket(pid, inode)) ?? null;
}

function holdsSocket(pid: number, inode: string): boolean {
  try {
    return [...Deno.readDirSync(`/proc/${pid}/fd`)].some(({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/${pid}/fd/${name}`) === `socket:[${inode}]`;
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return false; // closed meanwhile
        throw error;
      }
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false; // the process has ended
    throw error;
  }
}
