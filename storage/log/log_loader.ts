/**
 * Opens a partition's directory: cleans up leftover files, finds the segments, recovers them after an unclean stop, and reads or
 * rebuilds leader epochs and producer state. Runs on the shard that will own the log.
 *
 *   clean stop      nothing is scanned; only the end of the last segment is read, and the last batches if producers are known
 *   killed process  only the end of the last segment is checked, if the page cache has what was written (`isCacheIntact`)
 *   anything else   every segment is checked and rebuilt, from the one that holds the recovery point on (log_recovery.ts); of a
 *                   segment that ends at the recovery point only the indexes are rebuilt. It is not known which names and small
 *                   files were flushed, so the next flush includes them all, and they are read from the disk
 *
 * Must always hold: indexes below that point are trusted, so they are durable and complete. A missing one is rebuilt, and durable
 * before it gets its name (mapped_index.ts).
 *
 * Source: Kafka's LogLoader and UnifiedLog.rebuildProducerState.
 */
import { type Offset, toOffset } from "../base/units.ts";
import { rebuildEpochs } from "./epochs/epoch_rebuild.ts";
import { clearLeftovers } from "./leftover_files.ts";
import { LEADER_EPOCHS_FILE, LeaderEpochFile } from "./epochs/leader_epoch_file.ts";
import { readTruncationMark, type TruncationMark } from "./follower/truncation_mark.ts";
import { keepAborted, rebuildAborted } from "./producers/aborted_recovery.ts";
import { loadProducers } from "./producers/producer_loading.ts";
import { ProducerStateManager } from "./producers/producer_state_manager.ts";
import {
  recoverAfterKill,
  type RecoveredLog,
  recoverSegments,
  refuseMissing,
  removeSnapshots,
} from "./log_recovery.ts";
import type { LogResources } from "./log_resources.ts";
import type { LogOptions, UncommittedTraces } from "./log_types.ts";
import { ensurePartitionMetadata } from "../directory/partition_directory.ts";
import { PARTITION_METADATA_FILE } from "../directory/partition_metadata.ts";
import { nextOffset } from "../records/record_batch.ts";
import { SegmentRecovery } from "../segments/segment_recovery.ts";
import { Segment } from "../segments/segment.ts";
import type { SegmentPlace } from "../segments/segment_place.ts";
import { markDeleted } from "../segments/segment_deletion.ts";
import { SegmentList } from "../segments/segment_list.ts";
import { parsePartitionFileName } from "../segments/segment_names.ts";
import { SegmentReader } from "../segments/segment_reader.ts";
import { Unflushed } from "./unflushed.ts";

/** Files of a log that are flushed with its first records. */
const SMALL_FILES = [PARTITION_METADATA_FILE, LEADER_EPOCHS_FILE];

/** What a log starts with. */
export interface LoadedLog {
  readonly segments: SegmentList;
  readonly epochs: LeaderEpochFile;
  readonly producers: ProducerStateManager;
  readonly logStartOffset: Offset;
  readonly logEndOffset: Offset;
  readonly recoveryPoint: Offset;
  /** Segments below it are durable in their final form, with their indexes and their size (drawn in log_durability.ts). */
  readonly closedDurableBelow: Offset;
  /** What the directory says about truncations, null for nothing. */
  readonly truncationMark: TruncationMark | null;
  /** No checkpoint has a higher recovery point. */
  readonly highestRecoveryPoint: Offset;
  /** Directories and small files that may not be durable yet. */
  readonly unflushed: Unflushed;
  /** Whether recovery cut torn or corrupt bytes off, or set segments aside. */
  readonly hasCut: boolean;
  /**
   * Records from here on may be missing in between, because a loss of power has taken them: a gap that compaction has made looks the same.
   * A replica that follows a leader has to fetch them again. Null where nothing is missing.
   */
  readonly lostFrom: Offset | null;
  /** Traces of transactions in the files and in those batches that opening reads anyway. */
  readonly uncommitted: UncommittedTraces;
}

/**
 * Loads a log. If that fails, a directory that was created for it is removed: a later start would adopt it.
 * @throws LogDamagedError when it cannot be served @throws SystemError, or the runtime's errors, when the disk refuses
 */
export function loadLog(options: LogOptions, resources: LogResources): LoadedLog {
  const { fs, directory } = options;
  const isNew = fs.modifiedMs(directory) === null;
  const mark = isNew ? null : readTruncationMark(fs, directory);
  const recoveryPoint = toOffset(Math.min(options.recoveryPoint, mark?.endOffset ?? Infinity));
  const loader = new LogLoader({ ...options, recoveryPoint }, resources);
  try {
    const loaded = loader.load(isNew);
    // What was handed over may have been durable up to its end before, and a checkpoint may say so.
    const handedOver = options.isHandedOver === true ? loaded.logEndOffset : loaded.recoveryPoint;
    const known = Math.max(options.recoveryPoint, handedOver, mark?.highestRecoveryPoint ?? 0);
    return { ...loaded, truncationMark: mark, highestRecoveryPoint: toOffset(known) };
  } catch (error) {
    for (const segment of loader.segments.all) segment.retire();
    if (isNew) fs.remove(directory);
    throw error;
  }
}

class LogLoader {
  readonly segments = new SegmentList();
  readonly #options: LogOptions;
  readonly #place: SegmentPlace;
  readonly #reader: SegmentReader;
  readonly #recovery: SegmentRecovery;
  readonly #unflushed = new Unflushed();
  #scanned = false;
  #hasCut = false;
  #lostFrom: Offset | null = null;
  /** Whether a segment has an index of aborted transactions, and whether one has such a file, which may be empty. */
  #hasAborted = false;
  #hasAbortedFile = false;
  /** Base offset of the first segment that recovery has read, null for none. */
  #scannedFrom: Offset | null = null;
  /** Whether recovery has read control batches. */
  #hasMarkers = false;

  constructor(options: LogOptions, resources: LogResources) {
    const { fs, directory, config, random = Math.random } = options;
    this.#options = options;
    this.#place = { fs, resources, directory, config, random };
    this.#reader = new SegmentReader(resources.window);
    this.#recovery = new SegmentRecovery(fs, resources);
  }

  /** @param isNew whether there is no directory yet */
  load(isNew: boolean): Omit<LoadedLog, "truncationMark" | "highestRecoveryPoint"> {
    const { fs, directory, clock, cleanShutdown, isHandedOver = false, isCacheIntact = false } = this.#options;
    if (!isNew && !cleanShutdown && !isCacheIntact) this.#dropCached(SMALL_FILES.map((name) => `${directory}/${name}`));
    if (!isNew && (!cleanShutdown || isHandedOver)) this.#flushSmallFilesNext();
    ensurePartitionMetadata(this.#options, this.#unflushed);
    if (!isNew) this.#findFiles();
    const epochs = new LeaderEpochFile(fs, directory, isNew);
    let logEndOffset = this.#findEnd(epochs);
    refuseMissing(logEndOffset, this.#options);
    if (this.segments.length > 0 && logEndOffset < this.#options.logStartOffset) {
      this.#report(
        `All segments are removed: they end at ${logEndOffset}, below the log start ${this.#options.logStartOffset}`,
      );
      this.#removeSegments(0);
    }
    if (this.segments.length === 0) {
      logEndOffset = this.#options.logStartOffset;
      this.#createSegment(logEndOffset);
    } else {
      this.segments.active.activate(clock.wallMs());
    }
    const logStartOffset = toOffset(Math.max(this.#options.logStartOffset, this.segments.first.baseOffset));
    this.#restoreEpochs(epochs, { logStartOffset, logEndOffset });
    const producers = this.#loadProducers({ logStartOffset, logEndOffset });
    this.#restoreAborted(logEndOffset);
    const isDurable = cleanShutdown && !isHandedOver && !this.#scanned;
    const recoveryPoint = isDurable ? logEndOffset : toOffset(Math.min(this.#options.recoveryPoint, logEndOffset));
    return {
      segments: this.segments,
      epochs,
      producers,
      logStartOffset,
      logEndOffset,
      recoveryPoint,
      closedDurableBelow: this.#closedDurableBelow(recoveryPoint, isDurable),
      unflushed: this.#unflushed,
      hasCut: this.#hasCut,
      lostFrom: this.#lostFrom,
      uncommitted: {
        hasAborted: this.#hasAborted || producers.hasSeenAbort,
        openCount: producers.state.openTransactionsCount,
      },
    };
  }

  /**
   * Base offset of the first segment that the next flush has to include. The active segment grows and is trimmed again, and the
   * segment before the recovery point may not be in its final form.
   */
  #closedDurableBelow(recoveryPoint: Offset, isDurable: boolean): Offset {
    if (isDurable) return this.segments.active.baseOffset;
    const index = this.segments.floorIndex(recoveryPoint);
    return this.segments.at(index > 0 && this.#mayBeUnfinished(index - 1, recoveryPoint) ? index - 1 : index)
      .baseOffset;
  }

  /** Drops files from the page cache so that they are read from the disk, as recovery reads segments (log_recovery.ts). */
  #dropCached(paths: readonly string[]): void {
    const { fs } = this.#options;
    for (const path of paths) {
      if (fs.modifiedMs(path) === null) continue;
      const fd = fs.open(path, { write: false });
      fs.dropCached(fd);
      fs.close(fd);
    }
  }

  /** Adds all small files to the next flush, because it is not known which of them the last owner made durable. */
  #flushSmallFilesNext(): void {
    const { directory } = this.#options;
    this.#unflushed.addDirectory(directory.slice(0, directory.lastIndexOf("/")) || "/");
    this.#unflushed.addDirectory(directory);
    for (const name of SMALL_FILES) this.#unflushed.addFile(`${directory}/${name}`);
  }

  #report(message: string): void {
    this.#options.report?.(`${this.#options.directory}: ${message}`);
  }

  #findFiles(): void {
    const { fs, directory, cleanShutdown, isCacheIntact = false, logStartOffset } = this.#options;
    if (clearLeftovers(fs, directory, this.#reader.window)) this.#unflushed.addDirectory(directory);
    this.#findSegments();
    // A recovery does so where there are segments.
    if (this.segments.length === 0 && !cleanShutdown && !isCacheIntact) removeSnapshots(logStartOffset, this.#options);
  }

  /** Loads the segments that have a `.log` file; removes indexes without one and rebuilds missing indexes. */
  #findSegments(): void {
    const { fs, directory } = this.#options;
    const names = fs.list(directory).filter((entry) => !entry.isDirectory).map((entry) => entry.name).sort();
    const present = new Set(names);
    for (const name of names) {
      const parsed = parsePartitionFileName(name);
      if (parsed === null || parsed.kind === ".snapshot") continue;
      if (parsed.kind !== ".log") {
        if (!present.has(name.slice(0, -parsed.kind.length) + ".log")) fs.remove(`${directory}/${name}`);
        else if (parsed.kind === ".txnindex") {
          this.#hasAbortedFile = true;
          this.#hasAborted ||= this.#sizeOf(name) > 0;
        }
        continue;
      }
      const segment = new Segment(this.#place, parsed.offset);
      const size = segment.openExisting();
      this.segments.push(segment);
      this.#recovery.refuseOldFormats(segment, 0, size);
      const stem = name.slice(0, -".log".length);
      const whole = present.has(`${stem}.index`) && present.has(`${stem}.timeindex`);
      if (!whole && !this.#isRecovered(segment)) this.#rebuild(segment);
    }
  }

  #sizeOf(name: string): number {
    const { fs, directory } = this.#options;
    const fd = fs.open(`${directory}/${name}`, { write: false });
    try {
      return fs.size(fd);
    } finally {
      fs.close(fd);
    }
  }

  #rebuild(segment: Segment): void {
    this.#report(`The indexes of segment ${segment.baseOffset} are built anew`);
    this.#reader.rebuildIndexes(segment);
    this.#unflushed.addDirectory(this.#options.directory);
  }

  /** Whether the segment may hold bytes that were never flushed. Correct only once all segments up to it are loaded. */
  #isRecovered(segment: Segment): boolean {
    const { cleanShutdown, isCacheIntact = false, recoveryPoint } = this.#options;
    return !cleanShutdown && !isCacheIntact && segment.baseOffset >= recoveryPoint;
  }

  /** Recovers segments where necessary, and returns the log's end. */
  #findEnd(epochs: LeaderEpochFile): Offset {
    if (this.segments.length === 0) return this.#options.logStartOffset;
    if (this.#options.cleanShutdown) {
      const end = this.#findCleanEnd(this.segments.active);
      return end ?? this.#recover(this.segments.length - 1, epochs);
    }
    if (this.#options.isCacheIntact === true) {
      const report = (message: string) => this.#report(message);
      const found = recoverAfterKill({ segments: this.segments, recovery: this.#recovery, report });
      if (found !== null) return this.#note(found);
      this.#report(
        "The end of the log is not as a killed process leaves it: all from the recovery point on is checked",
      );
    }
    const from = this.segments.floorIndex(this.#options.recoveryPoint);
    return this.#recover(from === 0 || this.#isFinal(from - 1) ? from : from - 1, epochs);
  }

  /** Whether a segment has its final size and does not overlap the next one. */
  #isFinal(index: number): boolean {
    const segment = this.segments.at(index);
    const next = this.segments.at(index + 1).baseOffset;
    if (this.#mayBeUnfinished(index, this.#options.recoveryPoint)) this.#reader.rebuildIndexes(segment);
    const end = this.#findCleanEnd(segment);
    return end !== null && end <= next;
  }

  /**
   * Whether the last flush of a closed segment may have been before it was closed. Then its records are durable, but its size and
   * its indexes are not, and an index that lost its last entries looks like a complete one. A flush that goes beyond a segment
   * includes its files as closing it left them (log_durability.ts).
   */
  #mayBeUnfinished(index: number, recoveryPoint: Offset): boolean {
    return this.segments.at(index + 1).baseOffset >= recoveryPoint;
  }

  /** End offset of a segment, found by its index; null when the segment was not closed properly. */
  #findCleanEnd(segment: Segment): Offset | null {
    if (!segment.openIndexes()) this.#rebuild(segment);
    segment.openIndexes();
    const { offsetIndex, logFileBytes } = segment;
    const from = offsetIndex.positionAt(offsetIndex.count - 1);
    let end = segment.baseOffset;
    const position = this.#reader.scan(segment, { from, to: logFileBytes }, (view, at) => end = nextOffset(view, at));
    return position === logFileBytes ? end : null;
  }

  #recover(from: number, epochs: LeaderEpochFile): Offset {
    this.#scanned = true;
    this.#scannedFrom = this.segments.at(from).baseOffset;
    return this.#note(recoverSegments(from, {
      options: this.#options,
      segments: this.segments,
      recovery: this.#recovery,
      epochs,
      unflushed: this.#unflushed,
      report: (message) => this.#report(message),
    }));
  }

  #note({ endOffset, hasCut, hasMarkers, lostFrom }: RecoveredLog): Offset {
    this.#hasMarkers = hasMarkers;
    this.#hasCut ||= hasCut;
    this.#lostFrom = lostFrom;
    return endOffset;
  }

  #removeSegments(from: number): void {
    const { fs, directory } = this.#options;
    while (this.segments.length > from) {
      const segment = this.segments.pop();
      this.#report(`Segment ${segment.baseOffset} with ${segment.logFileBytes} bytes is removed`);
      for (const path of markDeleted(fs, segment)) fs.remove(path);
      segment.retire();
    }
    this.#unflushed.addDirectory(directory);
  }

  #createSegment(offset: Offset): void {
    const segment = new Segment(this.#place, offset);
    try {
      segment.create(this.#options.clock.wallMs());
    } catch (error) {
      segment.retire();
      throw error;
    }
    this.segments.push(segment);
    this.#unflushed.addDirectory(this.#options.directory);
  }

  #restoreEpochs(epochs: LeaderEpochFile, range: { logStartOffset: Offset; logEndOffset: Offset }): void {
    if (epochs.wasLost) {
      if (range.logEndOffset > range.logStartOffset) {
        this.#report(`${LEADER_EPOCHS_FILE} is missing or damaged: the leader epochs are read from the batches`);
      }
      rebuildEpochs(epochs, this.segments.all, this.#reader);
    }
    epochs.truncateFromEnd(range.logEndOffset);
    epochs.truncateFromStart(range.logStartOffset);
    epochs.save(this.#unflushed);
  }

  /** After an unclean stop the indexes of aborted transactions are what the batches say, and durable, as far as they may not have been. */
  #restoreAborted(logEndOffset: Offset): void {
    const { fs, directory, cleanShutdown, isHandedOver = false, recoveryPoint } = this.#options;
    if (!this.#hasAbortedFile && !this.#hasMarkers) return;
    const parts = { fs, directory, segments: this.segments, reader: this.#reader };
    if (this.#scannedFrom !== null) rebuildAborted(this.segments.floorIndex(this.#scannedFrom), parts);
    else if (!cleanShutdown || isHandedOver) {
      keepAborted(Math.max(0, this.segments.floorIndex(recoveryPoint) - 1), logEndOffset, parts);
    }
  }

  #loadProducers(range: { logStartOffset: Offset; logEndOffset: Offset }): ProducerStateManager {
    const { fs, directory, clock, producerIdExpirationMs, cleanShutdown } = this.#options;
    const producers = new ProducerStateManager(fs, directory);
    const { segments } = this;
    producers.snapshots.removeStray(segments.baseOffsets);
    if (producers.snapshots.latest < 0 && cleanShutdown) {
      // Kafka's rule for logs from before snapshots existed: they are not scanned, and producers start without a state.
      for (const offset of [...segments.baseOffsets.slice(-2), range.logEndOffset]) producers.snapshot(offset);
      return producers;
    }
    const report = (message: string) => this.#report(message);
    const options = { clock, producerIdExpirationMs };
    loadProducers({ segments, reader: this.#reader, producers, options, report }, range);
    return producers;
  }
}
