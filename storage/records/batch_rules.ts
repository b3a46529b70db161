/**
 * A topic's rules for a produced batch, and the result of checking it. Plain data, which crosses isolates.
 */
import type { CompressionLevels } from "./compression/levels.ts";
import { type CodecName, codecNames } from "./record_batch.ts";

/**
 * Why a batch is refused. The Kafka error of each:
 *
 *   corrupt-batch             CORRUPT_MESSAGE (2), which clients retry: CRC, shorter than a header, or magic above 2
 *   broken-compression        UNKNOWN_SERVER_ERROR (-1), as in Kafka: the records cannot be decompressed
 *   invalid-record            INVALID_RECORD (87): header or records contradict themselves, or keys are missing
 *   too-large                 MESSAGE_TOO_LARGE (10): above max.message.bytes
 *   content-too-large         MESSAGE_TOO_LARGE (10): the records take more than CONTENT_BYTES_MAX once decompressed
 *   larger-than-segment       RECORD_LIST_TOO_LARGE (18): above segment.bytes
 *   invalid-timestamp         INVALID_TIMESTAMP (32): out of range, or of a type that is the broker's to give
 *   unsupported-compression   UNSUPPORTED_COMPRESSION_TYPE (76): a codec that does not exist (Kafka: UNKNOWN_SERVER_ERROR)
 *   unsupported-format        INVALID_RECORD (87), as Kafka 4 for every Produce version: magic 0 or 1
 *   transactions-unsupported  INVALID_TXN_STATE (48): a transactional batch where none is allowed
 */
export type BatchRefusal =
  | "corrupt-batch"
  | "broken-compression"
  | "invalid-record"
  | "too-large"
  | "content-too-large"
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
  /** `compression.type` */
  readonly compressionType: CompressionType;
  /** `compression.*.level`, for batches that are stored in another codec than the client's. */
  readonly compressionLevels: CompressionLevels;
}

/** The result of a check. */
export interface BatchCheck {
  /** null when the batch may be appended. */
  readonly refusal: BatchRefusal | null;
  /** Sentence for the refusal, else "". */
  readonly message: string;
  /** Which record was refused, -1 for the whole batch. */
  readonly recordIndex: number;
  /** Whether the batch is not refused and not yet acceptable: `transcodeBatch()` (batch_intake.ts) decides. */
  readonly isPending: boolean;
}

/** `compression.type` of a topic. */
export type CompressionType = "producer" | "uncompressed" | Exclude<CodecName, "none">;

/** Number of the codec in which a topic stores a batch. @param codec that its client chose */
export function targetCodecOf(rules: BatchRules, codec: number): number {
  if (rules.compressionType === "producer") return codec;
  return rules.compressionType === "uncompressed" ? 0 : codecNames.indexOf(rules.compressionType);
}

/**
 * Most bytes that a batch may decompress to: the size limit of a request (`socket.request.max.bytes`), because a client could not send
 * more without compression. This allows 15 million records. Kafka has no limit, and a batch of 1 MB can make it unpack 32 GB.
 */
export const CONTENT_BYTES_MAX = 104_857_600;

/** The check of a batch that may be appended as it is. */
export const ACCEPTED: BatchCheck = Object.freeze({ refusal: null, message: "", recordIndex: -1, isPending: false });
/** The check of a batch that must be decompressed or compressed first. */
export const PENDING: BatchCheck = Object.freeze({ ...ACCEPTED, isPending: true });

/** Makes the check of a refused batch. */
export function refuse(refusal: BatchRefusal, message: string, recordIndex = -1): BatchCheck {
  return { refusal, message, recordIndex, isPending: false };
}

/** Latest timestamp that a topic accepts, in ms. Above 2^53 a number is no longer exact. */
export function latestTimestamp(rules: BatchRules): number {
  return Math.min(rules.nowMs + rules.messageTimestampAfterMaxMs, Number.MAX_SAFE_INTEGER);
}

/** Earliest timestamp that a topic accepts, in ms. */
export function earliestTimestamp(rules: BatchRules): number {
  return Math.max(rules.nowMs - rules.messageTimestampBeforeMaxMs, Number.MIN_SAFE_INTEGER);
}
