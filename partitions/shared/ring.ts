/**
 * A single-producer single-consumer ring of fixed-size records between two isolates, in shared memory. The producer fills a
 * slot and publishes it by storing `head`; the consumer takes it and frees it by storing `tail` (words.ts).
 *
 *   bytes 0-63    head, the producer's word        record (128 bytes): 16 int32 words, then 8 float64 words
 *   bytes 64-127  tail, the consumer's word        the layout of each kind is in messages.ts
 *   then the records
 *
 * Any isolate; each end belongs to one isolate.
 */
import { assert } from "../../storage/base/assert.ts";
import { RING } from "./words.ts";

const HEADER_BYTES = 128;
const RECORD_BYTES = 128;
/** int32 words of a record. */
export const RECORD_INTS = 16;
/** float64 words of a record. */
export const RECORD_FLOATS = 8;
const RECORD_STRIDE_INTS = RECORD_BYTES / 4;
const RECORD_STRIDE_FLOATS = RECORD_BYTES / 8;

/** Where one record is written or read: `ints[int + k]` and `floats[float + k]`. */
export interface RingRecord {
  readonly ints: Int32Array;
  readonly floats: Float64Array;
  /** Index of the record's first int32 word. */
  int: number;
  /** Index of the record's first float64 word. */
  float: number;
}

/** Shared memory for a ring. @param recordsMax room, a power of two */
export function allocateRing(recordsMax: number): SharedArrayBuffer {
  assert((recordsMax & (recordsMax - 1)) === 0, "a ring's size is a power of two");
  return new SharedArrayBuffer(HEADER_BYTES + recordsMax * RECORD_BYTES);
}

abstract class RingEnd {
  protected readonly words: Int32Array;
  protected readonly recordsMax: number;
  protected readonly record: RingRecord;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
    this.recordsMax = (memory.byteLength - HEADER_BYTES) / RECORD_BYTES;
    this.record = { ints: this.words, floats: new Float64Array(memory), int: 0, float: 0 };
  }

  protected aim(count: number): RingRecord {
    const index = count & (this.recordsMax - 1);
    this.record.int = HEADER_BYTES / 4 + index * RECORD_STRIDE_INTS;
    this.record.float = HEADER_BYTES / 8 + index * RECORD_STRIDE_FLOATS + RECORD_INTS / 2;
    return this.record;
  }
}

/** The producer's end. It continues where an earlier producer ended. */
export class RingProducer extends RingEnd {
  #head = Atomics.load(this.words, RING.head);

  /** @returns the record to fill, or null while the ring is full */
  reserve(): RingRecord | null {
    if (((this.#head - Atomics.load(this.words, RING.tail)) | 0) >= this.recordsMax) return null;
    return this.aim(this.#head);
  }

  /** Publishes the record that `reserve()` gave. */
  publish(): void {
    this.#head = (this.#head + 1) | 0;
    Atomics.store(this.words, RING.head, this.#head);
  }
}

/** The consumer's end. It continues where an earlier consumer ended. */
export class RingConsumer extends RingEnd {
  #tail = Atomics.load(this.words, RING.tail);

  /** @returns the oldest record, or null when there is none; it stays valid until `take()` */
  peek(): RingRecord | null {
    return Atomics.load(this.words, RING.head) === this.#tail ? null : this.aim(this.#tail);
  }

  /** Frees the record that `peek()` gave. */
  take(): void {
    this.#tail = (this.#tail + 1) | 0;
    Atomics.store(this.words, RING.tail, this.#tail);
  }
}
