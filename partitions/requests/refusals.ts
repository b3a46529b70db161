/**
 * The reasons for which a partition refuses a request, and Kafka's error code for each; reasons become codes only here. In ring records a
 * reason travels as its number, counted from 1; 0 is no refusal. Pure; any isolate.
 */
import { errorCode } from "../../net/protocol/error_codes.ts";
import type { AppendRefusal, ReadRefusal } from "../../storage/mod.ts";

/** Reasons of the partition itself, in addition to those of its log. */
type PartitionRefusal =
  | "unknown-partition"
  | "not-leader-or-follower"
  | "fenced-leader-epoch"
  | "unknown-leader-epoch"
  | "not-enough-replicas"
  | "unsupported-timestamp"
  | "offset-not-available"
  | "too-many-lists";

/** Every reason. */
export type Refusal = AppendRefusal | ReadRefusal | PartitionRefusal;

const codes: Record<Refusal, number> = {
  "corrupt-batch": errorCode.CORRUPT_MESSAGE,
  "broken-compression": errorCode.UNKNOWN_SERVER_ERROR,
  "invalid-record": errorCode.INVALID_RECORD,
  "too-large": errorCode.MESSAGE_TOO_LARGE,
  "content-too-large": errorCode.MESSAGE_TOO_LARGE,
  "larger-than-segment": errorCode.RECORD_LIST_TOO_LARGE,
  "invalid-timestamp": errorCode.INVALID_TIMESTAMP,
  "unsupported-compression": errorCode.UNSUPPORTED_COMPRESSION_TYPE,
  "unsupported-format": errorCode.INVALID_RECORD,
  "transactions-unsupported": errorCode.INVALID_TXN_STATE,
  "out-of-order-sequence": errorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
  "invalid-producer-epoch": errorCode.INVALID_PRODUCER_EPOCH,
  "log-offline": errorCode.KAFKA_STORAGE_ERROR,
  "offset-out-of-range": errorCode.OFFSET_OUT_OF_RANGE,
  "unknown-partition": errorCode.UNKNOWN_TOPIC_OR_PARTITION,
  "not-leader-or-follower": errorCode.NOT_LEADER_OR_FOLLOWER,
  "fenced-leader-epoch": errorCode.FENCED_LEADER_EPOCH,
  "unknown-leader-epoch": errorCode.UNKNOWN_LEADER_EPOCH,
  "not-enough-replicas": errorCode.NOT_ENOUGH_REPLICAS,
  "unsupported-timestamp": errorCode.UNSUPPORTED_VERSION,
  "offset-not-available": errorCode.OFFSET_NOT_AVAILABLE,
  "too-many-lists": errorCode.THROTTLING_QUOTA_EXCEEDED,
};

const reasons = Object.keys(codes) as Refusal[];
const numbers = new Map(reasons.map((reason, index) => [reason, index + 1]));

/** Number of a reason for a ring record; 0 for none. */
export function refusalNumber(refusal: Refusal | null): number {
  return refusal === null ? 0 : numbers.get(refusal) ?? 0;
}

/** The reason with a number from a ring record; null for 0. */
export function refusalOf(number: number): Refusal | null {
  return number === 0 ? null : reasons[number - 1] ?? null;
}

/** Kafka's error code for a reason; NONE (0) for null. */
export function errorCodeOf(refusal: Refusal | null): number {
  return refusal === null ? errorCode.NONE : codes[refusal];
}

const texts: Record<Refusal, string> = {
  "corrupt-batch": "The batch is damaged: its length, counts or CRC-32C do not match its bytes",
  "broken-compression": "The records cannot be decompressed",
  "invalid-record": "A record breaks the format or the rules of the topic (a compacted topic needs keys)",
  "too-large": "The batch is larger than max.message.bytes of the topic",
  "content-too-large": "The records take more than 100 MiB once decompressed",
  "larger-than-segment": "The batch is larger than segment.bytes of the topic",
  "invalid-timestamp": "A timestamp is too far from the broker's time (message.timestamp.before.max.ms, .after.max.ms)",
  "unsupported-compression": "The compression codec is not known or not allowed at this version",
  "unsupported-format": "Only record batches of format v2 are accepted",
  "transactions-unsupported": "Transactions are not served by this broker yet",
  "out-of-order-sequence": "The sequence number does not follow the producer's last batch",
  "invalid-producer-epoch": "A newer epoch of this producer id has been seen",
  "log-offline": "The partition's log is offline after a disk failure",
  "offset-out-of-range": "The offset lies outside the log",
  "unknown-partition": "The partition is not known here",
  "not-leader-or-follower": "This broker does not lead the partition at the moment",
  "fenced-leader-epoch": "The client's leader epoch is older than the partition's",
  "unknown-leader-epoch": "The client's leader epoch is newer than the partition's",
  "not-enough-replicas": "Fewer replicas are in sync than min.insync.replicas",
  "unsupported-timestamp": "The special timestamp is not known",
  "offset-not-available": "The offset is being searched for; ask again",
  "too-many-lists": "Too many long answers wait for memory; ask again later",
};

/** The sentence for a reason, used as the error message of a response. */
export function refusalText(refusal: Refusal): string {
  return texts[refusal];
}
