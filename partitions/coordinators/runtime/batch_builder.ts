/**
 * Builds batches of a coordinator's records in memory that the kernel writes from. Runs on shards.
 *
 * One batch is built at a time. The next one reuses its memory, because a log has written the batch when its append returns. A batch of
 * very many records is built over several turns, in memory of its own (long_batch.ts).
 */
import { bytesOfBatch, type NativeMemory, nativeMemory, writeBatch } from "../../../storage/mod.ts";
import { type Batch, LongBatch, LongBatchMemory } from "./long_batch.ts";
import type { RecordBytes, RecordCodec } from "./record_codec.ts";

/** The most memory that is kept between batches. A larger block is released after its batch. */
const MEMORY_BYTES_KEPT_MAX = 1 << 20;
const MEMORY_BYTES = 1 << 14;

/** Builds batches, one at a time. */
export class BatchBuilder<Entry> {
  readonly #codec: Pick<RecordCodec<Entry>, "encode">;
  readonly #longMemory = new LongBatchMemory();
  #memory = nativeMemory(new ArrayBuffer(MEMORY_BYTES));

  /** @param codec of the records */
  constructor(codec: Pick<RecordCodec<Entry>, "encode">) {
    this.#codec = codec;
  }

  /**
   * Builds a batch that is valid until the next call.
   * @param records at least one @param options the wall-clock time of all records, and the most bytes of the batch
   * @returns null when the batch would be larger than allowed; nothing is built then
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

  /** Begins a batch that is built over several turns, while others are built. @param batchBytesMax the most bytes of the batch */
  beginLong(batchBytesMax: number): LongBatch<Entry> {
    return new LongBatch(this.#codec, this.#longMemory, batchBytesMax);
  }

  #memoryOf(length: number): NativeMemory {
    if (length <= this.#memory.bytes.length) return this.#memory;
    const memory = nativeMemory(new ArrayBuffer(Math.max(length, 2 * this.#memory.bytes.length)));
    if (length <= MEMORY_BYTES_KEPT_MAX) this.#memory = memory;
    return memory;
  }

  /** @returns null as soon as the records cannot fit: the rest is then not encoded */
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
