/**
 * Finds a record inside a batch by its timestamp. Runs on the shard that owns the log; rare (ListOffsets by time), so it is not
 * optimized for speed. The bytes come from the disk: they are checked, never trusted.
 *
 *   record: varint length · int8 attributes · varlong timestampDelta · varint offsetDelta · key, value, headers
 *
 * Source: Kafka's DefaultRecord and FileRecords.searchForTimestamp.
 */
import { NO_OFFSET, NO_TIMESTAMP, type Offset, toOffset } from "../base/units.ts";
import { CONTENT_BYTES_MAX } from "./batch_rules.ts";
import { decompress } from "./compression/compression.ts";
import * as batches from "./record_batch.ts";
import { BatchRecordReader } from "./batch_record_reader.ts";
import { afterVarint, afterVarlong, varintAt, varlongAt } from "./varint.ts";

const ATTRIBUTES_BYTES = 1;

/** The target of a search: a record at or after both. */
export interface RecordTarget {
  readonly timestamp: number;
  readonly offset: Offset;
}

/** Largest timestamp of a batch's records from an offset on; -1 when there is none or the records cannot be read. */
export function findLargestRecord(batch: { bytes: Uint8Array; view: DataView }, from: Offset): number {
  const reader = BatchRecordReader.open(batch, 0, { outputBytesMax: CONTENT_BYTES_MAX });
  let largest = NO_TIMESTAMP;
  while (typeof reader !== "string" && reader.next()) {
    if (reader.offset >= from) largest = Math.max(largest, reader.timestamp);
  }
  return largest;
}

/**
 * Finds the first record of a batch whose timestamp and offset are at least the target's.
 * @param batch the bytes of the whole batch
 * @returns offset -1 when there is none or the records cannot be read
 */
export function findRecord(batch: Uint8Array, target: RecordTarget): { offset: Offset; timestamp: number } {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  const none = { offset: NO_OFFSET, timestamp: -1 };
  const compressed = batch.subarray(batches.BATCH_HEADER_BYTES);
  const codec = batches.codec(view, 0);
  const records = codec === 0 ? compressed : decompress(codec, compressed, { outputBytesMax: CONTENT_BYTES_MAX });
  if (typeof records === "string") return none;
  const baseOffset = batches.baseOffset(view, 0);
  const stamped = batches.isLogAppendTime(view, 0);
  let at = 0;
  for (let left = batches.recordsCount(view, 0); left > 0; left--) {
    const body = afterVarint(records, at);
    const end = body + varintAt(records, at);
    const deltaAt = body + ATTRIBUTES_BYTES;
    const offsetAt = afterVarlong(records, deltaAt);
    if (afterVarint(records, offsetAt) > end || end > records.length) return none;
    const offset = toOffset(baseOffset + varintAt(records, offsetAt));
    const delta = varlongAt(records, deltaAt);
    const timestamp = stamped ? batches.maxTimestamp(view, 0) : batches.baseTimestamp(view, 0) + delta;
    if (timestamp >= target.timestamp && offset >= target.offset) return { offset, timestamp };
    at = end;
  }
  return none;
}
