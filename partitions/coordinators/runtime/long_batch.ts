/**
 * A batch to which records are added over several turns of a shard. The records lie in native memory from the start: as many small objects
 * on the heap would outlive the turn, and collecting them took up to 300 ms (8,192 records each for 300 clients). Runs on shards.
 */
import {
  BATCH_HEADER_BYTES,
  bytesOfRecord,
  completeBatch,
  type NativeMemory,
  nativeMemory,
  writeRecord,
} from "../../../storage/mod.ts";
import { assert } from "../../../storage/base/assert.ts";
import type { RecordCodec } from "./record_codec.ts";

/** A batch in the form that an append takes. */
export interface Batch {
  readonly memory: NativeMemory;
  readonly start: number;
  readonly length: number;
}

const MEMORY_BYTES = 1 << 18;
/** Larger blocks are not kept. */
const KEPT_BYTES_MAX = 1 << 20;
const KEPT_BLOCKS_MAX = 2;

/** Blocks of memory that finished batches left for the next ones. */
export class LongBatchMemory {
  readonly #kept: NativeMemory[] = [];

  /** Takes a block. */
  take(): NativeMemory {
    return this.#kept.pop() ?? nativeMemory(new ArrayBuffer(MEMORY_BYTES));
  }

  /** Returns a block, which nothing reads any more. */
  give(memory: NativeMemory): void {
    if (memory.bytes.length <= KEPT_BYTES_MAX && this.#kept.length < KEPT_BLOCKS_MAX) this.#kept.push(memory);
  }
}

/** The batch. Disposal returns its memory. */
export class LongBatch<Entry> implements Disposable {
  readonly #codec: Pick<RecordCodec<Entry>, "encode">;
  readonly #blocks: LongBatchMemory;
  readonly #bytesMax: number;
  #memory: NativeMemory | null;
  #length = BATCH_HEADER_BYTES;
  #recordsCount = 0;
  #isTooLarge = false;

  /** @param blocks where its memory comes from @param bytesMax the most bytes of the batch */
  constructor(codec: Pick<RecordCodec<Entry>, "encode">, blocks: LongBatchMemory, bytesMax: number) {
    this.#codec = codec;
    this.#blocks = blocks;
    this.#bytesMax = bytesMax;
    this.#memory = blocks.take();
  }

  /** Whether the records do not fit into one batch. */
  get isTooLarge(): boolean {
    return this.#isTooLarge;
  }

  /** Adds a record, unless they are too large already. */
  add(record: Entry): void {
    const encoded = this.#isTooLarge ? null : this.#codec.encode(record);
    const length = encoded === null ? Infinity : this.#length + bytesOfRecord(encoded, this.#recordsCount);
    if (encoded === null || length > this.#bytesMax) {
      this.#isTooLarge = true;
      return;
    }
    const memory = this.#memoryOf(length);
    this.#length = writeRecord(memory.bytes, this.#length, encoded, this.#recordsCount);
    this.#recordsCount++;
  }

  /** Completes the batch with its header. @param timestampMs wall-clock time of all records @returns it, valid until the disposal */
  complete(timestampMs: number): Batch {
    const memory = this.#memoryOf(this.#length);
    completeBatch(memory, 0, { end: this.#length, recordsCount: this.#recordsCount, timestampMs });
    return { memory, start: 0, length: this.#length };
  }

  [Symbol.dispose](): void {
    if (this.#memory !== null) this.#blocks.give(this.#memory);
    this.#memory = null;
  }

  /** Its memory, with room for this many bytes. */
  #memoryOf(length: number): NativeMemory {
    const memory = this.#memory;
    assert(memory !== null, "the batch is not disposed of");
    if (length <= memory.bytes.length) return memory;
    const grown = nativeMemory(new ArrayBuffer(Math.max(length, 2 * memory.bytes.length)));
    grown.bytes.set(memory.bytes.subarray(0, this.#length));
    return this.#memory = grown;
  }
}
