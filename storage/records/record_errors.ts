/**
 * Lists the records of a refused batch that the topic does not accept, each with a sentence (KIP-467). The check of a batch ends at
 * its first problem, because nearly all batches have none; this reads a refused batch again, to its end. Runs on shards; rare.
 *
 * Must always hold: the batch passed the check up to its CRC, and the budget limits the bytes and records read and the records named. A record
 * that breaks the format is the last one named, because the start of the next one is unknown.
 * Source: Kafka's LogValidator (validateRecord, processRecordErrors), whose sentences these are.
 */
import { NO_TIMESTAMP } from "../base/units.ts";
import { type BatchRules, earliestTimestamp, latestTimestamp } from "./batch_rules.ts";
import { batchBytes, codec, isLogAppendTime, recordsCount } from "./record_batch.ts";
import { BatchRecordReader } from "./batch_record_reader.ts";
import type { NativeMemory } from "../sys/memory.ts";

/** Kafka's Long.MAX_VALUE, which means no limit. */
const INT64_MAX = 0x7fff_ffff_ffff_ffffn;
/** Number of errors in Kafka's sentence for the whole batch. */
const SHOWN_ERRORS = 3;

/** Most blocks, chunks and frames of a batch: clients need 64 for 2 MiB. Each takes a microsecond, however few bytes it yields. */
const PIECES_MAX = 256;

/** One refused record. */
export interface RecordError {
  /** Index of the record in the batch, 0-based. */
  readonly recordIndex: number;
  readonly message: string;
}

/** The errors of a batch's records. */
export interface RecordErrors {
  /** As in Kafka, one wrong timestamp decides for the whole batch; a batch that cannot be read to its end is invalid. */
  readonly refusal: "invalid-record" | "invalid-timestamp";
  /** Sentence for the whole batch. */
  readonly message: string;
  /** In the order of the records. */
  readonly errors: readonly RecordError[];
}

/** Limits for the lists of one request together; `listRecordErrors()` subtracts from it. */
export interface RecordErrorBudget {
  /** Records that may be named. */
  records: number;
  /** Bytes of records, decompressed, that may be read. */
  bytes: number;
  /** Records that may be read. */
  reads: number;
}

/**
 * Lists the refused records of a batch.
 * @param batch its place in memory @param rules of the topic
 * @param by the partition's name ("topic-0"), and the budget of the request
 * @returns null when no single record can be named: all are correct, they cannot be decompressed, or the budget is used up
 */
export function listRecordErrors(
  batch: { memory: NativeMemory; start: number },
  rules: BatchRules,
  by: { partition: string; budget: RecordErrorBudget },
): RecordErrors | null {
  const { memory: { view }, start } = batch;
  const { budget } = by;
  if (budget.records <= 0 || budget.bytes <= 0 || budget.reads <= 0) return null;
  const isPlain = codec(view, start) === 0;
  if (isPlain && batchBytes(view, start) > budget.bytes) return null;
  const limits = { outputBytesMax: budget.bytes, piecesMax: PIECES_MAX, anyOrder: true };
  const reader = BatchRecordReader.open(batch.memory, start, limits);
  if (typeof reader === "string") {
    budget.bytes = 0; // it is unknown how much was decompressed before the failure
    return null;
  }
  budget.bytes -= isPlain ? batchBytes(view, start) : reader.bytes.length;
  const kinds = problemKinds(rules, { partition: by.partition, isLogAppendTime: isLogAppendTime(view, start) });
  const errors: RecordError[] = [];
  let hasWrongTimestamp = false;
  let index = 0;
  while (errors.length < budget.records && index < budget.reads && reader.next()) {
    const keyProblem = kinds.ofKey(reader);
    const problem = keyProblem ?? kinds.ofTimestamp(reader);
    if (problem !== null) errors.push({ recordIndex: index, message: problem });
    if (problem !== null && keyProblem === null) hasWrongTimestamp = true;
    index++;
  }
  const isUnread = index < recordsCount(view, start);
  const isCut = errors.length === budget.records || (isUnread && index === budget.reads);
  const isBroken = !isCut && isUnread;
  if (isBroken) errors.push({ recordIndex: index, message: `Record ${index} of the batch breaks the format` });
  budget.records -= errors.length;
  budget.reads -= index;
  if (errors.length === 0) return null;
  const refusal = hasWrongTimestamp && !isBroken ? "invalid-timestamp" : "invalid-record";
  return { refusal, message: sentence(refusal, errors, isCut), errors };
}

/** The sentence for each kind of problem. */
function problemKinds(rules: BatchRules, batch: { partition: string; isLogAppendTime: boolean }) {
  const keyless = `Compacted topic cannot accept message without key in topic partition ${batch.partition}`;
  const stampedHere = rules.messageTimestampType === "LogAppendTime";
  const [earliest, latest] = [earliestTimestamp(rules), latestTimestamp(rules)];
  const range = `[${timeText(rules.nowMs, -rules.messageTimestampBeforeMaxMs)}, ` +
    `${timeText(rules.nowMs, rules.messageTimestampAfterMaxMs)}]`;
  return {
    ofKey: (record: BatchRecordReader) => rules.keysRequired && record.keyLength < 0 ? keyless : null,
    ofTimestamp: ({ timestamp, offset }: BatchRecordReader) => {
      if (batch.isLogAppendTime) {
        return `Invalid timestamp type in message with offset ${offset}. ` +
          "Producer should not set timestamp type to LogAppendTime.";
      }
      if (stampedHere || timestamp === NO_TIMESTAMP || (timestamp >= earliest && timestamp <= latest)) return null;
      return `Timestamp ${timestamp} of message with offset ${offset} is out of range. ` +
        `The timestamp should be within ${range}`;
    },
  };
}

/** A time as Kafka writes it: its 64-bit sums wrap around. */
function timeText(nowMs: number, deltaMs: number): string {
  if (Number.isFinite(deltaMs)) return `${nowMs + deltaMs}`;
  return `${BigInt.asIntN(64, BigInt(nowMs) + (deltaMs < 0 ? -INT64_MAX : INT64_MAX))}`;
}

function sentence(refusal: RecordErrors["refusal"], errors: readonly RecordError[], isCut: boolean): string {
  if (refusal === "invalid-timestamp") return "One or more records have been rejected due to invalid timestamp";
  const shown = errors.slice(0, SHOWN_ERRORS)
    .map(({ recordIndex, message }) => `RecordError(batchIndex=${recordIndex}, message='${message}')`);
  return `One or more records have been rejected due to ${isCut ? "at least " : ""}${errors.length} record errors ` +
    `in total, and only showing the first three errors at most: [${shown.join(", ")}]`;
}
