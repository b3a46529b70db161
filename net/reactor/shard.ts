/**
 * A shard: one reactor that owns connections and partitions. A turn waits for readiness, mail or the next deadline, serves what
 * came, completes what waits, reports progress to other shards, and sends each connection's answers in one go. It takes about 10 ms
 * at most (turn_budget.ts). Work that is left over continues in the next turn, which does not wait.
 *
 * It never awaits: while the reactor runs, nothing else runs in the isolate. `run()` returns when the main isolate has
 * posted a structured message, and the worker calls it again when that message has been received.
 * Runs on shards.
 */
import {
  Arena,
  type CoordinatorTurns,
  type Inbox,
  ISOLATE,
  type IsolateTable,
  message,
  type Outbox,
  type Purgatory,
  type RingRecord,
  type ShardCounters,
  type ShardPartitions,
  type TurnCounter,
} from "../../partitions/mod.ts";
import { type Clock, closeDescriptor, type FileSystem, type NativeMemory, READABLE } from "../../storage/mod.ts";
import { takenContextOf, transferOf } from "../shards/connection_transfer.ts";
import { HEAP_GROWTH_BYTES, HeapGarbage } from "../shards/memory/heap_garbage.ts";
import type { FileRange } from "../shards/cold_reader.ts";
import type { Connection, ConnectionShard } from "./connection.ts";
import { DirtyConnections } from "./dirty_connections.ts";
import { IDLE, IdleConnections } from "./idle_connections.ts";
import { Writer } from "../protocol/writer.ts";
import { type DescriptorUser, Reactor } from "./reactor.ts";
import type { LogLevel } from "../../partitions/config/log_lines.ts";
import type { RequestMemory } from "./request_memory.ts";
import type { Quotas } from "../requests/quotas/quotas.ts";
import type { Router } from "../requests/router.ts";
import { AnswerMemory, mostUnsent } from "./answer_memory.ts";
import type { SendCounts } from "./sender.ts";
import { RequestTimes } from "../requests/times/request_times.ts";
import { ShardConnections } from "./shard_connections.ts";
import { Slices } from "../requests/slices.ts";
import { LAST_GRANT_MS, TurnBudget, turnPart } from "./turn_budget.ts";
import { assert } from "../../storage/base/assert.ts";

/** Longest answer without slices of files. Metadata of all 65,536 partitions that a broker may have takes 4 MB. */
const ENCODED_ANSWER_BYTES_MAX = 16 * 1024 * 1024;
/** Longest sleep without a deadline. Waking this often costs nothing, and limits the delay if a wake-up is ever missed. */
const SLEEP_MS_MAX = 1000;

/** The shard's connections to other brokers (outgoing_connections.ts). */
export interface OutgoingReceiver {
  /** Takes a connection over. @param id under which it was asked for */
  receive(id: number, fd: number): void;
  /** Closes all of them, for good. */
  close(): void;
}

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
  /** Counts what the shard does. */
  readonly counters: ShardCounters;
  /** Counts how long turns take. */
  readonly turns: TurnCounter;
  readonly eventFd: number;
  readonly purgatory: Purgatory;
  readonly partitions: ShardPartitions;
  /** This shard's coordinators, and the way to those of other shards. */
  readonly coordinators: CoordinatorTurns;
  /** Brings a cold part of a file into the page cache; `done` runs in a later turn. */
  readonly load: (range: FileRange, done: () => void) => void;
  /** Reports a sentence to the operator: a warning, unless it says otherwise. */
  readonly report: (text: string, level?: LogLevel) => void;
  /** Tells what only somebody who looks for something wants to read; null while nobody does. */
  readonly trace: ((text: string) => void) | null;
  /** Reports connections that ended to the main isolate, by the numbers it counts them by. */
  readonly onClosed: (peers: readonly number[]) => void;
  /** A connection of another broker's has ended. @param broker its node id */
  readonly onBrokerClosed: (broker: number) => void;
  readonly requestBytesMax: number;
  /** `connections.max.idle.ms` */
  readonly connectionsMaxIdleMs: number;
  readonly socketBuffers: { readonly send: number; readonly receive: number };
  /** Quotas of clients. */
  readonly quotas: Quotas;
  /** The arena of each shard. */
  readonly arenas: readonly NativeMemory[];
  /** Names of the listeners, by the number in a transfer. */
  readonly listenerNames: readonly string[];
}

/** The shard. */
export class Shard implements ConnectionShard {
  readonly arena: Arena;
  readonly memory: RequestMemory;
  readonly fs: FileSystem;
  readonly writer = new Writer(undefined, undefined, { bytesMax: ENCODED_ANSWER_BYTES_MAX });
  readonly answers: AnswerMemory;
  readonly counts: SendCounts = { copiedSlices: 0, sentSlices: 0, loadedSlices: 0 };
  readonly requestBytesMax: number;
  /** Requests that are carried out over several turns. */
  readonly slices: Slices;
  readonly #parts: ShardParts;
  /** Watches the descriptors of the shard. */
  readonly reactor = new Reactor();
  readonly #connections: ShardConnections;
  readonly #idle: IdleConnections;
  /** Created once, because a turn allocates nothing. */
  readonly #receiveRecord = (sender: number, record: RingRecord) => this.#onRecord(sender, record);
  #router: Router | null = null;
  #outgoing: OutgoingReceiver | null = null;
  /** Duration of all waits in total, in ms; and what was counted of it, in µs. */
  #waitedMs = 0;
  #waitedUs = 0;
  readonly #budget: TurnBudget;
  readonly times: RequestTimes;
  /** Requests that wait for memory were left to the next turn, which begins with them. */
  #leavesGrants = false;
  readonly #beginTurn = () => {
    this.#budget.begin();
    return this.#budget.nowUs;
  };
  readonly #mayContinue = () => !this.#budget.isSpent;
  readonly #dirty: DirtyConnections;
  readonly #garbage = new HeapGarbage(HEAP_GROWTH_BYTES.shard);

  /** @param parts the shard's pieces */
  constructor(parts: ShardParts) {
    this.#parts = parts;
    this.arena = parts.arena;
    this.memory = parts.memory;
    this.fs = parts.fs;
    this.requestBytesMax = parts.requestBytesMax;
    this.answers = new AnswerMemory(parts.outboxes.length);
    this.reactor.register(parts.eventFd, READABLE, wakeUp(parts.inbox));
    this.#budget = new TurnBudget(parts.clock);
    this.#budget.listener = this.times = new RequestTimes(parts.counters, this.#budget);
    this.slices = new Slices(this.#budget, () => parts.partitions.isCrowded);
    this.#connections = new ShardConnections(this.reactor, parts, this);
    this.#idle = new IdleConnections(parts.connectionsMaxIdleMs, parts.clock.monotonicMs());
    const { times } = this;
    this.#dirty = new DirtyConnections({
      connections: this.#connections,
      idle: this.#idle,
      budget: this.#budget,
      times,
    });
  }

  /** Connections of this shard. */
  get connectionsCount(): number {
    return this.#connections.count;
  }

  load(range: FileRange, done: () => void): void {
    this.#parts.load(range, done);
  }

  /** Sets where requests go. Called before the first turn. */
  setRouter(router: Router): void {
    this.#router = router;
  }

  /** Sets who takes connections to other brokers. Called before the first turn, in a broker that is one of several. */
  setOutgoing(outgoing: OutgoingReceiver): void {
    this.#outgoing = outgoing;
  }

  /** Runs turns until `shouldYield` says that the isolate's own event loop is needed. */
  run(shouldYield: () => boolean): void {
    for (let yields = false; !yields;) {
      // Asked before the turn, so that mail sent before the message that makes it yield is served before that message.
      yields = shouldYield();
      this.#turn(yields ? 0 : this.#timeoutMs());
    }
  }

  /** Runs one turn without waiting, to send answers that a posted message completed. */
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
    this.#dirty.add(connection);
  }

  markActive(connection: Connection): void {
    this.#idle.markActive(connection);
  }

  yieldTurn(connection: Connection): void {
    this.#connections.yieldTurn(connection);
  }

  get isStretchOver(): boolean {
    return this.#budget.isStretchOver;
  }

  setReading(connection: Connection, isReading: boolean): void {
    this.#connections.setReading(connection, isReading);
  }

  onPeerGone(connection: Connection, reason: string): void {
    this.#connections.setCloseDeadline(connection, reason);
  }

  onMuted(connection: Connection, pauseMs: number): void {
    this.#connections.setMuteEnd(connection, pauseMs);
  }

  closeMostUnsent(): boolean {
    const connection = mostUnsent(this.#connections.all);
    if (connection === null) return false;
    connection.close(`the memory for answers is used up and this client leaves ${connection.sender.heldBytes} bytes`);
    connection.sender.discard();
    return true;
  }

  /** Closes every connection. Connections that are transferred to it afterwards are closed at once. */
  disconnect(): void {
    this.#outgoing?.close();
    this.#connections.disconnect();
  }

  /** Disconnects and closes the reactor's descriptors. */
  dispose(): void {
    this.disconnect();
    this.#parts.inbox.drain((_sender, record) => {
      const transfer = transferOf(record);
      if (transfer !== null) closeDescriptor(transfer.fd);
    });
    this.reactor[Symbol.dispose]();
  }

  #turn(timeoutMs: number): void {
    const { inbox, purgatory, partitions, coordinators } = this.#parts;
    const nowMs = this.#wait(timeoutMs);
    this.#garbage.look(nowMs);
    this.#budget.beginPart(turnPart.requests);
    this.memory.grantWaiting(this.#mayContinue);
    this.reactor.serve(this.#budget);
    this.#budget.beginPart(turnPart.slices);
    this.slices.runWaiting();
    this.#budget.beginPart(turnPart.mail);
    inbox.drain(this.#receiveRecord, this.#mayContinue);
    purgatory.expire(nowMs, this.#mayContinue);
    partitions.maintain(nowMs, this.#mayContinue);
    coordinators.runTurn(nowMs);
    for (const connection of this.#idle.expire(nowMs, this.#connections.all)) connection.close(IDLE);
    this.memory.closeStalled(nowMs, this.#connections.all);
    this.memory.trimWhenQuiet(nowMs);
    this.#finishTurn();
    this.#parts.turns.count(this.#budget.end());
  }

  /** Waits for something to do, and notes which descriptors are ready. @returns when the turn began, monotonic ms */
  #wait(timeoutMs: number): number {
    const { inbox } = this.#parts;
    const parked = timeoutMs > 0 && inbox.park();
    const waitsFromMs = this.#budget.nowMs;
    this.reactor.wait(parked ? timeoutMs : 0, this.#beginTurn);
    const { nowMs } = this.#budget;
    if (parked) {
      inbox.unpark();
      this.#countWait(nowMs - waitsFromMs);
    }
    return nowMs;
  }

  /** How long to wait: 0 while a turn left something to do. */
  #timeoutMs(): number {
    const { purgatory, coordinators, partitions, outboxes } = this.#parts;
    if (this.#leavesGrants || this.reactor.hasReady || !this.#dirty.isEmpty || purgatory.hasMarked) return 0;
    if (partitions.hasProgress || coordinators.hasGathered || this.slices.isRunnable || this.memory.hasRoomForWaiting) {
      return 0;
    }
    if (outboxes.some((outbox) => outbox.isBacklogged)) return 1;
    const waitsMs = Math.min(purgatory.nextDeadlineMs, coordinators.nextDeadlineMs, this.#idle.nextMs);
    const nextMs = Math.min(waitsMs, partitions.nextDeadlineMs);
    return Math.max(0, Math.min(SLEEP_MS_MAX, Math.ceil(nextMs - this.#budget.nowMs)));
  }

  /** Counts how long the shard waits. A single shard does not tell the balancer, because there is nothing to compare. */
  #countWait(tookMs: number): void {
    const { isolates, shard, outboxes, counters } = this.#parts;
    this.#waitedMs += tookMs;
    const waitedUs = Math.floor(this.#waitedMs * 1000);
    counters.add("waitedUs", waitedUs - this.#waitedUs);
    this.#waitedUs = waitedUs;
    if (outboxes.length === 1) return;
    isolates.set(shard, ISOLATE.waited, waitedUs | 0);
  }

  /**
   * Completes what this turn made possible and sends it, until nothing more follows or the time is over. A flush makes room for
   * requests that have already arrived, and those append and answer. Work that is left over continues in the next turn.
   */
  #finishTurn(): void {
    const { partitions, purgatory, coordinators, outboxes } = this.#parts;
    this.#budget.beginPart(turnPart.answers);
    do {
      coordinators.writeGathered(this.#mayContinue);
      partitions.beginGroupFlush(); // first, so that the disk works while answers are sent
      do partitions.announceProgress(); while (purgatory.checkMarked(this.#mayContinue) && this.#mayContinue());
      this.#dirty.flush(this.#mayContinue);
      this.#leavesGrants = this.#budget.isAfter(LAST_GRANT_MS);
      if (!this.#leavesGrants) this.memory.grantWaiting(this.#mayContinue);
    } while ((!this.#dirty.isEmpty || partitions.hasProgress || coordinators.hasGathered) && this.#mayContinue());
    partitions.beginGroupFlush();
    coordinators.sendWaiting();
    partitions.sendWaiting();
    for (const outbox of outboxes) outbox.flush();
    this.#connections.reportClosed();
  }

  /** @returns whether it may have been long work: a request to coordinators, or their answer, has up to thousands of elements */
  #onRecord(sender: number, record: RingRecord): boolean {
    const transfer = transferOf(record);
    if (transfer?.role === message.connectionRole.outgoing) {
      if (this.#outgoing === null) closeDescriptor(transfer.fd);
      else this.#outgoing.receive(transfer.peer, transfer.fd);
      return false;
    }
    if (transfer !== null) {
      const connection = this.#connections.receive(sender, transfer);
      if (connection !== null) this.#idle.markActive(connection);
      return false;
    }
    const taken = takenContextOf(record);
    if (taken !== null) {
      this.arena.release(taken);
      return false;
    }
    if (this.#parts.partitions.receive(sender, record)) return false;
    const known = this.#parts.coordinators.receive(sender, record);
    assert(known, "every ring record has a receiver");
    return true;
  }
}

/** The eventfd by which other isolates wake the shard. What they want is in its rings. */
function wakeUp(inbox: Inbox): DescriptorUser {
  const never = () => assert(false, "an eventfd is readable, and nothing else");
  return { onReadable: () => inbox.clear(), onWritable: never, onHangUp: never, onTurn: never };
}
