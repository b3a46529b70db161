/**
 * A shard's access to all partitions of the broker. Partitions of this shard are called directly (owned/), those of other shards through
 * the rings (remote/). Runs on shards.
 */
import type { Clock, FlushOutcome, NativeMemory } from "../storage/mod.ts";
import type { CleaningNotice } from "./cleaning/cleaning_calls.ts";
import { ColdLookups } from "./owned/cold_lookups.ts";
import type { Codecs } from "./owned/appends/codec_jobs.ts";
import type { Flush } from "./owned/flush_gate.ts";
import type { FlushLine } from "./flush_worker/flush_line.ts";
import { timedFlush, timedFlushAll } from "./flush_worker/timed_flushes.ts";
import type { ReplicationParts } from "./owned/led_replicas.ts";
import type { LogStore } from "./owned/log_store.ts";
import { OwnedPartitions } from "./owned/owned_partitions.ts";
import { OwnedRequests } from "./owned/owned_requests.ts";
import type { Partition } from "./owned/partition.ts";
import { ProgressNotices } from "./owned/progress_notices.ts";
import { type AnswerWaiter, type AnyQuestion, refuseAnswer } from "./questions/question.ts";
import { ELSEWHERE } from "./metadata/image.ts";
import { questions } from "./questions/questions.ts";
import type { Arena } from "./shared/arena.ts";
import { PartitionService } from "./remote/partition_service.ts";
import { RemotePartitions } from "./remote/remote_partitions.ts";
import type { RetentionEvent, RetentionSettings } from "./retention/retention_events.ts";
import type { LoadFiles } from "./retention/retention_pass.ts";
import {
  type AppendedBytes,
  type AppendWaiter,
  emptyAppendOutcome,
  type ReadRequest,
  type ReadWaiter,
  refuseAppend,
  refuseRead,
} from "./requests/outcomes.ts";
import type { Purgatory } from "./requests/purgatory.ts";
import type { Outbox } from "./shared/mail.ts";
import * as message from "./shared/messages.ts";
import type { RingRecord } from "./shared/ring.ts";
import { flushWorkerNumber } from "./shared/shared_state.ts";
import type { InterestTable, WatermarkTable } from "./shared/watermarks.ts";

/** What `ShardPartitions` is built from. */
export interface ShardPartitionsParts {
  readonly shard: number;
  /** Id of this broker. */
  readonly nodeId: number;
  readonly clock: Clock;
  readonly store: LogStore;
  readonly table: WatermarkTable;
  readonly interest: InterestTable;
  readonly purgatory: Purgatory;
  /** The outbox to each shard, by its number; the one to this shard is not used. */
  readonly outboxes: readonly Outbox[];
  /** This shard's arena. */
  readonly arena: Arena;
  /** The arena of each shard. */
  readonly arenas: readonly NativeMemory[];
  /** `log.flush.scheduler.interval.ms`: time between two checks of `flush.ms`. */
  readonly flushCheckMs: number;
  /** Reports a sentence to the operator. */
  readonly report: (text: string) => void;
  readonly flush: Flush;
  /** A log was flushed; by default nobody is told. @param tookMs since the flush began */
  readonly onFlushed?: (tookMs: number) => void;
  /** Execute the flushes that acknowledgements wait for, by log directory. */
  readonly flushLines: readonly FlushLine[];
  /** Unpack and pack batches. */
  readonly codecs: Codecs;
  /** Makes a directory's entries durable on another thread. */
  readonly flushDirectory: (directory: string, done: (outcome: FlushOutcome) => void) => void;
  /** Tells the main isolate what concerns the compaction of a log. */
  readonly onCleaningNotice: (notice: CleaningNotice) => void;
  /** Removes files, and directories with their contents, on another thread. */
  readonly unlink: (paths: readonly string[]) => void;
  readonly load: LoadFiles;
  /** How retention runs. */
  readonly retention: RetentionSettings;
  /** Passes an event of retention on to the main isolate. */
  readonly onRetention: (event: RetentionEvent) => void;
  /** A log went offline, so a start must not believe the page cache. */
  readonly onCacheDoubtful: () => void;
  /** What partitions with followers need; none by default. */
  readonly replication?: ReplicationParts;
  /** Questions that may be asked; by default all of them. */
  readonly asked?: readonly AnyQuestion[];
}

/** With so many operations in flight, requests that name many partitions pause. */
const OPERATIONS_MAX = 4096;
/** Made once, because they are called at each step of a request. */
const isCrowded = (outbox: Outbox) => outbox.isCrowded;
const addInFlight = (sum: number, line: FlushLine) => sum + line.inFlight;

/**
 * The shard that owns a partition, and the partition's row in the watermark table. Both are ELSEWHERE for a partition without a replica on
 * this broker: it refuses everything with "not-leader-or-follower".
 */
export interface PartitionPlace {
  readonly shard: number;
  readonly slot: number;
}

/** The partitions of the cluster, as one shard reaches them. */
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
  readonly #flushLines: readonly FlushLine[];
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
    this.#flushLines = parts.flushLines;
    const timer = { clock, onFlushed: parts.onFlushed ?? (() => {}) };
    this.owned = new OwnedPartitions({
      ...parts,
      flush: timedFlush(parts.flush, timer),
      flushAll: parts.flushLines.map((line) => timedFlushAll((requests, done) => line.flush(requests, done), timer)),
      onProgress: (slot) => this.#notices.note(slot),
    });
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

  /**
   * Operations that wait for an answer of another shard or of a flush worker, in the queue of a partition, or for files that another
   * thread loads.
   */
  get inFlight(): number {
    return this.#remote.inFlight + this.#flushingCount + this.#cold.count + this.#ownedRequests.queuedCount;
  }

  /** Whether requests should start no more operations: too many are in flight, or another shard takes its records too slowly. */
  get isCrowded(): boolean {
    return this.inFlight >= OPERATIONS_MAX || this.#outboxes.some(isCrowded);
  }

  /** A partition of this shard by its row, for appends of the broker itself; undefined when its log could not be opened. */
  ownAt(slot: number): Partition | undefined {
    return this.owned.at(slot);
  }

  /** When `maintain()` is due, monotonic ms. */
  get nextDeadlineMs(): number {
    return this.owned.nextDeadlineMs;
  }

  /** Runs the periodic work that is due; called every turn. @param nowMs monotonic time @param mayContinue asked between two pieces of it */
  maintain(nowMs: number, mayContinue: () => boolean = () => true): void {
    this.owned.maintain(nowMs, mayContinue);
  }

  /**
   * Appends a batch that lies in this shard's arena.
   * @param batch its bytes; they must stay in place until the answer
   * @returns whether it was answered at once
   */
  append(
    place: PartitionPlace,
    batch: AppendedBytes,
    waiter: AppendWaiter,
    tag: number,
  ): boolean {
    const outcome = this.#appended;
    if (place.shard !== this.#shard) {
      if (place.shard !== ELSEWHERE) {
        this.#remote.append(place, batch, waiter, tag);
        return false;
      }
      refuseAppend(outcome, "not-leader-or-follower");
      waiter.onAppended(tag, outcome);
      return true;
    }
    const { start, length, acks, isAhead = false } = batch;
    const own = { memory: this.#memory, arena: this.#shard, start, length, acks, isAhead };
    const waiting = this.#ownedRequests.append(place.slot, own, outcome);
    if (waiting === null) waiter.onAppended(tag, outcome);
    else this.#ownedRequests.whenEnded(waiting, { outcome, done: () => waiter.onAppended(tag, outcome) });
    return waiting === null;
  }

  /** Borrows a slice for a fetch. */
  read(place: PartitionPlace, request: ReadRequest, waiter: ReadWaiter, tag: number): void {
    if (place.shard !== this.#shard) {
      if (place.shard !== ELSEWHERE) return this.#remote.read(place, request, waiter, tag);
      refuseRead(waiter.outcomeOf(tag), "not-leader-or-follower");
      return waiter.onRead(tag);
    }
    const to = { outcome: () => waiter.outcomeOf(tag), done: () => waiter.onRead(tag) };
    this.#ownedRequests.read(place.slot, request, to);
  }

  /** Gives a borrowed slice back. */
  release(place: PartitionPlace, lease: number): void {
    if (place.shard === this.#shard) this.#store.release(lease);
    else this.#remote.release(place, lease);
  }

  /**
   * Asks a question (questions/). A partition of this shard answers during the call, and so does one that this broker does not have: it
   * refuses. One of another shard answers later.
   */
  ask<Ask extends object, Answer extends object>(
    place: PartitionPlace,
    ask: Ask,
    waiter: AnswerWaiter<Ask, Answer>,
    tag: number,
  ): void {
    if (place.shard !== this.#shard) {
      if (place.shard !== ELSEWHERE) return this.#remote.ask(place, ask, waiter, tag);
      return waiter.onAnswer(tag, refuseAnswer(waiter.question, "not-leader-or-follower"));
    }
    waiter.onAnswer(tag, this.#ownedRequests.ask(place.slot, waiter.question, ask));
  }

  /** Handles a ring record of another shard. @returns false when it does not concern partitions */
  receive(sender: number, record: RingRecord): boolean {
    if (record.ints[record.int] === message.kind.watermark) {
      this.#purgatory.markProgress(record.ints[record.int + message.watermark.slot] as number);
      return true;
    }
    return this.#remote.receive(sender, record) || this.#service.receive(sender, record) ||
      this.#receiveFlushed(sender, record);
  }

  /** Sends answers that waited for room in this shard's arena; called when the turn has freed its memory. */
  sendWaiting(): void {
    this.#service.sendWaiting();
  }

  /** Begins the flushes that appends of this turn wait for, in each log directory in which none is under way. */
  beginGroupFlush(): void {
    this.owned.beginGroupFlush();
  }

  /** Whether `announceProgress()` has something to announce. */
  get hasProgress(): boolean {
    return this.#notices.areWaiting;
  }

  /** Notifies waiting requests, on this shard and others, of each partition whose high watermark moved in this turn or that was removed. */
  announceProgress(): void {
    this.#notices.send();
  }

  get #flushingCount(): number {
    return this.#flushLines.reduce(addInFlight, 0);
  }

  #receiveFlushed(sender: number, record: RingRecord): boolean {
    return this.#flushLines[sender - flushWorkerNumber(this.#outboxes.length, 0)]?.receive(record) ?? false;
  }
}
