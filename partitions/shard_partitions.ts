/**
 * A shard's door to all partitions of the broker: its own answer at once, by a call; those of other shards through the
 * rings. It opens, updates and removes the logs the metadata image assigns to this shard. Runs on shards.
 */
import { ColdLookups } from "./owned/cold_lookups.ts";
import type { PartitionImage, TopicImage } from "./metadata/image.ts";
import type {
  AppendOutcome,
  AppendWaiter,
  DeletionWaiter,
  EpochEndWaiter,
  ListOffsetWaiter,
  ReadRequest,
  ReadWaiter,
} from "./requests/outcomes.ts";
import { refusedAppend } from "./requests/outcomes.ts";
import { type LogStore, NO_DESCRIPTORS } from "./owned/log_store.ts";
import { Partition, type PartitionOwner } from "./owned/partition.ts";
import { PartitionUpkeep } from "./owned/partition_upkeep.ts";
import { PartitionService } from "./remote/partition_service.ts";
import type { Purgatory } from "./requests/purgatory.ts";
import type { Refusal } from "./requests/refusals.ts";
import { RemotePartitions } from "./remote/remote_partitions.ts";
import { SegmentRemoval } from "./owned/segment_removal.ts";
import { type TopicChange, TopicChanges } from "./owned/topic_changes.ts";
import {
  type Clock,
  type FlushOutcome,
  type FlushRequest,
  type NativeMemory,
  NO_OFFSET,
  type Offset,
  storageFailure,
  toOffset,
} from "../storage/mod.ts";
import type { Outbox } from "./shared/mail.ts";
import * as message from "./shared/messages.ts";
import type { RingRecord } from "./shared/ring.ts";
import { emptyWatermarks, type InterestTable, partitionState, type WatermarkTable } from "./shared/watermarks.ts";

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
  /** The receive arena of each shard. */
  readonly arenas: readonly NativeMemory[];
  /** `log.flush.scheduler.interval.ms`: how often `flush.ms` is looked at. */
  readonly flushCheckMs: number;
  /** Tells the operator something. */
  readonly report: (text: string) => void;
  /** Makes files durable on another thread. */
  readonly flush: (request: FlushRequest, done: (outcome: FlushOutcome) => void) => void;
  /** Removes files, and directories with all that is in them, on another thread. */
  readonly unlink: (paths: readonly string[]) => void;
  /** Brings whole files into the page cache on another thread; `done` runs on a later turn. */
  readonly load: (files: readonly string[], done: () => void) => void;
}

/** Flushes of one shard under way: each keeps the files of closed segments open (net/accept/descriptor_budget.ts counts on it). */
const FLUSHES_MAX = 4;

/** Operations in flight at which requests of many partitions pause; each takes about 400 bytes, with another shard on either side. */
const OPERATIONS_MAX = 16_384;
/** Records that wait for room in the ring to one shard at which they pause. */
const WAITING_RECORDS_MAX = 8192;

/** Where a partition is. */
export interface PartitionPlace {
  readonly shard: number;
  readonly slot: number;
}

/** The door. */
export class ShardPartitions implements PartitionOwner {
  readonly #parts: ShardPartitionsParts;
  readonly #own = new Map<number, Partition>();
  /** `topic-partition` by slot, for messages. */
  readonly #names = new Map<number, string>();
  /** Slots of own partitions whose logs could not be opened. */
  readonly #unopened = new Set<number>();
  readonly #remote: RemotePartitions;
  readonly #service: PartitionService;
  readonly #removal: SegmentRemoval;
  readonly #cold: ColdLookups;
  readonly #memory: NativeMemory;
  readonly #moved: number[] = [];
  readonly #isMoved = new Set<number>();
  readonly #upkeep: PartitionUpkeep;
  readonly #changes: TopicChanges;
  readonly #wallMs: () => number;
  #flushesCount = 0;
  /** Slots of partitions that wait to flush, in their order. */
  readonly #wantFlush = new Set<number>();
  #isStopping = false;
  readonly #row = emptyWatermarks();
  readonly #appended: AppendOutcome = { ...refusedAppend("unknown-partition"), refusal: null };

  /** @param parts the shard's pieces */
  constructor(parts: ShardPartitionsParts) {
    this.#parts = parts;
    this.#memory = parts.arenas[parts.shard] as NativeMemory;
    this.#remote = new RemotePartitions(parts.outboxes);
    const nowMs = parts.clock.monotonicMs();
    this.#wallMs = () => parts.clock.wallMs();
    this.#cold = new ColdLookups(parts.load);
    this.#removal = new SegmentRemoval(this.#own, parts.unlink);
    this.#upkeep = new PartitionUpkeep(this.#own, { nowMs, flushCheckMs: parts.flushCheckMs });
    this.#changes = new TopicChanges(parts.shard, {
      apply: (...step) => this.#apply(...step),
      remove: (...step) => this.#remove(...step),
    });
    this.#service = new PartitionService(this.#own, {
      outboxes: parts.outboxes,
      arenas: parts.arenas,
      clock: parts.clock,
      refusalOf: (slot) => this.#refusalOf(slot),
      cold: this.#cold,
      onRelease: (_slot, lease) => parts.store.release(lease),
    });
  }

  /** Operations that wait for another shard's answer, or for files that another thread loads. */
  get inFlight(): number {
    return this.#remote.inFlight + this.#cold.count;
  }

  /** Whether so many answers are owed, or records are taken so slowly, that nothing should be added to a request's operations. */
  get isCrowded(): boolean {
    if (this.inFlight >= OPERATIONS_MAX) return true;
    return this.#parts.outboxes.some((outbox) => outbox.waitingCount >= WAITING_RECORDS_MAX);
  }

  /** The shard's own partitions. */
  get own(): Iterable<Partition> {
    return this.#own.values();
  }

  /** An own partition by its row, to append the broker's own records to; undefined when its log could not be opened. */
  ownAt(slot: number): Partition | undefined {
    return this.#own.get(slot);
  }

  /**
   * Opens, updates or keeps the partitions of changed topics that belong here, and removes those of deleted topics, a few a turn.
   * @param done gets sentences about logs that could not be opened, which stay offline, and directories that could not be renamed,
   * which the next start removes; on a later turn
   */
  change(topics: TopicChange, done: (failures: readonly string[]) => void): void {
    this.#changes.add(topics, done);
  }

  /** Does at once what changes have left. */
  finishChanges(): void {
    this.#changes.finish();
  }

  /** Lets a partition go, if it can go now: its row says so, and the shard that the image names next opens it. */
  handOver(slot: number): void {
    if (!this.#changes.isEmpty || this.#own.get(slot)?.handOver() !== true) return;
    this.#own.delete(slot);
    this.#names.delete(slot);
  }

  /** Ends the start: logs opened from now on are new ones (log_store.ts). @returns what the operator must know of the others, or null */
  endStart(): string | null {
    this.#parts.store.forgetCheckpoints();
    return this.#parts.store.uncommittedWarning();
  }

  /** From now on no flush begins: `close()` makes everything durable, and must be alone with the files (storage/log/log_durability.ts). */
  stopFlushing(): void {
    this.#isStopping = true;
  }

  /** Closes all logs, after what a clean stop leaves to do. @param options clean: trimmed and with snapshots @returns whether all were closed as asked */
  close(options: { clean: boolean }): boolean {
    if (options.clean) this.finishChanges();
    let asked = true;
    for (const partition of this.#own.values()) asked = partition.close(options) && asked;
    this.#own.clear();
    return asked;
  }

  /** When `maintain()` has something to do, monotonic ms. */
  get nextDeadlineMs(): number {
    return this.#changes.isEmpty ? Math.min(this.#removal.nextDeadlineMs, this.#upkeep.nextDeadlineMs) : 0;
  }

  /** Does what is due once in a while; called every turn. @param nowMs monotonic time */
  maintain(nowMs: number): void {
    this.#changes.run();
    this.#removal.run(nowMs);
    this.#upkeep.run(nowMs, this.#wallMs);
  }

  onTrouble(slot: number, text: string): void {
    this.#parts.report(`${this.#names.get(slot) ?? `slot ${slot}`}: ${text}`);
  }

  onLogStartMoved(slot: number): void {
    this.#removal.note(slot);
  }

  mayFlush(slot: number): boolean {
    if (this.#isStopping) return false;
    if (this.#flushesCount < FLUSHES_MAX) return true;
    this.#wantFlush.add(slot);
    return false;
  }

  onFlush(request: FlushRequest, done: (outcome: FlushOutcome) => void): void {
    this.#flushesCount++;
    this.#parts.flush(request, (outcome) => {
      this.#flushesCount--;
      done(outcome);
      for (const slot of this.#wantFlush) {
        if (this.#flushesCount === FLUSHES_MAX) break;
        this.#wantFlush.delete(slot);
        this.#own.get(slot)?.flushLater();
      }
    });
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
    if (place.shard !== this.#parts.shard) {
      this.#remote.append(place, batch, waiter, tag);
      return false;
    }
    const partition = this.#own.get(place.slot);
    const refused = () => refusedAppend(this.#refusalOf(place.slot));
    waiter.onAppended(tag, partition === undefined ? refused() : this.#appendHere(partition, batch));
    return true;
  }

  /** Borrows a slice for a fetch. */
  read(place: PartitionPlace, request: ReadRequest, waiter: ReadWaiter, tag: number): void {
    if (place.shard !== this.#parts.shard) return this.#remote.read(place, request, waiter, tag);
    this.#service.read(place.slot, request, { outcome: () => waiter.outcomeOf(tag), done: () => waiter.onRead(tag) });
  }

  /** Gives a borrowed slice back. */
  release(place: PartitionPlace, lease: number): void {
    if (place.shard === this.#parts.shard) this.#parts.store.release(lease);
    else this.#remote.release(place, lease);
  }

  /** Finds the offset for a timestamp. */
  listOffset(
    place: PartitionPlace,
    query: { timestamp: number; currentLeaderEpoch: number; committedOnly: boolean },
    waiter: ListOffsetWaiter,
    tag: number,
  ): void {
    if (place.shard !== this.#parts.shard) return this.#remote.listOffset(place, query, waiter, tag);
    const none = () => ({ refusal: this.#refusalOf(place.slot), offset: NO_OFFSET, timestamp: -1, leaderEpoch: -1 });
    waiter.onListOffset(tag, this.#own.get(place.slot)?.listOffset(query) ?? none());
  }

  /** Finds where a leader epoch ends. */
  epochEnd(
    place: PartitionPlace,
    query: { currentLeaderEpoch: number; leaderEpoch: number },
    waiter: EpochEndWaiter,
    tag: number,
  ): void {
    if (place.shard !== this.#parts.shard) return this.#remote.epochEnd(place, query, waiter, tag);
    const none = () => ({ refusal: this.#refusalOf(place.slot), leaderEpoch: -1, endOffset: NO_OFFSET });
    waiter.onEpochEnd(tag, this.#own.get(place.slot)?.epochEnd(query) ?? none());
  }

  /** Moves the log start of a partition. @param offset the new one; -1 is the high watermark */
  deleteRecords(place: PartitionPlace, offset: number, waiter: DeletionWaiter, tag: number): void {
    if (place.shard !== this.#parts.shard) return this.#remote.deleteRecords(place, offset, waiter, tag);
    const none = () => ({ refusal: this.#refusalOf(place.slot), logStartOffset: NO_OFFSET });
    waiter.onRecordsDeleted(tag, this.#own.get(place.slot)?.deleteRecords(offset) ?? none());
  }

  /** Takes a ring record of another shard. @returns false when it is none of partitions' */
  receive(sender: number, record: RingRecord): boolean {
    if (record.ints[record.int] === message.kind.watermark) {
      this.#parts.purgatory.markProgress(record.ints[record.int + message.watermark.slot] as number);
      return true;
    }
    return this.#remote.receive(record) || this.#service.receive(sender, record);
  }

  /** Remembers that a partition moved; everybody is told once, at the end of the turn. */
  onMoved(slot: number): void {
    if (this.#isMoved.has(slot)) return;
    this.#isMoved.add(slot);
    this.#moved.push(slot);
  }

  /** Whether partitions moved since the last announcement. */
  get hasMoved(): boolean {
    return this.#moved.length > 0;
  }

  /** Tells whoever waits, here and on other shards, which partitions moved in this turn. */
  announceMoved(): void {
    if (this.#moved.length === 0) return;
    const { interest, purgatory, outboxes, shard } = this.#parts;
    for (const slot of this.#moved) {
      purgatory.markProgress(slot);
      for (const [peer, outbox] of outboxes.entries()) {
        if (peer === shard || !interest.has(peer, slot)) continue;
        outbox.sendWatermark(slot);
      }
    }
    this.#moved.length = 0;
    this.#isMoved.clear();
  }

  #apply(topic: TopicImage, place: PartitionImage, failures: string[]): void {
    const partition = this.#own.get(place.slot);
    if (partition === undefined) this.#open(topic, place, failures);
    else partition.update({ leaderEpoch: place.leaderEpoch, config: topic.logConfig });
  }

  #remove(topic: TopicImage, { slot, partition: number }: PartitionImage, failures: string[]): void {
    if (this.#unopened.delete(slot)) {
      this.#parts.store.forget(topic, number);
      this.#parts.table.write(slot, emptyWatermarks());
    }
    const partition = this.#own.get(slot);
    if (partition === undefined) return;
    this.#own.delete(slot);
    this.#names.delete(slot);
    try {
      this.#removal.removeDirectory(partition.remove(), partition.config.fileDeleteDelayMs);
    } catch (error) {
      failures.push(`Cannot remove ${topic.name}-${number}: ${storageFailure(error)}`);
    }
  }

  #open(topic: TopicImage, place: PartitionImage, failures: string[]): void {
    const { table, store } = this.#parts;
    const row = table.read(place.slot, emptyWatermarks());
    const handedOver = row.state === partitionState.handedOver ? row : null;
    const log = store.open(topic, place.partition, handedOver);
    if (typeof log === "string") {
      this.#unopened.add(place.slot);
      this.#keepCheckpoints(place.slot, store.checkpointed(topic, place.partition));
      this.onMoved(place.slot); // who waited for the shard that had it is answered
      if (log !== NO_DESCRIPTORS) failures.push(log);
      return;
    }
    this.#unopened.delete(place.slot);
    const config = topic.logConfig;
    const partition = new Partition(log, { ...place, config, table, owner: this }, handedOver?.visibleBytes);
    this.#own.set(place.slot, partition);
    if (log.segmentsBelowStart > 0) this.#removal.note(place.slot);
    this.#names.set(place.slot, `${topic.name}-${place.partition}`);
  }

  /** Why there is no partition here: unless its row is closed, another shard has it, or is about to. */
  #refusalOf(slot: number): Refusal {
    if (this.#unopened.has(slot)) return "log-offline";
    const { state } = this.#parts.table.read(slot, this.#row);
    const isClosed = state === partitionState.closed || state === partitionState.closedCleanly;
    return isClosed ? "unknown-partition" : "not-leader-or-follower";
  }

  /** Of a log that could not be opened: when it can be, deleted records must not come back, nor lost ones pass for never flushed. */
  #keepCheckpoints(slot: number, kept: { recoveryPoint: Offset; logStartOffset: Offset }): void {
    const { logStartOffset } = kept;
    const [highWatermark, lastStableOffset, logEndOffset] = [logStartOffset, logStartOffset, logStartOffset];
    const watermarks = { ...emptyWatermarks(), ...kept, highWatermark, lastStableOffset, logEndOffset };
    this.#parts.table.write(slot, { ...watermarks, state: partitionState.offline });
  }

  #appendHere(partition: Partition, batch: { start: number; length: number }): AppendOutcome {
    const place = { memory: this.#memory, start: batch.start, length: batch.length };
    const result = partition.append(place, this.#parts.clock.wallMs());
    const outcome = this.#appended;
    outcome.refusal = result.refusal;
    outcome.recordIndex = result.recordIndex;
    outcome.baseOffset = result.baseOffset;
    outcome.nextOffset = toOffset(result.lastOffset + 1);
    outcome.appendTimeMs = result.appendTimeMs;
    outcome.logStartOffset = partition.log.logStartOffset;
    return outcome;
  }
}
