/**
 * The sockets of a shard: taken over from the main isolate or another shard, registered with the reactor, transferred to another
 * shard, closed. Also keeps their count, which the main isolate reads. A failure on one socket costs that socket alone. Runs on
 * shards.
 *
 * Always: a descriptor in the table is open, watched, and owned by its connection.
 */
import {
  type Arena,
  DelayedCall,
  ISOLATE,
  type IsolateTable,
  message,
  type Outbox,
  type Purgatory,
  reportTaken,
  type ShardCounters,
} from "../../partitions/mod.ts";
import {
  type Clock,
  closeDescriptor,
  lastErrorText,
  localAddress,
  type NativeMemory,
  peerAddress,
  prepareConnection,
  READABLE,
  WRITABLE,
} from "../../storage/mod.ts";
import { type ConnectionTransfer, type ContextRange, sendConnection } from "../shards/connection_transfer.ts";
import {
  type ConnectionContext,
  type ConnectionEnds,
  decodeContext,
  encodeContext,
  newContext,
} from "../requests/connection_context.ts";
import type { LogLevel } from "../../partitions/config/log_lines.ts";
import { Affinity } from "./affinity.ts";
import { CLOSED_BY_CLIENT, Connection, type ConnectionShard, RESET_BY_CLIENT } from "./connection.ts";
import { UNCOUNTED } from "../accept/connection_limits.ts";
import { IDLE } from "./idle_connections.ts";
import type { Quotas } from "../requests/quotas/quotas.ts";
import type { Reactor } from "./reactor.ts";
import { Reader } from "../protocol/reader.ts";
import { Writer } from "../protocol/writer.ts";

/** The ends that are not reported. */
const ORDINARY_ENDS: readonly string[] = [CLOSED_BY_CLIENT, RESET_BY_CLIENT, IDLE];
/**
 * What a disconnected client had sent is handled for this long: its requests may wait for something, as a fetch waits for records, and
 * nobody reads the answers.
 */
const GONE_MS_MAX = 5000;

/** What the table uses of its shard. */
export interface ShardConnectionsParts {
  readonly shard: number;
  readonly clock: Clock;
  readonly purgatory: Purgatory;
  readonly isolates: IsolateTable;
  readonly counters: ShardCounters;
  /** This shard's arena. */
  readonly arena: Arena;
  /** The arena of each shard. */
  readonly arenas: readonly NativeMemory[];
  readonly outboxes: readonly Outbox[];
  /** Reports a sentence to the operator: a warning, unless it says otherwise. */
  readonly report: (text: string, level?: LogLevel) => void;
  /** Tells of ordinary connections; null while nobody wants to know. */
  readonly trace: ((text: string) => void) | null;
  /** Reports connections that ended to the main isolate, by the numbers it counts them by. */
  readonly onClosed: (peers: readonly number[]) => void;
  /** A connection of another broker's has ended. @param broker its node id */
  readonly onBrokerClosed: (broker: number) => void;
  readonly socketBuffers: { readonly send: number; readonly receive: number };
  /** Quotas of clients. */
  readonly quotas: Quotas;
  /** Names of the listeners, by the number in a transfer. */
  readonly listenerNames: readonly string[];
}

/** The connections of one shard. */
export class ShardConnections {
  readonly #reactor: Reactor;
  readonly #parts: ShardConnectionsParts;
  readonly #shard: ConnectionShard;
  readonly #connections = new Set<Connection>();
  #closedCount = 0;
  readonly #closedPeers: number[] = [];
  #isDisconnected = false;

  /** @param reactor of the shard, which watches them @param shard that serves them */
  constructor(reactor: Reactor, parts: ShardConnectionsParts, shard: ConnectionShard) {
    this.#reactor = reactor;
    this.#parts = parts;
    this.#shard = shard;
  }

  /** Number of connections. */
  get count(): number {
    return this.#connections.size;
  }

  /** All connections. */
  get all(): Iterable<Connection> {
    return this.#connections;
  }

  /** Whether a connection still belongs to this shard. */
  has(connection: Connection): boolean {
    return connection.registration?.isOpen === true;
  }

  /** Takes a socket over. @param sender of the transfer @returns null when it had failed or cannot be watched; it is closed then */
  receive(sender: number, transfer: ConnectionTransfer): Connection | null {
    const connection = this.#receive(sender, transfer);
    if (transfer.context !== undefined) {
      reportTaken(this.#parts.outboxes[sender] as Outbox, message.kind.connectionTaken, transfer.context.block);
    }
    return connection;
  }

  #receive(sender: number, transfer: ConnectionTransfer): Connection | null {
    const { fd, transfers, listener } = transfer;
    if (transfers > 0) this.#countClosed(-1);
    else this.#parts.counters.countCreated(listener);
    const local = this.#isDisconnected ? null : localAddress(fd);
    if (local === null) {
      closeDescriptor(fd);
      this.#countEnded(transfer);
      return null;
    }
    const connection = this.#connectionOf(sender, transfer, local);
    connection.registration = this.#reactor.tryRegister(fd, READABLE, connection);
    if (connection.registration === null) {
      const reason = lastErrorText();
      const { host, port } = peerAddress(fd) ?? local;
      this.#parts.report(
        `Closed the new connection of ${host}:${port}: epoll cannot watch it: ${reason} ` +
          "(ENOSPC: raise the sysctl fs.epoll.max_user_watches)",
      );
      closeDescriptor(fd);
      this.#countEnded(transfer);
      return null;
    }
    prepareConnection(fd, this.#parts.socketBuffers);
    this.#connections.add(connection);
    if (transfers === 0) this.#traceNew(fd);
    return connection;
  }

  #traceNew(fd: number): void {
    if (this.#parts.trace === null) return;
    const peer = peerAddress(fd);
    this.#parts.trace(`New connection of ${peer === null ? "a client that has gone" : `${peer.host}:${peer.port}`}`);
  }

  /** Transfers a connection to the shard that owns most of what it asks for (affinity.ts). */
  transfer(connection: Connection): void {
    const { affinity, fd, listener, peer } = connection;
    const context = this.#writeContext(connection.context);
    if (context === null) return connection.onTransferRefused();
    this.#removeConnection(connection);
    const outbox = this.#parts.outboxes[affinity.destination] as Outbox;
    sendConnection(outbox, { fd, listener, transfers: affinity.transfers + 1, peer, context });
    this.#countClosed();
  }

  /** Starts or stops watching a connection for bytes to read. */
  setReading(connection: Connection, isReading: boolean): void {
    this.#watch(connection, READABLE, isReading);
  }

  /** Starts or stops watching a connection for room to write. */
  setWriting(connection: Connection, isWriting: boolean): void {
    this.#watch(connection, WRITABLE, isWriting);
  }

  /** Serves the connection again in a later turn. */
  yieldTurn({ registration }: Connection): void {
    if (registration !== null) this.#reactor.yieldTurn(registration);
  }

  /** Sets the deadline of a connection whose client has disconnected. @param reason why it closes then */
  setCloseDeadline(connection: Connection, reason: string): void {
    const { purgatory, clock } = this.#parts;
    if (connection.closeDeadline !== null) return;
    connection.closeDeadline = new DelayedCall(clock.monotonicMs() + GONE_MS_MAX, () => connection.close(reason));
    purgatory.schedule(connection.closeDeadline);
  }

  /** Sets when a muted connection is served again, unless that is later already. */
  setMuteEnd(connection: Connection, pauseMs: number): void {
    const { purgatory, clock } = this.#parts;
    const deadlineMs = clock.monotonicMs() + pauseMs;
    if (connection.muteEnd !== null) {
      if (connection.muteEnd.deadlineMs >= deadlineMs) return;
      purgatory.cancel(connection.muteEnd);
    }
    connection.muteEnd = new DelayedCall(deadlineMs, () => connection.onMuteEnded());
    purgatory.schedule(connection.muteEnd);
  }

  /** Closes a connection, and reports the reason to the operator unless it is ordinary. */
  close(connection: Connection): void {
    if (!this.has(connection)) return;
    const { closeReason, context } = connection;
    const isOrdinary = closeReason === null || ORDINARY_ENDS.includes(closeReason);
    const { report, trace } = this.#parts;
    if (!isOrdinary || trace !== null) {
      const peer = peerAddress(connection.fd);
      const who = `${peer === null ? "a client" : `${peer.host}:${peer.port}`} (client id ${
        JSON.stringify(context.clientId)
      })`;
      const text = `Closed the connection of ${who}: ${closeReason ?? "the broker stops"}`;
      if (isOrdinary) trace?.(text);
      else report(text, connection.hasFailedHandler ? "error" : "warning");
    }
    this.#removeConnection(connection);
    closeDescriptor(connection.fd);
    this.#countEnded(connection);
    if (context.brokerId !== null && !this.#isDisconnected) this.#parts.onBrokerClosed(context.brokerId);
  }

  /** Closes every connection. Connections that are transferred to it afterwards are closed at once. */
  disconnect(): void {
    this.#isDisconnected = true;
    for (const connection of [...this.#connections]) this.close(connection);
  }

  /** Reports to the main isolate the connections that ended since the last call. */
  reportClosed(): void {
    if (this.#closedPeers.length > 0) this.#parts.onClosed(this.#closedPeers.splice(0));
  }

  /** Writes a context into the arena, where the next shard can read it. @returns null when there is no room */
  #writeContext(context: ConnectionContext): ContextRange | null {
    const { arena } = this.#parts;
    const writer = new Writer(64);
    encodeContext(writer, context);
    const length = writer.position;
    const block = arena.allocate(length);
    if (block === -1) return null;
    arena.memory.bytes.set(writer.bytes.subarray(0, length), block);
    return { block, length };
  }

  #contextOf(sender: number, { context }: ConnectionTransfer, ends: ConnectionEnds): ConnectionContext {
    const { quotas } = this.#parts;
    if (context === undefined) return newContext(ends, quotas);
    const { bytes } = this.#parts.arenas[sender] as NativeMemory;
    const reader = new Reader(bytes);
    reader.reset(bytes, context.block, context.block + context.length);
    return decodeContext(reader, ends, quotas);
  }

  #connectionOf(sender: number, transfer: ConnectionTransfer, local: { host: string; port: number }): Connection {
    const { fd, listener, transfers, peer } = transfer;
    const context = this.#contextOf(sender, transfer, {
      listenerName: this.#parts.listenerNames[listener] ?? "PLAINTEXT",
      localHost: local.host,
      localPort: local.port,
      peerHost: peerAddress(fd)?.host ?? "",
    });
    const connection = new Connection(fd, context, this.#shard, new Affinity(this.#parts.shard, transfers));
    connection.listener = listener;
    connection.peer = peer;
    return connection;
  }

  #watch(connection: Connection, bit: number, isWatched: boolean): void {
    const { registration } = connection;
    if (registration === null) return;
    const interest = isWatched ? registration.interest | bit : registration.interest & ~bit;
    if (!this.#reactor.watch(registration, interest)) connection.close(RESET_BY_CLIENT);
  }

  /** Removes a connection from this shard. Its descriptor stays open. */
  #removeConnection(connection: Connection): void {
    if (connection.registration !== null) this.#reactor.unregister(connection.registration);
    if (connection.closeDeadline !== null) this.#parts.purgatory.cancel(connection.closeDeadline);
    if (connection.muteEnd !== null) this.#parts.purgatory.cancel(connection.muteEnd);
    this.#connections.delete(connection);
    connection.dispose();
  }

  /** A connection has ended, and was not transferred to another shard. */
  #countEnded({ listener, peer }: Pick<ConnectionTransfer, "listener" | "peer">): void {
    this.#parts.counters.countClosed(listener);
    this.#countClosed(1, peer);
  }

  /** @param peer number by which the main isolate counted the ended connection */
  #countClosed(count = 1, peer = UNCOUNTED): void {
    this.#closedCount = (this.#closedCount + count) | 0;
    if (peer !== UNCOUNTED) this.#closedPeers.push(peer);
    this.#parts.isolates.set(this.#parts.shard, ISOLATE.closed, this.#closedCount);
  }
}
