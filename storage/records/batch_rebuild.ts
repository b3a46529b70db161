/**
 * Rebuilds a produced batch: in the topic's codec, or with offsets 0, 1, 2, … where the client's have gaps. Any isolate but the main one.
 *
 * Must always hold: the records have passed the check. The new batch has the producer id, epoch, sequence, transactional bit, and records
 * of the old one, with their timestamps.
 * Source: Kafka's LogValidator.buildRecordsAndAssignOffsets, MemoryRecordsBuilder.
 */
import type { NativeMemory } from "../sys/memory.ts";
import { type BatchCheck, refuse } from "./batch_rules.ts";
import { type ContentCheck, maxTimestampOf, type RecordRange } from "./batch_validation.ts";
import { compress } from "./compression/compression.ts";
import { crc32c } from "./crc32c.ts";
import * as batches from "./record_batch.ts";
import { afterVarint, afterVarlong, varintAt, varintBytes, writeVarint } from "./varint.ts";

/**
 * Builds the batch that is stored in place of a client's.
 * @param batch its header @param content its records, which `checkContent()` has checked
 * @returns memory from `into.allocate` with the batch at index 0, or a refusal: it is larger than the topic allows
 */
export function rebuildBatch(
  batch: { view: DataView; start: number },
  content: ContentCheck,
  into: { targetCodec: number; allocate: (bytes: number) => NativeMemory },
): NativeMemory | BatchCheck {
  const { view, start } = batch;
  const { range, rules, check } = content;
  const { targetCodec } = into;
  const records = check.isConsecutive ? range.bytes.subarray(range.start, range.end) : renumber(range, check.count);
  const packed = compress(targetCodec, records, rules.compressionLevels);
  const bytes = batches.BATCH_HEADER_BYTES + packed.length;
  if (bytes > rules.maxMessageBytes) {
    const message = `Cannot append a batch: by ${batches.codecNames[targetCodec]} it has ${bytes} bytes, ` +
      `max.message.bytes is ${rules.maxMessageBytes}`;
    return refuse("too-large", message);
  }
  if (bytes > rules.segmentBytes) {
    const message = `Cannot append a batch: by ${batches.codecNames[targetCodec]} it has ${bytes} bytes, ` +
      `segment.bytes is ${rules.segmentBytes}`;
    return refuse("larger-than-segment", message);
  }
  const memory = into.allocate(bytes);
  memory.bytes.set(packed, batches.BATCH_HEADER_BYTES);
  batches.stampRebuiltHeader(memory.view, { view, at: start }, {
    batchBytes: bytes,
    codec: targetCodec,
    maxTimestamp: maxTimestampOf(view, start, content),
    logAppendTime: rules.messageTimestampType === "LogAppendTime",
  });
  batches.stampCrc(memory.view, 0, crc32c(memory.bytes, batches.CRC_COVERS_FROM, bytes - batches.CRC_COVERS_FROM));
  return memory;
}

/** Most bytes by which new offset deltas make a record longer: a delta and the record's length have up to 5 each. */
const GROWTH_BYTES_MAX = 8;

/** Copies records, with offset deltas 0, 1, 2, … */
function renumber({ bytes, start, end }: RecordRange, count: number): Uint8Array {
  const copy = new Uint8Array(end - start + count * GROWTH_BYTES_MAX);
  let to = 0;
  let index = 0;
  for (let at = start; at < end;) {
    const body = afterVarint(bytes, at);
    const recordEnd = body + varintAt(bytes, at);
    const deltaAt = afterVarlong(bytes, body + 1);
    const keyAt = afterVarint(bytes, deltaAt);
    to = writeVarint(copy, to, deltaAt - body + varintBytes(index) + recordEnd - keyAt);
    copy.set(bytes.subarray(body, deltaAt), to);
    to = writeVarint(copy, to + deltaAt - body, index++);
    copy.set(bytes.subarray(keyAt, recordEnd), to);
    to += recordEnd - keyAt;
    at = recordEnd;
  }
  return copy.subarray(0, to);
}
