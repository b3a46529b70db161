/**
 * Finds records by timestamp: the first one at or after a time, and the one with the largest. Runs on the shard that owns
 * the log; rare. Source: Kafka's UnifiedLog.fetchOffsetByTimestamp and LogSegment.findOffsetByTimestamp.
 */
import { NO_TIMESTAMP, toOffset } from "./base/units.ts";
import type { TimestampedOffset } from "./log_types.ts";
import { batchBytes, lastOffset, maxTimestamp, partitionLeaderEpoch } from "./record_batch.ts";
import { findRecord, type RecordTarget } from "./record_search.ts";
import type { Segment } from "./segment.ts";
import type { SegmentReader } from "./segment_reader.ts";
import type { FileSystem } from "./sys/file_system.ts";
import { SystemError } from "./sys/libc.ts";
import { nativeMemory } from "./sys/memory.ts";

/** What a search reads. */
export interface TimestampSearch {
  readonly fs: FileSystem;
  readonly reader: SegmentReader;
  /** Oldest first. */
  readonly segments: readonly Segment[];
}

/**
 * Finds the first record at or after a time: only the first segment whose largest timestamp reaches it is searched, as in
 * Kafka.
 * @param target time in ms, and the smallest offset that counts
 * @throws when the disk refuses
 */
export function findTimestamp(search: TimestampSearch, target: RecordTarget): TimestampedOffset | null {
  const segment = search.segments.find((candidate) => candidate.retentionTimestamp >= target.timestamp);
  if (segment === undefined) return null;
  if (!seek(search, segment, target)) {
    search.reader.rebuildIndexes(segment);
    if (!seek(search, segment, target)) return null;
  }
  let position = search.reader.position;
  while (search.reader.findTimestamp(segment, position, target.timestamp) === "found") {
    const found = recordIn(search, segment, target);
    if (found !== null) return found;
    position = search.reader.position + batchBytes(search.reader.window.view, search.reader.headerAt);
  }
  return null;
}

/** Finds the first record that has the largest timestamp of all segments. @throws when the disk refuses */
export function findLargestTimestamp(search: TimestampSearch): TimestampedOffset | null {
  let latest: Segment | null = null;
  for (const segment of search.segments) {
    if (latest === null || segment.largestTimestamp > latest.largestTimestamp) latest = segment;
  }
  if (latest === null || latest.largestTimestamp === NO_TIMESTAMP) return null;
  return findTimestamp({ ...search, segments: [latest] }, {
    timestamp: latest.largestTimestamp,
    offset: latest.baseOffset,
  });
}

/** Goes to the batch from which on to search. @returns false when an index does not agree with the batches */
function seek(search: TimestampSearch, segment: Segment, target: RecordTarget): boolean {
  if (!segment.openIndexes()) return false;
  const { timeIndex } = segment;
  const entry = timeIndex.lookup(target.timestamp);
  const indexed = timeIndex.offsetAt(entry);
  const outcome = search.reader.findOffset(segment, toOffset(Math.max(indexed, target.offset)));
  if (outcome !== "found") return false;
  if (entry < 0 || target.offset > indexed) return true;
  const { reader } = search;
  return lastOffset(reader.window.view, reader.headerAt) === indexed &&
    maxTimestamp(reader.window.view, reader.headerAt) === timeIndex.timestampAt(entry);
}

function recordIn(search: TimestampSearch, segment: Segment, target: RecordTarget): TimestampedOffset | null {
  const { view } = search.reader.window;
  const at = search.reader.headerAt;
  const leaderEpoch = partitionLeaderEpoch(view, at);
  const length = batchBytes(view, at);
  const memory = nativeMemory(new ArrayBuffer(Math.max(length, 128)));
  if (search.fs.pread(segment.fd, memory, 0, length, search.reader.position) !== length) {
    throw new SystemError(`read ${length} bytes of ${segment.path(".log")} at position ${search.reader.position}`);
  }
  const { offset, timestamp } = findRecord(memory.bytes.subarray(0, length), target);
  return offset < 0 ? null : { offset, timestamp, leaderEpoch };
}
