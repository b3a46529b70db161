/**
 * Batches of a coordinator's records, made in memory that the kernel writes from. Runs on shards.
 *
 * One batch is made at a time, in memory that the next one uses again: a log has written it when its append returns.
 */
import { bytesOfBatch, type NativeMemory, nativeMemory, writeBatch } from "../../../storage/mod.ts";
import type { RecordBytes, RecordCodec } from "./record_codec.ts";

/** Memory that is kept between batches; a larger one is given back after its batch. */
const MEMORY_BYTES_KEPT_MAX = 1 << 20;
const MEMORY_BYTES = 1 << 14;

/** A batch as an append takes it. */
export interface Batch {
  readonly memory: NativeMemory;
  readonly start: number;
  readonly length: number;
}

/** Makes batches, one at a time. */
export class BatchBuilder<Entry> {
  readonly #codec: Pick<RecordCodec<Entry>, "encode">;
  #memory = nativeMemory(new ArrayBuffer(MEMORY_BYTES));

  /** @param codec of the records */
  constructor(codec: Pick<RecordCodec<Entry>, "encode">) {
    this.#codec = codec;
  }

  /**
   * Makes a batch that is valid until the next call.
   * @param records at least one @param options wall-clock time of all of them, and the most bytes the batch may have
   * @returns null when it would be larger than allowed; nothing has been made then
   */
  build(
    records: readonly Entry[],
    options: { readonly timestampMs: number; readonly batchBytesMax: number },
  ): Batch | null {
    const encoded = this.#encodeAll(records, options.batchBytesMax);
    if (encoded === null) return null;
    const length = bytesOfBatch(encoded);
    if (length > options.batchBytesMax) return null;
    const memory = this.#memoryOf(length);
    writeBatch(memory, 0, encoded, options.timestampMs);
    return { memory, start: 0, length };
  }

  #memoryOf(length: number): NativeMemory {
    if (length <= this.#memory.bytes.length) return this.#memory;
    const memory = nativeMemory(new ArrayBuffer(Math.max(length, 2 * this.#memory.bytes.length)));
    if (length <= MEMORY_BYTES_KEPT_MAX) this.#memory = memory;
    return memory;
  }

  /** @returns null as soon as the records cannot fit, so that no more is allocated than that */
  #encodeAll(records: readonly Entry[], bytesMax: number): RecordBytes[] | null {
    const encoded: RecordBytes[] = [];
    let sum = 0;
    for (const record of records) {
      const bytes = this.#codec.encode(record);
      if (bytes === null) return null;
      sum += bytes.key.length + (bytes.value?.length ?? 0);
      if (sum > bytesMax) return null;
      encoded.push(bytes);
    }
    return encoded;
  }
}
