/**
 * The sparse index from timestamps to offsets (`.timeindex`). Runs on the shard that owns the log.
 *
 *   0  int64  largest timestamp of the segment so far, in ms
 *   8  int32  offset of the last record of the batch that has it, relative to the base offset
 *  12  bytes an entry, timestamps strictly growing
 *
 * One place is kept free for the entry that is forced when the segment closes.
 * Source: Kafka's TimeIndex.
 */
import { readInt64, writeInt64 } from "../base/int64.ts";
import { NO_TIMESTAMP, type Offset, toOffset } from "../base/units.ts";
import { type IndexPlace, MappedIndex } from "./mapped_index.ts";

const TIMESTAMP_AT = 0;
const RELATIVE_OFFSET_AT = 8;
/** Bytes of an entry. */
export const TIME_ENTRY_BYTES = 12;

/** One entry: the largest timestamp so far, and the offset of the last record of the batch that has it. */
export interface TimeEntry {
  readonly timestamp: number;
  readonly offset: Offset;
}

/** Reads an entry of an index's bytes. @param entry its number @returns null after the last whole one */
export function readTimeEntry(view: DataView, entry: number, baseOffset: Offset): TimeEntry | null {
  const at = entry * TIME_ENTRY_BYTES;
  if (at + TIME_ENTRY_BYTES > view.byteLength) return null;
  const offset = toOffset(baseOffset + view.getInt32(at + RELATIVE_OFFSET_AT));
  return { timestamp: readInt64(view, at + TIMESTAMP_AT), offset };
}

/** The time index of one segment. */
export class TimeIndex extends MappedIndex {
  /** @param place where it lives */
  constructor(place: IndexPlace) {
    super(place, TIME_ENTRY_BYTES);
  }

  override get isFull(): boolean {
    return this.count >= this.entriesMax - 1;
  }

  /** Appends an entry when the timestamp is larger than the last one; the caller has reserved its room. */
  appendIfLarger(timestamp: number, offset: Offset): void {
    if (this.count >= this.entriesMax || timestamp <= this.timestampAt(this.count - 1)) return;
    const at = this.appendedEntryAt();
    writeInt64(this.view, at + TIMESTAMP_AT, timestamp);
    this.view.setInt32(at + RELATIVE_OFFSET_AT, offset - this.place.baseOffset);
  }

  /** The last entry whose timestamp is at most `timestamp`; -1 when there is none. */
  lookup(timestamp: number): number {
    return this.lastAtMost(timestamp, TIMESTAMP_AT);
  }

  /** Timestamp of an entry; -1 for entry -1. */
  timestampAt(entry: number): number {
    return entry < 0 ? NO_TIMESTAMP : readInt64(this.view, entry * TIME_ENTRY_BYTES + TIMESTAMP_AT);
  }

  /** Offset of an entry; the base offset for entry -1. */
  offsetAt(entry: number): Offset {
    if (entry < 0) return this.place.baseOffset;
    return toOffset(this.place.baseOffset + this.view.getInt32(entry * TIME_ENTRY_BYTES + RELATIVE_OFFSET_AT));
  }

  /** Whether the first and last entry are possible. */
  isPlausible(): boolean {
    const last = this.count - 1;
    if (last < 0) return true;
    if (this.timestampAt(0) < 0 || this.offsetAt(0) < this.place.baseOffset) return false;
    return last === 0 || (this.timestampAt(last) > this.timestampAt(0) && this.offsetAt(last) > this.offsetAt(0));
  }

  protected override follows(entry: number): boolean {
    if (entry > 0) {
      return this.timestampAt(entry) > this.timestampAt(entry - 1) && this.offsetAt(entry) > this.offsetAt(entry - 1);
    }
    // An entry of zeros could be one, too. It counts as unused room, so that the caller reads the batches instead.
    const isZero = this.timestampAt(0) === 0 && this.offsetAt(0) === this.place.baseOffset;
    return this.timestampAt(0) >= 0 && this.offsetAt(0) >= this.place.baseOffset && !isZero;
  }

  /** Number of entries that name a batch up to an offset. */
  countUpTo(offset: Offset): number {
    let count = this.count;
    while (count > 0 && this.offsetAt(count - 1) > offset) count--;
    return count;
  }

  protected override key(entry: number): number {
    return readInt64(this.view, entry * TIME_ENTRY_BYTES + TIMESTAMP_AT);
  }
}
