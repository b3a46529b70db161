/**
 * Checks the header of a produced batch: its length, format, CRC, and fields. Runs on the shard that owns the partition, in place on the
 * bytes from the socket, once for every batch.
 *
 * Must always hold: nothing is changed and, for a correct batch, nothing is allocated. A batch that passes is exactly one batch of format
 * v2 with a correct CRC.
 *
 * A batch that claims LogAppendTime is refused for every topic. Kafka accepts it when the topic has CreateTime, with a largest timestamp
 * that no record has.
 * Source: Kafka's LogValidator.validateBatch, UnifiedLog.analyzeAndValidateRecords, ProduceRequest.validateRecords.
 */
import type { NativeMemory } from "../sys/memory.ts";
import { type BatchCheck, type BatchRules, refuse } from "./batch_rules.ts";
import { crc32c } from "./crc32c.ts";
import * as batches from "./record_batch.ts";

const CODECS = batches.codecNames.length;

/**
 * Checks the header of a batch that a client produced.
 * @param memory holds the batch @param start its first byte @param length bytes that the client sent for it
 * @param rules of the topic
 * @returns null when the header is correct
 */
export function checkBatchHeader(
  memory: NativeMemory,
  start: number,
  length: number,
  rules: BatchRules,
): BatchCheck | null {
  const { view } = memory;
  return checkEnvelope(view, start, length, rules) ?? checkCrc(memory, start, length) ??
    checkHeader(view, start, rules) ?? checkProducer(view, start, rules);
}

/** The checks of length, format and size, which come before the CRC. */
function checkEnvelope(view: DataView, at: number, length: number, rules: BatchRules): BatchCheck | null {
  if (length < batches.BATCH_STEP_BYTES) {
    return refuse("invalid-record", `Cannot append ${length} bytes: they hold no record batch`);
  }
  const magic = batches.magic(view, at);
  if (magic < 0 || magic > batches.MAGIC_V2) {
    return refuse("corrupt-batch", `Cannot append a batch of format v${magic}: there is none`);
  }
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
  const baseOffset = batches.baseOffset(view, at);
  if (baseOffset !== 0) {
    return refuse("invalid-record", `Cannot append a batch: its base offset is ${baseOffset}, clients send 0`);
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
  const count = batches.recordsCount(view, at);
  const lastOffsetDelta = batches.lastOffsetDelta(view, at);
  if (count <= 0 || lastOffsetDelta !== count - 1) {
    const message = `Cannot append a batch: ${count} records do not end at offset delta ${lastOffsetDelta}`;
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
