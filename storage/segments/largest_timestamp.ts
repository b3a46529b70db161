/**
 * The largest timestamp of a segment's records. For a segment that was appended to or rebuilt in this process it is known; of others
 * the time index has it, and a look at thousands of closed segments should open none. Runs on the shard that owns the log.
 */
import { NO_OFFSET, NO_TIMESTAMP, type Offset } from "../base/units.ts";
import type { AppendedBatch } from "./indexed_batches.ts";

/** The largest timestamp, and the batch that has it. */
export class LargestTimestamp {
  readonly #baseOffset: Offset;
  /** In ms, -1 where no record has one. */
  timestamp = NO_TIMESTAMP;
  /** Last offset of the batch; the base offset where no record has a timestamp. */
  offset: Offset;
  /** Whether both are known without reading the segment's files. */
  isKnown = false;
  /** The state that an abandoned rebuild restores. */
  #before = { timestamp: NO_TIMESTAMP, offset: NO_OFFSET, isKnown: false };

  /** @param baseOffset of the segment */
  constructor(baseOffset: Offset) {
    this.#baseOffset = baseOffset;
    this.offset = baseOffset;
  }

  /** Includes a batch that follows all others. */
  add(batch: AppendedBatch): void {
    if (batch.maxTimestamp <= this.timestamp) return;
    this.timestamp = batch.maxTimestamp;
    this.offset = batch.lastOffset;
  }

  /** Sets what was read from the time index. */
  set(timestamp: number, offset: Offset): void {
    this.timestamp = timestamp;
    this.offset = offset;
    this.isKnown = true;
  }

  /** Begins anew: all batches follow. */
  beginRebuild(): void {
    const { timestamp, offset, isKnown } = this;
    this.#before = { timestamp, offset, isKnown };
    this.set(NO_TIMESTAMP, this.#baseOffset);
  }

  /** Restores the state before the last `beginRebuild()`. */
  abandonRebuild(): void {
    Object.assign(this, this.#before);
  }
}
