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
  for (let index = 0; index < records.length; index++) {
    const body = bodyBytes(records[index]!, index);
    sum += varintBytes(body) + body;
  }
  return sum;
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
  const { bytes, view } = memory;
  assert(records.length > 0, "a batch holds a record");
  let next = at + BATCH_HEADER_BYTES;
  for (let index = 0; index < records.length; index++) next = writeRecord(bytes, next, records[index]!, index);
  assert(next <= bytes.length, "a batch fits into the memory it is written to");
  stampPlainHeader(view, at, { batchBytes: next - at, recordsCount: records.length, timestampMs });
  const covered = at + CRC_COVERS_FROM;
  stampCrc(view, at, crc32c(bytes, covered, next - covered));
  return next;
}

function bodyBytes({ key, value }: PlainRecord, offsetDelta: number): number {
  return FIXED_RECORD_BYTES + varintBytes(offsetDelta) + fieldBytes(key) + fieldBytes(value);
}

function fieldBytes(field: Uint8Array | null): number {
  return field === null ? varintBytes(NULL_LENGTH) : varintBytes(field.length) + field.length;
}

function writeRecord(bytes: Uint8Array, at: number, record: PlainRecord, offsetDelta: number): number {
  let next = writeVarint(bytes, at, bodyBytes(record, offsetDelta));
  bytes[next++] = 0; // attributes
  bytes[next++] = 0; // timestamp delta
  next = writeVarint(bytes, next, offsetDelta);
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
