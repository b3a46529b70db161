/**
 * Finds where each leader epoch of a log begins, from its batches: for a file of epochs that is missing or damaged. Runs on the shard
 * that opens the log.
 *
 * Epochs only grow along a log, so a segment is read only where the next one does not begin in the epoch that it begins in itself:
 * one header for every other segment. Reading all headers of 1 TB took hours.
 * Source: Kafka's UnifiedLog.updateLeaderEpochCache reads all that it recovers; it has nothing for a lost file.
 */
import type { LeaderEpochFile } from "./leader_epoch_file.ts";
import { baseOffset, partitionLeaderEpoch } from "../../records/record_batch.ts";
import type { Segment } from "../../segments/segment.ts";
import type { SegmentReader } from "../../segments/segment_reader.ts";

/**
 * Notes all epochs anew.
 * @param epochs what is known is forgotten first; to be saved afterwards @param segments of the log, oldest first
 * @throws SystemError when a file cannot be opened
 */
export function rebuildEpochs(epochs: LeaderEpochFile, segments: readonly Segment[], reader: SegmentReader): void {
  epochs.clear();
  let next = segments.length === 0 ? null : firstEpochOf(segments[0]!, reader);
  for (const [index, segment] of segments.entries()) {
    const first = next;
    next = index + 1 < segments.length ? firstEpochOf(segments[index + 1]!, reader) : null;
    if (first !== null && first === next && first === epochs.latest) continue;
    reader.scan(segment, { from: 0, to: segment.logFileBytes }, (view, at) => {
      epochs.note(partitionLeaderEpoch(view, at), baseOffset(view, at));
    });
  }
}

/** Epoch of a segment's first batch; null where there is no sound one. */
function firstEpochOf(segment: Segment, reader: SegmentReader): number | null {
  const { window } = reader;
  window.begin();
  const at = segment.logFileBytes === 0 ? -1 : window.locateBatch(segment, 0, segment.logFileBytes);
  return at < 0 ? null : partitionLeaderEpoch(window.view, at);
}
