/**
 * How much of the refused records of one Produce the answer names (KIP-467). Pure; runs on shards.
 */
import type { RecordErrorBudget } from "../../../storage/mod.ts";

/**
 * Limits of the lists of refused records of one request: as many records as librdkafka puts into a batch
 * (`batch.num.messages`), and the bytes of two batches of `max.message.bytes`; these and the records that are read are read in 10 ms.
 * Records beyond these limits are refused without being named. (Kafka has no limits.)
 */
const RECORD_ERRORS_MAX = 10_000;
const RECORD_ERRORS_BYTES_MAX = 2 * 1024 * 1024;
const RECORD_ERRORS_READS_MAX = 50_000;

/** The budget of a new request. */
export function newErrorBudget(): RecordErrorBudget {
  return { records: RECORD_ERRORS_MAX, bytes: RECORD_ERRORS_BYTES_MAX, reads: RECORD_ERRORS_READS_MAX };
}
