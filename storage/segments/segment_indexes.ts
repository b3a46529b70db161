/**
 * The two indexes of one segment, which are opened, grow and are built anew together. Runs on the shard that owns the log.
 *
 * Must always hold: they speak of the same batches, because a search by time begins at the entry of one and ends in an interval of the
 * other (log_timestamps.ts).
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
  readonly offsetIndexPath: string;
  readonly timeIndexPath: string;
}

/** How indexes are built anew: in their files, which recovery or the next flush takes anyway, or beside them, durable at once. */
export type RebuildMode = "in place" | "beside";

/** Offset index and time index. */
export class SegmentIndexes implements Disposable {
  readonly offsets: OffsetIndex;
  readonly times: TimeIndex;
  #rebuild: RebuildMode = "in place";

  /** @param place where they live */
  constructor(place: IndexesPlace) {
    const { offsetIndexPath, timeIndexPath, ...shared } = place;
    this.offsets = new OffsetIndex({ ...shared, path: offsetIndexPath });
    this.times = new TimeIndex({ ...shared, path: timeIndexPath });
  }

  /** Whether the entries of both can be looked at. */
  get isOpen(): boolean {
    return this.offsets.isOpen && this.times.isOpen;
  }

  /** Opens both for appending. @param options empty: what is in them goes @throws SystemError also for a full disk */
  openForAppend(options: { empty: boolean }): void {
    if (!this.offsets.openForAppend(options) || !this.times.openForAppend(options)) throw this.refused();
  }

  /** Opens both for lookups. @returns false when one is missing or not of whole entries @throws SystemError */
  openForLookup(): boolean {
    return this.offsets.openForLookup() && this.times.openForLookup();
  }

  /** Whether what they say can be right. @param segmentBytes size of the `.log` file */
  isPlausible(segmentBytes: number): boolean {
    return this.offsets.isPlausible(segmentBytes) && this.times.isPlausible();
  }

  /**
   * Whether an entry can be appended to both. A rebuild may find more entries than appending made, and fill the time index: from then on
   * the offset index takes none either whose time the other one would lack, or a search by time would begin behind what it looks for.
   * @param largestTimestamp of the segment so far
   */
  canTake(largestTimestamp: number): boolean {
    return !this.times.isFull || largestTimestamp <= this.times.timestampAt(this.times.count - 1);
  }

  /** Makes room for the entries of one batch. @returns false when the disk has none @throws SystemError */
  reserve(): boolean {
    // Two time entries: the one that is due and the one that is forced when the segment closes and perhaps no block is free.
    return this.offsets.reserve(1) && this.times.reserve(2);
  }

  /** Empties both, to be filled by the segment's batches. @throws SystemError also for a full disk */
  beginRebuild(mode: RebuildMode): void {
    this.#rebuild = mode;
    if (mode === "in place") this.openForAppend({ empty: true });
    else if (!this.offsets.openForReplacement() || !this.times.openForReplacement()) throw this.refused();
  }

  /** Both hold all entries of a segment that is closed: their files end with the last one. @throws SystemError */
  finish(): void {
    const mode = this.#rebuild;
    for (const index of [this.offsets, this.times]) {
      if (mode === "in place") index.trim();
      else index.replace();
    }
    this.#rebuild = "in place";
  }

  /** Gives a rebuild beside the files up: they are as they were, and closed. @throws the runtime's errors when the disk refuses */
  abandonRebuild(): void {
    if (this.#rebuild === "in place") return;
    this.#rebuild = "in place";
    this.offsets.abandonReplacement();
    this.times.abandonReplacement();
  }

  /** What is thrown when the disk has no room for entries. */
  refused(): SystemError {
    return new SystemError(`allocate room for ${this.offsets.path} and the time index beside it`);
  }

  /** Gives memory and mappings back; the files stay as they are. Idempotent. */
  [Symbol.dispose](): void {
    this.offsets[Symbol.dispose]();
    this.times[Symbol.dispose]();
  }
}
