/**
 * Checks a produced batch before a leader appends it. Runs on the shard that owns the partition, in place on the bytes from the
 * socket.
 *
 *   header, CRC ─► not compressed, and not to be: records checked here ─► accepted, stamped
 *              └─► anything else: pending ─► transcodeBatch() (batch_intake.ts), here or on another isolate
 *
 * Must always hold: an accepted batch is exactly one batch of format v2 with a correct CRC, its header agrees with its records, and
 * every reader can read it. Only the largest timestamp and its type are changed here, and then the CRC.
 * Source: Kafka's LogValidator, UnifiedLog.analyzeAndValidateRecords, ProduceRequest.validateRecords, DefaultRecordBatch.
 */
import { NO_TIMESTAMP } from "../base/units.ts";
import type { NativeMemory } from "../sys/memory.ts";
import { checkBatchHeader } from "./batch_header_check.ts";
import {
  ACCEPTED,
  type BatchCheck,
  type BatchRules,
  earliestTimestamp,
  latestTimestamp,
  PENDING,
  refuse,
  targetCodecOf,
} from "./batch_rules.ts";
import { crc32c } from "./crc32c.ts";
import * as batches from "./record_batch.ts";
import { checkRecords, newRecordCheck, type RecordCheck, type RecordProblem } from "./record_check.ts";

const NONE = 0;

/** Where a batch's records lie, decompressed. */
export interface RecordRange {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** How the records of a batch are checked, and the result. */
export interface ContentCheck {
  readonly range: RecordRange;
  readonly rules: BatchRules;
  /** Its outputs are written. */
  readonly check: RecordCheck;
}

// Reused by all checks, within one call each: a correct batch allocates nothing.
const recordCheck = newRecordCheck();
const range = { bytes: new Uint8Array(0) as Uint8Array, start: 0, end: 0 };
const plain: { range: RecordRange; rules: BatchRules | null; check: RecordCheck } = {
  range,
  rules: null,
  check: recordCheck,
};

/**
 * Checks a batch that a client produced, and stamps its largest timestamp where the topic or the records require it.
 * @param memory holds the batch @param start its first byte @param length bytes that the client sent for it
 * @param rules of the topic
 * @returns always one of two objects when the batch is not refused: it may be appended, or it is pending
 */
export function checkProducedBatch(
  memory: NativeMemory,
  start: number,
  length: number,
  rules: BatchRules,
): BatchCheck {
  const refusal = checkBatchHeader(memory, start, length, rules);
  if (refusal !== null) return refusal;
  if (batches.codec(memory.view, start) !== NONE || targetCodecOf(rules, NONE) !== NONE) return PENDING;
  range.bytes = memory.bytes;
  range.start = start + batches.BATCH_HEADER_BYTES;
  range.end = start + length;
  plain.rules = rules;
  const content = plain as ContentCheck;
  const refused = checkContent(memory.view, start, content);
  if (refused !== null) return refused;
  if (!recordCheck.isConsecutive) return PENDING;
  stampTimestamp(memory, start, content);
  return ACCEPTED;
}

/**
 * Checks every record of a batch against its header and the topic's rules.
 * @param view of the batch's header @param at its first byte
 * @returns null when the records are correct
 */
export function checkContent(view: DataView, at: number, content: ContentCheck): BatchCheck | null {
  const { range, rules, check } = content;
  const baseTimestamp = batches.baseTimestamp(view, at);
  const checked = rules.messageTimestampType === "CreateTime";
  check.count = batches.recordsCount(view, at);
  check.deltaMin = checked ? earliestTimestamp(rules) - baseTimestamp : -Infinity;
  check.deltaMax = checked ? latestTimestamp(rules) - baseTimestamp : Infinity;
  check.deltaExempt = NO_TIMESTAMP - baseTimestamp;
  check.keysRequired = rules.keysRequired;
  const problem = checkRecords(range.bytes, range.start, range.end, check);
  return problem === null ? null : describe(problem, baseTimestamp, content);
}

function describe(problem: RecordProblem, baseTimestamp: number, by: ContentCheck): BatchCheck {
  const { rules, check: { recordIndex, problemDelta } } = by;
  switch (problem) {
    case "timestamp": {
      const range = `${earliestTimestamp(rules)} and ${latestTimestamp(rules)}`;
      const message = `Cannot append a batch: timestamp ${baseTimestamp + problemDelta} is not within ${range}`;
      return refuse("invalid-timestamp", message, recordIndex);
    }
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

/**
 * Stores the largest timestamp, computed from the records or the time of the append, if the header differs; only then is the CRC
 * computed again. Clients send wrong ones: Sarama -1, until 2023.
 */
export function stampTimestamp(
  memory: { readonly bytes: Uint8Array; readonly view: DataView },
  at: number,
  by: Pick<ContentCheck, "rules" | "check">,
): void {
  const { view, bytes } = memory;
  const logAppendTime = by.rules.messageTimestampType === "LogAppendTime";
  const maxTimestamp = maxTimestampOf(view, at, by);
  if (!logAppendTime && batches.maxTimestamp(view, at) === maxTimestamp) return;
  batches.stampMaxTimestamp(view, at, { maxTimestamp, logAppendTime });
  const covered = at + batches.CRC_COVERS_FROM;
  batches.stampCrc(view, at, crc32c(bytes, covered, batches.batchBytes(view, at) - batches.CRC_COVERS_FROM));
}

/** Largest timestamp with which a batch is stored, in ms. */
export function maxTimestampOf(view: DataView, at: number, by: Pick<ContentCheck, "rules" | "check">): number {
  if (by.rules.messageTimestampType === "LogAppendTime") return by.rules.nowMs;
  return Math.max(NO_TIMESTAMP, batches.baseTimestamp(view, at) + by.check.largestDelta);
}
