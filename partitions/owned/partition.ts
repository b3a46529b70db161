/**
 * A partition that this shard owns: its log, and the state of the replica (replication/replica_state.ts). Every event of the log is
 * reported to the replica. What follows from it is done here, in this order: the shared row is published, then waiting requests are
 * notified.
 *
 *   request ──► log ──event──► replica ──consequence──► row in the watermark table ──► owner.onProgress(): waiting requests read the row
 *
 * Always: the row has the replica's values; a request is served only while the replica is open. Requests wait for the high watermark,
 * never for the log end. Runs on the owning shard.
 * Source: Kafka's Partition and UnifiedLog.
 */
import {
  type AppendResult,
  type FlushOutcome,
  type FlushRequest,
  type Log,
  type LogConfig,
  type NativeMemory,
  NO_OFFSET,
  type Offset,
  toOffset,
} from "../../storage/mod.ts";
import { listOffset, type OffsetQuery } from "./listed_offsets.ts";
import { type PartitionAppendResult, PartitionAppends } from "./appends/partition_appends.ts";
import { PartitionFlushes } from "./partition_flushes.ts";
import type { PartitionChange, PartitionOwner, PartitionParts } from "./partition_parts.ts";
import { findEpochEnd, readPartition } from "./partition_reads.ts";
import type { ProducedBatch, QueuedAppend } from "./appends/queued_append.ts";
import { PartitionRemovals } from "./partition_removals.ts";
import { FollowerPartition } from "../replication/follower_partition.ts";
import { LeaderPartition, type LedRow } from "../replication/leader_partition.ts";
import { type Consequence, ReplicaState } from "../replication/replica_state.ts";
import type {
  DeletionOutcome,
  EpochEndOutcome,
  ListOffsetOutcome,
  ReadOutcome,
  ReadRequest,
} from "../requests/outcomes.ts";
import type { WatermarkTable } from "../shared/watermarks.ts";

/** One partition, led or followed by this broker. */
export class Partition {
  readonly slot: number;
  readonly log: Log;
  readonly replica: ReplicaState;
  /** Whether a cleaner reads its closed segments, or new ones are put in their place: none may be removed (owned_cleanings.ts). */
  isBeingCleaned = false;
  readonly #table: WatermarkTable;
  readonly #owner: PartitionOwner;
  readonly #appends: PartitionAppends;
  readonly #flushes: PartitionFlushes;
  readonly #removals: PartitionRemovals;
  #config: LogConfig;
  #follower: FollowerPartition | null = null;
  /** Its followers, while this broker leads it and is not its only replica. */
  #leader: LeaderPartition | null = null;

  /** @param log open, and owned by the partition from now on @param parts its row, its configuration and its owner */
  constructor(log: Log, parts: PartitionParts) {
    const { slot, owner, handedOver = null, followsFrom = null, lastLeadership = 0, isAlone } = parts;
    this.slot = slot;
    this.log = log;
    this.#config = parts.config;
    this.#table = parts.table;
    this.#owner = owner;
    // What was recovered may be in the page cache alone. It counts as acknowledged, so it is made durable first.
    const isDurable = handedOver !== null || !this.#mustFlush || log.flush();
    this.replica = new ReplicaState(log, parts.leaderEpoch, { handedOver, followsFrom, lastLeadership, isAlone });
    this.#removals = new PartitionRemovals(log, { slot, owner });
    this.#appends = new PartitionAppends(this, {
      codecJobs: owner.codecJobs,
      onResult: (result, nowMs) => this.#followAppend(result, nowMs),
      onLeft: () => owner.onAppendsLeft(slot),
    });
    this.#flushes = new PartitionFlushes(log, {
      slot,
      flusher: owner,
      events: { onBegin: () => this.replica.flushBegan(), onEnd: (outcome) => this.#onFlushEnd(outcome) },
    });
    if (followsFrom === null) log.becomeLeader(parts.leaderEpoch);
    const isContinued = handedOver === null || handedOver.leadership === this.leadership;
    this.#follow(isContinued ? "publish" : "complete");
    if (!isDurable) this.#onFlushEnd(log.offlineReason === null ? "postponed" : "failed");
    else if (handedOver !== null) this.#acknowledge();
  }

  /** What a fetcher does with a partition that is followed. */
  get follower(): FollowerPartition {
    return this.#follower ??= new FollowerPartition(this, {
      follow: (consequence) => this.#follow(consequence),
      onAppended: (bytes, nowMs) => this.#acknowledgeAppended(bytes, nowMs),
      onRefused: (message, isFinal) => this.#onRefused(message, isFinal),
      onRemoved: (paths) => this.#owner.onFilesRemoved(paths, this.#config.fileDeleteDelayMs),
      onTruncated: () => this.#owner.onTruncated(this.slot, this.log.logEndOffset),
    });
  }

  /** Its followers; null while this broker does not lead it, or is its only replica. */
  get leader(): LeaderPartition | null {
    return this.#leader;
  }

  /** Epoch of this leadership. */
  get leaderEpoch(): number {
    return this.replica.leaderEpoch;
  }

  /** Consumers see the records below it. */
  get highWatermark(): Offset {
    return this.replica.row.highWatermark;
  }

  /** Whether this broker leads it. */
  get isLeader(): boolean {
    return this.replica.isLeader;
  }

  /** Tells leaderships of this broker apart: odd while it leads. What waits for the high watermark waits for that of one leadership. */
  get leadership(): number {
    return this.replica.row.leadership;
  }

  /** Whether its log serves requests. */
  get isOpen(): boolean {
    return this.replica.isOpen;
  }

  /** The topic's configuration, with the broker's defaults. */
  get config(): LogConfig {
    return this.#config;
  }

  /** Applies a change of the topic's configuration or of the partition's row. */
  update(change: PartitionChange): void {
    this.#config = change.config;
    this.log.configure(change.config);
    if (this.isOpen) this.#acknowledge();
    if (change.leads) this.#lead(change.leaderEpoch, change.led ?? null);
    else this.#resign(change);
  }

  /**
   * Appends a batch of the broker itself. It is written when this returns, before clients' batches in the queue, which no order relates
   * it to. It is visible, and acknowledged, when the high watermark has passed it: at once, or after a flush if `flush.messages` asks
   * for one.
   * @param batch where its bytes lie; base offset and leader epoch are stamped in place
   * @param nowMs wall-clock time
   */
  append(batch: { memory: NativeMemory; start: number; length: number }, nowMs: number): PartitionAppendResult {
    return this.#appends.append(batch, nowMs);
  }

  /**
   * Appends a client's batch as `append()` does, but behind earlier ones of clients, and behind a codec worker if it takes long to unpack
   * or pack it.
   * @param batch its bytes stay in place until the append has ended
   * @returns the result, or the append that will have it
   */
  submit(batch: ProducedBatch, nowMs: number): PartitionAppendResult | QueuedAppend {
    return this.#appends.submit(batch, nowMs);
  }

  /** Writes queued appends whose turn has come. */
  runQueue(): void {
    this.#appends.run();
  }

  /** Begins a flush with a group (group_flush.ts); `endFlush()` ends it. @returns null when there is nothing to flush now */
  beginFlush(): FlushRequest | null {
    return this.#flushes.beginInGroup();
  }

  /** Ends a flush that `beginFlush()` began. */
  endFlush(request: FlushRequest, outcome: FlushOutcome): void {
    this.#flushes.end(request, outcome);
  }

  /** Begins a flush when `flush.ms` has passed since the last one. @param nowMs monotonic time */
  flushIfDue(nowMs: number): void {
    this.#flushes.beginIfDue(nowMs, this.#config.flushMs);
  }

  /** Begins to make the records appended so far durable, without waiting; does nothing while a flush is under way. */
  flushLater(): void {
    this.#flushes.begin();
  }

  /**
   * Lends a slice to a fetch.
   * @param outcome is filled @param deferCold whether files outside the page cache must be loaded first
   * @returns null when it is done; otherwise the files to load before it is asked again
   */
  read(request: ReadRequest, outcome: ReadOutcome, deferCold = false): readonly string[] | null {
    const files = readPartition(this, request, outcome, deferCold);
    if (outcome.refusal === "log-offline" && this.isOpen && this.log.offlineReason !== null) this.#fail();
    return files;
  }

  /** Finds the offset for a timestamp (ms) or a special timestamp. */
  listOffset(query: OffsetQuery): ListOffsetOutcome {
    return listOffset(this, query, (message) => this.#owner.onTrouble(this.slot, message));
  }

  /**
   * Moves the log start forward (KIP-107).
   * @param offset the new log start; -1 is the high watermark; an offset below the log start changes nothing
   */
  deleteRecords(offset: number): DeletionOutcome {
    const { highWatermark } = this;
    const start = toOffset(offset === -1 ? highWatermark : offset);
    const isOutside = start < 0 || start > highWatermark;
    const refusal = this.replica.refusalOf(-1) ?? (isOutside ? "offset-out-of-range" : null);
    if (refusal !== null) return { refusal, logStartOffset: NO_OFFSET };
    this.moveLogStart(start);
    return { refusal: null, logStartOffset: this.log.logStartOffset };
  }

  /** Moves the log start forward. @param start at most the high watermark; one below the log start changes nothing */
  moveLogStart(start: Offset): void {
    if (start <= this.log.logStartOffset) return;
    this.log.incrementLogStartOffset(start);
    this.#follow(this.replica.logStartMoved(start));
    this.#owner.onSegmentsBelowStart(this.slot);
  }

  /** Begins a new active segment, and a flush of the old one, unless that is empty. @returns false when the disk refused */
  roll(nowMs: number): boolean {
    const isDone = this.log.roll(nowMs);
    this.#flushes.beginAfterAppend(0, this.#config.recoveryIntervalBytes, nowMs);
    return isDone;
  }

  /** Removes the oldest segment, where `log.maySegmentBeDeleted`. @returns paths of the renamed files; null when the disk refused */
  removeOldestSegment(): string[] | null {
    return this.#removals.removeOldest();
  }

  /** Makes durable what the removal of the next segment waits for. The owner is told when it may be removed. */
  flushForRemoval(): void {
    this.#removals.wait();
    this.flushLater();
  }

  /** Finds where a leader epoch ends (KIP-101, KIP-279). */
  epochEnd(query: { currentLeaderEpoch: number; leaderEpoch: number }): EpochEndOutcome {
    return findEpochEnd(this, query);
  }

  /**
   * Closes the log; later requests are refused.
   * @param options clean: trimmed and with a snapshot, so that it reopens without a scan
   * @returns whether it was closed as asked
   */
  close(options: { clean: boolean }): boolean {
    this.#endLeadership();
    const isAsAsked = this.log.close(options);
    this.#follow(this.replica.closed(this.log.recoveryPoint, isAsAsked && options.clean));
    return isAsAsked;
  }

  /** Its log directory failed: it serves nothing until a restart. */
  takeOffline(): void {
    this.#follow(this.replica.failed());
    this.#appends.fail("log-offline");
  }

  /** A cleaning met damaged batches: as with a read that meets some, the partition goes offline. @param reason a sentence */
  onDamage(reason: string): void {
    if (!this.isOpen) return;
    this.log.goOffline(reason);
    this.#fail();
  }

  /** Calls back when no group flushes the partition, during this call or soon (partition_flushes.ts). */
  whenIdle(then: () => void): void {
    this.#flushes.whenIdle(then);
  }

  /**
   * Hands the partition over to another shard: closes its log cleanly and publishes that in the row. No one is notified: waiting requests
   * keep waiting for the next owner. @returns false when that is not possible now: a flush or a change of the in-sync set is under way, or
   * the disk refused
   */
  handOver(): boolean {
    if (this.#flushes.isUnderWay || !this.isOpen || this.#leader?.isChanging === true || this.replica.mayLack) {
      return false;
    }
    const isClosed = this.log.handOver();
    if (isClosed) {
      this.#endLeadership();
      this.#follow(this.replica.handedOver(this.log.recoveryPoint));
      this.#appends.fail("not-leader-or-follower");
    } else if (this.log.offlineReason !== null) this.#fail();
    return isClosed;
  }

  /** Closes the log for good; lent slices stay readable. @returns its directory, to be removed @throws Error when it cannot be renamed */
  remove(): ReturnType<Log["remove"]> {
    this.#endLeadership();
    try {
      return this.log.remove();
    } finally {
      this.#follow(this.replica.removed());
      this.#appends.fail("unknown-partition");
    }
  }

  #lead(leaderEpoch: number, led: LedRow | null): void {
    const { log, replica } = this;
    // A truncation that the disk did not let complete: the log's end is not what the row says.
    if (!replica.isLeader && log.offlineReason !== null) this.#fail();
    if (this.isOpen && (!replica.isLeader || replica.leaderEpoch !== leaderEpoch)) log.becomeLeader(leaderEpoch);
    const consequence = replica.lead(leaderEpoch, led === null);
    this.#follow(consequence);
    if (led === null) this.#endLeadership();
    else if (this.#leader !== null) this.#leader.rowChanged(led);
    else this.#leader = new LeaderPartition(this, led, (moved) => this.#follow(moved));
    if (!this.isOpen) this.#leader?.cannotWrite(true);
    else if (consequence === "complete") this.#acknowledge();
  }

  /** Whoever waits for the leadership is answered before anything of the log is cut off: other records may take the same offsets. */
  #resign({ leaderEpoch, follows = false }: PartitionChange): void {
    this.#endLeadership();
    const consequence = this.replica.follow(leaderEpoch);
    this.#follow(consequence);
    if (consequence === "complete") this.#appends.fail("not-leader-or-follower");
    const lostFrom = follows && this.isOpen ? this.replica.takeLostFrom() : null;
    if (lostFrom !== null && this.follower.truncateTo(lostFrom) !== "truncated") this.#fail();
  }

  /** Its followers count no more; the row is as it was. */
  #endLeadership(): void {
    this.#leader?.end();
    this.#leader = null;
  }

  /** Carries out the consequence of an event of the replica. */
  #follow(consequence: Consequence): void {
    if (consequence === "nothing") return;
    this.#table.write(this.slot, this.replica.row);
    if (consequence === "complete") this.#owner.onProgress(this.slot);
  }

  #followAppend(result: AppendResult, nowMs: number): AppendResult {
    const { log, replica } = this;
    if (result.refusal !== null) {
      if (result.refusal === "log-offline") this.#onRefused(result.message, true);
      else if (log.offlineReason !== null) this.#fail();
      return result;
    }
    if (!result.duplicate) replica.appended(log.logEndOffset, log.lastBatchBytes);
    this.#acknowledgeAppended(result.duplicate ? 0 : log.lastBatchBytes, nowMs);
    return result;
  }

  #acknowledgeAppended(bytes: number, nowMs: number): void {
    this.#flushes.beginAfterAppend(bytes, this.#config.recoveryIntervalBytes, nowMs);
    this.#acknowledge();
  }

  #onRefused(message: string, isFinal: boolean): void {
    this.#owner.onTrouble(this.slot, message);
    if (isFinal && this.log.offlineReason !== null) this.#fail();
    else this.#leader?.cannotWrite(false);
  }

  /** Whether so many records are not durable that the topic asks for a flush before more are acknowledged. */
  get #mustFlush(): boolean {
    return this.log.logEndOffset - this.log.recoveryPoint >= this.#config.flushMessages;
  }

  /** Acknowledges what was appended, or asks for the flush that has to come first. */
  #acknowledge(): void {
    const leader = this.#leader;
    if (!this.#mustFlush) return this.#follow(leader === null ? this.replica.acknowledged() : leader.acknowledged());
    this.#follow(leader === null ? "publish" : leader.appended());
    if (this.replica.hasUnacknowledged) this.#owner.onFlushNeeded(this.slot, false);
  }

  #onFlushEnd(outcome: FlushOutcome): void {
    if (outcome === "failed") return this.#fail();
    if (outcome === "flushed") {
      if (this.#removals.flushed()) this.flushLater();
      this.#follow(this.replica.flushed(this.log.recoveryPoint));
      this.#acknowledge();
    } else if (this.replica.hasUnacknowledged) this.#owner.onFlushNeeded(this.slot, true);
  }

  #fail(): void {
    if (this.isOpen) {
      const reason = this.log.offlineReason ?? "a flush failed";
      this.#owner.onTrouble(this.slot, `The log is offline until a restart: ${reason}`);
      this.#owner.onOffline();
    }
    this.#follow(this.replica.failed());
    this.#leader?.cannotWrite(true);
  }
}
