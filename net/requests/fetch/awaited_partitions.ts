/**
 * What a waiting fetch knows about its partitions: the state of each at the time of its read, 20 bytes each. The fetch compares counts
 * of bytes that it sees instead of reading again, so a large `fetch.min.bytes` costs nothing per append. Runs on shards.
 */
import { emptyWatermarks, isLed, partitionState, type WatermarkTable } from "../../../partitions/mod.ts";

/** The result of reading a partition. */
export interface AwaitedPartition {
  readonly slot: number;
  /** Its bytes that the reader saw at the time of the read. */
  readonly visibleBytes: number;
  /** Bytes that the read found. */
  readonly length: number;
}

const marks = emptyWatermarks();

/** The partitions of one fetch. */
export class AwaitedPartitions {
  /** Their rows in the watermark table. */
  readonly slots: Int32Array;
  readonly #visibleBytes: Float64Array;
  readonly #isFollower: boolean;
  #foundBytes = 0;

  /** @param read results of the reads @param isFollower whether it sees all up to the log end */
  constructor(read: readonly AwaitedPartition[], isFollower = false) {
    this.#isFollower = isFollower;
    this.slots = Int32Array.from(read, ({ slot }) => slot);
    this.#visibleBytes = Float64Array.from(read, ({ visibleBytes }) => visibleBytes);
    for (const { length } of read) this.#foundBytes += length;
  }

  /** Whether another read would find enough: records became visible since, and all found reach min bytes; or a partition is gone, or has another leader. */
  hasGrownEnough(watermarks: WatermarkTable, minBytes: number): boolean {
    let bytes = this.#foundBytes;
    let hasGrown = false;
    for (let index = 0; index < this.slots.length; index++) {
      const before = this.#visibleBytes[index] as number;
      const { state, highWatermarkBytes, logEndBytes } = watermarks.read(this.slots[index] as number, marks);
      if (state !== partitionState.open || !isLed(marks)) return true;
      const visible = this.#isFollower ? logEndBytes : highWatermarkBytes;
      bytes += visible - before;
      hasGrown ||= visible > before;
    }
    return hasGrown && bytes >= minBytes;
  }
}
