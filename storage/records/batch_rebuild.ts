/**
 * Rebuilds a produced batch: in the topic's codec, or with offsets 0, 1, 2, … where the client's have gaps. Any isolate but the main one.
 *
 * Must always hold: the records have passed the check. The new batch has the producer id, epoch, sequence, transactional bit, and records
 * of the old one, with their timestamps. Compressed records never take more memory than the topic lets a batch have.
 * Source: Kafka's LogValidator.buildRecordsAndAssignOffsets, MemoryRecordsBuilder.
 */
import type { NativeMemory } from "../sys/memory.ts";
import { type BatchCheck, refuse } from "./batch_rules.ts";
import { type ContentCheck, maxTimestampOf, type RecordRange } from "./batch_validation.ts";
import { compressInto } from "./compression/compression.ts";
import { ContentBuffer } from "./compression/content_buffer.ts";
import { crc32c } from "./crc32c.ts";
import * as batches from "./record_batch.ts";
import { afterVarint, afterVarlong, varintAt, varintBytes, writeVarint } from "./varint.ts";

const NONE = 0;

/** Receives the compressed records of one batch at a time. */
const packed = new ContentBuffer();

/**
 * Builds the batch that is stored in place of a client's.
 * @param batch its header @param content its records, which `checkContent()` has checked
 * @param into allocate: supplies the memory of the new batch; onPacked: called when the records are not needed any more
 * @returns memory from `into.allocate` with the batch at index 0, or a refusal: it is larger than the topic allows
 */
export function rebuildBatch(
  batch: { view: DataView; start: number },
  content: ContentCheck,
  into: { targetCodec: number; allocate: (bytes: number) => NativeMemory; onPacked: () => void },
): NativeMemory | BatchCheck {
  const rebuilt = rebuild(batch, content, into);
  packed.trim();
  return rebuilt;
}

function rebuild(
  { view, start }: { view: DataView; start: number },
  content: ContentCheck,
  into: { targetCodec: number; allocate: (bytes: number) => NativeMemory; onPacked: () => void },
): NativeMemory | BatchCheck {
  const { rules } = content;
  const { targetCodec } = into;
  const name = batches.codecNames[targetCodec];
  const records = pack(content, targetCodec);
  if (records === null) {
    const message = `Cannot append a batch: by ${name} it has more than max.message.bytes, ${rules.maxMessageBytes}`;
    return refuse("too-large", message);
  }
  const bytes = batches.BATCH_HEADER_BYTES + records.length;
  if (bytes > rules.segmentBytes) {
    const message = `Cannot append a batch: by ${name} it has ${bytes} bytes, segment.bytes is ${rules.segmentBytes}`;
    return refuse("larger-than-segment", message);
  }
  const isPacked = records.buffer === packed.bytes.buffer;
  if (isPacked) into.onPacked();
  const memory = into.allocate(bytes);
  memory.bytes.set(records, batches.BATCH_HEADER_BYTES);
  batches.stampRebuiltHeader(memory.view, { view, at: start }, {
    batchBytes: bytes,
    codec: targetCodec,
    maxTimestamp: maxTimestampOf(view, start, content),
    logAppendTime: rules.messageTimestampType === "LogAppendTime",
  });
  batches.stampCrc(memory.view, 0, crc32c(memory.bytes, batches.CRC_COVERS_FROM, bytes - batches.CRC_COVERS_FROM));
  return memory;
}

/** @returns the records as they are stored, in `packed` or where they lie; null when they take more than a batch may have */
function pack({ range, rules, check }: ContentCheck, targetCodec: number): Uint8Array | null {
  const bytesMax = rules.maxMessageBytes - batches.BATCH_HEADER_BYTES;
  const records = range.bytes.subarray(range.start, range.end);
  if (targetCodec === NONE && check.isConsecutive) return records.length <= bytesMax ? records : null;
  const pieces = check.isConsecutive ? records : renumbered(range);
  const contentBytes = check.isConsecutive ? records.length : renumberedBytes(range);
  const by = { contentBytes, levels: rules.compressionLevels, bytesMax };
  return compressInto(packed, targetCodec, pieces, by) ? packed.bytes.subarray(0, packed.length) : null;
}

/** Size of a piece of renumbered records, unless a record has a longer key or value. */
const PIECE_BYTES = 64 * 1024;
/** A view for each of so many bytes would cost more than it saves. */
const LOOPED_BYTES_MAX = 64;
/** Most bytes of a record before its key: a length, attributes, a timestamp delta of up to 10 bytes, and an offset delta. */
const HEAD_BYTES_MAX = 5 + 1 + 10 + 5;

/** The bytes of records with offset deltas 0, 1, 2, … */
function renumberedBytes({ bytes, start, end }: RecordRange): number {
  let sum = 0;
  let index = 0;
  for (let at = start; at < end;) {
    const body = afterVarint(bytes, at);
    const recordEnd = body + varintAt(bytes, at);
    const deltaAt = afterVarlong(bytes, body + 1);
    const length = deltaAt - body + varintBytes(index++) + recordEnd - afterVarint(bytes, deltaAt);
    sum += varintBytes(length) + length;
    at = recordEnd;
  }
  return sum;
}

/** Yields records with offset deltas 0, 1, 2, …, piece by piece: 100 MB of the shortest records may become 150. */
function* renumbered({ bytes, start, end }: RecordRange): Generator<Uint8Array> {
  const piece = new Uint8Array(PIECE_BYTES);
  let to = 0;
  let index = 0;
  for (let at = start; at < end;) {
    const body = afterVarint(bytes, at);
    const recordEnd = body + varintAt(bytes, at);
    const deltaAt = afterVarlong(bytes, body + 1);
    const keyAt = afterVarint(bytes, deltaAt);
    const restBytes = recordEnd - keyAt;
    if (to + HEAD_BYTES_MAX + restBytes > PIECE_BYTES) {
      yield piece.subarray(0, to);
      to = 0;
    }
    to = writeVarint(piece, to, deltaAt - body + varintBytes(index) + restBytes);
    for (let from = body; from < deltaAt;) piece[to++] = bytes[from++]!;
    to = writeVarint(piece, to, index++);
    if (restBytes <= LOOPED_BYTES_MAX) {
      for (let from = keyAt; from < recordEnd;) piece[to++] = bytes[from++]!;
    } else if (to + restBytes <= PIECE_BYTES) {
      piece.set(bytes.subarray(keyAt, recordEnd), to);
      to += restBytes;
    } else {
      yield piece.subarray(0, to);
      yield bytes.subarray(keyAt, recordEnd);
      to = 0;
    }
    at = recordEnd;
  }
  yield piece.subarray(0, to);
}
