/**
 * Walks over the records of one batch after another without making objects: decompressed where necessary, into memory that is used again.
 * Runs on the cleaner worker, twice for every record. The headers of a record are not read: a cleaning copies records as they are.
 *
 *   record: varint length · int8 attributes · varlong timestampDelta · varint offsetDelta
 *           · varint keyLength (negative: null) · key · varint valueLength (negative: null) · value · headers
 *
 * Must always hold: a record that `next()` returns lies between the batch's first and last byte, and its offset between those of the
 * record before it and the end of the batch.
 * Source: Kafka's DefaultRecord.
 */
import type { NativeMemory } from "../sys/memory.ts";
import { decompressInto } from "../records/compression/compression.ts";
import { ContentBuffer } from "../records/compression/content_buffer.ts";
import type { DecompressionRefusal } from "../records/compression/refusal.ts";
import * as batches from "../records/record_batch.ts";
import { RECORD_BYTES_MIN } from "../records/record_check.ts";
import { afterVarint, afterVarlong, varintAt, varlongAt } from "../records/varint.ts";
import type { KeyMemory } from "./offset_map.ts";

/**
 * Most bytes that a batch may decompress to. A broker of ours accepts 100 MiB (`CONTENT_BYTES_MAX`); Apache Kafka, which may have written
 * the log, has no limit.
 */
const CONTENT_BYTES_MAX = 256 * 1024 * 1024;

/** Most bytes of decompressed records of one step of a cleaning, but for the last batch of the step: 10 to 50 ms. */
export const STEP_UNPACKED_BYTES_MAX = 8 * 1024 * 1024;

/** The records of a batch; the fields describe the current one. */
export class RecordWalk {
  readonly #content = new ContentBuffer();
  #contentMemory: KeyMemory = { bytes: this.#content.bytes, view: new DataView(this.#content.bytes.buffer) };
  #memory: KeyMemory = this.#contentMemory;
  #baseOffset = 0;
  #lastDelta = 0;
  #previousDelta = -1;
  #left = 0;
  #at = 0;
  #end = 0;

  /** Offset of the record. */
  offset = 0;
  /** Timestamp of the record, relative to the batch's base timestamp. */
  timestampDelta = 0;
  /** Index of the record's length, which is its first byte, and index after the record. */
  start = 0;
  end = 0;
  keyStart = 0;
  /** Bytes of the key, negative for none. */
  keyLength = -1;
  /** Whether the record has no value. */
  isTombstone = false;

  /** The memory that indexes refer to: the batch's own, or that of its decompressed records. */
  get memory(): KeyMemory {
    return this.#memory;
  }

  /** Bytes of the decompressed records of the batch, 0 where they are not compressed. */
  get unpackedBytes(): number {
    return this.#memory === this.#contentMemory ? this.#content.length : 0;
  }

  /**
   * Begins with a batch, before its first record.
   * @param memory holds the whole batch @param at index of its first byte
   * @returns null, or why its records cannot be decompressed
   */
  begin(memory: NativeMemory, at: number): DecompressionRefusal | null {
    const { bytes, view } = memory;
    this.#baseOffset = batches.baseOffset(view, at);
    this.#lastDelta = batches.lastOffsetDelta(view, at);
    this.#previousDelta = -1;
    this.#left = batches.recordsCount(view, at);
    this.#memory = memory;
    this.#at = at + batches.BATCH_HEADER_BYTES;
    this.#end = at + batches.batchBytes(view, at);
    const codec = batches.codec(view, at);
    return codec === 0 ? null : this.#unpack(codec, bytes.subarray(this.#at, this.#end));
  }

  /**
   * Moves to the next record.
   * @returns false after the last one, or where `isDamaged` says so
   */
  next(): boolean {
    if (this.#left === 0) return false;
    const { bytes } = this.#memory;
    const bodyAt = afterVarint(bytes, this.#at);
    const length = varintAt(bytes, this.#at);
    const end = bodyAt + length;
    if (length < RECORD_BYTES_MIN || end > this.#end) return false;
    const deltaAt = afterVarlong(bytes, bodyAt + 1);
    const keyLengthAt = afterVarint(bytes, deltaAt);
    const keyStart = afterVarint(bytes, keyLengthAt);
    const keyLength = varintAt(bytes, keyLengthAt);
    const valueLengthAt = keyLength > 0 ? keyStart + keyLength : keyStart;
    const offsetDelta = varintAt(bytes, deltaAt);
    if (valueLengthAt >= end || offsetDelta <= this.#previousDelta || offsetDelta > this.#lastDelta) return false;
    this.offset = this.#baseOffset + offsetDelta;
    this.timestampDelta = varlongAt(bytes, bodyAt + 1);
    this.start = this.#at;
    this.end = end;
    this.keyStart = keyStart;
    this.keyLength = keyLength;
    this.isTombstone = varintAt(bytes, valueLengthAt) < 0;
    this.#previousDelta = offsetDelta;
    this.#at = end;
    this.#left--;
    return true;
  }

  /** Whether the walk ended before the last record, or with bytes left over; after `next()` returned false. */
  get isDamaged(): boolean {
    return this.#left > 0 || this.#at !== this.#end;
  }

  /** Gives up memory that only a large batch needed. */
  trim(): void {
    this.#content.trim();
  }

  #unpack(codec: number, packed: Uint8Array): DecompressionRefusal | null {
    const content = this.#content;
    const refusal = decompressInto(content, codec, packed, CONTENT_BYTES_MAX);
    const { bytes } = content;
    if (bytes !== this.#contentMemory.bytes) this.#contentMemory = { bytes, view: new DataView(bytes.buffer) };
    this.#memory = this.#contentMemory;
    this.#at = 0;
    this.#end = content.length;
    return refusal;
  }
}
