/**
 * The log of one partition: segments on a disk, appended at the end (log_appends.ts), read by offset (log_reads.ts), made durable
 * (log_durability.ts), cut off where a follower differs from its leader (follower/), and closed. Runs on the shard that owns the partition;
 * every call is synchronous and blocks for the system calls it makes.
 *
 *   logStartOffset <= logEndOffset (the next offset), recoveryPoint (all below is durable) <= logEndOffset
 *
 * Must always hold: offsets are assigned in order, and again only after a truncation. A refused append changes nothing that is read. Every
 * slice begins and ends at a batch.
 *
 * A full disk refuses the append ("log-offline", which clients retry) and leaves the log unchanged: reads continue, and appends
 * succeed again when there is room. Only a partial write that cannot be cut off again, a failed flush, or damaged batches that a read
 * or a cleaning meets take the log offline for good (`offlineReason`). Then it has to be reopened, which recovers it. After a refusal
 * of the disk Kafka takes the whole directory offline and needs a restart.
 * Source: Kafka's UnifiedLog and LocalLog.
 */
import { assert } from "../base/assert.ts";
import { type Offset, toOffset } from "../base/units.ts";
import type { RetainedLog } from "../cleaner/retention.ts";
import type { BatchCheck, BatchRules } from "../records/batch_rules.ts";
import { CompactedLog } from "./compacted_log.ts";
import { LogAppends } from "./log_appends.ts";
import type { LogConfig } from "./log_config.ts";
import { LogDurability } from "./log_durability.ts";
import type { LeaderEpochFile } from "./epochs/leader_epoch_file.ts";
import * as follower from "./follower/follower_appends.ts";
import { LogTruncation, type Truncation } from "./follower/log_truncation.ts";
import { type LoadedLog, loadLog } from "./log_loader.ts";
import type { ProducerState } from "./producers/producer_state.ts";
import type { ProducerStateManager } from "./producers/producer_state_manager.ts";
import { LogReads } from "./log_reads.ts";
import { LogResources } from "./log_resources.ts";
import { nothingVisible, refusedAppend, refusedRead } from "./log_results.ts";
import type {
  AppendOptions,
  AppendResult,
  DatedSegment,
  FlushRequest,
  FoundByTime,
  LogOptions,
  ReadOptions,
  ReadResult,
  SegmentFacts,
} from "./log_types.ts";
import { type RenamedDirectory, renameForRemoval } from "../directory/partition_directory.ts";
import { markDeleted } from "../segments/segment_deletion.ts";
import type { SegmentList } from "../segments/segment_list.ts";
import { SegmentReader } from "../segments/segment_reader.ts";
import { attempt, storageFailure } from "./storage_failure.ts";
import type { FlushOutcome } from "../sys/flush_outcome.ts";
import type { NativeMemory } from "../sys/memory.ts";
import type { Unflushed } from "./unflushed.ts";

/** One partition's log. */
export class Log implements Disposable {
  readonly #options: LogOptions;
  readonly #resources: LogResources;
  readonly #segments: SegmentList;
  readonly #producers: ProducerStateManager;
  readonly #epochs: LeaderEpochFile;
  readonly #appends: LogAppends;
  readonly #reads: LogReads;
  readonly #durability: LogDurability;
  readonly #truncation: LogTruncation;
  /** The cleaner's side of it. */
  readonly compacted: CompactedLog;
  /** What was found when it was opened. */
  readonly found: Pick<LoadedLog, "uncommitted" | "hasCut" | "lostFrom">;
  #logStartOffset: Offset;
  #offlineReason: string | null = null;
  #closed = false;

  private constructor(options: LogOptions, resources: LogResources, loaded: LoadedLog) {
    this.#options = options;
    this.#resources = resources;
    this.#segments = loaded.segments;
    this.#producers = loaded.producers;
    this.#epochs = loaded.epochs;
    const { fs, clock, directory } = options;
    const reader = new SegmentReader(resources.window);
    this.#reads = new LogReads(loaded.segments, { fs, clock, searches: resources.searches, reader });
    this.#logStartOffset = loaded.logStartOffset;
    this.compacted = new CompactedLog({ ...loaded, options, resources, log: this });
    this.found = loaded;
    const onDamaged = (reason: string) => this.goOffline(reason);
    const durability = this.#durability = new LogDurability({ fs, directory, resources, onFailed: onDamaged }, loaded);
    const appends = this.#appends = new LogAppends(loaded, { options, resources, onDamaged });
    this.#truncation = new LogTruncation({ options, loaded, reader, appends, durability });
  }

  /**
   * Opens a partition's directory, recovering it where it was not shut down cleanly; a missing one becomes an empty log.
   * @throws LogDamagedError when it cannot be served @throws SystemError, or the runtime's errors, when the disk refuses
   */
  static open(options: LogOptions): Log {
    const resources = options.resources ?? new LogResources(options.fs);
    return new Log(options, resources, loadLog(options, resources));
  }

  /** First offset that is served. */
  get logStartOffset(): Offset {
    return this.#logStartOffset;
  }
  /** Offset that the next record gets. */
  get logEndOffset(): Offset {
    return this.#appends.logEndOffset;
  }
  /** All records below it are durable. */
  get recoveryPoint(): Offset {
    return this.#durability.recoveryPoint;
  }
  /** All records and segments below it are durable in their final form, and so is the name of the segment that begins there. */
  get finalBelow(): Offset {
    return this.#durability.finalBelow;
  }
  /** Base offset of the active segment; it changes with every roll. */
  get activeBaseOffset(): Offset {
    return this.#segments.active.baseOffset;
  }
  /** Bytes of the `.log` files of all segments. */
  get logFilesBytes(): number {
    return this.#segments.logFilesBytes;
  }
  /** Epoch of the latest leader, -1 for none. */
  get latestLeaderEpoch(): number {
    return this.#epochs.latest;
  }
  /** Why the log no longer takes writes, or null. */
  get offlineReason(): string | null {
    return this.#offlineReason;
  }
  /** The known producers. */
  get producers(): ProducerState {
    return this.#producers.state;
  }

  /** Applies a changed configuration: limits at once, settings of a segment's files with the next segment. */
  configure(config: LogConfig): void {
    this.#appends.configure(config);
  }

  /** Begins a leader's epoch at the log end, if it is a new one. Its first append writes it to the file. @returns false for an offline log */
  becomeLeader(epoch: number): boolean {
    if (this.#offlineReason === null) this.#epochs.note(epoch, this.logEndOffset);
    return this.#offlineReason === null;
  }

  /**
   * Validates a produced batch, assigns its offsets and appends it by one write. Written is not durable.
   * @param memory holds the batch, which is stamped in place @param start its first byte @param length its size
   */
  appendAsLeader(memory: NativeMemory, start: number, length: number, options: AppendOptions): AppendResult {
    if (this.#offlineReason !== null) return refusedAppend("log-offline", this.#offlineReason);
    return this.#appends.appendAsLeader(memory, start, length, options);
  }

  /**
   * The first stage of an append whose stages are apart: checks a produced batch by the topic's rules (`appendRules`).
   * @param nowMs wall-clock time of the append
   */
  checkAppend(memory: NativeMemory, start: number, length: number, nowMs: number): BatchCheck {
    return this.#appends.check(memory, start, length, nowMs);
  }

  /** The rules of the last `checkAppend()`. Always the same object: another check overwrites it. */
  get appendRules(): BatchRules {
    return this.#appends.rules;
  }

  /**
   * The last stage: assigns the offsets of a batch that was checked and is not pending, and writes it.
   * @param options `nowMs` is that of the check
   */
  appendChecked(memory: NativeMemory, start: number, options: AppendOptions): AppendResult {
    if (this.#offlineReason !== null) return refusedAppend("log-offline", this.#offlineReason);
    return this.#appends.appendChecked(memory, start, options);
  }

  /** Appends batches of the leader as they are (follower/follower_appends.ts). @param memory holds them */
  appendAsFollower(memory: NativeMemory, batches: follower.FetchedBatches): follower.FollowerAppend {
    if (this.#offlineReason !== null) return follower.refusedFollowerAppend("log-offline", this.#offlineReason);
    return follower.appendBatches(this.#appends, memory, batches);
  }

  /** Cuts off all from an offset on, with the batch that holds it; the log start moves with the end (follower/log_truncation.ts). */
  truncateTo(offset: Offset): Truncation {
    return this.#truncate(() => this.#truncation.truncateTo(offset), Math.min(offset, this.#logStartOffset));
  }

  /** Removes everything and continues at an offset, where the leader's log begins. */
  truncateFullyAndStartAt(offset: Offset): Truncation {
    return this.#truncate(() => this.#truncation.startAt(offset), offset);
  }

  /** Bytes of the batch that was appended last, as it is stored. */
  get lastBatchBytes(): number {
    return this.#appends.lastBatchBytes;
  }

  /**
   * Lends whole batches of one segment, from the batch that holds `offset` on; none at the log end or from `maxOffset` on. Damaged batches
   * take the log offline.
   */
  read(offset: Offset, options: ReadOptions): ReadResult {
    if (this.#closed) return refusedRead("log-offline", "The log is closed");
    if (offset < this.#logStartOffset || offset > this.logEndOffset) {
      const range = `${this.#logStartOffset} to ${this.logEndOffset}`;
      return refusedRead("offset-out-of-range", `Cannot read at offset ${offset}: the log holds ${range}`);
    }
    if (offset >= options.maxOffset || offset === this.logEndOffset) return nothingVisible;
    try {
      const result = this.#reads.read(offset, options, this.logEndOffset);
      if (result.refusal === "log-offline") this.goOffline(result.message); // the batches are damaged
      return result;
    } catch (error) {
      return refusedRead("log-offline", storageFailure(error));
    }
  }

  /** Takes the log offline until it is reopened. @param reason a sentence; the first one counts */
  goOffline(reason: string): void {
    this.#offlineReason ??= reason;
  }

  /** Gives a lent slice back, also after `remove()`. @param leaseId of the slice */
  release(leaseId: number): void {
    this.#resources.leases.release(leaseId);
  }

  /** Finds the first record at or after a time in ms (ListOffsets), if it lies below `maxOffset`. @throws when the disk refuses */
  offsetForTimestamp(timestamp: number, options: { maxOffset: Offset }): FoundByTime {
    return this.#reads.findTimestamp(timestamp, { from: this.#logStartOffset, to: options.maxOffset });
  }

  /** Finds the first record that has the largest timestamp (ListOffsets -3), if it lies below `maxOffset`. @throws likewise */
  maxTimestampOffset(maxOffset: Offset): FoundByTime {
    return this.#reads.findLargestTimestamp({ from: this.#logStartOffset, to: maxOffset });
  }

  /** End of an epoch (OffsetForLeaderEpoch): the largest known epoch at most `epoch`, and where the next one begins. */
  endOffsetForEpoch(epoch: number): { epoch: number; endOffset: Offset } {
    return this.#epochs.endOffsetFor(epoch, this.logEndOffset);
  }

  /** Epoch of the leader that appended the record at an offset, -1 where not known. */
  epochFor(offset: Offset): number {
    return this.#epochs.epochFor(offset);
  }

  /** Describes each segment, oldest first. @throws when a time index cannot be read */
  segments(): SegmentFacts[] {
    return this.#segments.facts(this.logEndOffset);
  }

  /** Number of segments that lie wholly below the log start. */
  get segmentsBelowStart(): number {
    return this.#segments.floorIndex(this.#logStartOffset);
  }

  /**
   * Whether `deleteOldestSegment()` may remove one: it lies below the log start, and what follows it is durable. So is the removal before it:
   * a loss of power keeps renames in any order, and must not bring back an older segment without those behind it.
   */
  get maySegmentBeDeleted(): boolean {
    if (this.#durability.unflushed.hasDirectory(this.#options.directory)) return false;
    return this.#segments.floorIndex(toOffset(Math.min(this.#logStartOffset, this.finalBelow))) > 0;
  }

  /** What retention decides by (storage/cleaner/retention.ts). @param highWatermark of the partition */
  retained(highWatermark: Offset): RetainedLog<DatedSegment> {
    const { segmentsBelowStart: first, logEndOffset } = this;
    return { segments: this.#segments.all, first, highWatermark, logEndOffset };
  }

  /** Moves the log start forward (DeleteRecords, retention); segments below it stay until they are deleted. */
  incrementLogStartOffset(offset: Offset): void {
    assert(offset <= this.logEndOffset, "the log start stays within the log");
    if (offset <= this.#logStartOffset) return;
    this.#logStartOffset = offset;
    this.#epochs.truncateFromStart(offset);
  }

  /**
   * Deletes the oldest segment, never the active one; the log start moves with it. The next flush makes that durable.
   * @returns paths of the renamed files (`.deleted`), to be removed after `file.delete.delay.ms`; leases stay valid
   * @throws SystemError, or the runtime's errors, when a file cannot be renamed; another call continues
   */
  deleteOldestSegment(): string[] {
    assert(this.#segments.length > 1, "the active segment stays");
    const segment = this.#segments.first;
    this.incrementLogStartOffset(this.#segments.at(1).baseOffset);
    this.#durability.unflushed.addDirectory(this.#options.directory);
    const paths = markDeleted(this.#options.fs, segment);
    this.#segments.shift().retire();
    this.#producers.snapshots.remove(segment.baseOffset);
    return paths;
  }

  /** Closes the active segment and starts a new one, unless it is empty. @returns false when the disk refused */
  roll(nowMs: number): boolean {
    if (this.#offlineReason !== null) return false;
    return this.#segments.active.logFileBytes === 0 || attempt(() => this.#appends.roll(nowMs)) === null;
  }

  /** Forgets producers that were idle for `producer.id.expiration.ms`. */
  expireProducers(nowMs: number): void {
    this.#producers.state.expire(nowMs, this.#options.producerIdExpirationMs);
  }

  /**
   * Lists what another thread has to flush to make the appended records durable; a few segments at a time.
   * @param options shortensRecovery: whether a recovery can then begin at the present log end: the producers, and the indexes of the
   * active segment, become durable, too
   * @returns null when all is durable; otherwise a request to end with `endFlush()`. Several may be under way
   * @throws SystemError when a file cannot be opened
   */
  beginFlush({ shortensRecovery = false } = {}): FlushRequest | null {
    return this.#truncation.isUnfinished ? null : this.#durability.begin(this.logEndOffset, shortensRecovery);
  }

  /**
   * Ends a flush.
   * @param outcome of all its descriptors and directories. A failure takes the log offline; after "postponed" the next flush tries
   * again
   */
  endFlush(request: FlushRequest, outcome: FlushOutcome): void {
    this.#durability.end(request, outcome);
  }

  /**
   * Makes all appended records durable, on this thread.
   * @returns false when the disk failed and the log is offline, or when a file could not be opened and the next flush tries again
   */
  flush(): boolean {
    return this.#offlineReason === null && this.#durability.flushAll(this.logEndOffset);
  }

  /**
   * Closes the log; lent descriptors stay open.
   * @param options clean: flushed and trimmed, with a producer snapshot at the end, so that it opens without a scan
   * @returns whether it was closed as requested; only then may the directory be marked as cleanly shut down
   */
  close(options: { clean: boolean }): boolean {
    if (this.#closed) return true;
    const clean = options.clean && this.flush() && attempt(() => this.#finish()) === null;
    for (const segment of this.#segments.all) segment.retire();
    const asked = !options.clean || (clean && this.#offlineReason === null && this.#durability.isIdle);
    this.#closed = true;
    this.goOffline("The log is closed");
    return asked;
  }

  /**
   * Closes the log so that another shard of this process can open it (`LogOptions.isHandedOver`). It is trimmed and has a producer
   * snapshot, but is not flushed: `recoveryPoint` says what is durable in its final form. Only while no flush is under way.
   * @returns false when the disk refused: the log stays open
   */
  handOver(): boolean {
    if (this.#offlineReason !== null) return false;
    if (attempt(() => this.#saveState(this.#durability.unflushed)) !== null) return false;
    if (attempt(() => this.#segments.active.deactivate()) !== null) return false;
    this.#durability.handOver();
    return this.close({ clean: false });
  }

  /** Closes the log and renames its directory to `….<32 hex>-delete`, for another thread to remove. @throws when refused */
  remove(): RenamedDirectory {
    this.close({ clean: false });
    return { path: renameForRemoval(this.#options.fs, this.#options.directory), isLent: this.#segments.isLent };
  }

  /** Closes without flushing, trimming or a snapshot, as a crash would. Idempotent. */
  [Symbol.dispose](): void {
    this.close({ clean: false });
  }

  #truncate(run: () => Truncation, logStartOffset: number): Truncation {
    const isReady = this.#offlineReason === null || (this.#truncation.isUnfinished && !this.#durability.hasFailed);
    if (this.#closed || !isReady) return { refusal: this.#offlineReason, removedPaths: [], isUnfinished: false };
    const result = run();
    this.#offlineReason = this.#truncation.offlineReason;
    const start = this.#segments.first.baseOffset === this.logEndOffset ? Infinity : logStartOffset; // empty: at its end
    if (result.refusal === null) this.#logStartOffset = toOffset(Math.min(start, this.logEndOffset));
    return result;
  }

  #finish(): void {
    this.#saveState(null);
    this.#segments.active.deactivate();
    const outcome = this.#durability.flushClosed(this.#options.directory);
    if (outcome !== "flushed") this.goOffline("Cannot close the log: a flush failed");
  }

  #saveState(unflushed: Unflushed | null): void {
    this.#producers.snapshotLast(this.logEndOffset, this.activeBaseOffset);
    this.#epochs.save(unflushed);
  }
}
