/**
 * The second stage of an append, for a batch that `checkProducedBatch()` leaves pending: decompresses it, checks its records, and
 * compresses it in the topic's codec where that differs from the client's. All records of every batch are checked, as Kafka does.
 *
 *   small ─► on the shard that owns the partition ─┐
 *   large ─► on another isolate (transcodeUs())   ─┴─► stored as the client sent it, stamped in place
 *                                                  └─► rebuilt: another codec, or offsets that are not 0, 1, 2, …
 *
 * A function of the batch, the rules and its limits: it runs the same on a shard and on a codec worker, which sees the batch in shared
 * memory. It may block for a second, so never on the main isolate.
 *
 * Must always hold: a refused or deferred batch is not changed. The decompressed records take at most `contentBytesMax` bytes of memory,
 * which is used again for the next batch (content_buffer.ts).
 * Source: Kafka's LogValidator.validateMessagesAndAssignOffsetsCompressed.
 */
import type { NativeMemory } from "../sys/memory.ts";
import { rebuildBatch } from "./batch_rebuild.ts";
import {
  ACCEPTED,
  type BatchCheck,
  type BatchRules,
  CONTENT_BYTES_MAX,
  PENDING,
  refuse,
  targetCodecOf,
} from "./batch_rules.ts";
import { checkContent, type RecordRange, stampTimestamp } from "./batch_validation.ts";
import { ContentBuffer } from "./compression/content_buffer.ts";
import { decompressInto, type DecompressionRefusal } from "./compression/compression.ts";
import { packUs } from "./compression/levels.ts";
import * as batches from "./record_batch.ts";
import { newRecordCheck } from "./record_check.ts";

/** The result of the second stage. */
export interface TranscodedBatch extends BatchCheck {
  /** The batch that is stored in place of the client's, at index 0 of its memory; null where the client's own bytes are stored. */
  readonly rebuilt: NativeMemory | null;
}

/** The circumstances of the second stage. */
export interface TranscodeLimits {
  /** Most bytes that the records may take on this isolate, up to CONTENT_BYTES_MAX. More is deferred to another isolate. */
  readonly contentBytesMax: number;
  /** Most blocks, chunks and frames that are decompressed on an isolate that defers; no limit where absent. */
  readonly piecesMax?: number;
  /** Most time that an isolate which defers may take to compress the records, as far as their size tells, in µs; no limit where absent. */
  readonly packUsMax?: number;
  /** Supplies the memory of a rebuilt batch: at least that many bytes, at most `max.message.bytes` or `segment.bytes`. */
  readonly allocate: (bytes: number) => NativeMemory;
}

const IN_PLACE: TranscodedBatch = Object.freeze({ ...ACCEPTED, rebuilt: null });
const DEFERRED: TranscodedBatch = Object.freeze({ ...PENDING, rebuilt: null });

const NONE = 0;

/** One for all batches of an isolate. */
const unpacked = new ContentBuffer();
const check = newRecordCheck();

/**
 * Decompresses a pending batch, checks its records, and rebuilds it where the topic requires that.
 * @param batch its memory and the index of its first byte; `checkProducedBatch()` left it pending under the same rules
 * @param rules of the topic @param limits of this isolate
 * @returns a refusal; or `isPending` when the records exceed the limits of this isolate, for another one to continue; or a batch that
 *   may be appended: `rebuilt`, else the client's own bytes, which are stamped
 */
export function transcodeBatch(
  batch: { readonly memory: NativeMemory; readonly start: number },
  rules: BatchRules,
  limits: TranscodeLimits,
): TranscodedBatch {
  const transcoded = transcode(batch, rules, limits);
  unpacked.trim();
  return transcoded;
}

function transcode(
  batch: { readonly memory: NativeMemory; readonly start: number },
  rules: BatchRules,
  limits: TranscodeLimits,
): TranscodedBatch {
  const { memory, start } = batch;
  const { view } = memory;
  const range = contentOf(memory, start, limits);
  if (typeof range === "string") return refuseContent(range, limits.contentBytesMax);
  const content = { range, rules, check };
  const refused = checkContent(view, start, content);
  if (refused !== null) return { ...refused, rebuilt: null };
  const codec = batches.codec(view, start);
  const targetCodec = targetCodecOf(rules, codec);
  if (targetCodec === codec && check.isConsecutive) {
    stampTimestamp(memory, start, content);
    return IN_PLACE;
  }
  const { allocate, packUsMax = Infinity } = limits;
  if (packUs(range.end - range.start, targetCodec, rules.compressionLevels) > packUsMax) return DEFERRED;
  const onPacked = () => unpacked.trim();
  const rebuilt = rebuildBatch({ view, start }, content, { targetCodec, allocate, onPacked });
  return "refusal" in rebuilt ? { ...rebuilt, rebuilt: null } : { ...IN_PLACE, rebuilt };
}

/** The records of a batch, decompressed. They are valid until the next call. */
function contentOf(memory: NativeMemory, start: number, limits: TranscodeLimits): RecordRange | DecompressionRefusal {
  const { view, bytes } = memory;
  const [from, end] = [start + batches.BATCH_HEADER_BYTES, start + batches.batchBytes(view, start)];
  const codec = batches.codec(view, start);
  if (codec === NONE) return { bytes, start: from, end };
  const bytesMax = Math.min(limits.contentBytesMax, CONTENT_BYTES_MAX);
  const refusal = decompressInto(unpacked, codec, bytes.subarray(from, end), bytesMax, limits.piecesMax);
  return refusal ?? { bytes: unpacked.bytes, start: 0, end: unpacked.length };
}

function refuseContent(refusal: DecompressionRefusal, bytesMax: number): TranscodedBatch {
  if (refusal === "too-large" && bytesMax < CONTENT_BYTES_MAX) return DEFERRED;
  const refused = refusal === "too-large"
    ? refuse("content-too-large", `Cannot append a batch: its records take more than ${CONTENT_BYTES_MAX} bytes`)
    : refuse("broken-compression", `Cannot append a batch: its records cannot be decompressed (${refusal})`);
  return { ...refused, rebuilt: null };
}

/** Time to decompress one byte of a compressed batch and check its records, in ns by codec (bench/compression_bench.ts). */
const UNPACK_NS_PER_BYTE: readonly number[] = [0.1, 8, 3, 2, 3];
/** Bytes of records for a compressed byte, by codec, where only a guess is possible. */
const TYPICAL_RATIO: readonly number[] = [1, 4, 2, 2, 4];

/**
 * Estimates the time that `transcodeBatch()` takes, from the header alone. A batch that expands far more than usual takes longer; the
 * limits of the isolate bound that.
 * @returns in µs
 */
export function transcodeUs(view: DataView, start: number, rules: BatchRules): number {
  const codec = batches.codec(view, start);
  const bytes = batches.batchBytes(view, start) - batches.BATCH_HEADER_BYTES;
  const targetCodec = targetCodecOf(rules, codec);
  const unpackUs = bytes * (UNPACK_NS_PER_BYTE[codec] ?? 0) / 1000;
  if (targetCodec === codec) return unpackUs;
  return unpackUs + packUs(bytes * (TYPICAL_RATIO[codec] ?? 1), targetCodec, rules.compressionLevels);
}
