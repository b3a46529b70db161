/**
 * The two indexes of one segment: they are opened, extended and rebuilt together. Runs on the shard that owns the log.
 *
 * Must always hold: both cover the same batches. A search by time starts at an entry of the time index and continues in an interval
 * of the offset index (log_timestamps.ts). The offset index is in a mapping only while the time index is: what a killed process leaves
 * in the file of the offset index is then covered by the file of the time index (index_resume.ts).
 * Source: Kafka's LogSegment.
 */
import type { Offset } from "../base/units.ts";
import type { Mappings } from "../log/log_resources.ts";
import type { IndexPlace } from "./mapped_index.ts";
import { OffsetIndex } from "./offset_index.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { SystemError } from "../sys/libc.ts";
import { TimeIndex } from "./time_index.ts";

/** Where the indexes live and how large they may grow. */
export interface IndexesPlace extends Omit<IndexPlace, "path"> {
  readonly fs: FileSystem;
  readonly mappings: Mappings;
  readonly baseOffset: Offset;
  readonly bytesMax: number;
  /** Path of an index's file, which may be renamed meanwhile. */
  readonly pathOf: (kind: ".index" | ".timeindex") => string;
}

/** How indexes are rebuilt: in their files, which recovery or the next flush makes durable, or as new files, durable at once. */
export type RebuildMode = "in place" | "new file";

/** Offset index and time index. */
export class SegmentIndexes implements Disposable {
  readonly offsets: OffsetIndex;
  readonly times: TimeIndex;
  readonly #fs: FileSystem;
  #rebuild: RebuildMode = "in place";

  /** @param place where they live */
  constructor(place: IndexesPlace) {
    const { pathOf, ...shared } = place;
    const placeOf = (kind: ".index" | ".timeindex"): IndexPlace => ({
      ...shared,
      get path() {
        return pathOf(kind);
      },
    });
    this.offsets = new OffsetIndex(placeOf(".index"));
    this.times = new TimeIndex(placeOf(".timeindex"));
    this.#fs = place.fs;
  }

  /** Whether the entries of both can be read. */
  get isOpen(): boolean {
    return this.offsets.isOpen && this.times.isOpen;
  }

  /** Opens both for appending. @param options empty: existing entries are dropped @throws SystemError also for a full disk */
  openForAppend(options: { empty: boolean }): void {
    if (!this.offsets.openForAppend(options) || !this.times.openForAppend(options)) throw this.refused();
    this.#mapTogether(1);
  }

  /**
   * Opens both for appending, as a stop left them, up to the first entry of each that cannot be sound.
   * @returns whether nothing but unfinished entries and unused room lies behind @throws SystemError also for a full disk
   */
  openAsLeft(): boolean {
    this.openForAppend({ empty: false });
    const isWhole = this.offsets.dropUnsound();
    return this.times.dropUnsound() && isWhole;
  }

  /** Writes the entries of both to their files, as far as they are in memory. @throws SystemError */
  save(): void {
    // The time index first, as in finish().
    this.times.save();
    this.offsets.save();
  }

  /**
   * Opens their files for a flush. A missing one stays missing: the next start rebuilds it, but would trust an empty one.
   * @returns descriptors, which the caller closes @throws SystemError when a file cannot be opened
   */
  openForFlush(): number[] {
    const fds: number[] = [];
    try {
      for (const { path } of [this.offsets, this.times]) {
        if (this.#fs.modifiedMs(path) !== null) fds.push(this.#fs.open(path, { write: true }));
      }
      return fds;
    } catch (error) {
      for (const fd of fds) this.#fs.close(fd);
      throw error;
    }
  }

  /** Opens both for lookups. @returns false when one is missing or not of whole entries @throws SystemError */
  openForLookup(): boolean {
    return this.offsets.openForLookup() && this.times.openForLookup();
  }

  /** Whether they can be right. @param segmentBytes size of the `.log` file */
  isPlausible(segmentBytes: number): boolean {
    return this.offsets.isPlausible(segmentBytes) && this.times.isPlausible();
  }

  /**
   * Whether an entry can be appended to both. A rebuild may find more entries than the appends made and fill the time index. From
   * then on the offset index takes no entry whose timestamp the time index would lack, because a search by time would begin after
   * the batch that it looks for.
   * @param largestTimestamp of the segment so far
   */
  canTake(largestTimestamp: number): boolean {
    return !this.times.isFull || largestTimestamp <= this.times.timestampAt(this.times.count - 1);
  }

  /** Makes room for the entries of so many batches. @returns false when the disk is full @throws SystemError */
  reserve(batchesCount: number): boolean {
    // One time entry more: the one that closing the segment forces, perhaps when no block is free.
    if (!this.times.reserve(batchesCount + 1)) return false;
    this.#mapTogether(batchesCount);
    return this.offsets.reserve(batchesCount);
  }

  /**
   * Begins to fill both by the segment's batches.
   * @param kept entries of the offset index that stay, with those of the time index for the same batches; only in place, and after
   * `openAsLeft()` @throws SystemError also for a full disk
   */
  beginRebuild(mode: RebuildMode, kept: number): void {
    this.#rebuild = mode;
    if (kept > 0) {
      this.offsets.keep(kept);
      this.times.keep(this.times.countUpTo(this.offsets.offsetAt(kept - 1)));
    } else if (mode === "in place") this.openForAppend({ empty: true });
    else if (!this.offsets.openForReplacement() || !this.times.openForReplacement()) throw this.refused();
  }

  /** Completes both when their segment is closed: each file ends with its last entry. @throws SystemError */
  finish(): void {
    const mode = this.#rebuild;
    // The time index first: a process that is killed in between leaves no offset entry without its time.
    for (const index of [this.times, this.offsets]) {
      if (mode === "in place") index.trim();
      else index.replace();
    }
    this.#rebuild = "in place";
  }

  /**
   * Abandons a rebuild in new files: the old files are unchanged, and closed.
   * @throws the runtime's errors when the disk refuses
   */
  abandonRebuild(): void {
    if (this.#rebuild === "in place") return;
    this.#rebuild = "in place";
    this.offsets.abandonReplacement();
    this.times.abandonReplacement();
  }

  /** The error for a disk without room for entries. */
  refused(): SystemError {
    return new SystemError(`allocate room for ${this.offsets.path} and the time index beside it`);
  }

  #mapTogether(entries: number): void {
    const { offsets, times } = this;
    if (!offsets.isMapped && !offsets.needsMapping(entries)) return;
    offsets.mayMap = times.moveToMapping();
    if (!offsets.mayMap && offsets.isMapped) offsets.leaveMapping();
  }

  /** Frees memory and mappings; the files stay unchanged. Idempotent. */
  [Symbol.dispose](): void {
    this.offsets[Symbol.dispose]();
    this.times[Symbol.dispose]();
  }
}
