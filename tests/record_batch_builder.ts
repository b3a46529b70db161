/**
 * Builds record batches for tests and tools; never part of the broker. It writes exactly what its caller asks for, right or wrong.
 * It shares only the header's layout and the codecs with the validation that the tests check.
 *
 * buildBatch(records, options) -> bytes of one batch with a correct CRC; inMemory(bytes) -> the form that storage takes.
 */
import { writeInt64 } from "../storage/base/int64.ts";
import { compress } from "../storage/records/compression/compression.ts";
import { crc32c } from "../storage/records/crc32c.ts";
import {
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_OVERHEAD,
  type CodecName,
  codecNames,
} from "../storage/records/record_batch.ts";
import { allocateShared, type NativeMemory } from "../storage/sys/memory.ts";

/** A record to be written; text is encoded as UTF-8, null and undefined keys and values as null. */
export interface TestRecord {
  key?: string | Uint8Array | null;
  value: string | Uint8Array | null;
  /** In ms; the batch's base timestamp where absent. */
  timestamp?: number;
  /** 0, 1, 2, … where absent; compacted batches have gaps. */
  offsetDelta?: number;
  headers?: readonly (readonly [key: string, value: string | Uint8Array | null])[];
}

/** Fields of the header; the defaults are those of a plain producer. */
export interface BatchOptions {
  codec?: CodecName;
  baseOffset?: number;
  partitionLeaderEpoch?: number;
  magic?: number;
  baseTimestamp?: number;
  /** The largest timestamp of the records where absent. */
  maxTimestamp?: number;
  producerId?: number;
  producerEpoch?: number;
  baseSequence?: number;
  logAppendTime?: boolean;
  transactional?: boolean;
  control?: boolean;
  /** Attribute bits besides those that the options above set. */
  attributes?: number;
  lastOffsetDelta?: number;
  recordsCount?: number;
  /** The bytes of the record section (already compressed), in place of the records. */
  rawRecords?: Uint8Array;
}

/** Default base timestamp. */
export const TEST_TIMESTAMP = 1_700_000_000_000;

const encoder = new TextEncoder();

function toBytes(value: string | Uint8Array): Uint8Array {
  return typeof value === "string" ? encoder.encode(value) : value;
}

/** Bytes of a zigzag varint or varlong. @param value an integer, exact up to 2^53 */
export function varint(value: number): number[] {
  let rest = BigInt.asUintN(64, BigInt(value) << 1n ^ BigInt(value) >> 63n);
  const bytes: number[] = [];
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return [...bytes, Number(rest)];
}

/** Joins byte strings. */
export function concatBytes(parts: readonly (Uint8Array | readonly number[])[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function nullable(value: string | Uint8Array | null | undefined): (Uint8Array | number[])[] {
  if (value === null || value === undefined) return [varint(-1)];
  const bytes = toBytes(value);
  return [varint(bytes.length), bytes];
}

/** Bytes of one record, preceded by its length. */
export function buildRecord(record: TestRecord, place: { offsetDelta: number; baseTimestamp: number }): Uint8Array {
  const headers = record.headers ?? [];
  const body = concatBytes([
    [0],
    varint((record.timestamp ?? place.baseTimestamp) - place.baseTimestamp),
    varint(record.offsetDelta ?? place.offsetDelta),
    ...nullable(record.key),
    ...nullable(record.value),
    varint(headers.length),
    ...headers.flatMap(([key, value]) => [...nullable(key), ...nullable(value)]),
  ]);
  return concatBytes([varint(body.length), body]);
}

function attributesOf(options: BatchOptions): number {
  return (options.attributes ?? 0) | codecNames.indexOf(options.codec ?? "none") | (options.logAppendTime ? 8 : 0) |
    (options.transactional ? 16 : 0) | (options.control ? 32 : 0);
}

/**
 * Builds one batch.
 * @param records of the batch @param options fields of its header
 * @returns the whole batch with a correct CRC
 */
export function buildBatch(records: readonly TestRecord[], options: BatchOptions = {}): Uint8Array<ArrayBuffer> {
  const baseTimestamp = options.baseTimestamp ?? records[0]?.timestamp ?? TEST_TIMESTAMP;
  const plain = concatBytes(
    records.map((record, index) => buildRecord(record, { offsetDelta: index, baseTimestamp })),
  );
  const section = options.rawRecords ?? compress(codecNames.indexOf(options.codec ?? "none"), plain);
  const batch = new Uint8Array(BATCH_HEADER_BYTES + section.length);
  const view = new DataView(batch.buffer);
  const timestamps = records.map((record) => record.timestamp ?? baseTimestamp);
  const largest = timestamps.reduce((max, timestamp) => Math.max(max, timestamp), -1);
  writeInt64(view, 0, options.baseOffset ?? 0);
  view.setInt32(8, batch.length - BATCH_LENGTH_OVERHEAD);
  view.setInt32(12, options.partitionLeaderEpoch ?? -1);
  view.setInt8(16, options.magic ?? 2);
  view.setInt16(21, attributesOf(options));
  view.setInt32(23, options.lastOffsetDelta ?? (records.at(-1)?.offsetDelta ?? records.length - 1));
  writeInt64(view, 27, baseTimestamp);
  writeInt64(view, 35, options.maxTimestamp ?? largest);
  writeInt64(view, 43, options.producerId ?? -1);
  view.setInt16(51, options.producerEpoch ?? -1);
  view.setInt32(53, options.baseSequence ?? -1);
  view.setInt32(57, options.recordsCount ?? records.length);
  batch.set(section, BATCH_HEADER_BYTES);
  return sealBatch(batch);
}

/** Corrects the CRC of a batch after a test changed its bytes. @returns the same bytes */
export function sealBatch<Bytes extends Uint8Array>(batch: Bytes): Bytes {
  new DataView(batch.buffer, batch.byteOffset).setUint32(17, crc32c(batch, 21, batch.length - 21));
  return batch;
}

/**
 * Copies bytes into shared memory, the form in which batches reach storage.
 * @param bytes one or more batches @param start index of their first byte in the memory; other bytes (0xee) surround them
 */
export function inMemory(bytes: Uint8Array, start = 0): { memory: NativeMemory; start: number; length: number } {
  const memory = allocateShared(Math.max(128, start + bytes.length + 64));
  memory.bytes.fill(0xee);
  memory.bytes.set(bytes, start);
  return { memory, start, length: bytes.length };
}
