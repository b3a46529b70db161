/**
 * The codecs of record batches, by the number in their attributes (record_batch.ts `codecNames`). Pure; any isolate that may block
 * that long (a shard, an I/O worker, never the main isolate).
 *
 * Must always hold: no input makes these functions throw or allocate more than the caller's limit. The memory of the codec itself
 * comes on top: a zstd window is at most 128 MiB, the limit of this library and of Kafka's.
 *
 * A broker stores most batches as they are, so the libraries are loaded at their first use (`import defer`). This saves 25 ms of a
 * shard's start and 5 MB (measured).
 */
import defer * as zlib from "node:zlib";
import { assert } from "../../base/assert.ts";
import { decodeLz4Frame, encodeLz4Frame } from "./lz4_frame.ts";
import type { DecompressionRefusal } from "./refusal.ts";
import { decodeSnappy, encodeSnappy } from "./snappy_stream.ts";

export type { DecompressionRefusal } from "./refusal.ts";

const NONE = 0;
const GZIP = 1;
const SNAPPY = 2;
const LZ4 = 3;
const ZSTD = 4;

/**
 * Most bytes of content that one compressed byte can encode, by codec. No compressor can do better:
 *
 *   gzip    two bits repeat 258 bytes (zlib_tech.html: 1032:1)
 *   snappy  a copy of 64 bytes takes three (format_description.txt: 64/3)
 *   lz4     each further byte of a match's length adds 255 (lz4_Block_format.md)
 *   zstd    a block of one repeated byte takes four and stands for 128 KiB (RFC 8878, Block_Maximum_Size)
 */
const EXPANSION_MAX: readonly number[] = [1, 1032, 22, 255, 32_768];

/** Most bytes that compressed records can decompress to. @param codec 0 to 4 @param bytes of compressed records */
export function contentBytesMax(codec: number, bytes: number): number {
  return bytes * (EXPANSION_MAX[codec] ?? 1);
}

function inflate(
  library: (bytes: Uint8Array, options: { maxOutputLength: number }) => Uint8Array,
  bytes: Uint8Array,
  outputBytesMax: number,
): Uint8Array | DecompressionRefusal {
  if (bytes.length === 0) return "corrupt-data";
  try {
    return library(bytes, { maxOutputLength: outputBytesMax });
  } catch (error) {
    const tooLarge = error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
    return tooLarge ? "too-large" : "corrupt-data";
  }
}

/**
 * Decompresses the records of a batch. A cut zstd stream yields the content before the cut, so the caller must compare the number
 * of records with the batch's header.
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
  assert(outputBytesMax > 0, "a limit on decompressed bytes is positive");
  switch (codec) {
    case NONE:
      return bytes.length <= outputBytesMax ? bytes : "too-large";
    case GZIP:
      return inflate(zlib.gunzipSync, bytes, outputBytesMax);
    case SNAPPY:
      return decodeSnappy(bytes, outputBytesMax);
    case LZ4:
      return decodeLz4Frame(bytes, outputBytesMax);
    case ZSTD:
      return inflate(zlib.zstdDecompressSync, bytes, outputBytesMax);
    default:
      return "unsupported-codec";
  }
}

/**
 * Compresses records as Kafka does: gzip and zstd at their default levels, snappy in its xerial stream, lz4 in a frame.
 * @param codec 0 to 4 @param bytes the records
 */
export function compress(codec: number, bytes: Uint8Array): Uint8Array {
  assert(codec >= NONE && codec <= ZSTD, "a batch is written with a codec that exists");
  if (codec === GZIP) return zlib.gzipSync(bytes);
  if (codec === SNAPPY) return encodeSnappy(bytes);
  if (codec === LZ4) return encodeLz4Frame(bytes);
  return codec === ZSTD ? zlib.zstdCompressSync(bytes) : bytes;
}
