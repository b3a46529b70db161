/**
 * The codecs of record batches, by the number in their attributes (record_batch.ts `codecNames`). Pure; any isolate that may block
 * that long (a shard, a codec worker, never the main isolate).
 *
 * Must always hold: no input makes these functions throw or allocate more than the caller's limit. The memory of the codec itself
 * comes on top: a zstd window is at most 128 MiB, the limit of this library and of Kafka's.
 *
 * Many brokers never see some of the codecs, so the libraries are loaded at their first use (`import defer`). This saves 25 ms of a
 * shard's start and 5 MB (measured).
 */
import { assert } from "../../base/assert.ts";
import { ContentBuffer } from "./content_buffer.ts";
import { compressGzip, decompressGzip } from "./gzip.ts";
import { type CompressionLevels, defaultLevels } from "./levels.ts";
import { decodeLz4Frame, encodeLz4Frame } from "./lz4_frame.ts";
import type { DecompressionRefusal } from "./refusal.ts";
import { decodeSnappy, encodeSnappy } from "./snappy_stream.ts";
import { compressZstd, decompressZstd } from "./zstd.ts";

export type { DecompressionRefusal } from "./refusal.ts";

const NONE = 0;
const GZIP = 1;
const SNAPPY = 2;
const LZ4 = 3;
const ZSTD = 4;

/**
 * Decompresses the records of a batch into memory that is used again and again.
 * @param content receives them; what it held before is gone
 * @param codec number in the batch's attributes
 * @param bytes the compressed records; they may lie in shared memory
 * @param bytesMax most bytes the content may have
 * @param piecesMax most blocks, chunks and frames it may have; "too-large" for more
 * @returns null when the content is complete, or why it cannot be decompressed
 */
export function decompressInto(
  content: ContentBuffer,
  codec: number,
  bytes: Uint8Array,
  bytesMax: number,
  piecesMax = Infinity,
): DecompressionRefusal | null {
  content.reset(bytesMax, piecesMax);
  switch (codec) {
    case NONE:
      return content.append(bytes) ? null : "too-large";
    case GZIP:
      return decompressGzip(bytes, content);
    case SNAPPY:
      return decodeSnappy(bytes, content);
    case LZ4:
      return decodeLz4Frame(bytes, content);
    case ZSTD:
      return decompressZstd(bytes, content);
    default:
      return "unsupported-codec";
  }
}

/**
 * Decompresses the records of a batch.
 * @param codec number in the batch's attributes
 * @param bytes the compressed records; they may lie in shared memory
 * @param limits most bytes the content may have
 * @returns the content (for codec 0 the bytes themselves), or why it cannot be decompressed
 */
export function decompress(
  codec: number,
  bytes: Uint8Array,
  limits: { outputBytesMax: number },
): Uint8Array | DecompressionRefusal {
  const { outputBytesMax } = limits;
  if (codec === NONE) return bytes.length <= outputBytesMax ? bytes : "too-large";
  const content = new ContentBuffer();
  return decompressInto(content, codec, bytes, outputBytesMax) ?? content.bytes.subarray(0, content.length);
}

/**
 * Compresses records as Kafka does: snappy in its xerial stream, lz4 in a frame.
 * @param codec 0 to 4 @param bytes the records @param levels of the codecs that have them
 */
export function compress(codec: number, bytes: Uint8Array, levels: CompressionLevels = defaultLevels): Uint8Array {
  assert(codec >= NONE && codec <= ZSTD, "a batch is written with a codec that exists");
  if (codec === GZIP) return compressGzip(bytes, levels.gzip);
  if (codec === SNAPPY) return encodeSnappy(bytes);
  if (codec === LZ4) return encodeLz4Frame(bytes);
  return codec === ZSTD ? compressZstd(bytes, levels.zstd) : bytes;
}
