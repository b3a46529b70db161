/**
 * Which neighbouring segments are rewritten into one new segment. Pure.
 *
 * Must always hold: a group fits one segment even if nothing is removed: its bytes, its indexes, and the distance of its offsets, which
 * an index stores in 32 bits. A group has at least one segment, whatever its size.
 * Source: Kafka's Cleaner.groupSegmentsBySize.
 */
import { RELATIVE_OFFSET_MAX } from "../base/units.ts";
import type { CleaningSegment } from "./cleaning_job.ts";

/** A segment with the sizes of its index files, 0 where there is none. */
export interface SizedSegment extends CleaningSegment {
  readonly offsetIndexBytes: number;
  readonly timeIndexBytes: number;
}

/** Limits of a segment. */
export interface GroupLimits {
  readonly segmentBytes: number;
  readonly segmentIndexBytes: number;
}

/** Groups segments. @param segments neighbours, ascending */
export function groupSegments<Sized extends SizedSegment>(segments: readonly Sized[], limits: GroupLimits): Sized[][] {
  const groups: Sized[][] = [];
  const sum = { bytes: 0, offsetIndexBytes: 0, timeIndexBytes: 0 };
  for (const segment of segments) {
    const group = groups.at(-1);
    sum.bytes += segment.bytes;
    sum.offsetIndexBytes += segment.offsetIndexBytes;
    sum.timeIndexBytes += segment.timeIndexBytes;
    const fits = sum.bytes <= limits.segmentBytes && sum.offsetIndexBytes <= limits.segmentIndexBytes &&
      sum.timeIndexBytes <= limits.segmentIndexBytes;
    // An empty segment has no index entries: it joins at any distance, so that empty ones do not stay for ever.
    const isNear = segment.bytes === 0 || segment.endOffset - 1 - (group?.[0]?.baseOffset ?? 0) <= RELATIVE_OFFSET_MAX;
    if (group !== undefined && fits && isNear) {
      group.push(segment);
      continue;
    }
    groups.push([segment]);
    Object.assign(sum, segment);
  }
  return groups;
}
