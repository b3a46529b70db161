/**
 * LZ4 frames, as Kafka reads and writes them. Pure; any isolate.
 *
 *   04 22 4d 18 · FLG · BD · [content size, 8] · HC · blocks · 00 00 00 00 · [content checksum, 4]
 *   block = uint32 LE size (bit 31: stored as it is) · bytes · [block checksum, 4]
 *   FLG = version 01 · independent blocks · block checksums · content size · content checksum · 0 · dictionary
 *   BD  = bits 4-6: largest block, 4 = 64 KiB to 7 = 4 MiB;  HC = bits 8-15 of xxh32 over FLG to the content size
 *
 * Writes frames as Kafka does: independent 64 KiB blocks, and no checksum except the header's. Reads the frames that Kafka reads:
 * linked blocks and dictionaries are refused because Kafka's consumers cannot read them, and so is a wrong checksum. Bytes after
 * the frame are ignored, as in Kafka.
 *
 * The blocks are the package's work. It was the fastest of three for batches of 16 KB and more: 100 KB of text in 66 µs, where
 * lz4-wasm took 97 and a decoder in TypeScript 260; compressed in 146 where lz4-wasm took 221 (bench/compression_bench.ts).
 * Source: lz4_Frame_format.md; Kafka's Lz4BlockInputStream and Lz4BlockOutputStream.
 */
import defer * as lz4 from "npm:lz4-napi@2.10.0";
import { freeBytes } from "../../base/freed_bytes.ts";
import type { ContentBuffer } from "./content_buffer.ts";
import { lz4ContentBytes } from "./lz4_block.ts";
import { blocksOf, type Pieces } from "./content_pieces.ts";
import type { DecompressionRefusal } from "./refusal.ts";
import { xxh32 } from "./xxh32.ts";

const MAGIC = 0x184d2204;
const VERSION_MASK = 0xc0;
const VERSION_1 = 0x40;
const INDEPENDENT_BLOCKS_BIT = 0x20;
const BLOCK_CHECKSUM_BIT = 0x10;
const CONTENT_SIZE_BIT = 0x08;
const CONTENT_CHECKSUM_BIT = 0x04;
const RESERVED_FLG_BITS = 0x02;
const DICTIONARY_BIT = 0x01;
const RESERVED_BD_BITS = 0x8f;
const STORED_BIT = 0x8000_0000;

const WRITTEN_FLG = VERSION_1 | INDEPENDENT_BLOCKS_BIT;
const WRITTEN_BD = 0x40;
const WRITTEN_BLOCK_BYTES = 65536;
/** The magic, FLG, BD and HC of written frames. */
const WRITTEN_HEADER = new Uint8Array([0x04, 0x22, 0x4d, 0x18, WRITTEN_FLG, WRITTEN_BD, 0]);
WRITTEN_HEADER[6] = (xxh32(WRITTEN_HEADER, 4, 6) >>> 8) & 0xff;
const END_MARK = new Uint8Array(4);
/** The package prefixes a block with the content's size. */
const SIZE_PREFIX_BYTES = 4;
const HEADER_BYTES_MIN = 7;
/**
 * A block of at least this many bytes is decompressed into memory for the largest block, 64 KiB as all clients write them: the package
 * returns only what the block yields. To add up the tokens first takes longer than to clear that memory: 100 KB of text took 93 µs with
 * it and 54 without (bench/compression_bench.ts).
 */
const CLAIMED_BYTES_MIN = 4096;
const CLAIMED_BLOCK_BYTES_MAX = 65536;

/** Memory for blocks of up to 64 KiB with their prefix, from the first one on. */
let prefixedBlock = new Uint8Array(0);

type NativeBytes = Parameters<typeof lz4.compressSync>[0];

interface FrameHeader {
  /** Index of the first block. */
  readonly blocksAt: number;
  readonly blockBytesMax: number;
  readonly blockChecksums: boolean;
  readonly contentChecksum: boolean;
}

function readHeader(bytes: Uint8Array, view: DataView): FrameHeader | null {
  if (bytes.length < HEADER_BYTES_MIN || view.getUint32(0, true) !== MAGIC) return null;
  const flg = bytes[4]!;
  const bd = bytes[5]!;
  const refusedBits = RESERVED_FLG_BITS | DICTIONARY_BIT;
  if ((flg & VERSION_MASK) !== VERSION_1 || (flg & INDEPENDENT_BLOCKS_BIT) === 0 || (flg & refusedBits) !== 0) {
    return null;
  }
  const sizeCode = bd >>> 4;
  if ((bd & RESERVED_BD_BITS) !== 0 || sizeCode < 4) return null;
  const checksumAt = 6 + ((flg & CONTENT_SIZE_BIT) !== 0 ? 8 : 0);
  if (checksumAt >= bytes.length || bytes[checksumAt] !== ((xxh32(bytes, 4, checksumAt) >>> 8) & 0xff)) return null;
  return {
    blocksAt: checksumAt + 1,
    blockBytesMax: 1 << (8 + 2 * sizeCode),
    blockChecksums: (flg & BLOCK_CHECKSUM_BIT) !== 0,
    contentChecksum: (flg & CONTENT_CHECKSUM_BIT) !== 0,
  };
}

/** Adds one block's content. @returns null when all is well */
function addBlock(
  content: ContentBuffer,
  block: { bytes: Uint8Array; start: number; end: number },
  facts: { stored: boolean; blockBytesMax: number },
): DecompressionRefusal | null {
  const { bytes, start, end } = block;
  if (facts.stored) return content.append(bytes.subarray(start, end)) ? null : "too-large";
  const room = content.bytesMax - content.length;
  const claimed = facts.blockBytesMax <= CLAIMED_BLOCK_BYTES_MAX && end - start >= CLAIMED_BYTES_MIN &&
      room >= facts.blockBytesMax
    ? facts.blockBytesMax
    : lz4ContentBytes(bytes, start, end);
  if (claimed < 0 || claimed > facts.blockBytesMax) return "corrupt-data";
  if (claimed > room || !content.beginPiece()) return "too-large";
  const prefixed = withPrefix(block, claimed);
  try {
    return content.take(lz4.uncompressSync(prefixed)) ? null : "too-large";
  } catch {
    // The package throws one error for all damage, and nothing else in it can fail.
    return "corrupt-data";
  }
}

/** Copies a block behind its content's size, as the package takes it. The copy is valid until the next call. */
function withPrefix(block: { bytes: Uint8Array; start: number; end: number }, contentBytes: number): Uint8Array {
  const length = SIZE_PREFIX_BYTES + block.end - block.start;
  if (length <= WRITTEN_BLOCK_BYTES && prefixedBlock.length === 0) prefixedBlock = new Uint8Array(WRITTEN_BLOCK_BYTES);
  const prefixed = length <= WRITTEN_BLOCK_BYTES ? prefixedBlock.subarray(0, length) : new Uint8Array(length);
  for (let byte = 0; byte < SIZE_PREFIX_BYTES; byte++) prefixed[byte] = contentBytes >>> (8 * byte);
  prefixed.set(block.bytes.subarray(block.start, block.end), SIZE_PREFIX_BYTES);
  return prefixed;
}

/**
 * Decodes a frame.
 * @param bytes the frame @param content receives the result, up to its limit
 */
export function decodeLz4Frame(bytes: Uint8Array, content: ContentBuffer): DecompressionRefusal | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = readHeader(bytes, view);
  if (header === null) return "corrupt-data";
  let at = header.blocksAt;
  while (at + 4 <= bytes.length) {
    const word = view.getUint32(at, true);
    const start = at + 4;
    if (word === 0) {
      if (!header.contentChecksum) return null;
      const sound = start + 4 <= bytes.length &&
        view.getUint32(start, true) === xxh32(content.bytes, 0, content.length);
      return sound ? null : "corrupt-data";
    }
    const end = start + (word & ~STORED_BIT);
    at = end + (header.blockChecksums ? 4 : 0);
    if (end - start > header.blockBytesMax || at > bytes.length) return "corrupt-data";
    if (header.blockChecksums && view.getUint32(end, true) !== xxh32(bytes, start, end)) return "corrupt-data";
    const facts = { stored: word >= STORED_BIT, blockBytesMax: header.blockBytesMax };
    const refusal = addBlock(content, { bytes, start, end }, facts);
    if (refusal !== null) return refusal;
  }
  return "corrupt-data";
}

/**
 * Encodes a frame as Kafka does.
 * @param pieces the content @param output receives the frame, up to its limit
 * @returns false when the frame is larger than that
 */
export function encodeLz4Frame(pieces: Pieces, output: ContentBuffer): boolean {
  if (!output.append(WRITTEN_HEADER)) return false;
  for (const plain of blocksOf(pieces, WRITTEN_BLOCK_BYTES)) if (!writeBlock(plain, output)) return false;
  return output.append(END_MARK);
}

function writeBlock(plain: Uint8Array, output: ContentBuffer): boolean {
  const block: Uint8Array = lz4.compressSync(plain as NativeBytes);
  const packed = block.subarray(SIZE_PREFIX_BYTES);
  const isStored = packed.length >= plain.length;
  const word = isStored ? plain.length + STORED_BIT : packed.length;
  // The block's size takes the place of the package's prefix.
  for (let byte = 0; byte < SIZE_PREFIX_BYTES; byte++) block[byte] = word >>> (8 * byte);
  const fits = isStored
    ? output.append(block.subarray(0, SIZE_PREFIX_BYTES)) && output.append(plain)
    : output.append(block);
  freeBytes(block);
  return fits;
}
