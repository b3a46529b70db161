/**
 * Finds a record inside a batch by its timestamp. Runs on the shard that owns the log, or on a codec worker where a batch is large; rare
 * (ListOffsets by time), so it is not optimized for speed. The bytes come from the disk: they are checked, never trusted.
 *
 *   record: varint length · int8 attributes · varlong timestampDelta · varint offsetDelta · key, value, headers
 *
 * Source: Kafka's DefaultRecord and FileRecords.searchForTimestamp.
 */
import { NO_OFFSET, NO_TIMESTAMP, type Offset, toOffset } from "../base/units.ts";
import { CONTENT_BYTES_MAX } from "./batch_rules.ts";
import { decompressInto, type DecompressionRefusal } from "./compression/compression.ts";
import { ContentBuffer } from "./compression/content_buffer.ts";
import * as batches from "./record_batch.ts";
import { afterVarint, afterVarlong, varintAt, varlongAt } from "./varint.ts";

const ATTRIBUTES_BYTES = 1;

/** The target of a search: a record at or after both. */
export interface RecordTarget {
  readonly timestamp: number;
  readonly offset: Offset;
}

/** What to find in a batch: the first record at or after a target, or the largest timestamp of its records from an offset on. */
export type RecordSearch =
  | { readonly type: "first"; readonly target: RecordTarget }
  | { readonly type: "largest"; readonly from: Offset };

/** The record found; -1 for none, or when the records cannot be read. A search for the largest timestamp names no offset. */
export interface FoundRecord {
  readonly offset: Offset;
  readonly timestamp: number;
}

/** How much an isolate may read of a batch; everything where absent. */
export interface SearchLimits {
  readonly contentBytesMax: number;
  readonly piecesMax: number;
}

const NO_LIMITS: SearchLimits = { contentBytesMax: CONTENT_BYTES_MAX, piecesMax: Infinity };

/**
 * Searches in a batch.
 * @param bytes of the whole batch @param limits of this isolate
 * @returns "too-large" when its records exceed the limits
 */
export function findInBatch(
  bytes: Uint8Array,
  search: RecordSearch,
  limits: SearchLimits = NO_LIMITS,
): FoundRecord | "too-large" {
  const found = find(bytes, search, limits);
  content.trim();
  return found;
}

function find(bytes: Uint8Array, search: RecordSearch, limits: SearchLimits): FoundRecord | "too-large" {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records = contentOf(bytes, view, limits);
  if (records === "too-large") return isLimited(limits) ? records : NO_RECORD;
  if (typeof records === "string") return NO_RECORD;
  if (search.type === "first") return findRecord(view, records, search.target);
  return { offset: NO_OFFSET, timestamp: findLargestRecord(view, records, search.from) };
}

const NO_RECORD: FoundRecord = Object.freeze({ offset: NO_OFFSET, timestamp: NO_TIMESTAMP });
/** Receives the records of one batch at a time. */
const content = new ContentBuffer();

function isLimited({ contentBytesMax }: SearchLimits): boolean {
  return contentBytesMax < CONTENT_BYTES_MAX;
}

/** The records of a batch, decompressed; valid until the next call. */
function contentOf(bytes: Uint8Array, view: DataView, limits: SearchLimits): Uint8Array | DecompressionRefusal {
  const { contentBytesMax, piecesMax } = limits;
  const packed = bytes.subarray(batches.BATCH_HEADER_BYTES, batches.batchBytes(view, 0));
  const codec = batches.codec(view, 0);
  if (codec === 0) return packed.length > contentBytesMax && isLimited(limits) ? "too-large" : packed;
  const refusal = decompressInto(content, codec, packed, contentBytesMax, piecesMax);
  return refusal ?? content.bytes.subarray(0, content.length);
}

function findLargestRecord(view: DataView, records: Uint8Array, from: Offset): number {
  let largest = NO_TIMESTAMP;
  const cursor = new RecordCursor(view, records);
  while (cursor.next()) if (cursor.offset >= from) largest = Math.max(largest, cursor.timestamp);
  return largest;
}

/** Finds the first record whose timestamp and offset are at least the target's. */
function findRecord(view: DataView, records: Uint8Array, target: RecordTarget): FoundRecord {
  const cursor = new RecordCursor(view, records);
  while (cursor.next()) {
    const { offset, timestamp } = cursor;
    if (timestamp >= target.timestamp && offset >= target.offset) return { offset, timestamp };
  }
  return NO_RECORD;
}

/** Offsets and timestamps of a batch's records, in order. */
class RecordCursor {
  readonly #records: Uint8Array;
  readonly #baseOffset: Offset;
  readonly #baseTimestamp: number;
  /** The time of the append where it is the timestamp of all records, else null. */
  readonly #stamped: number | null;
  #left: number;
  #at = 0;
  offset: Offset = NO_OFFSET;
  timestamp = NO_TIMESTAMP;

  constructor(view: DataView, records: Uint8Array) {
    this.#records = records;
    this.#baseOffset = batches.baseOffset(view, 0);
    this.#baseTimestamp = batches.baseTimestamp(view, 0);
    this.#stamped = batches.isLogAppendTime(view, 0) ? batches.maxTimestamp(view, 0) : null;
    this.#left = batches.recordsCount(view, 0);
  }

  /** Moves to the next record. @returns false after the last one, or when it does not fit */
  next(): boolean {
    if (this.#left-- <= 0) return false;
    const records = this.#records;
    const body = afterVarint(records, this.#at);
    const end = body + varintAt(records, this.#at);
    const deltaAt = body + ATTRIBUTES_BYTES;
    const offsetAt = afterVarlong(records, deltaAt);
    if (afterVarint(records, offsetAt) > end || end > records.length) return false;
    this.offset = toOffset(this.#baseOffset + varintAt(records, offsetAt));
    this.timestamp = this.#stamped ?? this.#baseTimestamp + varlongAt(records, deltaAt);
    this.#at = end;
    return true;
  }
}
