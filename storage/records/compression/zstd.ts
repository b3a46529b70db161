/**
 * zstd (RFC 8878), by `node:zlib`. Pure; any isolate but the main one.
 *
 *   frame = 28 b5 2f fd · descriptor · [window, 1] · [dictionary id] · [content size] · blocks · [checksum, 4]
 *   descriptor = bits 6-7: size of the content size · 5: single segment (no window byte) · 2: checksum · 0-1: size of the dictionary id
 *   block = uint24 LE: bit 0 last · 1-2 type (1: one repeated byte) · 3-23 size;  then its bytes
 *   skippable frame = 5x 2a 4d 18 · uint32 LE size · bytes
 *
 * The library does not report a frame that is cut off, so the blocks are counted first: a consumer could not read such a batch. Several
 * frames in a row are one content, as in Kafka. A window of more than 128 MiB is refused, by Kafka's library too.
 */
import defer * as zlib from "node:zlib";
import type { ContentBuffer } from "./content_buffer.ts";
import type { DecompressionRefusal } from "./refusal.ts";
import { ZlibHandle } from "./zlib_handle.ts";

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const SKIPPABLE_MASK = 0xffff_fff0;
const FRAME_BYTES_MIN = 9;
const SINGLE_SEGMENT_BIT = 0x20;
const CHECKSUM_BIT = 0x04;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;
const CHECKSUM_BYTES = 4;
const BLOCK_HEADER_BYTES = 3;
const REPEATED_BYTE = 1;
const ZSTD_E_END = 2;
/** A larger window is not kept after its batch: the largest of the levels up to 19, which RFC 8878 recommends to support. */
const KEPT_WINDOW_BYTES_MAX = 8 * 1024 * 1024;
/** First guess of the content's size, as a multiple of the compressed size. */
const GUESSED_RATIO = 4;

/** Highest level whose memory is kept for the next batch. */
const KEPT_LEVEL_MAX = 9;
/** Window of most batches, 1 MiB: the default of `max.message.bytes`. */
const COMMON_WINDOW_LOG = 20;
/** Window of larger ones, 8 MiB, which RFC 8878 recommends every decoder to support. */
const WINDOW_LOG_MAX = 23;

let unzstd: ZlibHandle | null = null;
let zstd: ZlibHandle | null = null;
let zstdLevel = 0;

/** Decompresses a zstd stream. @param content receives the result, up to its limit */
export function decompressZstd(bytes: Uint8Array, content: ContentBuffer): DecompressionRefusal | null {
  // Nothing at all is a stream without content for Kafka's library too.
  if (bytes.length === 0) return null;
  const windowBytes = largestWindow(bytes);
  if (windowBytes < 0) return "corrupt-data";
  unzstd ??= new ZlibHandle(zlib.createZstdDecompress(), ZSTD_E_END);
  const refusal = unzstd.run(bytes, content, bytes.length * GUESSED_RATIO);
  if (windowBytes > KEPT_WINDOW_BYTES_MAX) {
    unzstd.close();
    unzstd = null;
  }
  return refusal;
}

/** Largest window that the frames ask for, in bytes; -1 when they are not whole. */
function largestWindow(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let largest = 0;
  let at = 0;
  do {
    if (isSkippable(view, at)) {
      at += 8 + view.getUint32(at + 4, true);
      continue;
    }
    if (at + FRAME_BYTES_MIN > bytes.length || view.getUint32(at, true) !== MAGIC) return -1;
    const descriptor = bytes[at + 4]!;
    const isSingle = (descriptor & SINGLE_SEGMENT_BIT) !== 0;
    const contentSizeBytes = CONTENT_SIZE_BYTES[(descriptor >> 6) as 0]! || (isSingle ? 1 : 0);
    const sizeAt = at + 5 + (isSingle ? 0 : 1) + DICTIONARY_ID_BYTES[(descriptor & 3) as 0]!;
    const blocksAt = sizeAt + contentSizeBytes;
    if (blocksAt + BLOCK_HEADER_BYTES > bytes.length) return -1;
    largest = Math.max(largest, isSingle ? contentSize(view, sizeAt, contentSizeBytes) : windowBytes(bytes[at + 5]!));
    at = afterBlocks(bytes, blocksAt) + ((descriptor & CHECKSUM_BIT) !== 0 ? CHECKSUM_BYTES : 0);
  } while (at < bytes.length);
  return at === bytes.length ? largest : -1;
}

function isSkippable(view: DataView, at: number): boolean {
  if (at + 8 > view.byteLength) return false;
  return ((view.getUint32(at, true) & SKIPPABLE_MASK) >>> 0) === SKIPPABLE_MAGIC;
}

/** Window size: a power of two of at least 1 KiB, and eighths of it. */
function windowBytes(byte: number): number {
  const base = 2 ** (10 + (byte >> 3));
  return base + (base / 8) * (byte & 7);
}

function contentSize(view: DataView, at: number, bytes: number): number {
  if (bytes === 1) return view.getUint8(at);
  if (bytes === 2) return view.getUint16(at, true) + 256;
  return bytes === 4 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true));
}

/** Index after the last block of a frame; beyond the end when there is none. */
function afterBlocks(bytes: Uint8Array, blocksAt: number): number {
  let at = blocksAt;
  while (at + BLOCK_HEADER_BYTES <= bytes.length) {
    const header = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
    at += BLOCK_HEADER_BYTES + (((header >> 1) & 3) === REPEATED_BYTE ? 1 : header >> 3);
    if ((header & 1) !== 0) return at;
  }
  return bytes.length + 1;
}

/**
 * Compresses to one frame. Levels up to 9 keep the library's memory for the next batch, 12 MB at most. Higher ones would keep up to 700 MB:
 * they take new memory for each batch, which depends on its size, and at most 100 MB.
 * @param level -131072 to 22
 */
export function compressZstd(bytes: Uint8Array, level: number): Uint8Array {
  if (level > KEPT_LEVEL_MAX || bytes.length > 1 << COMMON_WINDOW_LOG) {
    // The types of the runtime lack the size.
    const options = { params: paramsOf(level, WINDOW_LOG_MAX), pledgedSrcSize: bytes.length };
    return zlib.zstdCompressSync(bytes, options as Parameters<typeof zlib.zstdCompressSync>[1]);
  }
  if (zstd === null || level !== zstdLevel) {
    zstd?.close();
    zstd = new ZlibHandle(zlib.createZstdCompress({ params: paramsOf(level, COMMON_WINDOW_LOG) }), ZSTD_E_END);
    zstdLevel = level;
  }
  return zstd.compress(bytes);
}

function paramsOf(level: number, windowLog: number): Record<number, number> {
  return { [zlib.constants.ZSTD_c_compressionLevel]: level, [zlib.constants.ZSTD_c_windowLog]: windowLog };
}
