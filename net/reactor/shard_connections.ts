/**
 * The sockets of a shard: taken over from the main isolate or another shard, watched by epoll, transferred to another shard, closed; and the
 * count of them that the main isolate reads. What fails on one socket costs that socket alone. Runs on shards.
 *
 * Always: a descriptor in the table is open, watched, and owned by its connection.
 */
import { ISOLATE, type IsolateTable, type Outbox } from "../../partitions/mod.ts";
import {
  closeDescriptor,
  type Epoll,
  lastErrorText,
  localAddress,
  peerAddress,
  prepareConnection,
  READABLE,
} from "../../storage/mod.ts";
import { type ConnectionTransfer, sendConnection } from "../shards/connection_transfer.ts";
import { Affinity } from "./affinity.ts";
import { CLOSED_BY_CLIENT, Connection, type ConnectionShard, RESET_BY_CLIENT } from "./connection.ts";
import { UNCOUNTED } from "../accept/connection_limits.ts";
import { IDLE } from "./idle_connections.ts";

/** The ends that nobody needs to hear of. */
const ORDINARY_ENDS: readonly string[] = [CLOSED_BY_CLIENT, RESET_BY_CLIENT, IDLE];

/** What the table uses of its shard. */
export interface ShardConnectionsParts {
  readonly shard: number;
  readonly isolates: IsolateTable;
  readonly outboxes: readonly Outbox[];
  /** Tells the operator something. */
  readonly report: (text: string) => void;
  /** Tells the main isolate of connections that ended, by what it counts them by. */
  readonly onClosed: (peers: readonly number[]) => void;
  readonly socketBuffers: { readonly send: number; readonly receive: number };
  /** Names of the listeners, by the number in a transfer. */
  readonly listenerNames: readonly string[];
}

/** The connections of one shard. */
export class ShardConnections {
  readonly #epoll: Epoll;
  readonly #parts: ShardConnectionsParts;
  readonly #shard: ConnectionShard;
  readonly #byFd = new Map<number, Connection>();
  #closedCount = 0;
  readonly #closedPeers: number[] = [];
  #isDisconnected = false;

  /** @param epoll of the shard, which watches them @param shard that serves them */
  constructor(epoll: Epoll, parts: ShardConnectionsParts, shard: ConnectionShard) {
    this.#epoll = epoll;
    this.#parts = parts;
    this.#shard = shard;
  }

  /** How many there are. */
  get count(): number {
    return this.#byFd.size;
  }

  /** All of them. */
  get all(): Iterable<Connection> {
    return this.#byFd.values();
  }

  /** The connection of a descriptor that epoll named. */
  get(fd: number): Connection | undefined {
    return this.#byFd.get(fd);
  }

  /** Whether a connection is still this shard's. */
  has(connection: Connection): boolean {
    return this.#byFd.get(connection.fd) === connection;
  }

  /** Takes a socket over. @returns null when it had failed already, or cannot be watched: it is closed then */
  receive({ fd, listener, transfers, peer }: ConnectionTransfer): Connection | null {
    if (transfers > 0) this.#countClosed(-1);
    const local = this.#isDisconnected ? null : localAddress(fd);
    if (local === null) {
      closeDescriptor(fd);
      this.#countClosed(1, peer);
      return null;
    }
    if (!this.#epoll.tryAdd(fd, READABLE)) {
      const reason = lastErrorText();
      const { host, port } = peerAddress(fd) ?? local;
      this.#parts.report(
        `Closed the new connection of ${host}:${port}: epoll cannot watch it: ${reason} ` +
          "(ENOSPC: raise the sysctl fs.epoll.max_user_watches)",
      );
      closeDescriptor(fd);
      this.#countClosed(1, peer);
      return null;
    }
    prepareConnection(fd, this.#parts.socketBuffers);
    const connection = new Connection(
      fd,
      {
        listenerName: this.#parts.listenerNames[listener] ?? "PLAINTEXT",
        principal: "User:ANONYMOUS",
        localHost: local.host,
        localPort: local.port,
        peerHost: peerAddress(fd)?.host ?? "",
        clientId: "",
        clientSoftware: "unknown",
        muteUntilMs: 0,
      },
      this.#shard,
      new Affinity(this.#parts.shard, transfers),
    );
    connection.listener = listener;
    connection.peer = peer;
    this.#byFd.set(fd, connection);
    connection.interest = READABLE;
    return connection;
  }

  /** Transfers a connection to the shard that owns most of what it asks for (affinity.ts). */
  transfer(connection: Connection): void {
    const { affinity, fd, listener, peer } = connection;
    this.#byFd.delete(fd);
    this.#epoll.remove(fd);
    connection.dispose();
    const outbox = this.#parts.outboxes[affinity.destination] as Outbox;
    sendConnection(outbox, { fd, listener, transfers: affinity.transfers + 1, peer });
    this.#countClosed();
  }

  /** Changes what epoll watches. */
  watch(connection: Connection, interest: number): void {
    if (connection.interest === interest || !this.has(connection)) return;
    connection.interest = interest;
    if (!connection.isPeerGone) return this.#epoll.modify(connection.fd, interest);
    // Its failure is reported for as long as it is watched at all, also while it does not read.
    this.#epoll.remove(connection.fd);
    if ((interest & READABLE) === 0 || this.#epoll.tryAdd(connection.fd, interest)) return;
    connection.close(RESET_BY_CLIENT);
  }

  /** Closes a connection, and tells the operator why unless that is ordinary. */
  drop(connection: Connection): void {
    if (!this.has(connection)) return;
    const { closeReason, context } = connection;
    if (closeReason !== null && !ORDINARY_ENDS.includes(closeReason)) {
      const peer = peerAddress(connection.fd);
      const who = `${peer === null ? "a client" : `${peer.host}:${peer.port}`} (client id ${
        JSON.stringify(context.clientId)
      })`;
      this.#parts.report(`Closed the connection of ${who}: ${closeReason}`);
    }
    this.#byFd.delete(connection.fd);
    connection.dispose();
    this.#epoll.remove(connection.fd);
    closeDescriptor(connection.fd);
    this.#countClosed(1, connection.peer);
  }

  /** Closes every connection; those that are transferred to it afterwards are closed at once. */
  disconnect(): void {
    this.#isDisconnected = true;
    for (const connection of [...this.#byFd.values()]) this.drop(connection);
  }

  /** Tells the main isolate of the connections that ended since the last call. */
  tellClosed(): void {
    if (this.#closedPeers.length > 0) this.#parts.onClosed(this.#closedPeers.splice(0));
  }

  /** @param peer what the main isolate counted it by, when it ended */
  #countClosed(count = 1, peer = UNCOUNTED): void {
    this.#closedCount = (this.#closedCount + count) | 0;
    if (peer !== UNCOUNTED) this.#closedPeers.push(peer);
    this.#parts.isolates.set(this.#parts.shard, ISOLATE.closed, this.#closedCount);
  }
}
