/**
 * Writes one new segment under the names with `.cleaned`: batches into its `.log` file, their entries into its indexes as a segment that
 * grows makes them, and the index of aborted transactions. Runs on the cleaner worker; every call blocks.
 *
 * Must always hold: after `finish()` all files are complete and flushed. Until then a crash leaves files that the next start removes.
 * Source: Kafka's Cleaner.cleanSegments and UnifiedLog.createNewCleanedSegment.
 */
import { freeBytes } from "../base/freed_bytes.ts";
import { NO_OFFSET, type Offset } from "../base/units.ts";
import type { SegmentConfig } from "../log/log_config.ts";
import { LogResources } from "../log/log_resources.ts";
import * as batches from "../records/record_batch.ts";
import { Segment } from "../segments/segment.ts";
import { CLEANED_SUFFIX, segmentFileKinds } from "../segments/segment_names.ts";
import { type AbortedTransaction, encodeTransactionIndex } from "../segments/transaction_index.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { SystemError } from "../sys/libc.ts";
import { allocateNative, type NativeMemory } from "../sys/memory.ts";
import type { CleaningJob, SegmentReplacement } from "./cleaning_job.ts";
import { UncleanableError } from "./uncleanable.ts";

/** Bytes of one write. */
const WRITE_BYTES = 1024 * 1024;
/** An offset index stores positions in 32 bits with a sign. */
const LOG_FILE_BYTES_MAX = 0x7fff_ffff;

/**
 * Removes the files of an earlier cleaning whose result was not wanted: the partition was handed over, or its topic was not compacted for
 * a moment. A start that finds one of them below a `.swap` file takes that for unfinished and removes it (leftover_files.ts), after the
 * segments that it replaces are gone.
 * @throws the runtime's errors when the disk refuses
 */
export function removeCleanedFiles(fs: FileSystem, directory: string): void {
  for (const { name } of fs.list(directory)) if (name.endsWith(CLEANED_SUFFIX)) fs.remove(`${directory}/${name}`);
}

/** The settings of the segments of a job. */
export function segmentConfigOf({ segmentBytes, segmentIndexBytes, indexIntervalBytes }: CleaningJob): SegmentConfig {
  const noRolls = { segmentMs: Infinity, segmentJitterMs: 0 };
  return { segmentBytes, segmentIndexBytes, indexIntervalBytes, ...noRolls, preallocate: false, appendMode: "pwrite" };
}

/** Memory for the batches that are not written yet. One serves all segments of a cleaning. */
export class WriteBuffer {
  memory: NativeMemory = allocateNative(WRITE_BYTES);
  length = 0;

  /** Empties it and makes it at least a size; memory for a larger batch is given up with the next one. */
  begin(bytes = 0): void {
    const wanted = Math.max(WRITE_BYTES, bytes);
    this.length = 0;
    if (this.memory.bytes.length === wanted) return;
    freeBytes(this.memory.bytes);
    this.memory = allocateNative(wanted);
  }
}

/** A segment that is being written. */
export class CleanedSegment {
  readonly #fs: FileSystem;
  readonly #segment: Segment;
  readonly #buffer: WriteBuffer;
  readonly #batch = { bytes: 0, lastOffset: NO_OFFSET, maxTimestamp: 0, nowMs: 0 };
  #writtenBytes = 0;

  /** Creates the files. @param baseOffset of the segment @throws SystemError, also for a full disk; nothing is left open then */
  constructor(fs: FileSystem, job: CleaningJob, { baseOffset, buffer }: { baseOffset: Offset; buffer: WriteBuffer }) {
    const config = segmentConfigOf(job);
    const place = { fs, directory: job.directory, config, resources: new LogResources(fs), random: () => 0 };
    this.#fs = fs;
    this.#buffer = buffer;
    this.#segment = new Segment(place, baseOffset);
    this.#segment.suffix = CLEANED_SUFFIX;
    buffer.begin();
    try {
      this.#segment.create(job.nowMs);
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  /** Bytes of its batches. */
  get bytes(): number {
    return this.#segment.logFileBytes;
  }

  /**
   * Makes room for a batch after those before it.
   * @param bytesMax most bytes that it may have
   * @returns index of its first byte in `memory`; fill it in and call `append()`
   * @throws UncleanableError when the segment would become too large @throws SystemError when the disk refuses
   */
  reserve(bytesMax: number): number {
    const buffer = this.#buffer;
    if (this.bytes + bytesMax > LOG_FILE_BYTES_MAX) {
      const message = `Cannot clean ${this.#segment.path(".log")}: rebuilt, the segment would have more than 2 GiB`;
      throw new UncleanableError(message);
    }
    if (buffer.length + bytesMax > buffer.memory.bytes.length) {
      this.#write();
      buffer.begin(bytesMax);
    }
    return buffer.length;
  }

  /** The memory for batches; another one after `reserve()`. */
  get memory(): NativeMemory {
    return this.#buffer.memory;
  }

  /** Appends the batch that was filled in, with its index entries. @throws SystemError when the disk has no room for an index */
  append(): void {
    const { memory: { view }, length: at } = this.#buffer;
    const batch = this.#batch;
    batch.bytes = batches.batchBytes(view, at);
    batch.lastOffset = batches.lastOffset(view, at);
    batch.maxTimestamp = batches.largestTimestamp(view, at);
    this.#segment.replay(batch);
    this.#buffer.length += batch.bytes;
  }

  /**
   * Completes the files and makes them durable.
   * @param sources base offsets of the segments that it replaces @param modifiedMs modification time of its `.log` file
   * @param aborted transactions whose abort marker it has
   * @throws SystemError, or the runtime's errors, when the disk refuses; `abandon()` follows
   */
  finish(sources: readonly Offset[], modifiedMs: number, aborted: readonly AbortedTransaction[]): SegmentReplacement {
    const segment = this.#segment;
    this.#write();
    segment.deactivate();
    if (aborted.length > 0) this.#writeAborted(aborted);
    const { fds, owned } = segment.openForFlush(true);
    try {
      for (const fd of fds) if (!this.#fs.fdatasync(fd)) throw new SystemError(`flush ${segment.path(".log")}`);
    } finally {
      for (const fd of owned) this.#fs.close(fd);
    }
    const replacement = {
      baseOffset: segment.baseOffset,
      sources,
      bytes: segment.logFileBytes,
      hasAborted: aborted.length > 0,
      largestTimestamp: segment.largestTimestamp,
      offsetOfLargestTimestamp: segment.offsetOfLargestTimestamp,
    };
    segment.retire();
    this.#fs.setModifiedMs(segment.path(".log"), modifiedMs);
    return replacement;
  }

  /** Closes and removes the files, before or after `finish()`. @throws the runtime's errors when the disk refuses */
  abandon(): void {
    this.#segment.retire();
    for (const kind of segmentFileKinds) this.#fs.remove(this.#segment.path(kind));
  }

  #write(): void {
    const { memory, length } = this.#buffer;
    const fd = this.#segment.fd;
    if (length > 0 && this.#fs.pwrite(fd, memory, 0, length, this.#writtenBytes) !== length) {
      throw new SystemError(`write ${length} bytes to ${this.#segment.path(".log")}`);
    }
    this.#writtenBytes += length;
    this.#buffer.length = 0;
  }

  #writeAborted(aborted: readonly AbortedTransaction[]): void {
    const path = this.#segment.path(".txnindex");
    const bytes = encodeTransactionIndex(aborted);
    const memory = allocateNative(bytes.length);
    memory.bytes.set(bytes);
    const fd = this.#fs.open(path, { write: true, create: true, truncate: true });
    try {
      const isWritten = this.#fs.pwrite(fd, memory, 0, bytes.length, 0) === bytes.length;
      if (!isWritten || !this.#fs.fdatasync(fd)) throw new SystemError(`write ${path}`);
    } finally {
      this.#fs.close(fd);
    }
  }
}
