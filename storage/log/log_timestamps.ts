/**
 * Finds records by timestamp: the first one at or after a time, and the one with the largest. Runs on the shard that owns
 * the log; rare.
 *
 * Must always hold: a search reads a bounded part of each segment. Where a time was reached first, the time index says: the batch lies
 * in the one interval of the offset index that ends with what the index names. Only where that lies below the log start, the
 * segment has to be read from there on, once (segment_times.ts); the search is unfinished until then.
 *
 * A batch whose header has a time that none of its records has is taken at its word: to search behind it would let whoever writes
 * such batches decide how long a search takes.
 *
 * Kafka looks into the first segment that reaches the time and nowhere else, also when the record that does lies below the log
 * start; here the search goes on.
 * Source: Kafka's UnifiedLog.fetchOffsetByTimestamp and LogSegment.findOffsetByTimestamp.
 */
import type { Clock } from "../base/clock.ts";
import { NO_TIMESTAMP, type Offset, toOffset } from "../base/units.ts";
import type { FoundByTime, TimestampedOffset } from "./log_types.ts";
import { baseOffset, batchBytes, lastOffset, maxTimestamp, partitionLeaderEpoch } from "../records/record_batch.ts";
import { findLargestRecord, findRecord, type RecordTarget } from "../records/timestamp_search.ts";
import type { Segment } from "../segments/segment.ts";
import type { SegmentList } from "../segments/segment_list.ts";
import type { SegmentReader } from "../segments/segment_reader.ts";
import { SegmentTimes } from "../segments/segment_times.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { SystemError } from "../sys/libc.ts";
import { type NativeMemory, nativeMemory } from "../sys/memory.ts";

/** Time for segments of which nobody has asked for the largest timestamp yet: each costs opening its indexes and some reads. */
const OPENING_MS_MAX = 10;

/** Positions in a segment. */
interface Places {
  /** Of the first batch that may hold the target's offset. */
  readonly start: number;
  /** Between these begins the first batch of the segment that reaches the target's time, as far as that lies behind `start`. */
  readonly from: number;
  readonly to: number;
}

/** The searches by time in one log. */
export class TimestampSearch {
  readonly #fs: FileSystem;
  readonly #clock: Clock;
  readonly #reader: SegmentReader;
  readonly #segments: SegmentList;
  /** Of the segment that the log start lies in, once it was needed. */
  #times: SegmentTimes | null = null;

  /** @param segments of the log @param by where their files are, and a reader of the shard's window */
  constructor(segments: SegmentList, by: { fs: FileSystem; clock: Clock; reader: SegmentReader }) {
    this.#segments = segments;
    this.#fs = by.fs;
    this.#clock = by.clock;
    this.#reader = by.reader;
  }

  /** Finds the first record at or after a time and an offset. @throws when the disk refuses */
  findFirst(target: RecordTarget): FoundByTime {
    const untilMs = this.#clock.monotonicMs() + OPENING_MS_MAX;
    for (let index = this.#segments.floorIndex(target.offset); index < this.#segments.length; index++) {
      const segment = this.#segments.at(index);
      if (!this.#mayAsk(segment, untilMs)) return "unfinished";
      if (segment.largestTimestamp < target.timestamp || segment.largestTimestamp === NO_TIMESTAMP) continue;
      const found = this.#findIn(segment, target);
      if (found !== null) return found;
    }
    return null;
  }

  /** Finds the first record that has the largest timestamp of all from an offset on. @throws when the disk refuses */
  findLargest(from: Offset): FoundByTime {
    const untilMs = this.#clock.monotonicMs() + OPENING_MS_MAX;
    let largest = NO_TIMESTAMP;
    for (let index = this.#segments.floorIndex(from); index < this.#segments.length; index++) {
      const segment = this.#segments.at(index);
      if (!this.#mayAsk(segment, untilMs)) return "unfinished";
      const own = from > segment.baseOffset ? this.#largestFrom(segment, from) : segment.largestTimestamp;
      if (own === "unfinished") return own;
      largest = Math.max(largest, own);
    }
    return largest === NO_TIMESTAMP ? null : this.findFirst({ timestamp: largest, offset: from });
  }

  /** Whether to ask a segment for its largest timestamp: it knows it, or there is time to look. */
  #mayAsk(segment: Segment, untilMs: number): boolean {
    return segment.largestIsKnown || this.#clock.monotonicMs() < untilMs;
  }

  #findIn(segment: Segment, target: RecordTarget): FoundByTime {
    let places = this.#placesOf(segment, target);
    if (places === "damaged" && this.#reader.mendIndexes(segment)) places = this.#placesOf(segment, target);
    if (places === "damaged" || places === null) return null;
    const found = this.#findBetween(segment, places, target);
    if (found !== null || target.offset <= segment.baseOffset) return found;
    return this.#findBehind(segment, { start: places.start, from: Math.max(places.from, places.to) }, target);
  }

  #findBetween(segment: Segment, range: { from: number; to: number }, target: RecordTarget): TimestampedOffset | null {
    let position = range.from;
    while (this.#reader.findTimestamp(segment, { from: position, to: range.to }, target.timestamp) === "found") {
      const found = this.#recordHere(segment, target);
      if (found !== null) return found;
      position = this.#nextPosition();
    }
    return null;
  }

  /** Asks the indexes. @returns null when the segment ends below the target's offset */
  #placesOf(segment: Segment, target: RecordTarget): Places | "damaged" | null {
    if (!segment.openIndexes()) return "damaged";
    const { timeIndex, offsetIndex } = segment;
    const reader = this.#reader;
    const entry = timeIndex.lookup(target.timestamp - 1) + 1;
    const isIndexed = entry < timeIndex.count;
    const reachedAt = isIndexed ? timeIndex.offsetAt(entry) : segment.offsetOfLargestTimestamp;
    const reached = isIndexed ? timeIndex.timestampAt(entry) : segment.largestTimestamp;
    if (reader.findOffset(segment, reachedAt) !== "found") return "damaged";
    const { view } = reader.window;
    if (lastOffset(view, reader.headerAt) !== reachedAt || maxTimestamp(view, reader.headerAt) !== reached) {
      return "damaged";
    }
    const to = this.#nextPosition();
    // The index has the largest timestamp at every entry of the offset index: what lies before the last one below has not reached it.
    const before = offsetIndex.lookup(toOffset(reachedAt - 1));
    if (reader.findOffset(segment, offsetIndex.offsetAt(before)) !== "found") return "damaged";
    const from = reader.position;
    if (target.offset <= segment.baseOffset) return { start: 0, from, to };
    const outcome = reader.findOffset(segment, target.offset);
    if (outcome !== "found") return outcome === "end" ? null : "damaged";
    return { start: reader.position, from: Math.max(from, reader.position), to };
  }

  /** Searches the segment of the log start from a position on of which the time index says nothing. */
  #findBehind(segment: Segment, places: { start: number; from: number }, target: RecordTarget): FoundByTime {
    const times = this.#timesOf(segment, places.start);
    if (!times.readOn()) return "unfinished";
    let { from } = places;
    for (let range = times.rangeWith(from, target.timestamp); range !== null;) {
      const found = this.#findBetween(segment, range, target);
      if (found !== null) return found;
      from = range.to;
      range = times.rangeWith(from, target.timestamp);
    }
    return null;
  }

  /** Largest timestamp of a segment's records from an offset on, -1 for none. */
  #largestFrom(segment: Segment, from: Offset): number | "unfinished" {
    if (segment.largestTimestamp === NO_TIMESTAMP) return NO_TIMESTAMP;
    const reader = this.#reader;
    let outcome = reader.findOffset(segment, from);
    if (outcome === "damaged" && reader.mendIndexes(segment)) outcome = reader.findOffset(segment, from);
    if (outcome !== "found") return NO_TIMESTAMP;
    const { view } = reader.window;
    if (segment.offsetOfLargestTimestamp > lastOffset(view, reader.headerAt)) return segment.largestTimestamp;
    const position = reader.position;
    const straddles = baseOffset(view, reader.headerAt) < from;
    const first = straddles ? this.#nextPosition() : position;
    const times = this.#timesOf(segment, position);
    const largestHere = straddles ? findLargestRecord(this.#readBatch(segment), from) : NO_TIMESTAMP;
    if (first >= segment.logFileBytes) return largestHere;
    if (!times.readOn()) return "unfinished";
    const { timestamp, blockEnd } = times.largestBehind(first);
    let largest = Math.max(largestHere, timestamp);
    reader.scan(
      segment,
      { from: first, to: blockEnd },
      (header, at) => largest = Math.max(largest, maxTimestamp(header, at)),
    );
    return largest;
  }

  #timesOf(segment: Segment, from: number): SegmentTimes {
    if (this.#times?.segment !== segment) this.#times = new SegmentTimes(segment, from, this.#reader.window);
    return this.#times;
  }

  #nextPosition(): number {
    const { position, window, headerAt } = this.#reader;
    return position + batchBytes(window.view, headerAt);
  }

  /** The record of the batch that the reader stands at; null when those with the time lie below the target's offset. */
  #recordHere(segment: Segment, target: RecordTarget): TimestampedOffset | null {
    const { window, headerAt } = this.#reader;
    const first = toOffset(baseOffset(window.view, headerAt));
    const length = batchBytes(window.view, headerAt);
    const largest = maxTimestamp(window.view, headerAt);
    const leaderEpoch = partitionLeaderEpoch(window.view, headerAt);
    const { offset, timestamp } = findRecord(this.#readBatch(segment).bytes.subarray(0, length), target);
    if (offset >= 0) return { offset, timestamp, leaderEpoch };
    return first < target.offset ? null : { offset: first, timestamp: largest, leaderEpoch };
  }

  /** Bytes of the batch that the reader stands at. @throws SystemError */
  #readBatch(segment: Segment): NativeMemory {
    const { position, window, headerAt } = this.#reader;
    const length = batchBytes(window.view, headerAt);
    const memory = nativeMemory(new ArrayBuffer(Math.max(length, 128)));
    if (this.#fs.pread(segment.fd, memory, 0, length, position) === length) return memory;
    throw new SystemError(`read ${length} bytes of ${segment.path(".log")} at position ${position}`);
  }
}
