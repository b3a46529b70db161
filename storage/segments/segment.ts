/**
 * One segment: a `.log` file with its offset index and time index. Runs on the shard that owns the log.
 *
 *   active  --deactivate()-->  closed  --retire()-->  retired
 *   appended to, files open    read only; its files   out of the log; the last lease
 *                              open when needed       closes the descriptor
 *
 * Must always hold: bytes below the high watermark never change, and no byte below `logFileBytes` is overwritten: what follows a truncation
 * is in another file (follower/log_truncation.ts). A failed append changes nothing or returns "damaged". A leased descriptor stays open.
 * Source: Kafka's LogSegment.
 */
import { assert } from "../base/assert.ts";
import { type Offset, RELATIVE_OFFSET_MAX, toFilePosition } from "../base/units.ts";
import type { LogConfig } from "../log/log_config.ts";
import type { LeasedFile, WarmFile } from "../log/log_resources.ts";
import type { OffsetIndex } from "./offset_index.ts";
import { type RebuildMode, SegmentIndexes } from "./segment_indexes.ts";
import { LargestTimestamp } from "./largest_timestamp.ts";
import { partitionFileName, type SegmentFileKind } from "./segment_names.ts";
import type { AppendedBatch, IndexedBatches } from "./indexed_batches.ts";
import { SegmentReader } from "./segment_reader.ts";
import { MappedSegmentWriter, PwriteSegmentWriter, type SegmentWriter, type WriteOutcome } from "./segment_writer.ts";
import type { SegmentPlace } from "./segment_place.ts";
import { SystemError } from "../sys/libc.ts";
import type { NativeMemory } from "../sys/memory.ts";
import type { TimeIndex } from "./time_index.ts";

/** One segment of a log. */
export class Segment implements IndexedBatches, LeasedFile, WarmFile {
  readonly id: number;
  readonly baseOffset: Offset;
  readonly offsetIndex: OffsetIndex;
  readonly timeIndex: TimeIndex;
  leaseCount = 0;
  /** Suffix of its files' names: `.cleaned` while a cleaning writes it, `.swap` while it takes the place of others (segment_swap.ts). */
  suffix = "";
  readonly #place: SegmentPlace;
  readonly #indexes: SegmentIndexes;
  readonly #indexIntervalBytes: number;
  readonly #rollJitterMs: number;
  #state: "active" | "closed" | "retired" = "closed";
  #fd = -1;
  #writer: SegmentWriter | null = null;
  #logFileBytes = 0;
  #createdMs = 0;
  #bytesSinceIndexEntry = 0;
  readonly #largest: LargestTimestamp;
  /** Modification time of the file of a closed segment without timestamps, in ms; null where it was not read. */
  #modifiedMs: number | null = null;
  #firstBatchTimestamp: number | null = null;
  #closeWhenReleased = false;

  /** Makes a segment whose files are not open yet: `create()` makes them, `openExisting()` finds them. */
  constructor(place: SegmentPlace, baseOffset: Offset) {
    this.#place = place;
    this.id = place.resources.leases.nextId();
    this.baseOffset = baseOffset;
    this.#largest = new LargestTimestamp(baseOffset);
    const { fs, config, resources: { mappings } } = place;
    const pathOf = (kind: SegmentFileKind) => this.path(kind);
    this.#indexes = new SegmentIndexes({ fs, mappings, baseOffset, bytesMax: config.segmentIndexBytes, pathOf });
    this.offsetIndex = this.#indexes.offsets;
    this.timeIndex = this.#indexes.times;
    this.#indexIntervalBytes = config.indexIntervalBytes;
    this.#rollJitterMs = Math.floor(place.random() * Math.min(config.segmentJitterMs, config.segmentMs));
  }

  /** Bytes of whole batches in the `.log` file; a preallocated file is longer. */
  get logFileBytes(): number {
    return this.#logFileBytes;
  }

  /** Whether batches are appended to it. */
  get isActive(): boolean {
    return this.#state === "active";
  }

  /** Whether a lookup has to open its indexes, because none used them lately. */
  get isCold(): boolean {
    return this.#state === "closed" && !this.#indexes.isOpen;
  }

  /** Descriptor of the `.log` file, opened when needed; owned by the segment. @throws SystemError */
  get fd(): number {
    if (this.#fd >= 0) return this.#fd;
    this.#fd = this.#place.fs.open(this.path(".log"), { write: true });
    this.#warmUp();
    return this.#fd;
  }

  /** Largest record timestamp in ms, -1 where no record has one; for a closed segment read from its time index. */
  get largestTimestamp(): number {
    this.#loadLargestTimestamp();
    return this.#largest.timestamp;
  }

  /** Last offset of the batch that has the largest timestamp. */
  get offsetOfLargestTimestamp(): Offset {
    this.#loadLargestTimestamp();
    return this.#largest.offset;
  }

  /** Whether its largest timestamp is known without reading its files. */
  get largestIsKnown(): boolean {
    return this.#largest.isKnown;
  }

  /** Timestamp that retention uses: the largest record timestamp, or else the file's modification time. */
  get retentionTimestamp(): number {
    const largest = this.largestTimestamp;
    if (largest >= 0) return largest;
    const modifiedMs = this.#place.fs.modifiedMs(this.path(".log")) ?? 0;
    if (this.#state === "closed") this.#modifiedMs = modifiedMs;
    return modifiedMs;
  }

  /** The same, but null where files of a closed segment have to be read for it: `learnRetentionTimestamp()` does. */
  get knownRetentionTimestamp(): number | null {
    if (!this.#largest.isKnown) return null;
    return this.#largest.timestamp >= 0 || this.isActive ? this.retentionTimestamp : this.#modifiedMs;
  }

  /** Learns it, unless the segment left the log. It keeps no file open that was closed. @throws SystemError, or the runtime's errors */
  learnRetentionTimestamp(): void {
    const { isCold } = this;
    if (this.#state === "retired") return;
    void this.retentionTimestamp;
    if (!isCold) return;
    this.#place.resources.warm.delete(this);
    this.coolDown();
  }

  /** Largest timestamp of its first batch in ms, -1 for none. @throws SystemError when the disk refuses */
  get firstBatchTimestamp(): number {
    return this.#firstBatchTimestamp ??= this.#place.resources.window.firstTimestamp(this.fd);
  }

  /** Whether that is known without reading the file. */
  get firstIsKnown(): boolean {
    return this.#firstBatchTimestamp !== null;
  }

  /** Path of one of its files. */
  path(kind: SegmentFileKind): string {
    return `${this.#place.directory}/${partitionFileName(this.baseOffset, kind)}${this.suffix}`;
  }

  /**
   * Whether the batch belongs into a new segment (LogSegment.shouldRoll): the segment would grow too large, its first
   * batch is too old, an index is full, or the batch's offset is too far from the base.
   * @param unwrittenBytes of batches that come before it, in a segment that is not empty
   */
  shouldRoll(batch: AppendedBatch, config: LogConfig, unwrittenBytes = 0): boolean {
    if (batch.lastOffset - this.baseOffset > RELATIVE_OFFSET_MAX) return true;
    if (this.#logFileBytes === 0) return false;
    if (this.#logFileBytes + unwrittenBytes > config.segmentBytes - batch.bytes) return true;
    if (this.offsetIndex.isFull || this.timeIndex.isFull) return true;
    const segmentMs = config.compact ? Math.min(config.segmentMs, config.maxCompactionLagMs) : config.segmentMs;
    return this.#waitedMs(batch) > segmentMs - this.#rollJitterMs;
  }

  /**
   * Appends a batch and, every `index.interval.bytes`, index entries. The caller has checked `shouldRoll()`.
   * @throws SystemError when a file cannot be opened or mapped; the segment is then unchanged
   */
  append(memory: NativeMemory, start: number, batch: AppendedBatch): WriteOutcome {
    const outcome = this.write(memory, start, batch.bytes, 1);
    if (outcome === "written") this.added(batch);
    return outcome;
  }

  /** Writes batches that lie one behind the other, for each of which `added()` follows. @param length in bytes @throws as `append()` does */
  write(memory: NativeMemory, start: number, length: number, batchesCount: number): WriteOutcome {
    assert(this.#writer !== null, "batches go to the active segment");
    // Index room first, bytes second: nothing can fail once the batches are in the file.
    const entries = batchesCount === 1
      ? Number(this.#isIndexDue())
      : Math.min(batchesCount, 1 + Math.floor(length / (this.#indexIntervalBytes + 1)));
    if (entries > 0 && !this.#indexes.reserve(entries)) return "refused";
    return this.#writer.append(memory, start, length, this.#logFileBytes);
  }

  /** The batch that begins at `logFileBytes` is in the file: it is indexed. */
  added(batch: AppendedBatch): void {
    if (this.#logFileBytes === 0) this.#firstBatchTimestamp = batch.maxTimestamp;
    this.indexBatch(batch);
    this.#logFileBytes += batch.bytes;
  }

  /** Writes the index entries for the batch that begins at `logFileBytes`, if they are due; room was reserved. */
  indexBatch(batch: AppendedBatch): void {
    this.#largest.add(batch);
    if (this.#isIndexDue() && this.#indexes.canTake(this.#largest.timestamp)) {
      this.offsetIndex.append(batch.lastOffset, toFilePosition(this.#logFileBytes));
      // A rebuild may find more entries than the appends made. The last place must stay free for the largest timestamp.
      if (!this.timeIndex.isFull) this.timeIndex.appendIfLarger(this.#largest.timestamp, this.#largest.offset);
      this.#bytesSinceIndexEntry = 0;
    }
    this.#bytesSinceIndexEntry += batch.bytes;
  }

  /** Makes it the active segment, with its existing indexes. @throws SystemError also for a full disk */
  activate(nowMs: number): void {
    this.#loadLargestTimestamp();
    this.#indexes.openForAppend({ empty: false });
    this.#startWriting(nowMs);
  }

  /** Creates its files and makes it active. @throws SystemError also for a full disk; nothing is left open then */
  create(nowMs: number): void {
    const { fs, config } = this.#place;
    fs.remove(this.path(".txnindex")); // left by a segment that recovery removed at the same offset
    this.#fd = fs.open(this.path(".log"), { write: true, create: true, truncate: true });
    this.#largest.isKnown = true;
    this.#indexes.openForAppend({ empty: true });
    if (config.preallocate && !fs.allocate(this.#fd, 0, config.segmentBytes)) {
      throw new SystemError(`allocate ${config.segmentBytes} bytes for ${this.path(".log")}`);
    }
    this.#startWriting(nowMs);
  }

  /** Reads the size of an existing file. @returns it in bytes @throws SystemError */
  openExisting(): number {
    return this.#logFileBytes = this.#place.fs.size(this.fd);
  }

  /**
   * Ends the appends: the last time index entry is written, indexes and file are trimmed.
   * @throws SystemError when the disk refuses; the segment then stays active
   */
  deactivate(): void {
    assert(this.#state === "active", "only the active segment is closed");
    this.#appendLastTimestamp();
    this.#indexes.finish();
    this.#writer?.trim(this.#logFileBytes);
    this.#stopWriting();
    this.#state = "closed";
    this.#warmUp();
  }

  /**
   * Begins to rebuild the indexes: follow with `replay()` of every batch from position `logFileBytes` on.
   * @param mode in place where a flush follows before a start trusts them: in recovery, and for the active segment
   * @param kept entries of the offset index that stay, the last one that of the first batch to replay; only after `openIndexesAsLeft()`
   * @throws SystemError also for a full disk
   */
  beginRebuild(mode: RebuildMode, kept = 0): void {
    assert(mode === "in place" || this.#state !== "active", "the active segment's indexes grow where they are");
    this.#largest.beginRebuild();
    this.#indexes.beginRebuild(mode, kept);
    if (kept > 0) this.#readLargestTimestamp();
    this.#bytesSinceIndexEntry = 0;
    this.#logFileBytes = this.offsetIndex.positionAt(kept - 1);
  }

  /** Indexes the next batch of the file. @throws SystemError when the disk has no room for the index */
  replay(batch: AppendedBatch): void {
    if (this.#isIndexDue() && !this.#indexes.reserve(1)) throw this.#indexes.refused();
    this.indexBatch(batch);
    this.#logFileBytes += batch.bytes;
  }

  /**
   * Ends the rebuild; `logFileBytes` is then the replayed bytes, or `size` where more bytes are known to be sound.
   * @throws SystemError, or the runtime's errors, when the disk refuses
   */
  endRebuild(size = this.#logFileBytes): void {
    this.#logFileBytes = size;
    this.#appendLastTimestamp();
    if (this.#state !== "active") this.#indexes.finish();
  }

  /**
   * Abandons a rebuild; the file is unchanged. The indexes of an active segment then lack entries, those of a closed one are
   * unchanged.
   * @param size of the file @throws the runtime's errors when the disk refuses
   */
  abandonRebuild(size: number): void {
    this.#logFileBytes = size;
    this.#largest.abandonRebuild();
    this.#indexes.abandonRebuild();
  }

  /**
   * Cuts the file after the last whole batch. New batches take the place of the cut bytes.
   * @param isDurable whether the cut is flushed. Without, a loss of power could bring back a whole batch, which would count as a new one
   * @throws SystemError
   */
  cutFile(size: number, isDurable: boolean): void {
    const { fs } = this.#place;
    fs.truncate(this.fd, size);
    if (isDurable && !fs.fdatasync(this.fd)) throw new SystemError(`flush ${this.path(".log")}`);
    this.#logFileBytes = size;
  }

  /**
   * Opens the indexes for lookups.
   * @returns false when they cannot be right and must be rebuilt @throws SystemError
   */
  openIndexes(): boolean {
    if (this.#indexes.isOpen || this.#state === "active") return true;
    const whole = this.#indexes.openForLookup();
    this.#warmUp();
    return whole && this.#indexes.isPlausible(this.#logFileBytes);
  }

  /**
   * Descriptors whose data a flush must make durable: that of the file, and for a closed segment those of its indexes.
   * @param withIndexes also those of an active segment, whose entries are written to them
   * @returns owned: the descriptors that the caller closes @throws SystemError when a file cannot be opened
   */
  openForFlush(withIndexes: boolean): { fds: number[]; owned: number[] } {
    const isActive = this.#state === "active";
    if (isActive && withIndexes) this.#indexes.save();
    const fd = this.fd;
    const owned = isActive && !withIndexes ? [] : this.#indexes.openForFlush();
    return { fds: [fd, ...owned], owned };
  }

  /** Opens the indexes as a stop left them (`SegmentIndexes.openAsLeft()`). @throws SystemError also for a full disk */
  openIndexesAsLeft(): boolean {
    return this.#indexes.openAsLeft();
  }

  /** Takes a lease of the file's descriptor. @returns its number */
  lease(): number {
    return this.#place.resources.leases.take(this);
  }

  onLastRelease(): void {
    if (this.#state === "retired" || this.#closeWhenReleased) this.#closeFiles();
  }

  coolDown(): void {
    if (this.leaseCount === 0) this.#closeFiles();
    else this.#closeWhenReleased = true; // a read or a flush on another thread uses the descriptors
  }

  /** Closes everything; a leased descriptor is closed with its last lease. The files stay unchanged. */
  retire(): void {
    this.#place.resources.warm.delete(this);
    this.#stopWriting();
    this.#state = "retired";
    if (this.leaseCount === 0) this.#closeFiles();
    else this.#indexes[Symbol.dispose](); // leases are of the file alone
  }

  #startWriting(nowMs: number): void {
    const { fs, config, resources: { mappings } } = this.#place;
    const isMapped = config.appendMode === "mapped" && mappings.take();
    this.#writer = isMapped ? new MappedSegmentWriter(fs, this.fd, mappings) : new PwriteSegmentWriter(fs, this.fd);
    this.#createdMs = nowMs;
    this.#place.resources.warm.delete(this);
    this.#state = "active";
  }

  #stopWriting(): void {
    this.#writer?.[Symbol.dispose]();
    this.#writer = null;
  }

  #warmUp(): void {
    this.#closeWhenReleased = false;
    if (this.#state === "closed") this.#place.resources.warm.add(this);
  }

  #closeFiles(): void {
    this.#closeWhenReleased = false;
    this.#indexes[Symbol.dispose]();
    if (this.#fd >= 0) this.#place.fs.close(this.#fd);
    this.#fd = -1;
  }

  #appendLastTimestamp(): void {
    if (!this.timeIndex.reserve(1)) throw this.#indexes.refused();
    this.timeIndex.appendIfLarger(this.#largest.timestamp, this.#largest.offset);
  }

  #isIndexDue(): boolean {
    return this.#bytesSinceIndexEntry > this.#indexIntervalBytes && !this.offsetIndex.isFull;
  }

  #loadLargestTimestamp(): void {
    if (this.#largest.isKnown) return;
    // Retention deletes by it, so a damaged index must not be trusted.
    const reader = new SegmentReader(this.#place.resources.window);
    if (!this.openIndexes() || !reader.confirmsLastTimestamp(this)) reader.rebuildIndexes(this);
    if (!this.#largest.isKnown) this.#readLargestTimestamp();
  }

  #readLargestTimestamp(): void {
    const last = this.timeIndex.count - 1;
    this.#largest.set(this.timeIndex.timestampAt(last), this.timeIndex.offsetAt(last));
  }

  #waitedMs(batch: AppendedBatch): number {
    const first = this.firstBatchTimestamp;
    return first >= 0 ? batch.maxTimestamp - first : batch.nowMs - this.#createdMs;
  }
}
