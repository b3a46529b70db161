/**
 * Finds a record inside a batch by its timestamp. Runs on the shard that owns the log; rare (ListOffsets by time), so the
 * records are decompressed and walked without regard to speed. Bytes are those of the disk: checked, never trusted.
 *
 *   record: varint length · int8 attributes · varlong timestampDelta · varint offsetDelta · key, value, headers
 *
 * Source: Kafka's DefaultRecord and FileRecords.searchForTimestamp.
 */
import { NO_OFFSET, type Offset, toOffset } from "./base/units.ts";
import { decompress } from "./compression/compression.ts";
import * as batches from "./record_batch.ts";

/** Most bytes that a batch may decompress to for a search. */
const DECOMPRESSED_BYTES_MAX = 256 * 1024 * 1024;
const VARINT_BYTES_MAX = 5;
const VARLONG_BYTES_MAX = 10;

/** What is looked for: a record at or after both. */
export interface RecordTarget {
  readonly timestamp: number;
  readonly offset: Offset;
}

/** Reads variable-length integers; `failed` once one runs over the end or is too long. */
class VarintCursor {
  at = 0;
  failed = false;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** A zigzag integer of at most `bytesMax` bytes; exact up to 2^53. */
  read(bytesMax: number): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < bytesMax && this.at < this.#bytes.length; i++) {
      const byte = this.#bytes[this.at++]!;
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    this.failed = true;
    return 0;
  }
}

/**
 * Finds the first record of a batch whose timestamp and offset are at least the target's.
 * @param batch the bytes of the whole batch
 * @returns offset -1 when there is none, or the records cannot be read
 */
export function findRecord(batch: Uint8Array, target: RecordTarget): { offset: Offset; timestamp: number } {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  const none = { offset: NO_OFFSET, timestamp: -1 };
  const compressed = batch.subarray(batches.BATCH_HEADER_BYTES);
  const codec = batches.codec(view, 0);
  const records = codec === 0 ? compressed : decompress(codec, compressed, { outputBytesMax: DECOMPRESSED_BYTES_MAX });
  if (typeof records === "string") return none;
  const cursor = new VarintCursor(records);
  const baseOffset = batches.baseOffset(view, 0);
  const stamped = batches.isLogAppendTime(view, 0);
  for (let left = batches.recordsCount(view, 0); left > 0; left--) {
    const length = cursor.read(VARINT_BYTES_MAX);
    const end = cursor.at + length;
    cursor.at++; // attributes
    const timestampDelta = cursor.read(VARLONG_BYTES_MAX);
    const offset = toOffset(baseOffset + cursor.read(VARINT_BYTES_MAX));
    if (cursor.failed || length <= 0 || end > records.length || cursor.at > end) return none;
    const timestamp = stamped ? batches.maxTimestamp(view, 0) : batches.baseTimestamp(view, 0) + timestampDelta;
    if (timestamp >= target.timestamp && offset >= target.offset) return { offset, timestamp };
    cursor.at = end;
  }
  return none;
}
