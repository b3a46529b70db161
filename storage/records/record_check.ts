/**
 * Checks every record of a batch in place, without creating objects. Runs on shards, once for every produced record: nothing is
 * allocated, and the loop is on the hot path of the broker.
 *
 *   record: varint length · int8 attributes · varlong timestampDelta · varint offsetDelta
 *           · varint keyLength (negative: null) · key · varint valueLength (negative: null) · value
 *           · varint headersCount · { varint keyLength · key · varint valueLength (negative: null) · value }
 *
 * Must always hold: a check without a problem saw `count` records that fill the range exactly. Nothing outside the memory is read.
 * Bytes outside the range may be read, but then the record's end does not fit and it is refused. 100-byte records in shared memory:
 * 100 million a second, 11 GB/s (bench/record_check_bench.ts).
 * Source: Kafka's DefaultRecord.readFrom and LogValidator.
 */
import { afterVarint, afterVarlong, varintAt, varlongAt } from "./varint.ts";

/**
 * Why records are refused; "unfinished" means that bytes are left after the last record. A batch with problems of several kinds is
 * refused for its structure, else for a timestamp, else for a key, as in Kafka.
 */
export type RecordProblem = "length" | "structure" | "unfinished" | "timestamp" | "key";

/** The rules and the result of a check. One object serves all checks of an isolate. */
export interface RecordCheck {
  /** Required number of records. */
  count: number;
  /** Smallest and largest allowed timestamp delta. */
  deltaMin: number;
  deltaMax: number;
  /** Delta of a record without a timestamp, which is always allowed. */
  deltaExempt: number;
  keysRequired: boolean;
  /** Out: largest timestamp delta, -Infinity for none. */
  largestDelta: number;
  /** Out: whether the offset deltas are 0, 1, 2, … */
  isConsecutive: boolean;
  /** Out: index of the first record with a problem. */
  recordIndex: number;
  /** Out: timestamp delta of the first record whose timestamp is refused. */
  problemDelta: number;
}

/** Makes a check for the caller to fill in. */
export function newRecordCheck(): RecordCheck {
  return {
    count: 0,
    deltaMin: -Infinity,
    deltaMax: Infinity,
    deltaExempt: 0,
    keysRequired: false,
    largestDelta: -Infinity,
    isConsecutive: true,
    recordIndex: -1,
    problemDelta: 0,
  };
}

/** Least length of a record: attributes, both deltas, both lengths and the headers' count need a byte each. */
export const RECORD_BYTES_MIN = 6;

/** Index after the headers that begin at `at` with their count; beyond `end` when they do not fit. */
function afterHeaders(bytes: Uint8Array, at: number, end: number): number {
  const beyond = end + 1;
  const count = varintAt(bytes, at);
  let next = afterVarint(bytes, at);
  if (count < 0 || next > end || count > end - next) return beyond;
  for (let index = 0; index < count; index++) {
    const keyLength = varintAt(bytes, next);
    next = afterVarint(bytes, next) + keyLength;
    if (keyLength < 0 || next >= end) return beyond;
    const valueLength = varintAt(bytes, next);
    next = afterVarint(bytes, next) + (valueLength > 0 ? valueLength : 0);
    if (next > end) return beyond;
  }
  return next;
}

function problemAt<Problem extends RecordProblem>(check: RecordCheck, recordIndex: number, problem: Problem): Problem {
  check.recordIndex = recordIndex;
  return problem;
}

/**
 * Checks records.
 * @param bytes the memory @param start of the first record @param end after the last one
 * @param check the rules; its outputs are written
 * @returns null when all is well
 */
export function checkRecords(bytes: Uint8Array, start: number, end: number, check: RecordCheck): RecordProblem | null {
  const { count, deltaMin, deltaMax, deltaExempt, keysRequired } = check;
  let largestDelta = -Infinity;
  let isConsecutive = true;
  let refused: "timestamp" | "key" | null = null;
  let at = start;
  for (let index = 0; index < count; index++) {
    const length = varintAt(bytes, at);
    at = afterVarint(bytes, at);
    const recordEnd = at + length;
    if (length < RECORD_BYTES_MIN || recordEnd > end) return problemAt(check, index, "length");

    const delta = varlongAt(bytes, at + 1);
    at = afterVarlong(bytes, at + 1);
    if (varintAt(bytes, at) !== index) isConsecutive = false;
    at = afterVarint(bytes, at);

    const keyLength = varintAt(bytes, at);
    at = afterVarint(bytes, at);
    if (keyLength > 0) at += keyLength;
    if (at >= recordEnd) return problemAt(check, index, "structure");

    const valueLength = varintAt(bytes, at);
    at = afterVarint(bytes, at);
    if (valueLength > 0) at += valueLength;
    if (at >= recordEnd) return problemAt(check, index, "structure");

    at = bytes[at] === 0 ? at + 1 : afterHeaders(bytes, at, recordEnd);
    if (at !== recordEnd) return problemAt(check, index, "structure");

    if (keyLength < 0 && keysRequired) {
      refused ??= problemAt(check, index, "key");
    } else if ((delta < deltaMin || delta > deltaMax) && delta !== deltaExempt && refused !== "timestamp") {
      if (refused === null) check.recordIndex = index;
      check.problemDelta = delta;
      refused = "timestamp";
    }
    if (delta > largestDelta) largestDelta = delta;
  }
  check.largestDelta = largestDelta;
  check.isConsecutive = isConsecutive;
  return at === end ? refused : problemAt(check, count, "unfinished");
}
