/**
 * The codecs of record batches, by the number in their attributes (record_batch.ts `codecNames`). Pure; any isolate that may block
 * that long (a shard, a codec worker, never the main isolate).
 *
 * Must always hold: no input makes these functions throw or allocate more than the caller's limit. The memory of the codec itself
 * comes on top: the window of a zstd frame that does not state its size, up to the content's size and 8 MiB (zstd.ts), 25 MB to compress
 * by zstd, a block of 4 MiB for lz4.
 *
 * Many brokers never see some of the codecs, so the libraries are loaded at their first use (`import defer`). This saves 25 ms of a
 * shard's start and 5 MB (measured).
 */
import { assert } from "../../base/assert.ts";
import { ContentBuffer } from "./content_buffer.ts";
import { compressGzip, decompressGzip } from "./gzip.ts";
import { type CompressionLevels, defaultLevels } from "./levels.ts";
import { decodeLz4Frame, encodeLz4Frame } from "./lz4_frame.ts";
import type { Pieces } from "./content_pieces.ts";
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
 * @param limits most bytes and pieces the content may have
 * @returns the content (for codec 0 the bytes themselves), or why it cannot be decompressed
 */
export function decompress(
  codec: number,
  bytes: Uint8Array,
  limits: { outputBytesMax: number; piecesMax?: number },
): Uint8Array | DecompressionRefusal {
  const { outputBytesMax, piecesMax } = limits;
  if (codec === NONE) return bytes.length <= outputBytesMax ? bytes : "too-large";
  const content = new ContentBuffer();
  return decompressInto(content, codec, bytes, outputBytesMax, piecesMax) ?? content.bytes.subarray(0, content.length);
}

/**
 * Compresses records as Kafka does: snappy in its xerial stream, lz4 in a frame.
 * @param output receives the result; what it held before is gone
 * @param codec 0 to 4 @param pieces of the records
 * @param by the size of all pieces, the levels of the codecs that have them, and the most bytes that the result may have
 * @returns false when it would have more; what the output holds is then of no use
 */
export function compressInto(
  output: ContentBuffer,
  codec: number,
  pieces: Pieces,
  by: { contentBytes: number; levels: CompressionLevels; bytesMax: number },
): boolean {
  // A byte more, because zstd begins another frame when its output ends exactly where the memory does.
  output.reset(by.bytesMax + 1);
  return addCompressed(output, codec, pieces, by) && output.length <= by.bytesMax;
}

function addCompressed(
  output: ContentBuffer,
  codec: number,
  pieces: Pieces,
  { contentBytes, levels }: { contentBytes: number; levels: CompressionLevels },
): boolean {
  assert(codec >= NONE && codec <= ZSTD, "a batch is written with a codec that exists");
  switch (codec) {
    case GZIP:
      return compressGzip(pieces, output, levels.gzip);
    case SNAPPY:
      return encodeSnappy(pieces, output);
    case LZ4:
      return encodeLz4Frame(pieces, output);
    case ZSTD:
      return compressZstd(pieces, output, { contentBytes, level: levels.zstd });
    default:
      return copy(pieces, output);
  }
}

function copy(pieces: Pieces, output: ContentBuffer): boolean {
  if (pieces instanceof Uint8Array) return output.append(pieces);
  for (const piece of pieces) if (!output.append(piece)) return false;
  return true;
}

/** Most that any content grows by, besides a half: headers, and a few bytes for each block that cannot be compressed. */
const GROWTH_BYTES_MAX = 1024;

/**
 * Compresses records of any size.
 * @param codec 0 to 4 @param bytes the records @param levels of the codecs that have them
 * @returns memory of its own
 */
export function compress(codec: number, bytes: Uint8Array, levels: CompressionLevels = defaultLevels): Uint8Array {
  const output = new ContentBuffer();
  const bytesMax = 2 * bytes.length + GROWTH_BYTES_MAX;
  const isWhole = compressInto(output, codec, bytes, { contentBytes: bytes.length, levels, bytesMax });
  assert(isWhole, "compressed content has room");
  return output.bytes.subarray(0, output.length);
}
