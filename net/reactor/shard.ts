/**
 * A shard: one reactor that owns connections and partitions. A turn waits for readiness, mail or the next deadline, serves what
 * came, completes what waits, tells other shards what moved, and sends each connection's answers in one go. It takes about 10 ms
 * at most (turn_budget.ts): what is left over goes on in the next turn, which does not wait.
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
  type TurnCounter,
} from "../../partitions/mod.ts";
import {
  type Clock,
  closeDescriptor,
  Epoll,
  FAILED,
  type FileSystem,
  HUNG_UP,
  READABLE,
  WRITABLE,
} from "../../storage/mod.ts";
import { transferOf } from "../shards/connection_transfer.ts";
import type { FileRange } from "../shards/cold_reader.ts";
import { CLOSED_BY_CLIENT, type Connection, type ConnectionShard, RESET_BY_CLIENT } from "./connection.ts";
import { GonePeer } from "./gone_peer.ts";
import type { GroupTurns } from "../requests/groups/group_turns.ts";
import { IDLE, IdleConnections } from "./idle_connections.ts";
import { Writer } from "../protocol/writer.ts";
import { ReadyConnections } from "./ready_connections.ts";
import type { RequestMemory } from "./request_memory.ts";
import type { Router } from "../requests/router.ts";
import { AnswerMemory, mostUnsent, type SendCounts } from "./sender.ts";
import { ShardConnections } from "./shard_connections.ts";
import { Slices } from "../requests/slices.ts";
import { TurnBudget, turnPart } from "./turn_budget.ts";
import { assert } from "../../storage/base/assert.ts";

/** Longest answer, slices of files not counted: Metadata of all 65,536 partitions that a broker may have takes 4 MB. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
/** Readiness events taken in one turn. */
const EVENTS_PER_TURN_MAX = 256;
/** Longest sleep without a deadline; waking that often costs nothing and bounds every surprise. */
const SLEEP_MS_MAX = 1000;

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
  /** Counts how long turns take. */
  readonly turns: TurnCounter;
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
  /** Names of the listeners, by the number in a transfer. */
  readonly listenerNames: readonly string[];
}

/** The reactor. */
export class Shard implements ConnectionShard {
  readonly arena: Arena;
  readonly memory: RequestMemory;
  readonly fs: FileSystem;
  readonly writer = new Writer(undefined, undefined, { bytesMax: ANSWER_BYTES_MAX });
  readonly answers: AnswerMemory;
  readonly counts: SendCounts = { copiedSlices: 0, sentSlices: 0, loadedSlices: 0 };
  readonly requestBytesMax: number;
  /** Requests that are carried out over several turns. */
  readonly slices: Slices;
  readonly #parts: ShardParts;
  readonly #epoll = new Epoll(EVENTS_PER_TURN_MAX);
  readonly #connections: ShardConnections;
  readonly #idle: IdleConnections;
  /** Made once: a turn allocates nothing. */
  readonly #receiveRecord = (sender: number, record: RingRecord) => this.#onRecord(sender, record);
  #router: Router | null = null;
  /** How long all waits took. */
  #waitedMs = 0;
  readonly #budget: TurnBudget;
  readonly #mayGoOn = () => !this.#budget.isSpent;
  /** Have answers to send, or are to be closed. */
  #dirty: Connection[] = [];
  /** Are readable or writable, or have more to handle than fitted into their last turn. */
  readonly #ready = new ReadyConnections<Connection>();

  /** @param parts the shard's pieces */
  constructor(parts: ShardParts) {
    this.#parts = parts;
    this.arena = parts.arena;
    this.memory = parts.memory;
    this.fs = parts.fs;
    this.requestBytesMax = parts.requestBytesMax;
    this.answers = new AnswerMemory(parts.outboxes.length);
    this.#epoll.add(parts.eventFd, READABLE);
    this.#budget = new TurnBudget(parts.clock);
    this.slices = new Slices(this.#budget, () => parts.partitions.isCrowded);
    this.#connections = new ShardConnections(this.#epoll, parts, this);
    this.#idle = new IdleConnections(parts.connectionsMaxIdleMs, parts.clock.monotonicMs());
  }

  /** Connections of this shard. */
  get connectionsCount(): number {
    return this.#connections.count;
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
  sendReady(): void {
    this.#budget.begin();
    this.#finishTurn();
    this.#parts.turns.count(this.#budget.end());
  }

  onRequest(connection: Connection, start: number, length: number): number {
    const elements = this.#router?.route(connection, start, length) ?? 0;
    if (elements === 0) connection.affinity.endRequest();
    return elements;
  }

  onHandlerFailure(): void {
    const { isolates, shard } = this.#parts;
    isolates.set(shard, ISOLATE.handlerFailures, (isolates.get(shard, ISOLATE.handlerFailures) + 1) | 0);
  }

  markDirty(connection: Connection): void {
    if (connection.isDirty) return;
    connection.isDirty = true;
    this.#dirty.push(connection);
  }

  yieldTurn(connection: Connection): void {
    this.#ready.add(connection);
  }

  get isStretchOver(): boolean {
    return this.#budget.isStretchOver;
  }

  setReading(connection: Connection, reading: boolean): void {
    this.#connections.watch(connection, reading ? connection.interest | READABLE : connection.interest & ~READABLE);
  }

  makeRoom(): boolean {
    const connection = mostUnsent(this.#connections.all);
    if (connection === null) return false;
    connection.close(`the memory for answers is used up and this client leaves ${connection.sender.heldBytes} bytes`);
    connection.sender.discard();
    return true;
  }

  /** Closes every connection; those that are transferred to it afterwards are closed at once. */
  disconnect(): void {
    this.#connections.disconnect();
  }

  /** Disconnects and closes the reactor's descriptors. */
  dispose(): void {
    this.disconnect();
    this.#parts.inbox.drain((_sender, record) => {
      const transfer = transferOf(record);
      if (transfer !== null) closeDescriptor(transfer.fd);
    });
    this.#epoll[Symbol.dispose]();
  }

  #turn(timeoutMs: number): void {
    const { inbox, purgatory, partitions, groups } = this.#parts;
    const nowMs = this.#wait(timeoutMs);
    this.#budget.enter(turnPart.requests);
    this.#serveReady();
    this.#budget.enter(turnPart.slices);
    this.slices.runWaiting();
    this.#budget.enter(turnPart.mail);
    inbox.drain(this.#receiveRecord, this.#mayGoOn);
    purgatory.expire(nowMs, this.#mayGoOn);
    partitions.maintain(nowMs);
    groups.expire(nowMs);
    for (const connection of this.#idle.expire(nowMs, this.#connections.all)) connection.close(IDLE);
    this.memory.closeStalled(nowMs, this.#connections.all);
    this.memory.trimWhenQuiet(nowMs);
    this.#finishTurn();
    this.#parts.turns.count(this.#budget.end());
  }

  /** Waits for something to do and notes who has. @returns when the turn began, monotonic ms */
  #wait(timeoutMs: number): number {
    const { inbox, eventFd } = this.#parts;
    const parked = timeoutMs > 0 && inbox.park();
    const waitsFromMs = this.#budget.nowMs;
    const count = this.#epoll.wait(parked ? timeoutMs : 0);
    const nowMs = this.#budget.begin();
    if (parked) {
      inbox.unpark();
      this.#countWait(nowMs - waitsFromMs);
    }
    for (let index = 0; index < count; index++) {
      const fd = this.#epoll.eventFd(index);
      if (fd === eventFd) {
        inbox.clear();
        continue;
      }
      const connection = this.#connections.get(fd);
      if (connection === undefined) continue;
      connection.readyBits |= this.#epoll.eventBits(index);
      this.#ready.add(connection);
    }
    return nowMs;
  }

  /** Serves the connections that are ready, each once, as far as the time goes. */
  #serveReady(): void {
    for (let left = this.#ready.count; left > 0; left--) {
      const connection = this.#ready.take() as Connection;
      this.#budget.beginStretch();
      this.#serve(connection);
      if (this.#budget.isSpent) return;
    }
  }

  #serve(connection: Connection): void {
    const bits = connection.readyBits;
    connection.readyBits = 0;
    if (!this.#connections.has(connection)) return;
    if (connection.isYielding) connection.takeTurn();
    if (bits !== 0) this.#onEvent(connection, bits);
  }

  /** How long to wait: not at all while a turn left something to do. */
  #timeoutMs(): number {
    const { purgatory, groups, partitions, outboxes } = this.#parts;
    if (this.#ready.count > 0 || this.#dirty.length > 0 || purgatory.hasMarked) return 0;
    if (partitions.hasMoved || groups.isUnsettled || this.slices.isRunnable || this.memory.hasRoomForWaiting) return 0;
    if (outboxes.some((outbox) => outbox.isBacklogged)) return 1;
    const waitsMs = Math.min(purgatory.nextDeadlineMs, groups.nextDeadlineMs, this.#idle.nextMs);
    const nextMs = Math.min(waitsMs, partitions.nextDeadlineMs);
    return Math.max(0, Math.min(SLEEP_MS_MAX, Math.ceil(nextMs - this.#budget.nowMs)));
  }

  /** Tells the main isolate how much of its time the shard waits; alone, it has nobody to compare with. */
  #countWait(tookMs: number): void {
    const { isolates, shard, outboxes } = this.#parts;
    if (outboxes.length === 1) return;
    this.#waitedMs += tookMs;
    isolates.set(shard, ISOLATE.waited, (this.#waitedMs * 1000) | 0);
  }

  /**
   * Completes what this turn made possible and sends it, until nothing more follows or the time is over: a flush makes room for
   * requests that have already arrived, and those append and answer. What is left over goes on in the next turn.
   */
  #finishTurn(): void {
    const { partitions, purgatory, groups, outboxes } = this.#parts;
    this.#budget.enter(turnPart.answers);
    do {
      groups.settle();
      do partitions.announceMoved(); while (purgatory.checkMarked(this.#mayGoOn) && this.#mayGoOn());
      this.#flushDirty();
      this.memory.grantWaiting(this.#mayGoOn);
    } while ((this.#dirty.length > 0 || partitions.hasMoved || groups.isUnsettled) && this.#mayGoOn());
    groups.postWaiting();
    for (const outbox of outboxes) outbox.flush();
    this.#connections.tellClosed();
  }

  /** Sends what is ready, one connection after the other, as far as the time goes. */
  #flushDirty(): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    let flushed = 0;
    do {
      const connection = dirty[flushed++];
      if (connection === undefined) return;
      this.#flush(connection);
    } while (this.#mayGoOn());
    // Who waits comes before who has got something to send meanwhile.
    if (flushed < dirty.length) this.#dirty = [...dirty.slice(flushed), ...this.#dirty];
  }

  #onEvent(connection: Connection, bits: number): void {
    this.#idle.markActive(connection);
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
    if (!connection.isPeerGone) {
      connection.end = new GonePeer(connection, reason, clock.monotonicMs());
      purgatory.schedule(connection.end);
    }
    connection.onPeerGone(reason);
    if ((connection.interest & READABLE) === 0) this.#epoll.remove(connection.fd);
  }

  #onRecord(sender: number, record: RingRecord): void {
    const transfer = transferOf(record);
    if (transfer !== null) {
      const connection = this.#connections.receive(transfer);
      if (connection !== null) this.#idle.markActive(connection);
      return;
    }
    const known = this.#parts.partitions.receive(sender, record) || this.#parts.groups.receive(sender, record);
    assert(known, "every ring record has a receiver");
  }

  #flush(connection: Connection): void {
    connection.isDirty = false;
    this.#idle.markActive(connection);
    if (connection.closeReason !== null) {
      if (connection.end !== null) this.#parts.purgatory.cancel(connection.end);
      // Answers to the requests before the one that closes it, as far as the socket takes them.
      if (this.#connections.has(connection)) connection.sender.flush();
      return this.#connections.drop(connection);
    }
    const result = connection.sender.flush(connection.wasWritable);
    connection.wasWritable = false;
    if (result === "broken") {
      connection.close("a segment file could not be read");
      return;
    }
    if (result === "more") this.markDirty(connection);
    const interest = result === "blocked" ? connection.interest | WRITABLE : connection.interest & ~WRITABLE;
    this.#connections.watch(connection, interest);
    this.#budget.beginStretch();
    connection.resumeReading();
    if (connection.canTransfer) this.#connections.transfer(connection);
  }
}
