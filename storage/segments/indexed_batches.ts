/**
 * What a search needs of a segment: its batches and their indexes. segment.ts implements it and also creates a reader that searches
 * it; this declaration keeps the two files from importing each other. Types only.
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
  /** Of its records, -1 where none is left. */
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
  /** Opens the indexes if they are closed. @returns whether they can be used */
  openIndexes(): boolean;
  /** Begins to rebuild the indexes from empty: follow with `replay()` of every batch. */
  beginRebuild(mode: RebuildMode): void;
  /** Adds a batch to the indexes. */
  replay(batch: AppendedBatch): void;
  /** Ends the rebuild. @param size bytes of whole batches */
  endRebuild(size: number): void;
  /** Ends a rebuild that failed and restores the earlier state. @param size bytes of whole batches */
  abandonRebuild(size: number): void;
}
