/**
 * Compares the entries of a segment's two indexes with its batches, which are shown to it one after the other. Pure over the bytes of
 * the index files; the main isolate of `main.ts verify`. It keeps the next entry of each index only, whatever the segment's size.
 * Source: Kafka's DumpLogSegments.dumpIndex and dumpTimeIndex (--verify-index-only).
 */
import { NO_TIMESTAMP, type Offset } from "../base/units.ts";
import * as batches from "../records/record_batch.ts";
import { OFFSET_ENTRY_BYTES, readOffsetEntry } from "../segments/offset_index.ts";
import { readTimeEntry, TIME_ENTRY_BYTES } from "../segments/time_index.ts";

/** The indexes of one segment. */
export class IndexWalk {
  /** The first thing that is wrong with each index. */
  offsetProblem: string | null = null;
  timeProblem: string | null = null;
  readonly #offsets: DataView;
  readonly #times: DataView;
  readonly #baseOffset: Offset;
  /** Number of the next entry of each index. */
  #offsetEntry = 0;
  #timeEntry = 0;
  #largestTimestamp = NO_TIMESTAMP;
  /** With those that batches have in their headers after compaction removed their records: Kafka indexes them, too. */
  #largestOfHeaders = NO_TIMESTAMP;

  /** @param indexes contents of the `.index` and `.timeindex` files */
  constructor(baseOffset: Offset, indexes: { offsets: Uint8Array; times: Uint8Array }) {
    this.#baseOffset = baseOffset;
    this.#offsets = viewOf(indexes.offsets);
    this.#times = viewOf(indexes.times);
    if (indexes.offsets.length % OFFSET_ENTRY_BYTES !== 0) this.offsetProblem = "its size is not one of whole entries";
    if (indexes.times.length % TIME_ENTRY_BYTES !== 0) this.timeProblem = "its size is not one of whole entries";
  }

  /** The next batch of the segment. @param at index of its first byte @param position in the file */
  visit(view: DataView, at: number, position: number): void {
    this.#largestTimestamp = Math.max(this.#largestTimestamp, batches.largestTimestamp(view, at));
    this.#largestOfHeaders = Math.max(this.#largestOfHeaders, batches.maxTimestamp(view, at));
    const lastOffset = batches.lastOffset(view, at);
    if (this.offsetProblem === null) this.#compareOffset(lastOffset, position);
    if (this.timeProblem === null) this.#compareTime(view, at, lastOffset);
  }

  /** Ends the walk, after the last batch. @param isClosed whether the segment was closed, which completes its time index */
  end(isClosed: boolean): void {
    if (this.offsetProblem === null && this.#nextOffsetEntry() !== null) {
      this.offsetProblem = `entry ${this.#offsetEntry} lies after the last batch`;
    }
    if (this.timeProblem !== null) return;
    if (this.#nextTimeEntry() !== null) {
      this.timeProblem = `entry ${this.#timeEntry} lies after the last batch`;
    } else if (isClosed && !this.#isLargest(this.#lastIndexedTimestamp)) {
      this.timeProblem = `it ends with timestamp ${this.#lastIndexedTimestamp}, but the segment's largest is ` +
        `${this.#largestTimestamp}`;
    }
  }

  #isLargest(timestamp: number): boolean {
    return timestamp === this.#largestTimestamp || timestamp === this.#largestOfHeaders;
  }

  get #lastIndexedTimestamp(): number {
    if (this.#timeEntry === 0) return NO_TIMESTAMP;
    return readTimeEntry(this.#times, this.#timeEntry - 1, this.#baseOffset)!.timestamp;
  }

  #nextOffsetEntry() {
    return readOffsetEntry(this.#offsets, this.#offsetEntry, this.#baseOffset);
  }

  #nextTimeEntry() {
    return readTimeEntry(this.#times, this.#timeEntry, this.#baseOffset);
  }

  /** An entry names a batch by its last offset and its position. */
  #compareOffset(lastOffset: number, position: number): void {
    const indexed = this.#nextOffsetEntry();
    if (indexed === null || indexed.position > position) return;
    const entry = this.#offsetEntry++;
    if (indexed.position < position) {
      this.offsetProblem = `entry ${entry} names position ${indexed.position}, where no batch begins`;
    } else if (indexed.offset !== lastOffset) {
      this.offsetProblem =
        `entry ${entry} says offset ${indexed.offset} for position ${position}, the batch ends at ${lastOffset}`;
    }
  }

  /** An entry names the largest timestamp so far and an offset of the batch that has it. */
  #compareTime(view: DataView, at: number, lastOffset: number): void {
    const indexed = this.#nextTimeEntry();
    if (indexed === null || indexed.offset > lastOffset) return;
    const { timestamp, offset } = indexed;
    const entry = this.#timeEntry++;
    if (offset < batches.baseOffset(view, at)) {
      this.timeProblem = `entry ${entry} names offset ${offset}, which no batch has`;
    } else if (timestamp !== batches.maxTimestamp(view, at) || !this.#isLargest(timestamp)) {
      this.timeProblem = `entry ${entry} says timestamp ${timestamp} for offset ${offset}, the batch has ` +
        `${batches.maxTimestamp(view, at)}, the largest so far is ${this.#largestTimestamp}`;
    }
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
