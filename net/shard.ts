/**
 * A shard: one reactor that owns connections and partitions. A turn waits for readiness, mail or the next deadline, serves what
 * came, completes what waits, tells other shards what moved, and sends each connection's answers in one go.
 *
 * It never awaits: while the reactor runs, nothing else of the isolate does. `run()` returns when the main isolate has
 * posted a structured message, and the worker calls it again when that has been received.
 * Runs on shards.
 */
import {
  Arena,
  type Inbox,
  ISOLATE,
  type IsolateTable,
  type Outbox,
  type Purgatory,
  type RingRecord,
  type ShardPartitions,
} from "../partitions/mod.ts";
import {
  type Clock,
  closeDescriptor,
  Epoll,
  FAILED,
  type FileSystem,
  HUNG_UP,
  lastErrorText,
  localAddress,
  peerAddress,
  prepareConnection,
  READABLE,
  WRITABLE,
} from "../storage/mod.ts";
import { type Adoption, adoptionOf, sendAdoption } from "./adoption.ts";
import { Affinity } from "./affinity.ts";
import type { FileRange } from "./cold_reader.ts";
import { CLOSED_BY_CLIENT, Connection, type ConnectionShard, RESET_BY_CLIENT } from "./connection.ts";
import { UNCOUNTED } from "./connection_limits.ts";
import { GonePeer } from "./gone_peer.ts";
import type { GroupTurns } from "./group_turns.ts";
import { IdleConnections } from "./idle_connections.ts";
import { Writer } from "./protocol/writer.ts";
import type { RequestMemory } from "./request_memory.ts";
import type { Router } from "./router.ts";
import { mostUnsent, type SendCounts } from "./sender.ts";
import { assert } from "../storage/base/assert.ts";

/** Readiness events taken in one turn. */
const EVENTS_PER_TURN_MAX = 256;
/** Longest sleep without a deadline; waking that often costs nothing and bounds every surprise. */
const SLEEP_MS_MAX = 1000;

/** A connection on which nothing happened for `connections.max.idle.ms`. */
const IDLE = "idle";
/** The ends that nobody needs to hear of. */
const ORDINARY_ENDS: readonly string[] = [CLOSED_BY_CLIENT, RESET_BY_CLIENT, IDLE];

/** What a shard is built from. */
export interface ShardParts {
  readonly shard: number;
  readonly clock: Clock;
  readonly fs: FileSystem;
  readonly arena: Arena;
  /** Memory of the arena for requests. */
  readonly memory: RequestMemory;
  readonly inbox: Inbox;
  readonly outboxes: readonly Outbox[];
  readonly isolates: IsolateTable;
  readonly eventFd: number;
  readonly purgatory: Purgatory;
  readonly partitions: ShardPartitions;
  /** The coordinator of this shard's groups, and the way to the others. */
  readonly groups: GroupTurns;
  /** Brings a cold part of a file into the page cache; `done` runs on a later turn. */
  readonly load: (range: FileRange, done: () => void) => void;
  /** Tells the operator something. */
  readonly report: (text: string) => void;
  /** Tells the main isolate of connections that ended, by what it counts them by. */
  readonly onClosed: (peers: readonly number[]) => void;
  readonly requestBytesMax: number;
  /** `connections.max.idle.ms` */
  readonly connectionsMaxIdleMs: number;
  readonly socketBuffers: { readonly send: number; readonly receive: number };
  /** Names of the listeners, by the number in an adopt record. */
  readonly listenerNames: readonly string[];
}

/** The reactor. */
export class Shard implements ConnectionShard {
  readonly arena: Arena;
  readonly memory: RequestMemory;
  readonly fs: FileSystem;
  readonly writer = new Writer();
  readonly counts: SendCounts = { copiedSlices: 0, sentSlices: 0, loadedSlices: 0 };
  readonly requestBytesMax: number;
  readonly #parts: ShardParts;
  readonly #epoll = new Epoll(EVENTS_PER_TURN_MAX);
  readonly #connections = new Map<number, Connection>();
  #closedCount = 0;
  readonly #closedPeers: number[] = [];
  readonly #idle: IdleConnections;
  /** Made once: a turn allocates nothing. */
  readonly #receiveRecord = (sender: number, record: RingRecord) => this.#onRecord(sender, record);
  #router: Router | null = null;
  #isDisconnected = false;
  /** When the wait of this turn began, and how long all waits took. */
  #waitsFromMs = 0;
  #waitedMs = 0;
  #dirty: Connection[] = [];
  /** Have more to handle than fitted into this turn. */
  #later: Connection[] = [];

  /** @param parts the shard's pieces */
  constructor(parts: ShardParts) {
    this.#parts = parts;
    [this.arena, this.memory] = [parts.arena, parts.memory];
    [this.fs, this.requestBytesMax] = [parts.fs, parts.requestBytesMax];
    this.#epoll.add(parts.eventFd, READABLE);
    this.#idle = new IdleConnections(parts.connectionsMaxIdleMs, parts.clock.monotonicMs());
  }

  /** Connections of this shard. */
  get connectionsCount(): number {
    return this.#connections.size;
  }

  load(range: FileRange, done: () => void): void {
    this.#parts.load(range, done);
  }

  /** Sets where requests go; before the first turn. */
  use(router: Router): void {
    this.#router = router;
  }

  /** Runs turns until `shouldYield` says that the isolate's own event loop is needed. */
  run(shouldYield: () => boolean): void {
    for (let yields = false; !yields;) {
      // Asked before the turn, so that mail sent before the message that makes it yield is served before that message.
      yields = shouldYield();
      this.#turn(yields ? 0 : this.#timeoutMs());
    }
  }

  /** One turn without waiting, so that answers which came by a posted message leave. */
  settle(): void {
    this.#finishTurn();
  }

  onRequest(connection: Connection, start: number, length: number): void {
    this.#router?.route(connection, start, length);
    connection.affinity.endRequest();
  }

  markDirty(connection: Connection): void {
    if (connection.isDirty) return;
    connection.isDirty = true;
    this.#dirty.push(connection);
  }

  continueLater(connection: Connection): void {
    this.#later.push(connection);
  }

  setReading(connection: Connection, reading: boolean): void {
    this.#watch(connection, reading ? connection.interest | READABLE : connection.interest & ~READABLE);
  }

  makeRoom(): boolean {
    const connection = mostUnsent(this.#connections.values());
    if (connection === null) return false;
    connection.close(`the memory for answers is used up and this client leaves ${connection.sender.heldBytes} bytes`);
    connection.sender.discard();
    return true;
  }

  /** Closes every connection; those that are still handed over are closed at once. */
  disconnect(): void {
    this.#isDisconnected = true;
    for (const connection of [...this.#connections.values()]) this.#drop(connection);
  }

  /** Disconnects and closes the reactor's descriptors. */
  dispose(): void {
    this.disconnect();
    this.#parts.inbox.drain((_sender, record) => {
      const adoption = adoptionOf(record);
      if (adoption !== null) closeDescriptor(adoption.fd);
    });
    this.#epoll[Symbol.dispose]();
  }

  #turn(timeoutMs: number): void {
    const { inbox, eventFd, clock } = this.#parts;
    const parked = timeoutMs > 0 && inbox.park();
    const count = this.#epoll.wait(parked ? timeoutMs : 0);
    if (parked) {
      inbox.unpark();
      this.#countWait();
    }
    if (this.#later.length > 0) {
      for (const connection of this.#later.splice(0)) connection.proceed();
    }
    for (let index = 0; index < count; index++) {
      const fd = this.#epoll.eventFd(index);
      if (fd === eventFd) inbox.clear();
      else this.#onEvent(fd, this.#epoll.eventBits(index));
    }
    inbox.drain(this.#receiveRecord);
    const nowMs = clock.monotonicMs();
    this.#parts.purgatory.expire(nowMs);
    this.#parts.partitions.maintain(nowMs);
    this.#parts.groups.expire(nowMs);
    for (const connection of this.#idle.expire(nowMs, this.#connections.values())) connection.close(IDLE);
    this.memory.relieve(nowMs, this.#connections.values());
    this.memory.trimWhenQuiet(nowMs);
    this.#finishTurn();
  }

  #timeoutMs(): number {
    if (this.#later.length > 0) return 0;
    this.#waitsFromMs = this.#parts.clock.monotonicMs();
    if (this.#parts.outboxes.some((outbox) => outbox.isBacklogged)) return 1;
    const { purgatory, groups, partitions } = this.#parts;
    const waitsMs = Math.min(purgatory.nextDeadlineMs, groups.nextDeadlineMs, this.#idle.nextMs);
    const nextMs = Math.min(waitsMs, partitions.nextDeadlineMs);
    return Math.max(0, Math.min(SLEEP_MS_MAX, Math.ceil(nextMs - this.#waitsFromMs)));
  }

  /** Tells the main isolate how much of its time the shard waits; alone, it has nobody to compare with. */
  #countWait(): void {
    const { isolates, shard, outboxes, clock } = this.#parts;
    if (outboxes.length === 1) return;
    this.#waitedMs += clock.monotonicMs() - this.#waitsFromMs;
    isolates.set(shard, ISOLATE.waited, (this.#waitedMs * 1000) | 0);
  }

  /**
   * Completes what this turn made possible and sends it, until nothing more follows: a flush makes room for requests that have
   * already arrived, and those append and answer. What is left over here would wait until something else wakes the shard.
   */
  #finishTurn(): void {
    const { partitions, purgatory, groups, outboxes } = this.#parts;
    do {
      groups.settle();
      do partitions.announceMoved(); while (purgatory.runTouched());
      const dirty = this.#dirty;
      this.#dirty = [];
      for (const connection of dirty) this.#flush(connection);
      this.memory.feed();
    } while (this.#dirty.length > 0 || partitions.hasMoved || groups.isUnsettled);
    groups.postWaiting();
    for (const outbox of outboxes) outbox.flush();
    if (this.#closedPeers.length > 0) this.#parts.onClosed(this.#closedPeers.splice(0));
  }

  #onEvent(fd: number, bits: number): void {
    const connection = this.#connections.get(fd);
    if (connection === undefined) return;
    this.#idle.touch(connection);
    if ((bits & (FAILED | HUNG_UP)) !== 0) {
      return this.#onPeerGone(connection, (bits & FAILED) !== 0 ? RESET_BY_CLIENT : CLOSED_BY_CLIENT);
    }
    if ((bits & WRITABLE) !== 0) {
      connection.wasWritable = true;
      this.markDirty(connection);
    }
    if ((bits & READABLE) !== 0) connection.onReadable();
  }

  /** Nobody takes answers any more, but what had arrived is handled first, for a while at most. */
  #onPeerGone(connection: Connection, reason: string): void {
    const { purgatory, clock } = this.#parts;
    if (!connection.isPeerGone) purgatory.schedule(new GonePeer(connection, reason, clock.monotonicMs()));
    connection.onPeerGone(reason);
    if ((connection.interest & READABLE) === 0) this.#epoll.remove(connection.fd);
  }

  #onRecord(sender: number, record: RingRecord): void {
    const adoption = adoptionOf(record);
    if (adoption !== null) return this.#adopt(adoption);
    const known = this.#parts.partitions.receive(sender, record) || this.#parts.groups.receive(sender, record);
    assert(known, "every ring record has a receiver");
  }

  #adopt({ fd, listener, moves, peer }: Adoption): void {
    if (moves > 0) this.#countClosed(-1);
    const local = this.#isDisconnected ? null : localAddress(fd);
    if (local === null) {
      closeDescriptor(fd);
      return this.#countClosed(1, peer);
    }
    if (!this.#epoll.tryAdd(fd, READABLE)) {
      const { host, port } = peerAddress(fd) ?? local;
      this.#parts.report(
        `Closed the new connection of ${host}:${port}: epoll cannot watch it: ${lastErrorText()} ` +
          "(ENOSPC: raise the sysctl fs.epoll.max_user_watches)",
      );
      closeDescriptor(fd);
      return this.#countClosed(1, peer);
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
      this,
      new Affinity(this.#parts.shard, moves),
    );
    [connection.listener, connection.peer] = [listener, peer];
    this.#connections.set(fd, connection);
    this.#idle.touch(connection);
    connection.interest = READABLE;
  }

  #flush(connection: Connection): void {
    connection.isDirty = false;
    this.#idle.touch(connection);
    if (connection.closeReason !== null) {
      // Answers to the requests before the one that closes it, as far as the socket takes them.
      if (this.#connections.get(connection.fd) === connection) connection.sender.flush();
      return this.#drop(connection);
    }
    const result = connection.sender.flush(connection.wasWritable);
    connection.wasWritable = false;
    if (result === "broken") {
      connection.close("a segment file could not be read");
      return;
    }
    const interest = result === "blocked" ? connection.interest | WRITABLE : connection.interest & ~WRITABLE;
    this.#watch(connection, interest);
    connection.resume();
    if (connection.canMove) this.#move(connection);
  }

  /** Hands a connection over to the shard that owns what it asks for (design: connections settle). */
  #move(connection: Connection): void {
    const { affinity, fd, listener, peer } = connection;
    this.#connections.delete(fd);
    this.#epoll.remove(fd);
    connection.dispose();
    const outbox = this.#parts.outboxes[affinity.destination] as Outbox;
    sendAdoption(outbox, { fd, listener, moves: affinity.moves + 1, peer });
    this.#countClosed();
  }

  #watch(connection: Connection, interest: number): void {
    if (connection.interest === interest || !this.#connections.has(connection.fd)) return;
    connection.interest = interest;
    if (!connection.isPeerGone) return this.#epoll.modify(connection.fd, interest);
    // Its failure is reported for as long as it is watched at all, also while it does not read.
    this.#epoll.remove(connection.fd);
    if ((interest & READABLE) === 0 || this.#epoll.tryAdd(connection.fd, interest)) return;
    connection.close(RESET_BY_CLIENT);
  }

  #drop(connection: Connection): void {
    if (this.#connections.get(connection.fd) !== connection) return;
    const { closeReason, context } = connection;
    if (closeReason !== null && !ORDINARY_ENDS.includes(closeReason)) {
      const peer = peerAddress(connection.fd);
      const who = `${peer === null ? "a client" : `${peer.host}:${peer.port}`} (client id ${
        JSON.stringify(context.clientId)
      })`;
      this.#parts.report(`Closed the connection of ${who}: ${closeReason}`);
    }
    this.#connections.delete(connection.fd);
    connection.dispose();
    this.#epoll.remove(connection.fd);
    closeDescriptor(connection.fd);
    this.#countClosed(1, connection.peer);
  }

  /** @param peer what the main isolate counted it by, when it ended */
  #countClosed(count = 1, peer = UNCOUNTED): void {
    this.#closedCount = (this.#closedCount + count) | 0;
    if (peer !== UNCOUNTED) this.#closedPeers.push(peer);
    this.#parts.isolates.set(this.#parts.shard, ISOLATE.closed, this.#closedCount);
  }
}
