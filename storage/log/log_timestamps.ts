/**
 * Finds records by timestamp: the first one at or after a time, and the one with the largest. Runs on the shard that owns
 * the log; rare.
 *
 * Must always hold: a search reads a bounded part of each segment. The time index names a batch; the first batch that reaches a
 * time lies in the one interval of the offset index that ends with it. Only if that batch lies below the log start, the segment has
 * to be read from the log start on, once (segment_times.ts); the search is unfinished until then.
 *
 * In a batch that takes long to unpack a codec worker searches (record_searches.ts), and the search is unfinished until then.
 *
 * A batch header may have a time that none of its records has. The search then ends at this batch: if it continued after it, the
 * writer of such batches could make searches arbitrarily long.
 *
 * Kafka searches only the first segment that reaches the time, even when the matching record lies below the log start. Here the
 * search continues.
 * Source: Kafka's UnifiedLog.fetchOffsetByTimestamp and LogSegment.findOffsetByTimestamp.
 */
import type { Clock } from "../base/clock.ts";
import { NO_TIMESTAMP, type Offset, toOffset } from "../base/units.ts";
import type { FoundByTime } from "./log_types.ts";
import type { RecordSearches } from "./record_searches.ts";
import { baseOffset, batchBytes, largestTimestamp, lastOffset, partitionLeaderEpoch } from "../records/record_batch.ts";
import type { FoundRecord, RecordSearch, RecordTarget } from "../records/timestamp_search.ts";
import type { Segment } from "../segments/segment.ts";
import type { SegmentList } from "../segments/segment_list.ts";
import type { SegmentReader } from "../segments/segment_reader.ts";
import { SegmentTimes } from "../segments/segment_times.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { SystemError } from "../sys/libc.ts";
import { allocateNative, type NativeMemory } from "../sys/memory.ts";

/** Time for segments whose largest timestamp is not known yet: each costs opening its indexes and some reads. */
const OPENING_MS_MAX = 10;

/** Positions in a segment. */
interface Places {
  /** Position of the first batch that may hold the target's offset. */
  readonly start: number;
  /** The first batch that reaches the target's time begins between `from` and `to`, if it lies after `start`. */
  readonly from: number;
  readonly to: number;
}

/** The searches by time in one log. */
export class TimestampSearch {
  readonly #fs: FileSystem;
  readonly #clock: Clock;
  readonly #reader: SegmentReader;
  readonly #searches: RecordSearches;
  readonly #segments: SegmentList;
  /** The timestamps of the segment that holds the log start, once they were needed. */
  #times: SegmentTimes | null = null;

  /** @param segments of the log @param by the file system, the clock, a reader of the shard's window, and the shard's searches */
  constructor(
    segments: SegmentList,
    by: { fs: FileSystem; clock: Clock; reader: SegmentReader; searches: RecordSearches },
  ) {
    this.#segments = segments;
    this.#fs = by.fs;
    this.#clock = by.clock;
    this.#reader = by.reader;
    this.#searches = by.searches;
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

  /** Finds the first record with the largest timestamp from an offset on. @throws when the disk refuses */
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

  /** Whether a segment may be asked for its largest timestamp: it is known, or there is time to read it. */
  #mayAsk(segment: Segment, untilMs: number): boolean {
    return segment.largestIsKnown || this.#clock.monotonicMs() < untilMs;
  }

  #findIn(segment: Segment, target: RecordTarget): FoundByTime {
    let places = this.#placesOf(segment, target);
    if (places === "damaged" && this.#reader.repairIndexes(segment)) places = this.#placesOf(segment, target);
    if (places === "damaged" || places === null) return null;
    const found = this.#findBetween(segment, places, target);
    if (found !== null || target.offset <= segment.baseOffset) return found;
    return this.#findUnindexed(segment, { start: places.start, from: Math.max(places.from, places.to) }, target);
  }

  #findBetween(segment: Segment, range: { from: number; to: number }, target: RecordTarget): FoundByTime {
    let position = range.from;
    while (this.#reader.findTimestamp(segment, { from: position, to: range.to }, target.timestamp) === "found") {
      const found = this.#recordHere(segment, target);
      if (found !== null) return found;
      position = this.#nextPosition();
    }
    return null;
  }

  /** Looks the target up in the indexes. @returns null when the segment ends below the target's offset */
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
    if (lastOffset(view, reader.headerAt) !== reachedAt || largestTimestamp(view, reader.headerAt) !== reached) {
      return "damaged";
    }
    const to = this.#nextPosition();
    // The time index has the largest timestamp at every entry of the offset index. So batches before the last lower entry have not
    // reached the time.
    const before = offsetIndex.lookup(toOffset(reachedAt - 1));
    if (reader.findOffset(segment, offsetIndex.offsetAt(before)) !== "found") return "damaged";
    const from = reader.position;
    if (target.offset <= segment.baseOffset) return { start: 0, from, to };
    const outcome = reader.findOffset(segment, target.offset);
    if (outcome !== "found") return outcome === "end" ? null : "damaged";
    return { start: reader.position, from: Math.max(from, reader.position), to };
  }

  /** Searches the part of the log start's segment that the time index does not cover. */
  #findUnindexed(segment: Segment, places: { start: number; from: number }, target: RecordTarget): FoundByTime {
    const times = this.#timesOf(segment, places.start);
    if (!times.readNext()) return "unfinished";
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
    if (outcome === "damaged" && reader.repairIndexes(segment)) outcome = reader.findOffset(segment, from);
    if (outcome !== "found") return NO_TIMESTAMP;
    const { view } = reader.window;
    if (segment.offsetOfLargestTimestamp > lastOffset(view, reader.headerAt)) return segment.largestTimestamp;
    const position = reader.position;
    const straddles = baseOffset(view, reader.headerAt) < from;
    const first = straddles ? this.#nextPosition() : position;
    const times = this.#timesOf(segment, position);
    const here = straddles ? this.#findInBatch(segment, { type: "largest", from }) : null;
    if (here === "unfinished") return here;
    const largestHere = here?.timestamp ?? NO_TIMESTAMP;
    if (first >= segment.logFileBytes) return largestHere;
    if (!times.readNext()) return "unfinished";
    const { timestamp, blockEnd } = times.largestAfter(first);
    let largest = Math.max(largestHere, timestamp);
    reader.scan(
      segment,
      { from: first, to: blockEnd },
      (header, at) => largest = Math.max(largest, largestTimestamp(header, at)),
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

  /** The matching record of the reader's current batch; null when all records with the time lie below the target's offset. */
  #recordHere(segment: Segment, target: RecordTarget): FoundByTime {
    const { window, headerAt } = this.#reader;
    const first = toOffset(baseOffset(window.view, headerAt));
    const largest = largestTimestamp(window.view, headerAt);
    const leaderEpoch = partitionLeaderEpoch(window.view, headerAt);
    const found = this.#findInBatch(segment, { type: "first", target });
    if (found === "unfinished") return found;
    const { offset, timestamp } = found;
    if (offset >= 0) return { offset, timestamp, leaderEpoch };
    return first < target.offset ? null : { offset: first, timestamp: largest, leaderEpoch };
  }

  /** Searches in the reader's current batch. @throws SystemError */
  #findInBatch(segment: Segment, search: RecordSearch): FoundRecord | "unfinished" {
    const { window, headerAt } = this.#reader;
    return this.#searches.find({ view: window.view, headerAt, read: () => this.#readBatch(segment) }, search);
  }

  /** Bytes of the reader's current batch. @throws SystemError */
  #readBatch(segment: Segment): NativeMemory {
    const { position, window, headerAt } = this.#reader;
    const length = batchBytes(window.view, headerAt);
    const memory = allocateNative(length);
    if (this.#fs.pread(segment.fd, memory, 0, length, position) === length) return memory;
    throw new SystemError(`read ${length} bytes of ${segment.path(".log")} at position ${position}`);
  }
}
