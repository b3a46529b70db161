/**
 * Fills the offset map of a cleaning with the keys of the part of the log that was never cleaned. Runs on the cleaner worker.
 *
 *   0 ......... firstDirtyOffset ........................ latestOffset ........ firstUncleanableOffset
 *               keys in this range are in the map        the map was full here, or the range ended
 *
 * Must always hold: all records from `firstDirtyOffset` to `latestOffset` with a key are in the map, except those of aborted transactions.
 * At least one record is passed, however small the map is, so that cleaning after cleaning comes to the end.
 *
 * Two differences to Kafka. It stops at a batch where the map is full, and never gets further when one batch alone has more keys. And it
 * takes records of open transactions into the map when their segment holds the last stable offset: an abort would then lose older records.
 * Source: Kafka's Cleaner.buildOffsetMap.
 */
import { type Offset, toOffset } from "../base/units.ts";
import { LogResources } from "../log/log_resources.ts";
import * as batches from "../records/record_batch.ts";
import { Segment } from "../segments/segment.ts";
import { SegmentReader } from "../segments/segment_reader.ts";
import type { FileSystem } from "../sys/file_system.ts";
import type { AbortedTransaction } from "../segments/transaction_index.ts";
import type { BatchSource } from "./batch_source.ts";
import { CleanedTransactions } from "./cleaned_transactions.ts";
import { segmentConfigOf } from "./cleaned_segment.ts";
import type { CleaningJob, CleaningSegment } from "./cleaning_job.ts";
import { OffsetMap } from "./offset_map.ts";
import { RecordWalk, STEP_UNPACKED_BYTES_MAX } from "./record_walk.ts";

/** What the parts of a cleaning share. */
export interface MapParts {
  readonly fs: FileSystem;
  readonly source: BatchSource;
  readonly aborted: readonly AbortedTransaction[];
  /** Secret of the map's hashes; a random one where absent. */
  readonly secret?: Int32Array;
}

/** The first part of a cleaning. */
export class MapBuilding {
  readonly map: OffsetMap;
  /** Bytes that were read. */
  bytesRead = 0;
  readonly #job: CleaningJob;
  readonly #parts: MapParts;
  readonly #dirty: readonly CleaningSegment[];
  readonly #transactions: CleanedTransactions;
  readonly #walk = new RecordWalk();
  #index = -1;
  /** Whether it ends before the last batch of the dirty segments: the map is full, or the cleanable part ends. */
  #isComplete = false;
  /** Whether batches of the last read are left. */
  #isPending = false;
  #latestOffset: Offset;

  /** @param job what is cleaned */
  constructor(job: CleaningJob, parts: MapParts) {
    this.#job = job;
    this.#parts = parts;
    const { firstDirtyOffset, firstUncleanableOffset } = job;
    this.map = new OffsetMap(job.dedupeBufferBytes, job.dedupeLoadFactor, parts.secret);
    this.#dirty = job.segments.filter(({ baseOffset, endOffset }) =>
      endOffset > firstDirtyOffset && baseOffset < firstUncleanableOffset
    );
    this.#transactions = new CleanedTransactions(parts.aborted, firstDirtyOffset);
    this.#latestOffset = toOffset(firstDirtyOffset - 1);
  }

  /** Bytes of all segments that it may read. */
  get bytesTotal(): number {
    return this.#dirty.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Last offset of the part of the log whose keys are in the map. */
  get latestOffset(): Offset {
    return this.#latestOffset;
  }

  /**
   * Reads the next part of the log.
   * @returns false when the map is complete
   * @throws LogDamagedError, UncleanableError, SystemError as `BatchSource`
   */
  next(): boolean {
    const { source } = this.#parts;
    if (this.#index < 0) return this.#openNext();
    if (!this.#isPending) {
      const read = source.load();
      this.bytesRead += read;
      if (read === 0) return this.#openNext();
    }
    this.#isPending = true;
    for (let unpacked = 0; unpacked < STEP_UNPACKED_BYTES_MAX; unpacked += this.#walk.unpackedBytes) {
      if (!source.next()) {
        this.#isPending = false;
        return true;
      }
      this.#addBatch();
      if (this.#isComplete) return this.#end();
    }
    return true;
  }

  #openNext(): boolean {
    const before = this.#dirty[this.#index];
    if (before !== undefined) this.#pass(toOffset(before.endOffset - 1));
    const segment = this.#dirty[++this.#index];
    if (segment === undefined) return this.#end();
    this.#parts.source.open(segment, this.#startIn(segment));
    return true;
  }

  #end(): false {
    this.#parts.source[Symbol.dispose]();
    return false;
  }

  #addBatch(): void {
    const { source } = this.#parts;
    const { memory, at } = source;
    const { view } = memory;
    if (batches.baseOffset(view, at) >= this.#job.firstUncleanableOffset) {
      this.#pass(toOffset(batches.baseOffset(view, at) - 1));
      this.#isComplete = true;
      return;
    }
    const isControl = batches.isControl(view, at);
    const isAborted = isControl ? this.#transactions.passControl(view, at) : this.#transactions.passData(view, at);
    if (!isControl && !isAborted) this.#addRecords();
    if (!this.#isComplete) this.#pass(batches.lastOffset(view, at));
  }

  #addRecords(): void {
    const { firstDirtyOffset, firstUncleanableOffset } = this.#job;
    const { source } = this.#parts;
    const walk = this.#walk;
    const refusal = walk.begin(source.memory, source.at);
    if (refusal !== null) source.refuseContent(refusal);
    while (walk.next()) {
      const { offset, keyLength } = walk;
      if (keyLength < 0 || offset < firstDirtyOffset) continue;
      const isBeyond = offset >= firstUncleanableOffset;
      if (isBeyond || !this.map.put(walk.memory, walk.keyStart, keyLength, toOffset(offset))) {
        this.#pass(toOffset(offset - 1));
        this.#isComplete = true;
        return;
      }
    }
    if (walk.isDamaged) source.refuse("a record does not fit into the batch");
    walk.trim();
  }

  /** Notes that all records up to an offset were passed. */
  #pass(offset: Offset): void {
    const { firstUncleanableOffset } = this.#job;
    this.#latestOffset = toOffset(Math.min(Math.max(this.#latestOffset, offset), firstUncleanableOffset - 1));
  }

  /** Position of the first batch of a segment that may hold a record that was never cleaned. The index is only a hint. */
  #startIn(segment: CleaningSegment): number {
    const { firstDirtyOffset, directory } = this.#job;
    if (firstDirtyOffset <= segment.baseOffset) return 0;
    const { fs } = this.#parts;
    const resources = new LogResources(fs);
    const place = { fs, resources, directory, config: segmentConfigOf(this.#job), random: () => 0 };
    const file = new Segment(place, segment.baseOffset);
    try {
      file.openExisting();
      const reader = new SegmentReader(resources.window);
      return reader.findOffset(file, firstDirtyOffset) === "found" ? reader.position : 0;
    } finally {
      file.retire();
    }
  }
}
