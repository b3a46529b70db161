/**
 * Compares the entries of a segment's two indexes with its batches, which are shown to it one after the other. Pure over the bytes of
 * the index files; the main isolate of `main.ts verify`. It keeps the next entry of each index only, whatever the segment's size.
 * Source: Kafka's DumpLogSegments.dumpIndex and dumpTimeIndex (--verify-index-only).
 */
import { readInt64 } from "../base/int64.ts";
import { NO_TIMESTAMP } from "../base/units.ts";
import * as batches from "../records/record_batch.ts";

const OFFSET_ENTRY_BYTES = 8;
const TIME_ENTRY_BYTES = 12;

/** The indexes of one segment. */
export class IndexWalk {
  /** The first thing that is wrong with each index. */
  offsetProblem: string | null = null;
  timeProblem: string | null = null;
  readonly #offsets: DataView;
  readonly #times: DataView;
  readonly #baseOffset: number;
  #offsetAt = 0;
  #timeAt = 0;
  #largestTimestamp = NO_TIMESTAMP;
  /** With those that batches have in their headers after compaction removed their records: Kafka indexes them, too. */
  #largestOfHeaders = NO_TIMESTAMP;

  /** @param indexes contents of the `.index` and `.timeindex` files */
  constructor(baseOffset: number, indexes: { offsets: Uint8Array; times: Uint8Array }) {
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
    if (this.offsetProblem === null && this.#offsetAt + OFFSET_ENTRY_BYTES <= this.#offsets.byteLength) {
      this.offsetProblem = `entry ${this.#offsetAt / OFFSET_ENTRY_BYTES} lies after the last batch`;
    }
    if (this.timeProblem !== null) return;
    if (this.#timeAt + TIME_ENTRY_BYTES <= this.#times.byteLength) {
      this.timeProblem = `entry ${this.#timeAt / TIME_ENTRY_BYTES} lies after the last batch`;
    } else if (isClosed && !this.#isLargest(this.#lastIndexedTimestamp)) {
      this.timeProblem = `it ends with timestamp ${this.#lastIndexedTimestamp}, but the segment's largest is ` +
        `${this.#largestTimestamp}`;
    }
  }

  #isLargest(timestamp: number): boolean {
    return timestamp === this.#largestTimestamp || timestamp === this.#largestOfHeaders;
  }

  get #lastIndexedTimestamp(): number {
    return this.#timeAt === 0 ? NO_TIMESTAMP : readInt64(this.#times, this.#timeAt - TIME_ENTRY_BYTES);
  }

  /** An entry names a batch by its last offset and its position. */
  #compareOffset(lastOffset: number, position: number): void {
    if (this.#offsetAt + OFFSET_ENTRY_BYTES > this.#offsets.byteLength) return;
    const indexed = this.#offsets.getInt32(this.#offsetAt + 4);
    if (indexed > position) return;
    const offset = this.#baseOffset + this.#offsets.getInt32(this.#offsetAt);
    const entry = this.#offsetAt / OFFSET_ENTRY_BYTES;
    if (indexed < position) this.offsetProblem = `entry ${entry} names position ${indexed}, where no batch begins`;
    else if (offset !== lastOffset) {
      this.offsetProblem =
        `entry ${entry} says offset ${offset} for position ${position}, the batch ends at ${lastOffset}`;
    }
    this.#offsetAt += OFFSET_ENTRY_BYTES;
  }

  /** An entry names the largest timestamp so far and an offset of the batch that has it. */
  #compareTime(view: DataView, at: number, lastOffset: number): void {
    if (this.#timeAt + TIME_ENTRY_BYTES > this.#times.byteLength) return;
    const offset = this.#baseOffset + this.#times.getInt32(this.#timeAt + 8);
    if (offset > lastOffset) return;
    const timestamp = readInt64(this.#times, this.#timeAt);
    const entry = this.#timeAt / TIME_ENTRY_BYTES;
    if (offset < batches.baseOffset(view, at)) {
      this.timeProblem = `entry ${entry} names offset ${offset}, which no batch has`;
    } else if (timestamp !== batches.maxTimestamp(view, at) || !this.#isLargest(timestamp)) {
      this.timeProblem = `entry ${entry} says timestamp ${timestamp} for offset ${offset}, the batch has ` +
        `${batches.maxTimestamp(view, at)}, the largest so far is ${this.#largestTimestamp}`;
    }
    this.#timeAt += TIME_ENTRY_BYTES;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
