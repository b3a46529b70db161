/**
 * Rebuilds a missing or damaged file of leader epochs: finds from the batches where each epoch begins. Runs on the shard that opens
 * the log.
 *
 * Epochs only grow along a log. So a segment is read only if the next one begins in another epoch; of every other segment one
 * header is read. Reading all headers of 1 TB took hours.
 * Kafka's UnifiedLog.updateLeaderEpochCache reads the recovered segments; Kafka has no rebuild for a lost file.
 */
import type { LeaderEpochFile } from "./leader_epoch_file.ts";
import { baseOffset, partitionLeaderEpoch } from "../../records/record_batch.ts";
import type { Segment } from "../../segments/segment.ts";
import type { SegmentReader } from "../../segments/segment_reader.ts";

/**
 * Rebuilds all epochs.
 * @param epochs cleared first; the caller saves them @param segments of the log, oldest first
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

/** Epoch of a segment's first batch; null where that is not sound. */
function firstEpochOf(segment: Segment, reader: SegmentReader): number | null {
  const { window } = reader;
  window.begin();
  const at = segment.logFileBytes === 0 ? -1 : window.locateBatch(segment, 0, segment.logFileBytes);
  return at < 0 ? null : partitionLeaderEpoch(window.view, at);
}
