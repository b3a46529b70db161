/**
 * The record batch, format v2: the unit that producers send, the log stores and consumers receive. Pure; any isolate.
 *
 *    0  int64  baseOffset            the broker writes it (outside the CRC)
 *    8  int32  batchLength           bytes after this field; the whole batch is 12 more
 *   12  int32  partitionLeaderEpoch  the broker writes it (outside the CRC)
 *   16  int8   magic                 2
 *   17  uint32 crc                   CRC-32C of the bytes from 21 to the end
 *   21  int16  attributes            0-2 codec · 3 log-append time · 4 transactional · 5 control · 6 delete horizon
 *   23  int32  lastOffsetDelta
 *   27  int64  baseTimestamp
 *   35  int64  maxTimestamp
 *   43  int64  producerId            -1 none
 *   51  int16  producerEpoch         -1 none
 *   53  int32  baseSequence          -1 none
 *   57  int32  recordsCount
 *   61  records, compressed as one block when a codec is set
 *
 * Each accessor reads one header field from a view at a batch's first byte; no object is created.
 * Source: Kafka's DefaultRecordBatch.
 */
import { readInt64, writeInt64 } from "../base/int64.ts";
import { NO_TIMESTAMP, type Offset, toOffset } from "../base/units.ts";

const BASE_OFFSET_AT = 0;
const BATCH_LENGTH_AT = 8;
const PARTITION_LEADER_EPOCH_AT = 12;
const MAGIC_AT = 16;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const LAST_OFFSET_DELTA_AT = 23;
const BASE_TIMESTAMP_AT = 27;
const MAX_TIMESTAMP_AT = 35;
const PRODUCER_ID_AT = 43;
const PRODUCER_EPOCH_AT = 51;
const BASE_SEQUENCE_AT = 53;
const RECORDS_COUNT_AT = 57;

/** Where the records begin: the size of a batch without any. */
export const BATCH_HEADER_BYTES = 61;
/** Bytes before the part that batchLength counts. */
export const BATCH_LENGTH_OVERHEAD = 12;
/** The CRC covers the batch from here to its end. */
export const CRC_COVERS_FROM = ATTRIBUTES_AT;
/** The only format that is written. */
export const MAGIC_V2 = 2;
/** Bytes from a batch's start up to its magic: enough to skip a batch of any format. */
export const BATCH_STEP_BYTES = 17;

const CODEC_MASK = 0x07;
const LOG_APPEND_TIME_BIT = 0x08;
const TRANSACTIONAL_BIT = 0x10;
const CONTROL_BIT = 0x20;
const DELETE_HORIZON_BIT = 0x40;

/** Compression of a batch's records, by the number in its attributes. */
export const codecNames = ["none", "gzip", "snappy", "lz4", "zstd"] as const;
/** Name of a codec. */
export type CodecName = (typeof codecNames)[number];

/** Offset of the batch's first record. */
export function baseOffset(view: DataView, at: number): Offset {
  return toOffset(readInt64(view, at + BASE_OFFSET_AT));
}
/** Size of the whole batch in bytes by its length field; unchecked, so it may be negative or huge. */
export function batchBytes(view: DataView, at: number): number {
  return view.getInt32(at + BATCH_LENGTH_AT) + BATCH_LENGTH_OVERHEAD;
}
/** Epoch of the leader that appended the batch. */
export function partitionLeaderEpoch(view: DataView, at: number): number {
  return view.getInt32(at + PARTITION_LEADER_EPOCH_AT);
}
/** Format version. */
export function magic(view: DataView, at: number): number {
  return view.getInt8(at + MAGIC_AT);
}
/** Stored CRC-32C. */
export function storedCrc(view: DataView, at: number): number {
  return view.getUint32(at + CRC_AT);
}
/** Offset of the last record, relative to the base offset; compaction keeps it. */
export function lastOffsetDelta(view: DataView, at: number): number {
  return view.getInt32(at + LAST_OFFSET_DELTA_AT);
}
/** Offset of the last record. */
export function lastOffset(view: DataView, at: number): Offset {
  return toOffset(baseOffset(view, at) + lastOffsetDelta(view, at));
}
/** Offset after the batch. */
export function nextOffset(view: DataView, at: number): Offset {
  return toOffset(lastOffset(view, at) + 1);
}
/** Timestamp that record deltas are relative to, in ms (with the delete-horizon bit: that horizon). */
export function baseTimestamp(view: DataView, at: number): number {
  return readInt64(view, at + BASE_TIMESTAMP_AT);
}
/** Largest record timestamp in ms, or the append time. */
export function maxTimestamp(view: DataView, at: number): number {
  return readInt64(view, at + MAX_TIMESTAMP_AT);
}
/** Largest timestamp of the batch's records; -1 where compaction left none, although the header keeps the former `maxTimestamp()`. */
export function largestTimestamp(view: DataView, at: number): number {
  return recordsCount(view, at) === 0 ? NO_TIMESTAMP : maxTimestamp(view, at);
}
/** Producer id, -1 for none. */
export function producerId(view: DataView, at: number): number {
  return readInt64(view, at + PRODUCER_ID_AT);
}
/** Producer epoch, -1 for none. */
export function producerEpoch(view: DataView, at: number): number {
  return view.getInt16(at + PRODUCER_EPOCH_AT);
}
/** Sequence number of the first record, -1 for none. */
export function baseSequence(view: DataView, at: number): number {
  return view.getInt32(at + BASE_SEQUENCE_AT);
}
/** Number of records. */
export function recordsCount(view: DataView, at: number): number {
  return view.getInt32(at + RECORDS_COUNT_AT);
}
/** Number of the codec, 0 to 7; those above 4 do not exist. */
export function codec(view: DataView, at: number): number {
  return view.getInt16(at + ATTRIBUTES_AT) & CODEC_MASK;
}
/** Whether maxTimestamp is the time of the append and the timestamp of every record. */
export function isLogAppendTime(view: DataView, at: number): boolean {
  return (view.getInt16(at + ATTRIBUTES_AT) & LOG_APPEND_TIME_BIT) !== 0;
}
/** Whether the batch belongs to a transaction. */
export function isTransactional(view: DataView, at: number): boolean {
  return (view.getInt16(at + ATTRIBUTES_AT) & TRANSACTIONAL_BIT) !== 0;
}
/** Whether the batch is a control batch (transaction marker and the like). */
export function isControl(view: DataView, at: number): boolean {
  return (view.getInt16(at + ATTRIBUTES_AT) & CONTROL_BIT) !== 0;
}
/** Whether baseTimestamp holds a delete horizon (KIP-534). */
export function hasDeleteHorizon(view: DataView, at: number): boolean {
  return (view.getInt16(at + ATTRIBUTES_AT) & DELETE_HORIZON_BIT) !== 0;
}

/**
 * Writes the header of a batch of the broker's own: not compressed, no producer, CreateTime; `stampPlace()` and `stampCrc()`
 * follow.
 * @param plain bytes of the whole batch, number of its records, and the timestamp of all of them
 */
export function stampPlainHeader(
  view: DataView,
  at: number,
  plain: { batchBytes: number; recordsCount: number; timestampMs: number },
): void {
  writeInt64(view, at + BASE_OFFSET_AT, 0);
  view.setInt32(at + BATCH_LENGTH_AT, plain.batchBytes - BATCH_LENGTH_OVERHEAD);
  view.setInt32(at + PARTITION_LEADER_EPOCH_AT, -1);
  view.setInt8(at + MAGIC_AT, MAGIC_V2);
  view.setInt16(at + ATTRIBUTES_AT, 0);
  view.setInt32(at + LAST_OFFSET_DELTA_AT, plain.recordsCount - 1);
  writeInt64(view, at + BASE_TIMESTAMP_AT, plain.timestampMs);
  writeInt64(view, at + MAX_TIMESTAMP_AT, plain.timestampMs);
  writeInt64(view, at + PRODUCER_ID_AT, -1);
  view.setInt16(at + PRODUCER_EPOCH_AT, -1);
  view.setInt32(at + BASE_SEQUENCE_AT, -1);
  view.setInt32(at + RECORDS_COUNT_AT, plain.recordsCount);
}
/**
 * Writes the header of a batch that replaces another: its records in another codec, or with offset deltas without gaps; `stampCrc()`
 * follows. Bits of the attributes that only the broker sets are dropped.
 * @param view of the new batch, at index 0 @param source header of the old batch
 */
export function stampRebuiltHeader(
  view: DataView,
  source: { view: DataView; at: number },
  rebuilt: { batchBytes: number; codec: number; maxTimestamp: number; logAppendTime: boolean },
): void {
  for (let at = 0; at < BATCH_HEADER_BYTES; at++) view.setUint8(at, source.view.getUint8(source.at + at));
  view.setInt32(BATCH_LENGTH_AT, rebuilt.batchBytes - BATCH_LENGTH_OVERHEAD);
  const transactional = view.getInt16(ATTRIBUTES_AT) & TRANSACTIONAL_BIT;
  view.setInt16(ATTRIBUTES_AT, transactional | rebuilt.codec | (rebuilt.logAppendTime ? LOG_APPEND_TIME_BIT : 0));
  writeInt64(view, MAX_TIMESTAMP_AT, rebuilt.maxTimestamp);
}
/**
 * Writes the header of a batch from which a cleaning removed records; `stampCrc()` follows. Offsets, sequence, producer, epochs and the
 * type of the timestamps stay.
 * @param view of the new batch, at `at`
 * @param cleaned of the new batch: its size, number of records, and times in ms. Without records it is not compressed and has no horizon
 */
export function stampCleanedHeader(
  { bytes, view }: { readonly bytes: Uint8Array; readonly view: DataView },
  at: number,
  source: { readonly bytes: Uint8Array; readonly at: number },
  cleaned: {
    batchBytes: number;
    recordsCount: number;
    baseTimestamp: number;
    maxTimestamp: number;
    hasHorizon: boolean;
  },
): void {
  bytes.set(source.bytes.subarray(source.at, source.at + BATCH_HEADER_BYTES), at);
  view.setInt32(at + BATCH_LENGTH_AT, cleaned.batchBytes - BATCH_LENGTH_OVERHEAD);
  const changed = DELETE_HORIZON_BIT | (cleaned.recordsCount === 0 ? CODEC_MASK : 0);
  const attributes = view.getInt16(at + ATTRIBUTES_AT) & ~changed;
  view.setInt16(at + ATTRIBUTES_AT, attributes | (cleaned.hasHorizon ? DELETE_HORIZON_BIT : 0));
  // What stays is not written again: a time above 2^53, which a log of Apache Kafka may have, would be rounded.
  if (baseTimestamp(view, at) !== cleaned.baseTimestamp) {
    writeInt64(view, at + BASE_TIMESTAMP_AT, cleaned.baseTimestamp);
  }
  if (maxTimestamp(view, at) !== cleaned.maxTimestamp) writeInt64(view, at + MAX_TIMESTAMP_AT, cleaned.maxTimestamp);
  view.setInt32(at + RECORDS_COUNT_AT, cleaned.recordsCount);
}
/** Stores the base offset and leader epoch of an appended batch; both fields lie outside the CRC. */
export function stampPlace(view: DataView, at: number, place: { baseOffset: Offset; leaderEpoch: number }): void {
  writeInt64(view, at + BASE_OFFSET_AT, place.baseOffset);
  view.setInt32(at + PARTITION_LEADER_EPOCH_AT, place.leaderEpoch);
}
/** Sets the largest timestamp and its type; the CRC must be computed again. */
export function stampMaxTimestamp(
  view: DataView,
  at: number,
  stamp: { maxTimestamp: number; logAppendTime: boolean },
): void {
  const attributes = view.getInt16(at + ATTRIBUTES_AT) & ~LOG_APPEND_TIME_BIT;
  view.setInt16(at + ATTRIBUTES_AT, attributes | (stamp.logAppendTime ? LOG_APPEND_TIME_BIT : 0));
  writeInt64(view, at + MAX_TIMESTAMP_AT, stamp.maxTimestamp);
}
/** Stores the CRC-32C. */
export function stampCrc(view: DataView, at: number, crc: number): void {
  view.setUint32(at + CRC_AT, crc);
}
