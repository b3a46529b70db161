/**
 * The partitions that the image assigns to this shard: opens, updates and removes them as the image changes, runs their periodic work,
 * hands them over to other shards, and closes them. Runs on the owning shard.
 *
 * Always: a log is open here exactly while its row says so. For a slot without a partition the reason is known (`refusalOf()`).
 */
import { type Clock, type FlushOutcome, type FlushRequest, type Offset, storageFailure } from "../../storage/mod.ts";
import { NO_LEADER } from "../cluster/partition_row.ts";
import type { CleaningNotice } from "../cleaning/cleaning_calls.ts";
import type { PartitionFailure, PartitionImage, TopicImage } from "../metadata/image.ts";
import { OFFLINE_DIRECTORY } from "../placement/directory_placement.ts";
import type { Refusal } from "../requests/refusals.ts";
import { emptyWatermarks, isLed, partitionState, type WatermarkTable } from "../shared/watermarks.ts";
import { type Flush, FlushGate } from "./flush_gate.ts";
import { FollowedPartitions } from "../replication/fetcher/followed_partitions.ts";
import { CodecJobs, type Codecs } from "./appends/codec_jobs.ts";
import { type FlushAll, GroupFlushes } from "./group_flush.ts";
import { DIRECTORY_OFFLINE, type LogStore, NO_DESCRIPTORS, rowOfUnopened } from "./log_store.ts";
import { LedReplicas, NO_REPLICATION, type ReplicationParts } from "./led_replicas.ts";
import { OwnedCleanings } from "./owned_cleanings.ts";
import { Partition } from "./partition.ts";
import type { PartitionOwner } from "./partition_parts.ts";
import { PartitionUpkeep } from "./partition_upkeep.ts";
import { Retention } from "../retention/retention.ts";
import type { RetentionEvent, RetentionSettings } from "../retention/retention_events.ts";
import type { LoadFiles } from "../retention/retention_pass.ts";
import { SegmentRemoval } from "./segment_removal.ts";
import { type TopicChange, TopicChanges } from "./topic_changes.ts";

/** What `OwnedPartitions` is built from. */
export interface OwnedPartitionsParts {
  readonly shard: number;
  /** Id of this broker: it leads the partitions whose leader has it. */
  readonly nodeId: number;
  readonly clock: Clock;
  readonly store: LogStore;
  readonly table: WatermarkTable;
  /** `log.flush.scheduler.interval.ms`: time between two checks of `flush.ms`. */
  readonly flushCheckMs: number;
  /** Reports a sentence to the operator. */
  readonly report: (text: string) => void;
  readonly flush: Flush;
  /** Execute groups of flushes, by log directory. */
  readonly flushAll: readonly FlushAll[];
  /** Unpack and pack batches. */
  readonly codecs: Codecs;
  /** Makes a directory's entries durable on another thread. */
  readonly flushDirectory: (directory: string, done: (outcome: FlushOutcome) => void) => void;
  /** Tells the main isolate what concerns the compaction of a log. */
  readonly onCleaningNotice: (notice: CleaningNotice) => void;
  /** Removes files, and directories with their contents, on another thread. */
  readonly unlink: (paths: readonly string[]) => void;
  readonly load: LoadFiles;
  readonly retention: RetentionSettings;
  /** Passes an event of retention on to the main isolate. */
  readonly onRetention: (event: RetentionEvent) => void;
  /** The high watermark of a partition moved, or the partition was removed. */
  readonly onProgress: (slot: number) => void;
  /** A log went offline, so a start must not believe the page cache. */
  readonly onCacheDoubtful: () => void;
  /** What partitions with followers need; none by default. */
  readonly replication?: ReplicationParts;
}

/** The partitions of one shard. */
export class OwnedPartitions implements PartitionOwner {
  readonly #parts: OwnedPartitionsParts;
  readonly #bySlot = new Map<number, Partition>();
  /** `topic-partition` by slot, for messages. */
  readonly #names = new Map<number, string>();
  /** Slots of partitions whose logs could not be opened. */
  readonly #unopened = new Set<number>();
  readonly #removal: SegmentRemoval;
  readonly #upkeep: PartitionUpkeep;
  readonly #retention: Retention;
  readonly #changes: TopicChanges;
  readonly #flushes: FlushGate;
  readonly #groups: GroupFlushes;
  readonly codecJobs: CodecJobs;
  /** Slots of partitions with queued appends whose turn has come. */
  readonly #appendsLeft = new Set<number>();
  /** The partitions that have followers. */
  readonly led: LedReplicas;
  /** The partitions that follow other brokers. */
  readonly followed = new FollowedPartitions();
  /** The compactions of the shard's logs. */
  readonly cleanings: OwnedCleanings;
  readonly #wallMs: () => number;
  readonly #row = emptyWatermarks();

  /** @param parts the shard's pieces */
  constructor(parts: OwnedPartitionsParts) {
    this.#parts = parts;
    const nowMs = parts.clock.monotonicMs();
    this.#wallMs = () => parts.clock.wallMs();
    this.led = new LedReplicas(parts.replication ?? NO_REPLICATION, parts);
    this.#removal = new SegmentRemoval(this.#bySlot, parts);
    this.#upkeep = new PartitionUpkeep(this.#bySlot, { nowMs, flushCheckMs: parts.flushCheckMs });
    this.#retention = this.#newRetention();
    this.#changes = new TopicChanges(parts.shard, {
      apply: (...step) => this.#apply(...step),
      remove: (...step) => this.#remove(...step),
    });
    this.#flushes = new FlushGate(parts.flush, (slot) => this.#bySlot.get(slot)?.flushLater());
    this.codecJobs = new CodecJobs(parts.codecs);
    this.cleanings = new OwnedCleanings({
      partitions: this.#bySlot,
      wallMs: this.#wallMs,
      flushDirectory: parts.flushDirectory,
      onRemoved: ({ config }, paths) => this.onFilesRemoved(paths, config.fileDeleteDelayMs),
      onEnded: (slot) => this.#removal.note(slot),
      onAborted: (slot) => parts.onCleaningNotice({ kind: "aborted", slot }),
      onTrouble: (slot, text) => this.onTrouble(slot, text),
    });
    this.#groups = new GroupFlushes(this.#bySlot, { flush: parts.flushAll, nowMs: () => parts.clock.monotonicMs() });
  }

  /** All open partitions. */
  get all(): Iterable<Partition> {
    return this.#bySlot.values();
  }

  /** A partition by its row; undefined when it is not open here: `refusalOf()` gives the reason. */
  at(slot: number): Partition | undefined {
    return this.#bySlot.get(slot);
  }

  /** Why a partition is not open here. Unless its row says closed, another shard has it or will open it. */
  refusalOf(slot: number): Refusal {
    if (this.#unopened.has(slot)) return "log-offline";
    const { state } = this.#parts.table.read(slot, this.#row);
    const isClosed = state === partitionState.closed || state === partitionState.closedCleanly;
    return isClosed ? "unknown-partition" : "not-leader-or-follower";
  }

  /**
   * Opens or updates this shard's partitions of changed topics, and removes those of deleted topics, a few a turn.
   * @param done called on a later turn, with the logs that could not be opened (they stay offline) and the directories that could not be
   * renamed (the main isolate tries again)
   */
  change(topics: TopicChange, done: (failures: readonly PartitionFailure[]) => void): void {
    this.#changes.add(topics, done);
  }

  /** Completes all pending changes at once. */
  finishChanges(): void {
    this.#changes.finish();
  }

  /**
   * Hands a partition over if possible: its row then says so, and the shard that the image names next opens it.
   * @param done called when it was tried: during the call, or after the flush that answers wait for
   */
  handOver(slot: number, done: () => void = () => {}): void {
    const partition = this.#bySlot.get(slot);
    if (partition === undefined) return done();
    partition.whenIdle(() => {
      if (this.#changes.isEmpty && this.cleanings.abort(slot) && partition.handOver()) {
        this.#forget(slot);
      }
      done();
    });
  }

  /**
   * Ends the start: logs opened from now on are new ones (log_store.ts).
   * @returns a warning about the logs opened so far, or null; and whether all could be opened, with nothing cut off
   */
  endStart(): { warning: string | null; isIntact: boolean } {
    const { store } = this.#parts;
    store.forgetCheckpoints();
    return { warning: store.uncommittedWarning(), isIntact: store.isIntact };
  }

  /** From now on no flush begins: `close()` makes everything durable, and needs the files for itself (storage/log/log_durability.ts). */
  stopFlushing(): void {
    this.#flushes.stop();
    this.#groups.stop();
  }

  /** Begins the flushes that appends of this turn wait for, a group a log directory; called at the end of each turn. */
  beginGroupFlush(): void {
    this.#groups.begin();
  }

  /**
   * Closes all logs. A clean stop completes pending changes first.
   * @param options clean: logs are trimmed and get snapshots
   * @returns whether all were closed as asked
   */
  close(options: { clean: boolean }): boolean {
    if (options.clean) this.finishChanges();
    let asked = true;
    for (const partition of this.#bySlot.values()) asked = partition.close(options) && asked;
    this.#bySlot.clear();
    return asked;
  }

  /**
   * Closes all logs as they are, because the broker failed.
   * @returns descriptors that other threads may use yet: they were lent for fetches and flushes that nobody ends any more
   */
  abandon(): number[] {
    this.close({ clean: false });
    return this.#parts.store.abandon();
  }

  /** When `maintain()` is due, monotonic ms. */
  get nextDeadlineMs(): number {
    if (!this.#changes.isEmpty || this.#appendsLeft.size > 0) return 0;
    return Math.min(
      this.#removal.nextDeadlineMs,
      this.#upkeep.nextDeadlineMs,
      this.#groups.nextDeadlineMs,
      this.#retention.nextDeadlineMs,
      this.led.nextDeadlineMs,
      this.followed.nextDeadlineMs,
      this.cleanings.nextDeadlineMs,
    );
  }

  /**
   * Runs the periodic work that is due; called every turn.
   * @param nowMs monotonic time @param mayContinue asked after each partition that is opened, removed or looked at by retention; the
   * next call continues
   */
  maintain(nowMs: number, mayContinue: () => boolean): void {
    this.#changes.run(mayContinue);
    if (this.#appendsLeft.size > 0) this.#runQueues();
    this.cleanings.run(nowMs, mayContinue);
    this.led.run(nowMs);
    this.followed.run(nowMs);
    this.#removal.run(nowMs);
    this.#upkeep.run(nowMs, this.#wallMs);
    this.#retention.run(nowMs, mayContinue);
    this.#groups.retry(nowMs);
  }

  /** The brokers of the image are others. */
  onBrokers(): void {
    this.led.brokersChanged();
    this.followed.onBrokers();
  }

  onProgress(slot: number): void {
    this.#parts.onProgress(slot);
  }

  onTrouble(slot: number, text: string): void {
    this.#parts.report(`${this.#nameOf(slot)}: ${text}`);
  }

  onOffline(): void {
    this.#parts.onCacheDoubtful();
  }

  onFilesRemoved(paths: readonly string[], delayMs: number): void {
    this.#removal.removeFiles(paths, this.#parts.clock.monotonicMs() + delayMs);
  }

  onTruncated(slot: number, endOffset: Offset): void {
    this.#parts.onCleaningNotice({ kind: "truncated", slot, endOffset });
  }

  onSegmentsBelowStart(slot: number): void {
    this.#removal.note(slot);
  }

  onAppendsLeft(slot: number): void {
    this.#appendsLeft.add(slot);
  }

  mayFlush(slot: number): boolean {
    return this.#flushes.mayBegin(slot);
  }

  onFlushNeeded(slot: number, isRetry: boolean): void {
    this.#groups.add(slot, isRetry);
  }

  onFlush(request: FlushRequest, done: (outcome: FlushOutcome) => void): void {
    this.#flushes.begin(request, done);
  }

  #newRetention(): Retention {
    const { clock, retention, load, report, onRetention } = this.#parts;
    return new Retention({
      partitions: this.#bySlot,
      clock,
      settings: retention,
      nameOf: (slot) => this.#nameOf(slot),
      isBusy: (partition) => partition.isBeingCleaned,
      load,
      onSegmentsBelowStart: (slot) => this.onSegmentsBelowStart(slot),
      onTrouble: (slot, text) => this.onTrouble(slot, text),
      report,
      onEvent: onRetention,
    });
  }

  #nameOf(slot: number): string {
    return this.#names.get(slot) ?? `slot ${slot}`;
  }

  #runQueues(): void {
    const slots = [...this.#appendsLeft];
    this.#appendsLeft.clear();
    for (const slot of slots) this.#bySlot.get(slot)?.runQueue();
  }

  #apply(topic: TopicImage, place: PartitionImage, failures: PartitionFailure[]): void {
    const partition = this.#bySlot.get(place.slot);
    if (partition === undefined) return this.#open(topic, place, failures);
    const isOffline = place.directory === OFFLINE_DIRECTORY;
    if (isOffline) {
      this.cleanings.abort(place.slot);
      partition.takeOffline();
    }
    this.#update(partition, topic, place);
    if (!isOffline) this.cleanings.onUpdated(place.slot);
    this.followed.onRow(topic, place, partition);
  }

  #remove(topic: TopicImage, { slot, partition: number }: PartitionImage, failures: PartitionFailure[]): void {
    if (this.#unopened.delete(slot)) {
      this.#parts.store.forget(topic, number);
      const { leadership } = this.#parts.table.read(slot, this.#row);
      this.#parts.table.write(slot, { ...emptyWatermarks(), leadership });
    }
    const partition = this.#bySlot.get(slot);
    if (partition === undefined) return;
    this.cleanings.onPartitionRemoved(slot);
    this.#forget(slot);
    try {
      this.#removal.removeDirectory(partition.remove(), partition.config.fileDeleteDelayMs);
    } catch (error) {
      const text = `Cannot remove ${topic.name}-${number}: ${storageFailure(error)}`;
      failures.push({ topicId: topic.id, partition: number, text });
    }
  }

  #forget(slot: number): void {
    this.#bySlot.delete(slot);
    this.#names.delete(slot);
    this.#groups.remove(slot);
    this.followed.onGone(slot);
  }

  #update(partition: Partition, topic: TopicImage, place: PartitionImage): void {
    const led = this.led.rowOf(topic, place);
    const { leader, leaderEpoch } = place;
    const leads = this.#leads(place);
    const follows = !leads && leader !== NO_LEADER;
    if (follows && partition.replica.mayLack) this.cleanings.abort(place.slot);
    partition.update({ leads, follows, leaderEpoch, config: topic.logConfig, led });
  }

  #leads({ leader }: PartitionImage): boolean {
    return leader === this.#parts.nodeId;
  }

  #open(topic: TopicImage, place: PartitionImage, failures: PartitionFailure[]): void {
    const { table, store } = this.#parts;
    const row = table.read(place.slot, emptyWatermarks());
    const handedOver = row.state === partitionState.handedOver ? row : null;
    const isAlone = place.replication === undefined;
    // A leader with followers begins with the high watermark that it knows, as a follower does.
    const leadsOn = this.#leads(place) && (isAlone || (handedOver !== null && isLed(handedOver)));
    const followsFrom = leadsOn ? null : store.checkpointed(topic, place.partition).highWatermark;
    const log = store.open(topic, place.partition, handedOver);
    if (typeof log === "string") {
      this.#unopened.add(place.slot);
      if (handedOver !== null) this.#parts.onCacheDoubtful();
      // Where a move left the directory offline, the row alone has the offsets.
      const isKept = log === DIRECTORY_OFFLINE && row.state === partitionState.offline;
      const kept = log === DIRECTORY_OFFLINE && handedOver !== null
        ? handedOver
        : store.checkpointed(topic, place.partition);
      if (!isKept) table.write(place.slot, rowOfUnopened(kept, row.leadership));
      this.onProgress(place.slot); // requests that waited for the previous owner are answered
      if (log === NO_DESCRIPTORS || log === DIRECTORY_OFFLINE) return;
      failures.push({ topicId: topic.id, partition: place.partition, text: log });
      return;
    }
    this.#unopened.delete(place.slot);
    this.#groups.place(place.slot, place.directory);
    const config = topic.logConfig;
    const begins = { handedOver, lastLeadership: row.leadership, followsFrom, isAlone };
    const partition = new Partition(log, { ...place, ...begins, config, table, owner: this });
    this.#bySlot.set(place.slot, partition);
    if (partition.replica.mayLack) this.#parts.onCacheDoubtful(); // a start has to find what may be missing again
    if (!isAlone || !this.#leads(place)) this.#update(partition, topic, place);
    if (log.segmentsBelowStart > 0) this.#removal.note(place.slot);
    this.#names.set(place.slot, `${topic.name}-${place.partition}`);
    this.followed.onRow(topic, place, partition);
  }
}
