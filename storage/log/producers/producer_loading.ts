/**
 * Loads the producers of a log: from the newest snapshot, and the batches behind it. Runs on the shard that opens or truncates the log.
 *
 *   batches below the snapshot   the last 1 MiB of them is looked at: a snapshot has the newest batch of each producer only
 *   snapshot                     the newest sound one that does not lie above the log's end
 *   batches above it             all of them, up to the log's end
 *
 * Source: Kafka's UnifiedLog.rebuildProducerState.
 */
import type { Clock } from "../../base/clock.ts";
import { type Offset, toOffset } from "../../base/units.ts";
import { nextOffset } from "../../records/record_batch.ts";
import type { Segment } from "../../segments/segment.ts";
import type { SegmentList } from "../../segments/segment_list.ts";
import type { SegmentReader } from "../../segments/segment_reader.ts";
import type { ProducerStateManager } from "./producer_state_manager.ts";

/** Bytes below a producer snapshot whose batches are read: the requests that a client may have in flight, of 200 KB each. */
const RECALLED_BYTES_MAX = 1024 * 1024;
/** Bytes that are read first; twice as many each time that they are not enough. */
const RECALLED_BYTES_MIN = 16 * 1024;

/** What the producers are loaded from. */
export interface ProducerLoadingParts {
  readonly segments: SegmentList;
  readonly reader: SegmentReader;
  /** Without producers so far. */
  readonly producers: ProducerStateManager;
  readonly options: { readonly clock: Clock; readonly producerIdExpirationMs: number };
  readonly report: (message: string) => void;
}

/**
 * Loads the producers, and writes the snapshots that are missing: at the last segments, and at the log's end.
 * @param range of the log @throws SystemError, or the runtime's errors, when the disk refuses
 */
export function loadProducers(
  parts: ProducerLoadingParts,
  range: { logStartOffset: Offset; logEndOffset: Offset },
): void {
  const { segments, producers, options, report } = parts;
  const { snapshots, state } = producers;
  const bases = segments.baseOffsets;
  const wanted = new Set([...bases.slice(-2), range.logEndOffset]);
  // Unlike Kafka, not from the log start on: the batch that contains it, and earlier batches that still exist, may be retried.
  const first = segments.all[segments.floorIndex(range.logStartOffset)];
  const firstOffset = first?.baseOffset ?? range.logStartOffset;
  snapshots.removeOutside({ firstOffset, logEndOffset: range.logEndOffset });
  const from = producers.loadNewest(
    firstOffset,
    (offset) => report(`The producer snapshot at offset ${offset} is damaged: the producers are read from the batches`),
  );
  if (state.size > 0) recallProducers(from, parts);
  for (let index = segments.floorIndex(from); index < segments.length; index++) {
    const segment = segments.at(index);
    if (segment.baseOffset >= from && wanted.has(segment.baseOffset)) producers.snapshot(segment.baseOffset);
    replayProducers(segment, from, parts);
  }
  state.expire(options.clock.wallMs(), options.producerIdExpirationMs);
  producers.snapshot(range.logEndOffset);
}

/**
 * Looks at the last batches below a snapshot, which has the newest one of each producer only. From the end backwards, because most
 * logs have few producers: their last batches are found in the first 16 KiB, and a start of 1,000 partitions takes half as long.
 */
function recallProducers(below: Offset, { segments, reader, producers }: ProducerLoadingParts): void {
  let left = RECALLED_BYTES_MAX;
  let bytes = RECALLED_BYTES_MIN;
  for (let index = segments.length - 1; index >= 0; index--) {
    const segment = segments.at(index);
    if (segment.baseOffset >= below) continue;
    const outcome = reader.findOffset(segment, below);
    if (outcome === "damaged") return;
    let to = outcome === "found" ? reader.position : segment.logFileBytes;
    // Producers that are not among these batches cannot be found by reading on.
    const reach = to > left ? segment.offsetIndex.offsetAt(segment.offsetIndex.lookupPosition(to - left)) : toOffset(0);
    for (; to > 0; bytes *= 2) {
      if (left <= 0 || !producers.state.mayRecall(reach)) return;
      const from = batchAtMost(segment, Math.max(to - Math.min(bytes, left), 0), reader);
      if (from === null || from >= to) break;
      reader.scan(segment, { from, to }, (view, at) => producers.recall(view, at));
      left -= to - from;
      to = from;
    }
  }
}

/** Position of the last batch in the index that begins at most at a position; null when the batches contradict the index. */
function batchAtMost(segment: Segment, position: number, reader: SegmentReader): number | null {
  const { offsetIndex } = segment;
  const offset = offsetIndex.offsetAt(offsetIndex.lookupPosition(position));
  return reader.findOffset(segment, offset) === "found" ? reader.position : null;
}

function replayProducers(segment: Segment, from: Offset, { reader, producers }: ProducerLoadingParts): void {
  let start = 0;
  if (segment.baseOffset < from) {
    const outcome = reader.findOffset(segment, from);
    if (outcome === "end") return;
    start = outcome === "found" ? reader.position : 0;
  }
  reader.scan(segment, { from: start, to: segment.logFileBytes }, (view, at) => {
    if (nextOffset(view, at) > from) producers.update(view, at);
  });
}
