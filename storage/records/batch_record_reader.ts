/**
 * Reads the records of one batch in order, compressed or not, for searches by time, compaction and tests. Any isolate but the main
 * one, because decompression takes long. The batch may come from a disk: it is checked, never trusted.
 *
 * Must always hold: every record that `next()` returns lies in `bytes`; a record that does not fit ends the reading with `damaged`.
 * Offsets of a compacted batch have gaps, so only their order is checked.
 * Source: Kafka's DefaultRecordBatch.iterator and DefaultRecord.readFrom.
 */
import { type Offset, toOffset } from "../base/units.ts";
import { decompress, type DecompressionRefusal } from "./compression/compression.ts";
import * as batches from "./record_batch.ts";
import { afterVarint, afterVarlong, NEVER, varintAt, varlongAt } from "./varint.ts";

/** Most bytes that a batch may decompress to by default. */
const DECOMPRESSED_BYTES_MAX = 256 * 1024 * 1024;

/** A cursor over a batch's records; its fields describe the current one. */
export class BatchRecordReader {
  /** The bytes that positions refer to: the batch's memory, or the decompressed records. */
  readonly bytes: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  readonly #baseOffset: Offset;
  readonly #baseTimestamp: number;
  /** The time of the append where it is the timestamp of all records, else null. */
  readonly #stamped: number | null;
  readonly #count: number;
  readonly #hasAnyOrder: boolean;
  #read = 0;
  #at: number;
  #damaged = false;

  /** Offset of the current record. */
  offset: Offset = toOffset(-1);
  /** Timestamp of the current record in ms. */
  timestamp = -1;
  /** Index of the key's first byte. */
  keyStart = 0;
  /** Bytes of the key, -1 for null. */
  keyLength = -1;
  /** Index of the value's first byte. */
  valueStart = 0;
  /** Bytes of the value, -1 for null. */
  valueLength = -1;
  /** Number of headers. */
  headersCount = 0;
  /** Index of the first header. */
  headersStart = 0;
  /** Index after the record. */
  recordEnd = 0;

  private constructor(
    view: DataView,
    at: number,
    records: { bytes: Uint8Array; start: number; end: number; anyOrder: boolean },
  ) {
    this.#hasAnyOrder = records.anyOrder;
    this.bytes = records.bytes;
    this.#start = records.start;
    this.#at = records.start;
    this.#end = records.end;
    this.#baseOffset = batches.baseOffset(view, at);
    this.#baseTimestamp = batches.baseTimestamp(view, at);
    this.#stamped = batches.isLogAppendTime(view, at) ? batches.maxTimestamp(view, at) : null;
    this.#count = batches.recordsCount(view, at);
  }

  /**
   * Opens a complete batch whose header was checked.
   * @param memory the bytes and a view of them @param at index of the batch's first byte
   * @param limits most bytes that the records may decompress to, and most pieces of the codec (no limit by default); `anyOrder` for a produced batch, whose offsets the broker assigns
   * @returns a reader before its first record, or why the records cannot be decompressed
   */
  static open(
    memory: { readonly bytes: Uint8Array; readonly view: DataView },
    at: number,
    limits: { outputBytesMax: number; piecesMax?: number; anyOrder?: boolean } = {
      outputBytesMax: DECOMPRESSED_BYTES_MAX,
    },
  ): BatchRecordReader | DecompressionRefusal {
    const { bytes, view } = memory;
    const start = at + batches.BATCH_HEADER_BYTES;
    const end = at + batches.batchBytes(view, at);
    if (end < start || end > bytes.length) return "corrupt-data";
    const codec = batches.codec(view, at);
    const { anyOrder = false } = limits;
    if (codec === 0) return new BatchRecordReader(view, at, { bytes, start, end, anyOrder });
    const records = decompress(codec, bytes.subarray(start, end), limits);
    if (typeof records === "string") return records;
    return new BatchRecordReader(view, at, { bytes: records, start: 0, end: records.length, anyOrder });
  }

  /** Whether reading ended because a record did not fit or bytes were left over. */
  get damaged(): boolean {
    return this.#damaged;
  }

  /** Moves to the next record. @returns false after the last one, or at damage */
  next(): boolean {
    if (this.#damaged) return false;
    if (this.#read >= this.#count) {
      this.#damaged = this.#at !== this.#end;
      return false;
    }
    this.#read++;
    this.#damaged = !this.#parse();
    return !this.#damaged;
  }

  /** Moves back before the first record. */
  rewind(): void {
    this.#read = 0;
    this.#at = this.#start;
    this.#damaged = false;
  }

  /** Bytes of the current key, null for none; a view, not a copy. */
  key(): Uint8Array | null {
    return this.keyLength < 0 ? null : this.bytes.subarray(this.keyStart, this.keyStart + this.keyLength);
  }

  /** Bytes of the current value, null for none; a view, not a copy. */
  value(): Uint8Array | null {
    return this.valueLength < 0 ? null : this.bytes.subarray(this.valueStart, this.valueStart + this.valueLength);
  }

  /** Headers of the current record, as views. */
  headers(): { key: Uint8Array; value: Uint8Array | null }[] {
    const { bytes } = this;
    let at = this.headersStart;
    return Array.from({ length: this.headersCount }, () => {
      const keyStart = afterVarint(bytes, at);
      const keyEnd = keyStart + varintAt(bytes, at);
      const valueStart = afterVarint(bytes, keyEnd);
      const valueLength = varintAt(bytes, keyEnd);
      at = valueStart + Math.max(valueLength, 0);
      return {
        key: bytes.subarray(keyStart, keyEnd),
        value: valueLength < 0 ? null : bytes.subarray(valueStart, at),
      };
    });
  }

  #parse(): boolean {
    const { bytes } = this;
    const length = varintAt(bytes, this.#at);
    const bodyAt = afterVarint(bytes, this.#at);
    const end = bodyAt + length;
    if (length <= 0 || end > this.#end) return false;
    const timestampAt = bodyAt + 1;
    const offsetAt = afterVarlong(bytes, timestampAt);
    const offset = this.#baseOffset + varintAt(bytes, offsetAt);
    if (offset <= this.offset && this.#read > 1 && !this.#hasAnyOrder) return false;
    this.timestamp = this.#stamped ?? this.#baseTimestamp + varlongAt(bytes, timestampAt);
    this.offset = toOffset(offset);
    const keyAt = afterVarint(bytes, offsetAt);
    this.keyLength = Math.max(-1, varintAt(bytes, keyAt));
    this.keyStart = afterVarint(bytes, keyAt);
    const valueAt = this.keyStart + Math.max(this.keyLength, 0);
    this.valueLength = Math.max(-1, varintAt(bytes, valueAt));
    this.valueStart = afterVarint(bytes, valueAt);
    const headersAt = this.valueStart + Math.max(this.valueLength, 0);
    if (headersAt >= end) return false;
    this.headersCount = varintAt(bytes, headersAt);
    this.headersStart = afterVarint(bytes, headersAt);
    this.recordEnd = end;
    this.#at = end;
    return this.#afterHeaders(end) === end;
  }

  /** Index after the current record's headers, or NEVER. */
  #afterHeaders(end: number): number {
    const { bytes, headersCount } = this;
    let at = this.headersStart;
    if (headersCount < 0 || headersCount > end - at) return NEVER;
    for (let index = 0; index < headersCount; index++) {
      const keyLength = varintAt(bytes, at);
      at = afterVarint(bytes, at) + keyLength;
      if (keyLength < 0 || at >= end) return NEVER;
      const valueLength = varintAt(bytes, at);
      at = afterVarint(bytes, at) + Math.max(valueLength, 0);
      if (at > end) return NEVER;
    }
    return at;
  }
}
