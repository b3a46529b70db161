/**
 * What a fetch that waits knows of its partitions: where each stood when it was read, 20 bytes each. Runs on shards.
 */
import { emptyWatermarks, partitionState, type WatermarkTable } from "../../../partitions/mod.ts";

/** What was read of a partition. */
export interface AwaitedPartition {
  readonly slot: number;
  /** Its bytes below the high watermark at the time of the read. */
  readonly highWatermarkBytes: number;
  /** Bytes that the read found. */
  readonly length: number;
}

const marks = emptyWatermarks();

/** The partitions of one fetch. */
export class AwaitedPartitions {
  /** Their rows in the watermark table. */
  readonly slots: Int32Array;
  readonly #highWatermarkBytes: Float64Array;
  #foundBytes = 0;

  /** @param read what the reads found */
  constructor(read: readonly AwaitedPartition[]) {
    this.slots = Int32Array.from(read, ({ slot }) => slot);
    this.#highWatermarkBytes = Float64Array.from(read, ({ highWatermarkBytes }) => highWatermarkBytes);
    for (const { length } of read) this.#foundBytes += length;
  }

  /** Whether reading again would find enough: something became visible since, and it adds up; or a partition went away. */
  hasGrownEnough(watermarks: WatermarkTable, minBytes: number): boolean {
    let bytes = this.#foundBytes;
    let hasGrown = false;
    for (let index = 0; index < this.slots.length; index++) {
      const before = this.#highWatermarkBytes[index] as number;
      const { state, highWatermarkBytes } = watermarks.read(this.slots[index] as number, marks);
      if (state !== partitionState.open) return true;
      bytes += highWatermarkBytes - before;
      hasGrown ||= highWatermarkBytes > before;
    }
    return hasGrown && bytes >= minBytes;
  }
}
