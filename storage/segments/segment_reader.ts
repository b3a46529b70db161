/**
 * Finds batches in a segment: the one that holds an offset, and the end of a run of whole batches that fits a limit. Runs
 * on the shard that owns the log; one operation at a time.
 *
 * Must always hold: every result begins and ends at a batch. An index is only a hint: its entry is compared with the header that it
 * points at. A mismatch is "damaged", and the caller then rebuilds the index.
 */
import { type Offset, toOffset } from "../base/units.ts";
import type { HeaderWindow } from "./header_window.ts";
import { baseOffset, batchBytes, largestTimestamp, lastOffset } from "../records/record_batch.ts";
import type { AppendedBatch, IndexedBatches } from "./indexed_batches.ts";

/** How a search ended: "end" when the segment has no such batch, "damaged" when an index or a batch is not sound. */
export type SearchOutcome = "found" | "end" | "damaged";

/** Limits of a run of batches. */
export interface RunLimits {
  /** Most bytes; a first batch that is larger counts only with `atLeastOne`. */
  readonly maxBytes: number;
  /** No record at or above this offset is included. */
  readonly maxOffset: Offset;
  /** Whether the first batch is included whatever its size (KIP-74). */
  readonly atLeastOne: boolean;
}

/** Searches segments; its fields are the result of the last call that returned "found". */
export class SegmentReader {
  /** Position of the batch, or of the end of the run. */
  position = 0;
  /** Byte index in `window.view` of the batch's header, after `findOffset()` and `findTimestamp()`. */
  headerAt = 0;
  /** Offset after the run. */
  nextOffset: Offset = toOffset(0);
  readonly #window: HeaderWindow;
  readonly #repaired = new WeakSet<IndexedBatches>();

  /** @param window shared with the other logs of the shard */
  constructor(window: HeaderWindow) {
    this.#window = window;
  }

  /** The header window that `headerAt` points into. */
  get window(): HeaderWindow {
    return this.#window;
  }

  /** Finds the batch that holds `offset`, or else the first batch after it. @throws SystemError */
  findOffset(segment: IndexedBatches, offset: Offset): SearchOutcome {
    this.#window.begin();
    if (!segment.openIndexes()) return "damaged";
    const entry = segment.offsetIndex.lookup(offset);
    const start = segment.offsetIndex.positionAt(entry);
    if (entry >= 0 && !this.#isBatchOf(segment, entry)) return "damaged";
    return this.#walk(segment, { from: start, to: segment.logFileBytes }, { offset, timestamp: -Infinity });
  }

  /**
   * Finds the first batch whose largest timestamp is at least `timestamp`.
   * @param range from: where a batch begins; to: position at or after which no batch is read
   */
  findTimestamp(segment: IndexedBatches, range: { from: number; to: number }, timestamp: number): SearchOutcome {
    this.#window.begin();
    return this.#walk(segment, range, { offset: -Infinity, timestamp });
  }

  /**
   * Finds the end of the run of whole batches from `start` that stays within the limits.
   * @param start position of a batch @param limits bytes and offset
   * @returns "found" (position, nextOffset), or "end" when no batch is within the limits
   */
  findRunEnd(segment: IndexedBatches, start: number, limits: RunLimits): SearchOutcome {
    this.#window.begin();
    if (!segment.openIndexes()) return "damaged";
    const endMax = Math.min(segment.logFileBytes, start + limits.maxBytes);
    const index = segment.offsetIndex;
    const entry = Math.min(index.lookupPosition(endMax), index.lookup(toOffset(limits.maxOffset - 1)));
    let position = index.positionAt(entry) as number;
    if (position <= start) position = start;
    else if (!this.#isBatchOf(segment, entry)) return "damaged";
    else this.nextOffset = baseOffset(this.#window.view, this.headerAt);
    while (position < segment.logFileBytes) {
      const at = this.#window.locateBatch(segment, position, segment.logFileBytes);
      if (at < 0) return "damaged";
      const end = position + batchBytes(this.#window.view, at);
      const last = lastOffset(this.#window.view, at);
      const fits = end <= endMax || (position === start && limits.atLeastOne);
      if (!fits || last >= limits.maxOffset) break;
      [position, this.nextOffset] = [end, toOffset(last + 1)];
    }
    this.position = position;
    return position === start ? "end" : "found";
  }

  /**
   * Calls `visit` for every batch from a position on, up to the first unsound header.
   * @param limits from: position of a batch; to: bytes of the file that count
   * @returns position after the last whole batch
   */
  scan(
    segment: IndexedBatches,
    limits: { from: number; to: number },
    visit: (view: DataView, at: number) => void,
  ): number {
    this.#window.begin();
    let position = limits.from;
    while (position < limits.to) {
      const at = this.#window.locateBatch(segment, position, limits.to);
      if (at < 0) break;
      position += batchBytes(this.#window.view, at);
      visit(this.#window.view, at);
    }
    return position;
  }

  /** Whether the last entry of the time index, or its absence, agrees with the batch that it names. @throws SystemError */
  confirmsLastTimestamp(segment: IndexedBatches): boolean {
    const { timeIndex } = segment;
    const last = timeIndex.count - 1;
    const outcome = this.findOffset(segment, timeIndex.offsetAt(last));
    if (outcome !== "found") return outcome === "end" && last < 0;
    const timestamp = largestTimestamp(this.#window.view, this.headerAt);
    if (last < 0) return timestamp < 0;
    return timestamp === timeIndex.timestampAt(last) &&
      lastOffset(this.#window.view, this.headerAt) === timeIndex.offsetAt(last);
  }

  /**
   * Rebuilds the indexes of a segment because one contradicts the batches, but only once. If they still disagree afterwards, the
   * batches are damaged, and reading them all again with every lookup would not help.
   * @returns whether they were rebuilt @throws SystemError also for a full disk
   */
  repairIndexes(segment: IndexedBatches): boolean {
    if (this.#repaired.has(segment)) return false;
    this.rebuildIndexes(segment);
    this.#repaired.add(segment);
    return true;
  }

  /**
   * Rebuilds both indexes of a segment from its batch headers: durable at once, unless it is the active segment.
   * @throws SystemError, or the runtime's errors, also for a full disk
   */
  rebuildIndexes(segment: IndexedBatches): void {
    const size = segment.logFileBytes;
    try {
      segment.beginRebuild(segment.isActive ? "in place" : "new file");
      this.scan(segment, { from: 0, to: size }, (view, at) => segment.replay(describeBatch(view, at)));
      segment.endRebuild(size);
    } catch (error) {
      segment.abandonRebuild(size);
      throw error;
    }
  }

  #walk(
    segment: IndexedBatches,
    range: { from: number; to: number },
    least: { offset: number; timestamp: number },
  ): SearchOutcome {
    const view = this.#window.view;
    let position = range.from;
    while (position < range.to) {
      const at = this.#window.locateBatch(segment, position, segment.logFileBytes);
      if (at < 0) return "damaged";
      if (lastOffset(view, at) >= least.offset && largestTimestamp(view, at) >= least.timestamp) {
        [this.position, this.headerAt] = [position, at];
        return "found";
      }
      position += batchBytes(view, at);
    }
    return "end";
  }

  #isBatchOf(segment: IndexedBatches, entry: number): boolean {
    const position = segment.offsetIndex.positionAt(entry);
    const at = this.#window.locateBatch(segment, position, segment.logFileBytes);
    if (at < 0 || lastOffset(this.#window.view, at) !== segment.offsetIndex.offsetAt(entry)) return false;
    this.headerAt = at;
    return true;
  }
}

/** What the indexes need to know of a batch in a file. @param at byte index of its header */
export function describeBatch(view: DataView, at: number): AppendedBatch {
  return {
    bytes: batchBytes(view, at),
    lastOffset: lastOffset(view, at),
    maxTimestamp: largestTimestamp(view, at),
    nowMs: 0,
  };
}
