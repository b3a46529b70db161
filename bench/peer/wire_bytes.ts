/**
 * Bytes of the Kafka protocol, written by hand for tests and benchmarks. It does not use net/protocol, so that an error there is
 * found. Pure; any isolate.
 *
 * Source: the protocol guide of Apache Kafka ("Protocol Primitive Types"); DefaultRecordBatch and DefaultRecord for record batches.
 */
import { crc32c } from "npm:@node-rs/crc32@1.10.8";

/** Appends big-endian values; grows as needed. */
export class ByteWriter {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** Number of bytes written. */
  get length(): number {
    return this.#length;
  }

  /** The bytes written so far; the view is valid until the next write. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  int8(value: number): this {
    const at = this.#reserve(1); // may replace the view
    this.#view.setInt8(at, value);
    return this;
  }

  int16(value: number): this {
    const at = this.#reserve(2); // may replace the view
    this.#view.setInt16(at, value);
    return this;
  }

  int32(value: number): this {
    const at = this.#reserve(4); // may replace the view
    this.#view.setInt32(at, value);
    return this;
  }

  int64(value: number): this {
    const at = this.#reserve(8); // may replace the view
    this.#view.setBigInt64(at, BigInt(value));
    return this;
  }

  /** A string with a 16-bit length; null has length -1. */
  string(value: string | null): this {
    if (value === null) return this.int16(-1);
    const bytes = encoder.encode(value);
    return this.int16(bytes.length).raw(bytes);
  }

  /** Bytes with a 32-bit length; null has length -1. */
  blob(value: Uint8Array | null): this {
    return value === null ? this.int32(-1) : this.int32(value.length).raw(value);
  }

  raw(value: Uint8Array): this {
    const at = this.#reserve(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** A zigzag varint of a safe integer. */
  varint(value: number): this {
    let zigzag = value >= 0 ? value * 2 : -value * 2 - 1;
    while (zigzag >= 128) {
      this.int8((zigzag % 128) | 128);
      zigzag = Math.floor(zigzag / 128);
    }
    return this.int8(zigzag);
  }

  /** Overwrites four bytes at `at`. */
  patchUint32(at: number, value: number): void {
    this.#view.setUint32(at, value);
  }

  #reserve(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}

/** Reads big-endian values; a read past the end throws RangeError. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes not yet read. */
  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  int8(): number {
    return this.#view.getInt8(this.#take(1));
  }

  int16(): number {
    return this.#view.getInt16(this.#take(2));
  }

  int32(): number {
    return this.#view.getInt32(this.#take(4));
  }

  int64(): number {
    return Number(this.#view.getBigInt64(this.#take(8)));
  }

  /** A zigzag varint of a safe integer. */
  varint(): number {
    let zigzag = 0;
    for (let weight = 1;; weight *= 128) {
      const byte = this.int8();
      zigzag += (byte & 127) * weight;
      if (byte >= 0) return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
    }
  }

  string(): string | null {
    const length = this.int16();
    return length < 0 ? null : decoder.decode(this.raw(length));
  }

  blob(): Uint8Array | null {
    const length = this.int32();
    return length < 0 ? null : this.raw(length);
  }

  raw(count: number): Uint8Array {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }

  /** An array with a 32-bit count. */
  array<T>(element: (reader: this) => T): T[] {
    return Array.from({ length: Math.max(0, this.int32()) }, () => element(this));
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.remaining) throw new RangeError(`Cannot read ${count} bytes at ${at}: ${this.remaining} are left`);
    this.#at += count;
    return at;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A record for a batch. */
export interface WireRecord {
  readonly key?: Uint8Array | null;
  readonly value: Uint8Array | null;
}

/** Header fields of a batch that a caller chooses. */
export interface WireBatchOptions {
  readonly timestampMs?: number;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
}

/**
 * An uncompressed record batch of format 2.
 *
 *    0 baseOffset 8 | 8 batchLength 4 | 12 partitionLeaderEpoch 4 | 16 magic 1 | 17 crc 4 | 21 attributes 2
 *   23 lastOffsetDelta 4 | 27 baseTimestamp 8 | 35 maxTimestamp 8 | 43 producerId 8 | 51 producerEpoch 2
 *   53 baseSequence 4 | 57 recordsCount 4 | 61 records
 */
export function wireBatch(records: readonly WireRecord[], options: WireBatchOptions = {}): Uint8Array<ArrayBuffer> {
  const timestamp = options.timestampMs ?? Date.now();
  const batch = new ByteWriter()
    .int64(0).int32(0).int32(-1).int8(2).int32(0).int16(0)
    .int32(records.length - 1).int64(timestamp).int64(timestamp)
    .int64(options.producerId ?? -1).int16(options.producerEpoch ?? -1).int32(options.baseSequence ?? -1)
    .int32(records.length);
  for (const [index, record] of records.entries()) {
    const body = new ByteWriter().int8(0).varint(0).varint(index);
    for (const bytes of [record.key ?? null, record.value]) {
      if (bytes === null) body.varint(-1);
      else body.varint(bytes.length).raw(bytes);
    }
    body.varint(0);
    batch.varint(body.length).raw(body.bytes);
  }
  batch.patchUint32(8, batch.length - 12);
  batch.patchUint32(17, crc32c(batch.bytes.subarray(21)));
  return batch.bytes.slice();
}

/** A batch in a run of batches: its position and its header. */
export interface BatchView {
  readonly baseOffset: number;
  readonly recordsCount: number;
  /** Codec bits of the attributes: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd. */
  readonly codec: number;
  readonly producerId: number;
  /** True when the stored CRC-32C is correct. */
  readonly crcMatches: boolean;
  /** The whole batch. */
  readonly bytes: Uint8Array;
  /** The part that no broker may change: from the attributes to the end. */
  readonly payload: Uint8Array;
}

/** The whole batches at the start of `bytes` (a fetch answer, a .log file), without a cut one at the end. */
export function batchesOf(bytes: Uint8Array): BatchView[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: BatchView[] = [];
  for (let at = 0; bytes.length - at >= 61;) {
    const length = 12 + view.getInt32(at + 8);
    if (length < 61 || at + length > bytes.length) break;
    const payload = bytes.subarray(at + 21, at + length);
    found.push({
      baseOffset: Number(view.getBigInt64(at)),
      recordsCount: view.getInt32(at + 57),
      codec: view.getInt16(at + 21) & 7,
      producerId: Number(view.getBigInt64(at + 43)),
      crcMatches: crc32c(payload) === view.getUint32(at + 17),
      bytes: bytes.subarray(at, at + length),
      payload,
    });
    at += length;
  }
  return found;
}

/** Keys and values of a batch that is not compressed. */
export function recordsOfBatch(batch: BatchView): WireRecord[] {
  if (batch.codec !== 0) throw new Error(`Cannot read the batch at offset ${batch.baseOffset}: it is compressed`);
  const reader = new ByteReader(batch.bytes.subarray(61));
  const bytes = (r: ByteReader, length: number) => length < 0 ? null : r.raw(length);
  return Array.from({ length: batch.recordsCount }, () => {
    const record = new ByteReader(reader.raw(reader.varint()));
    record.int8(); // attributes
    record.varint(); // timestamp delta
    record.varint(); // offset delta
    const key = bytes(record, record.varint());
    return { key, value: bytes(record, record.varint()) };
  });
}
