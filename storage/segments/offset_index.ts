/**
 * The sparse index from offsets to positions (`.index`). Runs on the shard that owns the log.
 *
 *   0  int32  offset of a batch's last record, relative to the segment's base offset
 *   4  int32  position of that batch's first byte
 *   8  bytes an entry, both columns strictly growing; the batch at position 0 has none
 *
 * Source: Kafka's OffsetIndex.
 */
import { type FilePosition, type Offset, toFilePosition, toOffset } from "../base/units.ts";
import { type IndexPlace, MappedIndex } from "./mapped_index.ts";

const RELATIVE_OFFSET_AT = 0;
const POSITION_AT = 4;
/** Bytes of an entry. */
export const OFFSET_ENTRY_BYTES = 8;

/** One entry: where the batch begins that ends with the offset. */
export interface OffsetEntry {
  readonly offset: Offset;
  readonly position: FilePosition;
}

/** Reads an entry of an index's bytes. @param entry its number @returns null after the last whole one */
export function readOffsetEntry(view: DataView, entry: number, baseOffset: Offset): OffsetEntry | null {
  const at = entry * OFFSET_ENTRY_BYTES;
  if (at + OFFSET_ENTRY_BYTES > view.byteLength) return null;
  const offset = toOffset(baseOffset + view.getInt32(at + RELATIVE_OFFSET_AT));
  return { offset, position: toFilePosition(view.getInt32(at + POSITION_AT)) };
}

/** The offset index of one segment. */
export class OffsetIndex extends MappedIndex {
  /** @param place where it lives */
  constructor(place: IndexPlace) {
    super(place, OFFSET_ENTRY_BYTES);
  }

  override get isFull(): boolean {
    return this.count >= this.entriesMax;
  }

  /** Appends an entry; the caller has reserved its room. @param lastOffset of the batch @param position of its first byte */
  append(lastOffset: Offset, position: FilePosition): void {
    const at = this.appendedEntryAt();
    this.view.setInt32(at + RELATIVE_OFFSET_AT, lastOffset - this.place.baseOffset);
    this.view.setInt32(at + POSITION_AT, position);
  }

  /** The last entry whose offset is at most `offset`; -1 when there is none. */
  lookup(offset: Offset): number {
    return this.lastAtMost(offset - this.place.baseOffset, RELATIVE_OFFSET_AT);
  }

  /** The last entry whose position is at most `position`; -1 when there is none. */
  lookupPosition(position: number): number {
    return this.lastAtMost(position, POSITION_AT);
  }

  /** Offset of an entry; the base offset for entry -1. */
  offsetAt(entry: number): Offset {
    if (entry < 0) return this.place.baseOffset;
    return toOffset(this.place.baseOffset + this.view.getInt32(entry * OFFSET_ENTRY_BYTES + RELATIVE_OFFSET_AT));
  }

  /** Position of an entry; 0 for entry -1. */
  positionAt(entry: number): FilePosition {
    return toFilePosition(entry < 0 ? 0 : this.view.getInt32(entry * OFFSET_ENTRY_BYTES + POSITION_AT));
  }

  /** Whether the first and last entry are possible in a segment of this size; the others are checked when used. */
  isPlausible(segmentBytes: number): boolean {
    if (this.count === 0) return true;
    const last = this.count - 1;
    if (this.positionAt(0) <= 0 || this.offsetAt(0) <= this.place.baseOffset) return false;
    const grows = this.positionAt(last) > this.positionAt(0) && this.offsetAt(last) > this.offsetAt(0);
    return (last === 0 || grows) && this.positionAt(last) < segmentBytes;
  }

  protected override follows(entry: number): boolean {
    return this.positionAt(entry) > this.positionAt(entry - 1) && this.offsetAt(entry) > this.offsetAt(entry - 1);
  }

  protected override key(entry: number, keyAt: number): number {
    return this.view.getInt32(entry * OFFSET_ENTRY_BYTES + keyAt);
  }
}
