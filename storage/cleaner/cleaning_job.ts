/**
 * What one cleaning of a log works on, and what it yields. Plain data: the shard that owns the log makes the job, a cleaner worker does
 * it (log_cleaning.ts), and the shard puts the new segments in the place of the old ones.
 *
 *   segments   | 0 ....... | 400 ...... | 800 ...... | 1000 (active)      the job lists the first three
 *                    ^ firstDirtyOffset       ^ firstUncleanableOffset
 *   sorted in:       [firstDirtyOffset, firstUncleanableOffset), or less where the offset map is full
 *   rewritten:       all segments that begin below nextDirtyOffset, the clean ones too
 *
 * Must always hold: no listed file changes while a job is under way, so nobody else may delete or rewrite these segments. Offsets never
 * change: a record keeps its offset or is removed.
 * Source: Kafka's Cleaner, LogToClean, CleanerStats.
 */
import type { Offset } from "../base/units.ts";

/** One closed segment. */
export interface CleaningSegment {
  readonly baseOffset: Offset;
  /** Base offset of the next segment of the log. */
  readonly endOffset: Offset;
  /** Bytes of whole batches in the `.log` file. */
  readonly bytes: number;
  /** Modification time of the `.log` file in ms since 1970. The last one of a group passes it on to the new segment. */
  readonly modifiedMs: number;
}

/**
 * The producers that the log knows, in columns of equal length. The last batch of each keeps at least its header, so that the producer's
 * sequence is known after a restart, too. A shard would need too long to copy 100,000 objects.
 */
export interface ActiveProducers {
  readonly producerIds: Float64Array;
  readonly epochs: Int16Array;
  /** Last offset of the producer's last data batch, -1 for none. */
  readonly lastDataOffsets: Float64Array;
}

/** One cleaning of one log. */
export interface CleaningJob {
  /** The partition's directory. */
  readonly directory: string;
  /** All segments from the log start's on, without the active one, ascending; at least one. */
  readonly segments: readonly CleaningSegment[];
  /** Where the part begins that was never cleaned: from `cleaner-offset-checkpoint`, not below the first segment. */
  readonly firstDirtyOffset: Offset;
  /**
   * Records from here on are only copied: at most the active segment's base offset, the last stable offset, and the first record that is
   * younger than `min.compaction.lag.ms`. An open transaction begins at or after it.
   */
  readonly firstUncleanableOffset: Offset;
  readonly producers: ActiveProducers;
  /** Wall-clock time in ms, which horizons are compared with and counted from. */
  readonly nowMs: number;
  /** `delete.retention.ms` */
  readonly deleteRetentionMs: number;
  /** `segment.bytes`: most bytes of the sources of one new segment. */
  readonly segmentBytes: number;
  /** `segment.index.bytes` */
  readonly segmentIndexBytes: number;
  /** `index.interval.bytes` */
  readonly indexIntervalBytes: number;
  /** Most bytes of the offset map: `log.cleaner.dedupe.buffer.size`. It begins small and grows with the keys. */
  readonly dedupeBufferBytes: number;
  /** Share of the offset map's places that may be in use: `log.cleaner.io.buffer.load.factor`, above 0 and below 1. */
  readonly dedupeLoadFactor: number;
}

/** A new segment. Its files lie in the directory, complete and flushed, with the suffix `.cleaned`. */
export interface SegmentReplacement {
  /** Base offset of the new segment and of its first source. */
  readonly baseOffset: Offset;
  /** Base offsets of the segments that it replaces: neighbours, ascending. */
  readonly sources: readonly Offset[];
  /** Bytes of the new `.log` file; 0 where no batch is left. */
  readonly bytes: number;
  /** Whether there is a `.txnindex` file. */
  readonly hasAborted: boolean;
  /** Largest record timestamp in ms, -1 for none, and the last offset of its batch. */
  readonly largestTimestamp: number;
  readonly offsetOfLargestTimestamp: Offset;
}

/** What a cleaning did. */
export interface CleaningStatistics {
  /** Bytes read to fill the offset map, and to rewrite segments. */
  readonly mapBytesRead: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Records in the rewritten segments, and those of them that were kept. */
  readonly recordsRead: number;
  readonly recordsKept: number;
  /** Removed records without a key: their topic was not compacted when they were produced. */
  readonly keylessRecords: number;
  /** Keys in the offset map, and the share of the places it may use at most. */
  readonly keysCount: number;
  readonly mapUtilization: number;
}

/** The end of a cleaning. */
export interface CleaningResult {
  /**
   * Ascending. A segment that would not change is not replaced, so there may be none. They take their places in this order: where a later
   * one has lost a tombstone, an earlier one has lost the records that it deleted, which must not come back after a crash in between.
   */
  readonly replacements: readonly SegmentReplacement[];
  /**
   * The log is clean below this offset: the next `firstDirtyOffset`, above the last one if there was anything to clean. It is below
   * `firstUncleanableOffset` when the offset map was full: another job continues there.
   */
  readonly nextDirtyOffset: Offset;
  readonly statistics: CleaningStatistics;
}

/**
 * A cleaning under way (`cleanLog()` in log_cleaning.ts). To dispose of it before the end removes the files it has written.
 */
export interface Cleaning extends Disposable {
  /**
   * Does the next piece of work: at most about a megabyte is read and written, or one batch if that is larger.
   * @returns false when everything is done and `result` can be read
   * @throws LogDamagedError for a file that is not as the job says, or a batch that cannot be read: the log is damaged
   * @throws UncleanableError for what exceeds a limit, or a damaged index of transactions: the log must not be cleaned
   * @throws SystemError, or the runtime's errors, when the disk refuses: the cleaning is over, a later one may succeed
   */
  next(): boolean;
  /** Bytes read and written so far, for the throttle. */
  readonly bytesMoved: number;
  /** Share of the work that is done, 0 to 1. */
  readonly progress: number;
  /** The result, after `next()` returned false. */
  readonly result: CleaningResult;
}
