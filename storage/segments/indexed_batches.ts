/**
 * What a search needs of a segment: its batches and the indexes that lead to them. segment.ts is one, and is searched by a reader that
 * it makes itself: this declaration keeps the two from importing each other. Types only.
 */
import type { Offset } from "../base/units.ts";
import type { BatchFile } from "./header_window.ts";
import type { OffsetIndex } from "./offset_index.ts";
import type { RebuildMode } from "./segment_indexes.ts";
import type { TimeIndex } from "./time_index.ts";

/** What the indexes must know of a batch. */
export interface AppendedBatch {
  bytes: number;
  lastOffset: Offset;
  maxTimestamp: number;
  /** Time of the append. */
  nowMs: number;
}

/** A file of batches with its indexes. */
export interface IndexedBatches extends BatchFile {
  /** Bytes of whole batches. */
  readonly logFileBytes: number;
  readonly offsetIndex: OffsetIndex;
  readonly timeIndex: TimeIndex;
  /** Whether batches are appended to it. */
  readonly isActive: boolean;
  /** Opens the indexes where they are not. @returns whether they can be used */
  openIndexes(): boolean;
  /** Begins to build the indexes anew, as if there were no batches: follow with `replay()` of every batch. */
  beginRebuild(mode: RebuildMode): void;
  /** Adds a batch to the indexes. */
  replay(batch: AppendedBatch): void;
  /** Ends the rebuild. @param size bytes of whole batches */
  endRebuild(size: number): void;
  /** Ends a rebuild that failed: all is as it was. @param size bytes of whole batches */
  abandonRebuild(size: number): void;
}
