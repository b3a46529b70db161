/**
 * Checks a produced batch before a leader appends it. Runs on the shard that owns the partition, in place on the bytes from the
 * socket.
 *
 * Must always hold: an accepted batch is exactly one batch of format v2 with a correct CRC, its header agrees with its records, and
 * every reader can read it. Only the largest timestamp and its type are changed here, and then the CRC.
 *
 * All records of an uncompressed batch are checked. A compressed batch is decompressed only for compacted topics, where keys are
 * required. Otherwise its header and CRC are checked, and whether its bytes can hold the claimed number of records. (Kafka
 * decompresses all batches and spends most of its CPU time on it.) A batch whose offsets are not 0, 1, 2, … is refused here, while
 * Kafka rewrites it: no client since 0.11 sends one. A batch that claims LogAppendTime is refused for every topic; Kafka accepts it
 * when the topic has CreateTime.
 * Source: Kafka's LogValidator, UnifiedLog.analyzeAndValidateRecords, ProduceRequest.validateRecords, DefaultRecordBatch.
 */
import { NO_TIMESTAMP } from "../base/units.ts";
import { contentBytesMax, decompress } from "./compression/compression.ts";
import { crc32c } from "./crc32c.ts";
import * as batches from "./record_batch.ts";
import { checkRecords, newRecordCheck, RECORD_BYTES_MIN, type RecordProblem } from "./record_check.ts";
import type { NativeMemory } from "../sys/memory.ts";

/**
 * Why a batch is refused. The Kafka error of each:
 *
 *   corrupt-batch             CORRUPT_MESSAGE (2), which clients retry: CRC, or shorter than a header
 *   invalid-record            INVALID_RECORD (87): header or records contradict themselves, or keys are missing
 *   too-large                 MESSAGE_TOO_LARGE (10): above max.message.bytes
 *   larger-than-segment       RECORD_LIST_TOO_LARGE (18): above segment.bytes
 *   invalid-timestamp         INVALID_TIMESTAMP (32): out of range, or of a type that is the broker's to give
 *   unsupported-compression   UNSUPPORTED_COMPRESSION_TYPE (76): a codec that does not exist
 *   unsupported-format        INVALID_RECORD (87), as Kafka 4 for every Produce version: magic 0, 1, or above 2
 *   transactions-unsupported  INVALID_TXN_STATE (48): a transactional batch where none is allowed
 */
export type BatchRefusal =
  | "corrupt-batch"
  | "invalid-record"
  | "too-large"
  | "larger-than-segment"
  | "invalid-timestamp"
  | "unsupported-compression"
  | "unsupported-format"
  | "transactions-unsupported";

/** A topic's rules for a batch. */
export interface BatchRules {
  /** Time of the append, in ms since 1970. */
  readonly nowMs: number;
  /** Number of free offsets, which limits the records of a compressed batch too: a log ends at offset 2^53 (units.ts). */
  readonly recordsMax: number;
  /** `max.message.bytes` */
  readonly maxMessageBytes: number;
  /** `segment.bytes` */
  readonly segmentBytes: number;
  /** `message.timestamp.type` */
  readonly messageTimestampType: "CreateTime" | "LogAppendTime";
  /** `message.timestamp.before.max.ms`; Infinity for no limit */
  readonly messageTimestampBeforeMaxMs: number;
  /** `message.timestamp.after.max.ms`; Infinity for no limit */
  readonly messageTimestampAfterMaxMs: number;
  /** Whether the topic is compacted, so that every record needs a key. */
  readonly keysRequired: boolean;
  /** Whether transactional batches may be appended. */
  readonly transactionsAllowed: boolean;
}

/** The result of a check. */
export interface BatchCheck {
  /** null when the batch may be appended. */
  readonly refusal: BatchRefusal | null;
  /** Sentence for the refusal, else "". */
  readonly message: string;
  /** Which record was refused, -1 for the whole batch. */
  readonly recordIndex: number;
}

/**
 * Most bytes that a batch may decompress to: the size limit of a request (`socket.request.max.bytes`). This allows 15 million
 * records.
 */
export const DECOMPRESSED_BYTES_MAX = 104_857_600;

/** Size of an empty record: seven fields of one byte, the first of which is its length. */
const EMPTY_RECORD_BYTES = 1 + RECORD_BYTES_MIN;
const CODECS = batches.codecNames.length;
const ACCEPTED: BatchCheck = Object.freeze({ refusal: null, message: "", recordIndex: -1 });

// Reused by all checks, within one call each.
const recordCheck = newRecordCheck();

function refuse(refusal: BatchRefusal, message: string, recordIndex = -1): BatchCheck {
  return { refusal, message, recordIndex };
}

/**
 * Checks a batch that a client produced, and stamps its largest timestamp where the topic or the records require it.
 * @param memory holds the batch @param start its first byte @param length bytes that the client sent for it
 * @param rules of the topic
 * @returns always the same object when the batch may be appended
 */
export function checkProducedBatch(
  memory: NativeMemory,
  start: number,
  length: number,
  rules: BatchRules,
): BatchCheck {
  const { view } = memory;
  const refusal = checkEnvelope(view, start, length, rules) ?? checkCrc(memory, start, length) ??
    checkHeader(view, start, rules) ?? checkProducer(view, start, rules);
  if (refusal !== null) return refusal;
  const opened = batches.codec(view, start) === 0 || rules.keysRequired;
  return (opened ? checkRecordsOfBatch(memory, start, length, rules) : checkMaxTimestamp(view, start, rules)) ??
    stamp(memory, start, { length, opened, rules });
}

/** The checks of length, format and size, which come before the CRC. */
function checkEnvelope(view: DataView, at: number, length: number, rules: BatchRules): BatchCheck | null {
  if (length < batches.BATCH_STEP_BYTES) {
    return refuse("invalid-record", `Cannot append ${length} bytes: they hold no record batch`);
  }
  const magic = batches.magic(view, at);
  if (magic !== batches.MAGIC_V2) {
    return refuse("unsupported-format", `Cannot append a batch of format v${magic}: not v2`);
  }
  const bytes = batches.batchBytes(view, at);
  if (bytes < batches.BATCH_HEADER_BYTES) {
    return refuse("corrupt-batch", `Cannot append a batch of ${bytes} bytes: a header alone has more`);
  }
  if (bytes !== length) {
    return refuse("invalid-record", `Cannot append ${length} bytes: not one batch, the first one has ${bytes} bytes`);
  }
  if (bytes > rules.maxMessageBytes) {
    return refuse(
      "too-large",
      `Cannot append a batch of ${bytes} bytes: max.message.bytes is ${rules.maxMessageBytes}`,
    );
  }
  if (bytes > rules.segmentBytes) {
    const message = `Cannot append a batch of ${bytes} bytes: segment.bytes is ${rules.segmentBytes}`;
    return refuse("larger-than-segment", message);
  }
  return null;
}

function checkCrc(memory: NativeMemory, start: number, length: number): BatchCheck | null {
  const computed = crc32c(memory.bytes, start + batches.CRC_COVERS_FROM, length - batches.CRC_COVERS_FROM);
  const stored = batches.storedCrc(memory.view, start);
  if (computed === stored) return null;
  const hex = (crc: number) => crc.toString(16).padStart(8, "0");
  return refuse(
    "corrupt-batch",
    `Cannot append a batch: its CRC-32C is ${hex(computed)}, its header says ${hex(stored)}`,
  );
}

function checkHeader(view: DataView, at: number, rules: BatchRules): BatchCheck | null {
  const codec = batches.codec(view, at);
  if (codec >= CODECS) return refuse("unsupported-compression", `Cannot append a batch: there is no codec ${codec}`);
  const baseOffset = batches.baseOffset(view, at);
  if (baseOffset !== 0) {
    return refuse("invalid-record", `Cannot append a batch: its base offset is ${baseOffset}, clients send 0`);
  }
  const count = batches.recordsCount(view, at);
  const lastOffsetDelta = batches.lastOffsetDelta(view, at);
  if (count <= 0 || lastOffsetDelta !== count - 1) {
    const message = `Cannot append a batch: ${count} records do not end at offset delta ${lastOffsetDelta}`;
    return refuse("invalid-record", message);
  }
  const countMax = recordsCountMax(view, at, codec);
  if (count > countMax) {
    const message = `Cannot append a batch: it cannot hold the ${count} records that it claims, at most ${countMax}`;
    return refuse("invalid-record", message);
  }
  if (count > rules.recordsMax) {
    return refuse("invalid-record", `Cannot append ${count} records: the log has ${rules.recordsMax} offsets left`);
  }
  if (batches.isControl(view, at)) {
    return refuse("invalid-record", "Cannot append a control batch: clients may not write them");
  }
  if (batches.isLogAppendTime(view, at)) {
    return refuse(
      "invalid-timestamp",
      "Cannot append a batch: clients may not set its timestamp type to LogAppendTime",
    );
  }
  const baseTimestamp = batches.baseTimestamp(view, at);
  if (!Number.isSafeInteger(baseTimestamp) && rules.messageTimestampType === "CreateTime") {
    return refuse("invalid-timestamp", `Cannot append a batch: its base timestamp is ${baseTimestamp}`);
  }
  return null;
}

/**
 * Most records that a batch's bytes can hold if all are empty. A higher count would waste offsets of the log. A compressed batch
 * does not show its records, but its codec limits how far it can expand.
 */
function recordsCountMax(view: DataView, at: number, codec: number): number {
  const contentBytes = contentBytesMax(codec, batches.batchBytes(view, at) - batches.BATCH_HEADER_BYTES);
  return Math.floor(Math.min(contentBytes, DECOMPRESSED_BYTES_MAX) / EMPTY_RECORD_BYTES);
}

function checkProducer(view: DataView, at: number, rules: BatchRules): BatchCheck | null {
  const producerId = batches.producerId(view, at);
  const transactional = batches.isTransactional(view, at);
  if (producerId >= 0) {
    const epoch = batches.producerEpoch(view, at);
    const sequence = batches.baseSequence(view, at);
    if (sequence < 0 || epoch < 0 || !Number.isSafeInteger(producerId)) {
      const message = `Cannot append a batch of producer ${producerId}: epoch ${epoch}, sequence ${sequence}`;
      return refuse("invalid-record", message);
    }
  } else if (transactional) {
    return refuse("invalid-record", "Cannot append a transactional batch: it has no producer id");
  }
  if (transactional && !rules.transactionsAllowed) {
    return refuse("transactions-unsupported", "Cannot append a transactional batch: transactions are not supported");
  }
  return null;
}

/** Checks the timestamps in the header of a batch that is not decompressed. */
function checkMaxTimestamp(view: DataView, at: number, rules: BatchRules): BatchCheck | null {
  if (rules.messageTimestampType === "LogAppendTime") return null;
  const timestamp = batches.maxTimestamp(view, at);
  if (timestamp === NO_TIMESTAMP) return null;
  const inRange = timestamp >= 0 && timestamp <= latestTimestamp(rules) && timestamp >= earliestTimestamp(rules);
  return inRange ? null : refuse("invalid-timestamp", outOfRange(timestamp, rules));
}

/** Latest timestamp that a topic accepts, in ms. Above 2^53 a number is no longer exact. */
export function latestTimestamp(rules: BatchRules): number {
  return Math.min(rules.nowMs + rules.messageTimestampAfterMaxMs, Number.MAX_SAFE_INTEGER);
}

/** Earliest timestamp that a topic accepts, in ms. */
export function earliestTimestamp(rules: BatchRules): number {
  return Math.max(rules.nowMs - rules.messageTimestampBeforeMaxMs, Number.MIN_SAFE_INTEGER);
}

function outOfRange(timestamp: number, rules: BatchRules): string {
  return `Cannot append a batch: timestamp ${timestamp} is not within ${earliestTimestamp(rules)} and ` +
    `${latestTimestamp(rules)}`;
}

function checkRecordsOfBatch(
  memory: NativeMemory,
  start: number,
  length: number,
  rules: BatchRules,
): BatchCheck | null {
  const { view, bytes } = memory;
  const baseTimestamp = batches.baseTimestamp(view, start);
  const checked = rules.messageTimestampType === "CreateTime";
  recordCheck.count = batches.recordsCount(view, start);
  recordCheck.deltaMin = checked ? earliestTimestamp(rules) - baseTimestamp : -Infinity;
  recordCheck.deltaMax = checked ? latestTimestamp(rules) - baseTimestamp : Infinity;
  recordCheck.deltaExempt = NO_TIMESTAMP - baseTimestamp;
  recordCheck.keysRequired = rules.keysRequired;
  const recordsAt = start + batches.BATCH_HEADER_BYTES;
  const codec = batches.codec(view, start);
  if (codec === 0) return describe(checkRecords(bytes, recordsAt, start + length, recordCheck), baseTimestamp, rules);
  const compressed = bytes.subarray(recordsAt, start + length);
  const records = decompress(codec, compressed, { outputBytesMax: DECOMPRESSED_BYTES_MAX });
  if (records === "too-large") {
    return refuse("too-large", `Cannot append a batch: it decompresses to more than ${DECOMPRESSED_BYTES_MAX} bytes`);
  }
  if (typeof records === "string") {
    return refuse("corrupt-batch", `Cannot append a batch: its records cannot be decompressed (${records})`);
  }
  return describe(checkRecords(records, 0, records.length, recordCheck), baseTimestamp, rules);
}

function describe(problem: RecordProblem | null, baseTimestamp: number, rules: BatchRules): BatchCheck | null {
  if (problem === null) return null;
  const { recordIndex, problemDelta } = recordCheck;
  switch (problem) {
    case "timestamp":
      return refuse("invalid-timestamp", outOfRange(baseTimestamp + problemDelta, rules), recordIndex);
    case "key":
      return refuse("invalid-record", "Cannot append a record without a key: the topic is compacted", recordIndex);
    case "unfinished":
      return refuse("invalid-record", "Cannot append a batch: bytes are left after its last record");
    default:
      return refuse(
        "invalid-record",
        `Cannot append record ${recordIndex} of a batch: its ${problem} is wrong`,
        recordIndex,
      );
  }
}

/** Stores the largest timestamp if the header differs; only then is the CRC computed again. */
function stamp(
  memory: NativeMemory,
  start: number,
  facts: { length: number; opened: boolean; rules: BatchRules },
): BatchCheck {
  const { view, bytes } = memory;
  const { length, opened, rules } = facts;
  const logAppendTime = rules.messageTimestampType === "LogAppendTime";
  if (!logAppendTime && !opened) return ACCEPTED;
  const largest = Math.max(NO_TIMESTAMP, batches.baseTimestamp(view, start) + recordCheck.largestDelta);
  const maxTimestamp = logAppendTime ? rules.nowMs : largest;
  if (!logAppendTime && batches.maxTimestamp(view, start) === maxTimestamp) return ACCEPTED;
  batches.stampMaxTimestamp(view, start, { maxTimestamp, logAppendTime });
  const crc = crc32c(bytes, start + batches.CRC_COVERS_FROM, length - batches.CRC_COVERS_FROM);
  batches.stampCrc(view, start, crc);
  return ACCEPTED;
}
