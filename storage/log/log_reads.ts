/**
 * Reads of a log: from an offset to a run of whole batches in one segment, leased; and records by timestamp. Runs on the shard
 * that owns the log.
 *
 * A read that continues where an earlier one ended, up to the log end, reads no file. Any other costs an index lookup and one or
 * two reads of 8 KiB.
 */
import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { NO_OFFSET, type Offset, toOffset } from "../base/units.ts";
import { nothingVisible, refusedRead } from "./log_results.ts";
import { TimestampSearch } from "./log_timestamps.ts";
import type { FoundByTime, ReadOptions, ReadResult } from "./log_types.ts";
import { ReadCursors } from "./read_cursors.ts";
import type { RecordSearches } from "./record_searches.ts";
import type { Segment } from "../segments/segment.ts";
import type { SegmentList } from "../segments/segment_list.ts";
import type { SearchOutcome, SegmentReader } from "../segments/segment_reader.ts";
import type { FileSystem } from "../sys/file_system.ts";

/** The read side of one log. */
export class LogReads {
  readonly #segments: SegmentList;
  readonly #reader: SegmentReader;
  readonly #search: TimestampSearch;
  readonly #cursors = new ReadCursors();
  #position = 0;
  #endPosition = 0;
  #nextOffset: Offset = NO_OFFSET;
  #deferCold = false;

  /** @param segments of the log @param by the file system, the clock, a reader of the shard's window, and the shard's searches */
  constructor(
    segments: SegmentList,
    by: { fs: FileSystem; clock: Clock; reader: SegmentReader; searches: RecordSearches },
  ) {
    this.#segments = segments;
    this.#reader = by.reader;
    this.#search = new TimestampSearch(segments, by);
  }

  /**
   * Reads from an offset that lies in the log and below `options.maxOffset`.
   * @param logEndOffset of the log
   * @returns a slice; none when all batches from there are above `maxOffset` or larger than `maxBytes`
   * @throws SystemError, or the runtime's errors, when a file cannot be opened or an index not rebuilt
   */
  read(offset: Offset, options: ReadOptions, logEndOffset: Offset): ReadResult {
    this.#deferCold = options.deferCold === true;
    for (let index = this.#segments.floorIndex(offset); index < this.#segments.length; index++) {
      const segment = this.#segments.at(index);
      let start = this.#findStart(segment, offset);
      if (start === "cold") return coldRead(segment);
      if (start === "damaged") start = this.#findStartAnew(segment, offset);
      if (start === "damaged") return damagedRead(segment, offset);
      if (start === "end") continue; // compaction removed the rest of the segment: continue in the next one
      const endOffset = this.#segments.endOffset(index, logEndOffset);
      const end = this.#findEnd(segment, endOffset, options);
      if (end === "cold") return coldRead(segment);
      if (end === "damaged") return damagedRead(segment, offset);
      return end === "end" ? nothingVisible : this.#lend(segment);
    }
    return nothingVisible;
  }

  /** Finds the first record at or after a time, from `range.from` on and below `range.to`. @throws when the disk refuses */
  findTimestamp(timestamp: number, range: { from: Offset; to: Offset }): FoundByTime {
    return below(this.#search.findFirst({ timestamp, offset: range.from }), range.to);
  }

  /** Finds the first record from `range.from` on that has the largest timestamp; null when it lies at or above `range.to`. @throws likewise */
  findLargestTimestamp(range: { from: Offset; to: Offset }): FoundByTime {
    return below(this.#search.findLargest(range.from), range.to);
  }

  #findStart(segment: Segment, offset: Offset): SearchOutcome | "cold" {
    if (offset === segment.baseOffset) this.#position = 0;
    else this.#position = this.#cursors.find(segment.id, offset);
    if (this.#position < 0) {
      if (this.#deferCold && segment.isCold) return "cold";
      const outcome = this.#reader.findOffset(segment, offset);
      if (outcome === "found") this.#position = this.#reader.position;
      return outcome;
    }
    return this.#position < segment.logFileBytes ? "found" : "end";
  }

  #findEnd(segment: Segment, endOffset: Offset, options: ReadOptions): SearchOutcome | "cold" {
    const size = segment.logFileBytes;
    if (endOffset <= options.maxOffset && size - this.#position <= options.maxBytes) {
      [this.#endPosition, this.#nextOffset] = [size, endOffset];
      return "found";
    }
    if (this.#deferCold && segment.isCold) return "cold";
    let outcome = this.#reader.findRunEnd(segment, this.#position, options);
    if (outcome === "damaged" && this.#reader.repairIndexes(segment)) {
      outcome = this.#reader.findRunEnd(segment, this.#position, options);
    }
    if (outcome === "found") [this.#endPosition, this.#nextOffset] = [this.#reader.position, this.#reader.nextOffset];
    return outcome;
  }

  /** Rebuilds a damaged index from the batches and repeats the search. */
  #findStartAnew(segment: Segment, offset: Offset): SearchOutcome | "cold" {
    return this.#reader.repairIndexes(segment) ? this.#findStart(segment, offset) : "damaged";
  }

  #lend(segment: Segment): ReadResult {
    const length = this.#endPosition - this.#position;
    assert(length > 0, "a slice holds a batch");
    this.#cursors.note(segment.id, this.#nextOffset, this.#endPosition);
    return {
      refusal: null,
      message: "",
      slice: {
        fd: segment.fd,
        position: this.#position,
        length,
        nextOffset: toOffset(this.#nextOffset),
        leaseId: segment.lease(),
      },
    };
  }
}

function below(found: FoundByTime, end: Offset): FoundByTime {
  return found === null || found === "unfinished" || found.offset < end ? found : null;
}

function coldRead(segment: Segment): ReadResult {
  return { ...nothingVisible, coldFiles: [segment.path(".index"), segment.path(".timeindex")] };
}

function damagedRead(segment: Segment, offset: Offset): ReadResult {
  return refusedRead("log-offline", `Cannot read at offset ${offset}: no sound batch in ${segment.path(".log")}`);
}
