/**
 * The segments of a log in the order of their base offsets; the last one is active. Runs on the shard that owns the log.
 * Source: Kafka's LogSegments.
 */
import { assert } from "../base/assert.ts";
import type { Offset } from "../base/units.ts";
import type { SegmentFacts } from "../log/log_types.ts";
import type { Segment } from "./segment.ts";

/** Segments by base offset. */
export class SegmentList {
  readonly #segments: Segment[] = [];
  #active: Segment | null = null;

  /** Number of segments. */
  get length(): number {
    return this.#segments.length;
  }

  /** The active segment; while a list is loaded, its last one. */
  get active(): Segment {
    assert(this.#active !== null, "a log has at least one segment");
    return this.#active;
  }

  /** The oldest segment. */
  get first(): Segment {
    return this.at(0);
  }

  /** Bytes of the `.log` files of all segments. */
  get logFilesBytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.logFileBytes, 0);
  }

  /** All segments, oldest first; not to be changed. */
  get all(): readonly Segment[] {
    return this.#segments;
  }

  /** Whether slices of any of them are lent. */
  get isLent(): boolean {
    return this.#segments.some(({ leaseCount }) => leaseCount > 0);
  }

  /** Base offsets, ascending. */
  get baseOffsets(): Offset[] {
    return this.#segments.map((segment) => segment.baseOffset);
  }

  /** The segment at an index. */
  at(index: number): Segment {
    const segment = this.#segments[index];
    assert(segment !== undefined, "a segment's index lies within the list");
    return segment;
  }

  /** Adds the newest segment. */
  push(segment: Segment): void {
    assert(
      this.#active === null || segment.baseOffset > this.#active.baseOffset,
      "segments are added in the order of their offsets",
    );
    this.#segments.push(segment);
    this.#active = segment;
  }

  /** Removes the oldest segment from the list. */
  shift(): Segment {
    const segment = this.#segments.shift();
    assert(segment !== undefined, "a segment is there to be taken out");
    if (this.#segments.length === 0) this.#active = null;
    return segment;
  }

  /** Removes the newest segment from the list. */
  pop(): Segment {
    const segment = this.#segments.pop();
    assert(segment !== undefined, "a segment is there to be taken out");
    this.#active = this.#segments.at(-1) ?? null;
    return segment;
  }

  /** Puts a segment in the place of closed neighbours. @param index of the first of them @returns them */
  replace(index: number, count: number, segment: Segment): Segment[] {
    assert(count > 0 && index + count < this.#segments.length, "the active segment is not replaced");
    assert(this.at(index).baseOffset === segment.baseOffset, "a segment begins where those that it replaces began");
    return this.#segments.splice(index, count, segment);
  }

  /** Index of the last segment whose base offset is at most `offset`; 0 where all are above. */
  floorIndex(offset: Offset): number {
    if (this.#active !== null && offset >= this.#active.baseOffset) return this.#segments.length - 1;
    let low = 0;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#segments[middle]!.baseOffset <= offset) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  /** Offset after a segment: the next one's base offset. @param logEndOffset of the log, for the active one */
  endOffset(index: number, logEndOffset: Offset): Offset {
    return this.#segments[index + 1]?.baseOffset ?? logEndOffset;
  }

  /** Describes each segment. @throws when a time index cannot be read */
  facts(logEndOffset: Offset): SegmentFacts[] {
    return this.#segments.map((segment, index) => ({
      baseOffset: segment.baseOffset,
      endOffset: this.endOffset(index, logEndOffset),
      logFileBytes: segment.logFileBytes,
      retentionTimestamp: segment.retentionTimestamp,
    }));
  }
}
