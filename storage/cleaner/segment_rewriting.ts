/**
 * Rewrites the segments of a log, group by group, once the offset map is complete. Runs on the cleaner worker.
 *
 *   group 1: | 0 | 400 | 800 |  ─►  | 0.cleaned |       group 2: | 1200 |  ─►  | 1200.cleaned |, or nothing where all batches stay
 *
 * Must always hold: each new segment is complete and flushed before the next group begins.
 * Source: Kafka's Cleaner.cleanSegments, cleanInto.
 */
import type { Offset } from "../base/units.ts";
import { partitionFileName, type SegmentFileKind } from "../segments/segment_names.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { BatchCleaner } from "./batch_cleaner.ts";
import { CleanedSegment, WriteBuffer } from "./cleaned_segment.ts";
import { CleanedTransactions } from "./cleaned_transactions.ts";
import type { CleaningJob, CleaningSegment, SegmentReplacement } from "./cleaning_job.ts";
import type { MapBuilding, MapParts } from "./map_building.ts";
import { STEP_UNPACKED_BYTES_MAX } from "./record_walk.ts";
import { groupSegments, type SizedSegment } from "./segment_grouping.ts";

/** The second part of a cleaning. */
export class SegmentRewriting {
  readonly cleaner: BatchCleaner;
  /** Bytes of all segments that it reads. */
  readonly bytesTotal: number;
  readonly replacements: SegmentReplacement[] = [];
  bytesRead = 0;
  readonly #job: CleaningJob;
  readonly #parts: MapParts;
  readonly #groups: readonly (readonly CleaningSegment[])[];
  readonly #transactions: CleanedTransactions;
  readonly #buffer = new WriteBuffer();
  readonly #finished: CleanedSegment[] = [];
  #groupIndex = -1;
  #sourceIndex = 0;
  #target: CleanedSegment | null = null;
  #finishedBytes = 0;
  /** Whether batches of the last read are left. */
  #isPending = false;

  /** @param building has the complete map */
  constructor(job: CleaningJob, parts: MapParts, { map, latestOffset }: MapBuilding) {
    this.#job = job;
    this.#parts = parts;
    const cleaned = job.segments.filter(({ baseOffset }) => baseOffset <= latestOffset);
    this.#groups = groupSegments(cleaned.map((segment) => withIndexSizes(parts.fs, job.directory, segment)), job);
    this.bytesTotal = cleaned.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#transactions = new CleanedTransactions(parts.aborted, job.segments[0]!.baseOffset);
    this.cleaner = new BatchCleaner({ job, map, latestOffset, transactions: this.#transactions });
  }

  /** Bytes of batches that were written. */
  get bytesWritten(): number {
    return this.#finishedBytes + (this.#target?.bytes ?? 0);
  }

  /**
   * Reads and cleans the next part of the log, or completes a new segment.
   * @returns false when all segments are rewritten
   * @throws LogDamagedError, UncleanableError, SystemError as `BatchSource`, `BatchCleaner` and `CleanedSegment`
   */
  next(): boolean {
    const { source } = this.#parts;
    if (this.#target === null) return this.#beginGroup();
    if (!this.#isPending) {
      const read = source.load();
      this.bytesRead += read;
      if (read === 0) return this.#endSource(this.#target);
    }
    this.#isPending = true;
    for (let unpacked = 0; unpacked < STEP_UNPACKED_BYTES_MAX;) {
      if (!source.next()) {
        this.#isPending = false;
        return true;
      }
      source.checkCrc();
      unpacked += this.cleaner.clean(source, this.#target);
    }
    return true;
  }

  /** Removes all files that were written. @throws the runtime's errors when the disk refuses */
  abandon(): void {
    this.#target?.abandon();
    for (const segment of this.#finished) segment.abandon();
  }

  get #group(): readonly CleaningSegment[] {
    return this.#groups[this.#groupIndex] ?? [];
  }

  #beginGroup(): boolean {
    this.#groupIndex++;
    const [first] = this.#group;
    if (first === undefined) return false;
    const place = { baseOffset: first.baseOffset, buffer: this.#buffer };
    this.#target = new CleanedSegment(this.#parts.fs, this.#job, place);
    this.cleaner.changedCount = 0;
    this.#sourceIndex = 0;
    this.#parts.source.open(first);
    return true;
  }

  #endSource(target: CleanedSegment): boolean {
    const next = this.#group[++this.#sourceIndex];
    if (next === undefined) this.#endGroup(target);
    else this.#parts.source.open(next);
    return true;
  }

  #endGroup(target: CleanedSegment): void {
    const group = this.#group;
    this.#parts.source[Symbol.dispose]();
    const aborted = this.#transactions.takeRetained();
    if (group.length === 1 && this.cleaner.changedCount === 0) target.abandon();
    else {
      const sources = group.map(({ baseOffset }): Offset => baseOffset);
      this.replacements.push(target.finish(sources, group.at(-1)!.modifiedMs, aborted));
      this.#finished.push(target);
    }
    this.#finishedBytes += target.bytes;
    this.#target = null;
  }
}

function withIndexSizes(fs: FileSystem, directory: string, segment: CleaningSegment): SizedSegment {
  const sizeOf = (kind: SegmentFileKind) => {
    const path = `${directory}/${partitionFileName(segment.baseOffset, kind)}`;
    if (fs.modifiedMs(path) === null) return 0;
    const fd = fs.open(path, { write: false });
    try {
      return fs.size(fd);
    } finally {
      fs.close(fd);
    }
  };
  return { ...segment, offsetIndexBytes: sizeOf(".index"), timeIndexBytes: sizeOf(".timeindex") };
}
