/** Both stages of the check of a produced batch in one call, as a log takes them; for tests. */
import { transcodeBatch } from "../storage/records/batch_intake.ts";
import { type BatchCheck, type BatchRules, CONTENT_BYTES_MAX } from "../storage/records/batch_rules.ts";
import { checkProducedBatch } from "../storage/records/batch_validation.ts";
import { defaultLevels } from "../storage/records/compression/levels.ts";
import { batchBytes } from "../storage/records/record_batch.ts";
import { allocateNative, type NativeMemory } from "../storage/sys/memory.ts";
import { inMemory, TEST_TIMESTAMP } from "./record_batch_builder.ts";

/** The rules of a topic with Kafka's defaults. */
export const defaultRules: BatchRules = {
  nowMs: TEST_TIMESTAMP,
  recordsMax: Infinity,
  maxMessageBytes: 1_048_588,
  segmentBytes: 1 << 30,
  messageTimestampType: "CreateTime",
  messageTimestampBeforeMaxMs: Infinity,
  messageTimestampAfterMaxMs: 3_600_000,
  keysRequired: false,
  transactionsAllowed: false,
  compressionType: "producer",
  compressionLevels: defaultLevels,
};

/** A check, and the bytes that are stored if the batch is not refused. */
export interface CheckedBytes extends BatchCheck {
  readonly stored: Uint8Array;
  /** Whether the stored bytes are not the client's own. */
  readonly isRebuilt: boolean;
}

/** Checks a batch in memory by both stages. */
export function checkInMemory(
  batch: { memory: NativeMemory; start: number; length: number },
  rules: BatchRules = defaultRules,
): CheckedBytes {
  const { memory, start, length } = batch;
  const inPlace = (check: BatchCheck) => ({
    ...check,
    stored: memory.bytes.slice(start, start + length),
    isRebuilt: false,
  });
  const check = checkProducedBatch(memory, start, length, rules);
  if (!check.isPending) return inPlace(check);
  const transcoded = transcodeBatch(batch, rules, { contentBytesMax: CONTENT_BYTES_MAX, allocate: allocateNative });
  const { rebuilt } = transcoded;
  if (rebuilt === null) return inPlace(transcoded);
  return { ...transcoded, stored: rebuilt.bytes.slice(0, batchBytes(rebuilt.view, 0)), isRebuilt: true };
}

/** Checks a batch by both stages, amid other bytes. */
export function checkBytes(batch: Uint8Array, rules: BatchRules = defaultRules): CheckedBytes {
  return checkInMemory(inMemory(batch, 37), rules);
}
