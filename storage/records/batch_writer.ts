/**
 * Writes a batch of the broker's own records: no compression, no producer, CreateTime, one timestamp for all. The batch passes the
 * check of a produced batch; the log stamps base offset and leader epoch when it appends it. Pure; any isolate.
 *
 * Layouts: record_batch.ts (the batch), record_check.ts (a record).
 */
import { assert } from "../base/assert.ts";
import { crc32c } from "./crc32c.ts";
import { BATCH_HEADER_BYTES, CRC_COVERS_FROM, stampCrc, stampPlainHeader } from "./record_batch.ts";
import { varintBytes, writeVarint } from "./varint.ts";

/** A record to be written, without headers. */
export interface PlainRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
}

/** Attributes, timestamp delta 0 and headers count 0. */
const FIXED_RECORD_BYTES = 3;
const NULL_LENGTH = -1;

/** Size of the batch that `writeBatch()` writes, in bytes. */
export function bytesOfBatch(records: readonly PlainRecord[]): number {
  let sum = BATCH_HEADER_BYTES;
  for (let index = 0; index < records.length; index++) sum += bytesOfRecord(records[index]!, index);
  return sum;
}

/** Size of a record in a batch, in bytes. @param index of the record in the batch */
export function bytesOfRecord(record: PlainRecord, index: number): number {
  const body = bodyBytes(record, index);
  return varintBytes(body) + body;
}

/**
 * Writes one batch.
 * @param memory to write to @param at index of the batch's first byte; `bytesOfBatch(records)` bytes must follow
 * @param records at least one @param timestampMs of all of them
 * @returns index after the batch
 */
export function writeBatch(
  memory: { readonly bytes: Uint8Array; readonly view: DataView },
  at: number,
  records: readonly PlainRecord[],
  timestampMs: number,
): number {
  let end = at + BATCH_HEADER_BYTES;
  for (let index = 0; index < records.length; index++) end = writeRecord(memory.bytes, end, records[index]!, index);
  completeBatch(memory, at, { end, recordsCount: records.length, timestampMs });
  return end;
}

/** Writes the header of a batch whose records were written behind it. @param at index of the batch's first byte @param of end: index after it */
export function completeBatch(
  { bytes, view }: { readonly bytes: Uint8Array; readonly view: DataView },
  at: number,
  { end, recordsCount, timestampMs }: { end: number; recordsCount: number; timestampMs: number },
): void {
  assert(recordsCount > 0, "a batch holds a record");
  assert(end <= bytes.length, "a batch fits into the memory it is written to");
  stampPlainHeader(view, at, { batchBytes: end - at, recordsCount, timestampMs });
  const covered = at + CRC_COVERS_FROM;
  stampCrc(view, at, crc32c(bytes, covered, end - covered));
}

function bodyBytes({ key, value }: PlainRecord, offsetDelta: number): number {
  return FIXED_RECORD_BYTES + varintBytes(offsetDelta) + fieldBytes(key) + fieldBytes(value);
}

function fieldBytes(field: Uint8Array | null): number {
  return field === null ? varintBytes(NULL_LENGTH) : varintBytes(field.length) + field.length;
}

/** Writes a record of a batch; `bytesOfRecord()` bytes must follow `at`. @returns index after it */
export function writeRecord(bytes: Uint8Array, at: number, record: PlainRecord, index: number): number {
  let next = writeVarint(bytes, at, bodyBytes(record, index));
  bytes[next++] = 0; // attributes
  bytes[next++] = 0; // timestamp delta
  next = writeVarint(bytes, next, index); // offset delta
  next = writeField(bytes, next, record.key);
  next = writeField(bytes, next, record.value);
  bytes[next++] = 0; // headers
  return next;
}

function writeField(bytes: Uint8Array, at: number, field: Uint8Array | null): number {
  if (field === null) return writeVarint(bytes, at, NULL_LENGTH);
  const next = writeVarint(bytes, at, field.length);
  bytes.set(field, next);
  return next + field.length;
}
