/**
 * The largest timestamp of each block of a segment, in memory. It serves searches from a log start inside the segment. The time
 * index covers the segment from its first record on: when timestamps went back, it does not show the largest one after the log
 * start. Runs on the shard that owns the log; rare.
 *
 *   positions   0 .......... first .......... read up to ........ size
 *               not needed   one maximum for every 1 MiB          read by the next calls
 *
 * Must always hold: one call reads a bounded part of the file. So a search ends at once or after some repeated calls; later
 * searches read two blocks. Memory: 16 bytes for a block, 32 KiB for the largest segment.
 */
import type { HeaderWindow } from "./header_window.ts";
import { batchBytes, largestTimestamp } from "../records/record_batch.ts";
import type { Segment } from "./segment.ts";

const BLOCK_BYTES = 1024 * 1024;
/** Most bytes that one call reads: about 12 ms when they are in the page cache. */
const READ_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes of one read by the header window, for one header or many. */
const WINDOW_BYTES = 8192;

/** Where a block begins and its largest timestamp. */
interface Block {
  /** Position of the first batch that begins in it. */
  readonly from: number;
  largestTimestamp: number;
}

/** The timestamps of one segment from a position on. */
export class SegmentTimes {
  readonly segment: Segment;
  readonly #window: HeaderWindow;
  readonly #blocks: Block[] = [];
  #readTo: number;

  /** @param segment whose batches are read @param from position of the first batch that is needed, now or later */
  constructor(segment: Segment, from: number, window: HeaderWindow) {
    this.segment = segment;
    this.#window = window;
    this.#readTo = from;
  }

  /** Reads the next part of the segment. @returns whether all of it was read; otherwise call again */
  readNext(): boolean {
    const { segment } = this;
    const window = this.#window;
    window.begin();
    let read = 0;
    while (this.#readTo < segment.logFileBytes) {
      if (read >= READ_BYTES_MAX) return false;
      const at = window.locateBatch(segment, this.#readTo, segment.logFileBytes);
      if (at < 0) return true; // damaged: batches after it cannot be found
      const bytes = batchBytes(window.view, at);
      this.#addTimestamp(this.#readTo, largestTimestamp(window.view, at));
      this.#readTo += bytes;
      read += Math.min(bytes, WINDOW_BYTES);
    }
    return true;
  }

  /**
   * Finds where batches may begin that reach a timestamp.
   * @param from position of a batch, or of the end of the read part @param timestamp in ms
   * @returns the first such range of positions; it begins at a batch; null for none
   */
  rangeWith(from: number, timestamp: number): { from: number; to: number } | null {
    for (let index = this.#indexOf(from); index < this.#blocks.length; index++) {
      const block = this.#blocks[index]!;
      const to = this.#blocks[index + 1]?.from ?? this.#readTo;
      if (block.largestTimestamp >= timestamp && to > from) return { from: Math.max(from, block.from), to };
    }
    return null;
  }

  /** Largest timestamp of the blocks after the one that holds a position, -1 for none; and the end of the block that holds it. */
  largestAfter(position: number): { timestamp: number; blockEnd: number } {
    const index = this.#indexOf(position);
    const blockEnd = this.#blocks[index + 1]?.from ?? this.#readTo;
    let timestamp = -1;
    for (const block of this.#blocks.slice(index + 1)) timestamp = Math.max(timestamp, block.largestTimestamp);
    return { timestamp, blockEnd };
  }

  /** Index of the last block that begins at or before a position. */
  #indexOf(position: number): number {
    const index = this.#blocks.findLastIndex((block) => block.from <= position);
    return Math.max(0, index);
  }

  #addTimestamp(position: number, timestamp: number): void {
    const last = this.#blocks.at(-1);
    const isSame = last !== undefined && Math.floor(last.from / BLOCK_BYTES) === Math.floor(position / BLOCK_BYTES);
    if (isSame) last.largestTimestamp = Math.max(last.largestTimestamp, timestamp);
    else this.#blocks.push({ from: position, largestTimestamp: timestamp });
  }
}
