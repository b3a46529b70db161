/** Makes the segment that a log goes on in. Runs on the shard that owns the log. */
import type { Offset } from "../base/units.ts";
import { Segment, type SegmentPlace } from "./segment.ts";
import { segmentFileKinds } from "./segment_names.ts";

/**
 * Creates a segment's files and makes it active.
 * @param offset its base @param nowMs wall-clock time
 * @throws SystemError, or the runtime's errors, when the disk refuses; no file is left then
 */
export function createSegment(place: SegmentPlace, offset: Offset, nowMs: number): Segment {
  const segment = new Segment(place, offset);
  try {
    segment.create(nowMs);
    return segment;
  } catch (error) {
    discardSegment(place, segment);
    throw error;
  }
}

/** Closes a segment that the log does not go on in, and removes its files. @throws the runtime's errors when the disk refuses */
export function discardSegment(place: SegmentPlace, segment: Segment): void {
  segment.retire();
  for (const kind of segmentFileKinds) place.fs.remove(segment.path(kind));
}
