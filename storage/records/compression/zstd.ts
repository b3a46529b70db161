/**
 * zstd (RFC 8878), by `node:zlib`. Pure; any isolate but the main one.
 *
 *   frame = 28 b5 2f fd · descriptor · [window, 1] · [dictionary id] · [content size] · blocks · [checksum, 4]
 *   descriptor = bits 6-7: size of the content size · 5: single segment (no window byte) · 2: checksum · 0-1: size of the dictionary id
 *   block = uint24 LE: bit 0 last · 1-2 type (1: one repeated byte) · 3-23 size;  then its bytes
 *   skippable frame = 5x 2a 4d 18 · uint32 LE size · bytes
 *
 * The library does not report a frame that is cut off, so the blocks are counted first: a consumer could not read such a batch. Several
 * frames in a row are one content, as in Kafka. A window of more than 128 MiB is refused, by Kafka's library too. A large window is never
 * in memory beside the content.
 */
import defer * as zlib from "node:zlib";
import type { ContentBuffer } from "./content_buffer.ts";
import type { Pieces } from "./content_pieces.ts";
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
/** Magic, descriptor and a size of four bytes. */
const SIZED_HEADER_BYTES = 9;
const SIZE_IN_4_BYTES = 2 << 6;
const ZSTD_E_END = 2;
/** A larger window is not kept after its batch: the largest of the levels up to 19, which RFC 8878 recommends to support. */
const KEPT_WINDOW_BYTES_MAX = 8 * 1024 * 1024;
/** First guess of the content's size, as a multiple of the compressed size. */
const GUESSED_RATIO = 4;

/** Highest level whose memory is kept for the next batch. */
const KEPT_LEVEL_MAX = 9;
/** Window of most batches, 1 MiB: the default of `max.message.bytes`. */
const COMMON_WINDOW_LOG = 20;
/** Window of larger ones, 8 MiB, which RFC 8878 recommends every decoder to support. At levels above 9 it would take 130 MB. */
const WINDOW_LOG_MAX = 23;

let unzstd: ZlibHandle | null = null;
let zstd: ZlibHandle | null = null;
let zstdLevel = 0;

/** Decompresses a zstd stream. @param content receives the result, up to its limit */
export function decompressZstd(bytes: Uint8Array, content: ContentBuffer): DecompressionRefusal | null {
  // Nothing at all is a stream without content for Kafka's library too.
  if (bytes.length === 0) return null;
  const frames = framesOf(bytes);
  if (frames === null) return "corrupt-data";
  const { windowBytes, isSized, contentBytes } = frames;
  if (contentBytes > content.bytesMax) return "too-large";
  unzstd ??= newDecompressor();
  // With room for a content of known size the library uses no window. Of a window it uses no more than the content.
  if (isSized) return unzstd.run(bytes, content, contentBytes);
  if (windowBytes > KEPT_WINDOW_BYTES_MAX && content.bytesMax > KEPT_WINDOW_BYTES_MAX) {
    return decompressWide(bytes, content, unzstd);
  }
  const refusal = unzstd.run(bytes, content, bytes.length * GUESSED_RATIO);
  if (windowBytes > KEPT_WINDOW_BYTES_MAX) {
    unzstd.close();
    unzstd = null;
  }
  return refusal;
}

function newDecompressor(): ZlibHandle {
  return new ZlibHandle(zlib.createZstdDecompress(), ZSTD_E_END);
}

/** What the frames of a stream say. */
interface Frames {
  /** The largest window that they ask for. */
  readonly windowBytes: number;
  /** Whether all of them state the size of their content, with room for which the library needs no window. */
  readonly isSized: boolean;
  /** The sum of the sizes that are stated. */
  readonly contentBytes: number;
}

/** @returns null when the frames are not whole */
function framesOf(bytes: Uint8Array): Frames | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let [windowBytes, contentBytes, isSized] = [0, 0, true];
  for (let at = 0; at < bytes.length;) {
    const frame = frameAt(bytes, view, at);
    if (frame === null) return null;
    windowBytes = Math.max(windowBytes, frame.windowBytes);
    contentBytes += Math.max(0, frame.contentBytes);
    isSized &&= frame.contentBytes >= 0;
    at = frame.end;
  }
  return { windowBytes, isSized, contentBytes };
}

/** A frame, or a skippable one, which has neither content nor window. */
interface Frame {
  readonly descriptor: number;
  readonly windowBytes: number;
  /** -1 when it is not stated. */
  readonly contentBytes: number;
  readonly blocksAt: number;
  readonly end: number;
}

/** @returns null when it is not whole */
function frameAt(bytes: Uint8Array, view: DataView, at: number): Frame | null {
  if (isSkippable(view, at)) {
    const end = at + 8 + view.getUint32(at + 4, true);
    return end > bytes.length ? null : { descriptor: 0, windowBytes: 0, contentBytes: 0, blocksAt: end, end };
  }
  if (at + FRAME_BYTES_MIN > bytes.length || view.getUint32(at, true) !== MAGIC) return null;
  const descriptor = bytes[at + 4]!;
  const isSingle = (descriptor & SINGLE_SEGMENT_BIT) !== 0;
  const sizeBytes = CONTENT_SIZE_BYTES[(descriptor >> 6) as 0]! || (isSingle ? 1 : 0);
  const sizeAt = at + 5 + (isSingle ? 0 : 1) + DICTIONARY_ID_BYTES[(descriptor & 3) as 0]!;
  const blocksAt = sizeAt + sizeBytes;
  if (blocksAt + BLOCK_HEADER_BYTES > bytes.length) return null;
  const contentBytes = sizeBytes === 0 ? -1 : contentSize(view, sizeAt, sizeBytes);
  const end = afterBlocks(bytes, blocksAt) + ((descriptor & CHECKSUM_BIT) !== 0 ? CHECKSUM_BYTES : 0);
  if (end > bytes.length) return null;
  return { descriptor, windowBytes: isSingle ? contentBytes : windowSize(bytes[at + 5]!), contentBytes, blocksAt, end };
}

/**
 * Decompresses frames with large windows. The library would fill a window of up to 128 MiB beside the content. So a frame that does not
 * state its size is read twice: to count its content, which is kept nowhere, and then with that size in its header.
 */
function decompressWide(bytes: Uint8Array, content: ContentBuffer, handle: ZlibHandle): DecompressionRefusal | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let counter = newDecompressor();
  try {
    for (let at = 0; at < bytes.length;) {
      const frame = frameAt(bytes, view, at)!;
      let whole = bytes.subarray(at, frame.end);
      let { contentBytes } = frame;
      if (contentBytes < 0) {
        const counted = counter.count(whole, content.bytesMax - content.length);
        if (typeof counted === "string") return counted;
        if (counted > KEPT_WINDOW_BYTES_MAX) {
          counter.close();
          counter = newDecompressor();
        }
        contentBytes = counted;
        whole = sizedFrame(bytes, frame, contentBytes);
      }
      const refusal = handle.run(whole, content, contentBytes);
      if (refusal !== null) return refusal;
      at = frame.end;
    }
    return null;
  } finally {
    counter.close();
  }
}

/** Copies a frame, with a header that states its content's size; its window is then the content itself. */
function sizedFrame(bytes: Uint8Array, frame: Frame, contentBytes: number): Uint8Array {
  const sized = new Uint8Array(SIZED_HEADER_BYTES + frame.end - frame.blocksAt);
  const view = new DataView(sized.buffer);
  view.setUint32(0, MAGIC, true);
  sized[4] = SIZE_IN_4_BYTES | SINGLE_SEGMENT_BIT | (frame.descriptor & CHECKSUM_BIT);
  view.setUint32(5, contentBytes, true);
  sized.set(bytes.subarray(frame.blocksAt, frame.end), SIZED_HEADER_BYTES);
  return sized;
}

function isSkippable(view: DataView, at: number): boolean {
  if (at + 8 > view.byteLength) return false;
  return ((view.getUint32(at, true) & SKIPPABLE_MASK) >>> 0) === SKIPPABLE_MAGIC;
}

/** Window size: a power of two of at least 1 KiB, and eighths of it. */
function windowSize(byte: number): number {
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
 * they take new memory for each batch, which depends on its size, and at most 20 MB; large contents take 25.
 * @param pieces of the content @param output receives the frame, up to its limit
 * @param by the size of the content, which the frame states, and the level, -131072 to 22
 * @returns false when the frame is larger than that
 */
export function compressZstd(
  pieces: Pieces,
  output: ContentBuffer,
  { contentBytes, level }: { contentBytes: number; level: number },
): boolean {
  const isLarge = contentBytes > 1 << COMMON_WINDOW_LOG;
  if (level > KEPT_LEVEL_MAX || isLarge || !(pieces instanceof Uint8Array)) {
    const windowLog = isLarge && level <= KEPT_LEVEL_MAX ? WINDOW_LOG_MAX : COMMON_WINDOW_LOG;
    // The types of the runtime lack the size.
    const options = { params: paramsOf(level, windowLog), pledgedSrcSize: contentBytes };
    const handle = new ZlibHandle(
      zlib.createZstdCompress(options as Parameters<typeof zlib.createZstdCompress>[0]),
      ZSTD_E_END,
    );
    try {
      return handle.pack(pieces, output);
    } finally {
      handle.close();
    }
  }
  if (zstd === null || level !== zstdLevel) {
    zstd?.close();
    zstd = new ZlibHandle(zlib.createZstdCompress({ params: paramsOf(level, COMMON_WINDOW_LOG) }), ZSTD_E_END);
    zstdLevel = level;
  }
  return zstd.pack(pieces, output);
}

function paramsOf(level: number, windowLog: number): Record<number, number> {
  return { [zlib.constants.ZSTD_c_compressionLevel]: level, [zlib.constants.ZSTD_c_windowLog]: windowLog };
}
