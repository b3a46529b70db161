/**
 * Cleans a log: keeps the last record of each key, with its offset, and writes what is left into new segments (KIP-534, KIP-58). Runs on
 * the cleaner worker; every call blocks for the system calls that it makes. The shard that owns the log makes the job, and puts the new
 * segments in the place of the old ones.
 *
 *   fill the offset map ─► for each group of neighbouring segments: read, clean batch by batch, write ─► flush ─► flush names ─► result
 *
 * Must always hold: the files of the log are only read. No other cleaning of the log is under way, and no swap. A new segment that would
 * not differ from its only source is thrown away. Damage anywhere ends the cleaning: no new segment takes the place of another then. The
 * new segments, and the names of their files, are durable before there is a result: the swap relies on it (segment_swap.ts).
 * Source: Kafka's Cleaner.
 */
import { assert } from "../base/assert.ts";
import { toOffset } from "../base/units.ts";
import type { AbortedTransaction } from "../segments/transaction_index.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { SystemError } from "../sys/libc.ts";
import { readAborted } from "./aborted_transactions.ts";
import { BatchSource } from "./batch_source.ts";
import { removeCleanedFiles } from "./cleaned_segment.ts";
import type { Cleaning, CleaningJob, CleaningResult } from "./cleaning_job.ts";
import { MapBuilding } from "./map_building.ts";
import { SegmentRewriting } from "./segment_rewriting.ts";

/** What a cleaning works with. */
export interface CleaningParts {
  readonly fs: FileSystem;
  /** Secret of the hashes of keys, for tests; a random one where absent. */
  readonly secret?: Int32Array;
}

/**
 * Begins to clean a log. Nothing is done before `next()`.
 * @param job what is cleaned, and how
 * @returns the cleaning, which is to be disposed of
 */
export function cleanLog(job: CleaningJob, parts: CleaningParts): Cleaning {
  assert(job.segments.length > 0, "a log that is cleaned has a closed segment");
  return new LogCleaning(job, parts);
}

class LogCleaning implements Cleaning {
  readonly #job: CleaningJob;
  readonly #parts: CleaningParts;
  readonly #source: BatchSource;
  #building: MapBuilding | null = null;
  #aborted: readonly AbortedTransaction[] = [];
  #rewriting: SegmentRewriting | null = null;
  #result: CleaningResult | null = null;

  constructor(job: CleaningJob, parts: CleaningParts) {
    this.#job = job;
    this.#parts = parts;
    this.#source = new BatchSource(parts.fs, job.directory);
  }

  get bytesMoved(): number {
    const { bytesRead = 0, bytesWritten = 0 } = this.#rewriting ?? {};
    return (this.#building?.bytesRead ?? 0) + bytesRead + bytesWritten;
  }

  get progress(): number {
    if (this.#result !== null) return 1;
    if (this.#building === null) return 0;
    const rewritten = this.#rewriting?.bytesTotal ?? this.#job.segments.reduce((sum, { bytes }) => sum + bytes, 0);
    const read = this.#building.bytesRead + (this.#rewriting?.bytesRead ?? 0);
    // A map that was full did not read all of its part.
    const toMap = this.#rewriting === null ? this.#building.bytesTotal : this.#building.bytesRead;
    return Math.min(1, read / Math.max(1, toMap + rewritten));
  }

  get result(): CleaningResult {
    assert(this.#result !== null, "a cleaning has a result when it is done");
    return this.#result;
  }

  next(): boolean {
    if (this.#result !== null) return false;
    if (this.#building === null) {
      removeCleanedFiles(this.#parts.fs, this.#job.directory);
      this.#aborted = readAborted(this.#parts.fs, this.#job);
      this.#building = new MapBuilding(this.#job, this.#shared());
      return true;
    }
    if (this.#rewriting === null) {
      if (!this.#building.next()) this.#rewriting = new SegmentRewriting(this.#job, this.#shared(), this.#building);
      return true;
    }
    if (this.#rewriting.next()) return true;
    if (this.#rewriting.replacements.length > 0) this.#flushNames();
    this.#result = this.#resultOf(this.#building, this.#rewriting);
    return false;
  }

  [Symbol.dispose](): void {
    this.#source[Symbol.dispose]();
    this.#building?.map[Symbol.dispose]();
    if (this.#result === null) this.#rewriting?.abandon();
  }

  #flushNames(): void {
    const { directory } = this.#job;
    if (!this.#parts.fs.syncDirectory(directory)) throw new SystemError(`flush directory ${directory}`);
  }

  #shared() {
    return { ...this.#parts, source: this.#source, aborted: this.#aborted };
  }

  #resultOf({ map, latestOffset, bytesRead }: MapBuilding, rewriting: SegmentRewriting): CleaningResult {
    const { recordsRead, recordsKept, keylessRecords } = rewriting.cleaner;
    return {
      replacements: rewriting.replacements,
      nextDirtyOffset: toOffset(latestOffset + 1),
      statistics: {
        mapBytesRead: bytesRead,
        bytesRead: rewriting.bytesRead,
        bytesWritten: rewriting.bytesWritten,
        recordsRead,
        recordsKept,
        keylessRecords,
        keysCount: map.size,
        mapUtilization: map.utilization,
      },
    };
  }
}
