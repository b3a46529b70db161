/**
 * A shard's door to all partitions of the broker: those of this shard are called (owned/), those of other shards are asked through the
 * rings (remote/). Runs on shards.
 */
import type { Clock, NativeMemory } from "../storage/mod.ts";
import { ColdLookups } from "./owned/cold_lookups.ts";
import type { Flush } from "./owned/flush_gate.ts";
import type { LogStore } from "./owned/log_store.ts";
import { OwnedPartitions } from "./owned/owned_partitions.ts";
import { OwnedRequests } from "./owned/owned_requests.ts";
import type { Partition } from "./owned/partition.ts";
import { ProgressNotices } from "./owned/progress_notices.ts";
import type { AnswerWaiter, AnyQuestion } from "./questions/question.ts";
import { questions } from "./questions/questions.ts";
import type { Arena } from "./shared/arena.ts";
import { PartitionService } from "./remote/partition_service.ts";
import { RemotePartitions } from "./remote/remote_partitions.ts";
import { type AppendWaiter, emptyAppendOutcome, type ReadRequest, type ReadWaiter } from "./requests/outcomes.ts";
import type { Purgatory } from "./requests/purgatory.ts";
import type { Outbox } from "./shared/mail.ts";
import * as message from "./shared/messages.ts";
import type { RingRecord } from "./shared/ring.ts";
import type { InterestTable, WatermarkTable } from "./shared/watermarks.ts";

/** What the door is built from. */
export interface ShardPartitionsParts {
  readonly shard: number;
  readonly clock: Clock;
  readonly store: LogStore;
  readonly table: WatermarkTable;
  readonly interest: InterestTable;
  readonly purgatory: Purgatory;
  /** The way to each shard, by number; the own one is not used. */
  readonly outboxes: readonly Outbox[];
  /** This shard's arena. */
  readonly arena: Arena;
  /** The arena of each shard. */
  readonly arenas: readonly NativeMemory[];
  /** `log.flush.scheduler.interval.ms`: how often `flush.ms` is looked at. */
  readonly flushCheckMs: number;
  /** Tells the operator something. */
  readonly report: (text: string) => void;
  readonly flush: Flush;
  /** Removes files, and directories with all that is in them, on another thread. */
  readonly unlink: (paths: readonly string[]) => void;
  /** Brings whole files into the page cache on another thread; `done` runs on a later turn. */
  readonly load: (files: readonly string[], done: () => void) => void;
  /** What may be asked; every question that there is where absent. */
  readonly asked?: readonly AnyQuestion[];
}

/** Operations in flight at which requests of many partitions pause. */
const OPERATIONS_MAX = 4096;
/** Asked at each step of a request: a function that is made once. */
const isCrowded = (outbox: Outbox) => outbox.isCrowded;

/** Where a partition is. */
export interface PartitionPlace {
  readonly shard: number;
  readonly slot: number;
}

/** The door. */
export class ShardPartitions {
  /** The partitions of this shard. */
  readonly owned: OwnedPartitions;
  readonly #shard: number;
  readonly #store: LogStore;
  readonly #purgatory: Purgatory;
  readonly #outboxes: readonly Outbox[];
  readonly #ownedRequests: OwnedRequests;
  readonly #notices: ProgressNotices;
  readonly #remote: RemotePartitions;
  readonly #service: PartitionService;
  readonly #cold: ColdLookups;
  readonly #memory: NativeMemory;
  readonly #appended = emptyAppendOutcome();

  /** @param parts the shard's pieces */
  constructor(parts: ShardPartitionsParts) {
    const { shard, arenas, outboxes, store, clock, asked = questions } = parts;
    this.#shard = shard;
    this.#store = store;
    this.#purgatory = parts.purgatory;
    this.#outboxes = outboxes;
    this.#memory = parts.arena.memory;
    this.#notices = new ProgressNotices(parts);
    this.owned = new OwnedPartitions({ ...parts, onProgress: (slot) => this.#notices.note(slot) });
    this.#cold = new ColdLookups(parts.load);
    this.#ownedRequests = new OwnedRequests(this.owned, { clock, cold: this.#cold });
    this.#remote = new RemotePartitions({ outboxes, arenas, questions: asked });
    this.#service = new PartitionService(this.#ownedRequests, {
      outboxes,
      arenas,
      arena: parts.arena,
      questions: asked,
      onRelease: (lease) => store.release(lease),
    });
  }

  /** Operations that wait for another shard's answer, or for files that another thread loads. */
  get inFlight(): number {
    return this.#remote.inFlight + this.#cold.count;
  }

  /** Whether so many answers are owed, or records are taken so slowly, that nothing should be added to a request's operations. */
  get isCrowded(): boolean {
    return this.inFlight >= OPERATIONS_MAX || this.#outboxes.some(isCrowded);
  }

  /** An own partition by its row, to append the broker's own records to; undefined when its log could not be opened. */
  ownAt(slot: number): Partition | undefined {
    return this.owned.at(slot);
  }

  /** When `maintain()` has something to do, monotonic ms. */
  get nextDeadlineMs(): number {
    return this.owned.nextDeadlineMs;
  }

  /** Does what is due once in a while; called every turn. @param nowMs monotonic time */
  maintain(nowMs: number): void {
    this.owned.maintain(nowMs);
  }

  /**
   * Appends a batch that lies in this shard's arena.
   * @param batch its bytes; for a partition of another shard they must stay until the answer
   * @returns whether it was answered at once
   */
  append(
    place: PartitionPlace,
    batch: { start: number; length: number; acks: number },
    waiter: AppendWaiter,
    tag: number,
  ): boolean {
    if (place.shard !== this.#shard) {
      this.#remote.append(place, batch, waiter, tag);
      return false;
    }
    const { start, length, acks } = batch;
    this.#ownedRequests.append(place.slot, { memory: this.#memory, start, length, acks }, this.#appended);
    waiter.onAppended(tag, this.#appended);
    return true;
  }

  /** Borrows a slice for a fetch. */
  read(place: PartitionPlace, request: ReadRequest, waiter: ReadWaiter, tag: number): void {
    if (place.shard !== this.#shard) return this.#remote.read(place, request, waiter, tag);
    const to = { outcome: () => waiter.outcomeOf(tag), done: () => waiter.onRead(tag) };
    this.#ownedRequests.read(place.slot, request, to);
  }

  /** Gives a borrowed slice back. */
  release(place: PartitionPlace, lease: number): void {
    if (place.shard === this.#shard) this.#store.release(lease);
    else this.#remote.release(place, lease);
  }

  /** Asks a question (questions/); the answer comes at once from a partition of this shard, later from another's. */
  ask<Ask extends object, Answer extends object>(
    place: PartitionPlace,
    ask: Ask,
    waiter: AnswerWaiter<Ask, Answer>,
    tag: number,
  ): void {
    if (place.shard !== this.#shard) return this.#remote.ask(place, ask, waiter, tag);
    waiter.onAnswer(tag, this.#ownedRequests.ask(place.slot, waiter.question, ask));
  }

  /** Takes a ring record of another shard. @returns false when it is none of partitions' */
  receive(sender: number, record: RingRecord): boolean {
    if (record.ints[record.int] === message.kind.watermark) {
      this.#purgatory.markProgress(record.ints[record.int + message.watermark.slot] as number);
      return true;
    }
    return this.#remote.receive(sender, record) || this.#service.receive(sender, record);
  }

  /** Sends answers that waited for room in this shard's arena, now that the turn gave its memory back. */
  sendWaiting(): void {
    this.#service.sendWaiting();
  }

  /** Whether `announceProgress()` has something to tell. */
  get hasProgress(): boolean {
    return this.#notices.areWaiting;
  }

  /** Tells whoever waits, here and on other shards, of which partitions the high watermark moved in this turn, or which went away. */
  announceProgress(): void {
    this.#notices.send();
  }
}
