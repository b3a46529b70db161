/**
 * Finds how much of the indexes can be kept that a stop left in the files of a segment which was not closed. The batches behind the
 * last kept entry are read again. Runs on the shard that opens the log.
 *
 *   .index       entry 1 · entry 2 · … · entry n · unused room (zeros)      entries of small indexes are in memory, and are lost
 *   .timeindex   entries for the same batches, or fewer
 *
 * The process was killed: entries were stored in their order, and the offset index is in a mapping only while the time index is
 * (segment_indexes.ts). So only the last entry may lack its time.
 * The power was lost: any page of either file may be an old one. Entries of the offset index are hints, which every look-up compares
 * with a batch. Those of the time index are not: what lies behind its last entry may lack one.
 *
 * Must always hold: the last kept entry agrees with the batch that it names, and so does the last entry of the time index for the
 * batches up to there. Otherwise nothing is kept, and the segment is read from its beginning.
 */
import type { Offset } from "../base/units.ts";
import { lastOffset, maxTimestamp } from "../records/record_batch.ts";
import type { Segment } from "./segment.ts";
import type { SegmentReader } from "./segment_reader.ts";

/** Entries that are tried before the index counts as damaged. */
const TRIES_MAX = 16;

/** Opens the indexes after a kill. @returns how many entries of the offset index can be kept @throws SystemError when refused */
export function keptAfterKill(segment: Segment, reader: SegmentReader): number {
  const isWhole = segment.openIndexesAsLeft();
  return isWhole ? lastSound(segment, segment.offsetIndex.count - 1, reader) : 0;
}

/**
 * Opens the indexes after a stop of another kind.
 * @param below all records below it are durable
 * @returns how many entries of the offset index, all for batches below, can be kept @throws SystemError when refused
 */
export function keptBelow(segment: Segment, below: Offset, reader: SegmentReader): number {
  segment.openIndexesAsLeft();
  const { offsetIndex, timeIndex } = segment;
  const covered = Math.min(below - 1, timeIndex.offsetAt(timeIndex.count - 1));
  return lastSound(segment, offsetIndex.lookup(covered as Offset) + 1, reader);
}

function lastSound(segment: Segment, from: number, reader: SegmentReader): number {
  for (let kept = from; kept > Math.max(0, from - TRIES_MAX); kept--) {
    if (isSound(segment, kept - 1, reader)) return hasSoundTime(segment, kept - 1, reader) ? kept : 0;
  }
  return 0;
}

function isSound(segment: Segment, entry: number, reader: SegmentReader): boolean {
  const { window } = reader;
  window.begin();
  const at = window.locateBatch(segment, segment.offsetIndex.positionAt(entry), segment.logFileBytes);
  return at >= 0 && lastOffset(window.view, at) === segment.offsetIndex.offsetAt(entry);
}

/** Whether the last entry of the time index for the batches up to an entry of the offset index agrees with its batch. */
function hasSoundTime(segment: Segment, entry: number, reader: SegmentReader): boolean {
  const { offsetIndex, timeIndex } = segment;
  const last = timeIndex.countUpTo(offsetIndex.offsetAt(entry)) - 1;
  if (last < 0) return false; // records without timestamps, or lost entries
  const offset = timeIndex.offsetAt(last);
  if (reader.findOffset(segment, offset) !== "found") return false;
  const { window: { view }, headerAt } = reader;
  return lastOffset(view, headerAt) === offset && maxTimestamp(view, headerAt) === timeIndex.timestampAt(last);
}
