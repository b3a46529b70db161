/**
 * Snappy as Kafka's clients write it: the stream of snappy-java ("xerial") or one bare block. Pure; any isolate.
 *
 *   xerial = 82 53 4e 41 50 50 59 00 · int32 version · int32 compatible version · chunks
 *   chunk  = int32 length · snappy block;   block = varint content size · literals and copies
 *
 * Java clients and Kafka's broker write xerial; librdkafka and franz-go write bare blocks. All of them read both forms and
 * distinguish them by the first eight bytes. This file writes xerial with chunks of 32 KiB of content, as Kafka's broker does.
 * Source: snappy-java's SnappyOutputStream; snappy's format_description.txt.
 */
import defer * as snappy from "npm:snappy@7.4.3";
import { freeBytes } from "../../base/freed_bytes.ts";
import type { ContentBuffer } from "./content_buffer.ts";
import { blocksOf, type Pieces } from "./content_pieces.ts";
import type { DecompressionRefusal } from "./refusal.ts";

const XERIAL_MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00] as const;
const XERIAL_HEADER_BYTES = 16;
const XERIAL_VERSION = 1;
/** The magic and both versions of written streams. */
const WRITTEN_HEADER = new Uint8Array([...XERIAL_MAGIC, 0, 0, 0, XERIAL_VERSION, 0, 0, 0, XERIAL_VERSION]);
/** The length before a written chunk. */
const lengthBytes = new Uint8Array(4);
const CHUNK_BYTES = 32768;
/** Most bytes of content for one byte of a block: a copy element of 3 bytes yields at most 64. A larger claim is false. */
const RATIO_MAX = 22;
const SIZE_VARINT_BYTES_MAX = 5;
type NativeBytes = Parameters<typeof snappy.compressSync>[0];

/** Content size that a block claims, -1 when it claims none. */
function claimedBytes(block: Uint8Array): number {
  let value = 0;
  for (let index = 0; index < SIZE_VARINT_BYTES_MAX && index < block.length; index++) {
    value += (block[index]! & 0x7f) * 2 ** (7 * index);
    if (block[index]! < 0x80) return value;
  }
  return -1;
}

/** Decodes one block. Its claimed size is checked before anything is allocated for it. */
function decodeBlock(block: Uint8Array, content: ContentBuffer): DecompressionRefusal | null {
  const claimed = claimedBytes(block);
  if (claimed < 0 || claimed > block.length * RATIO_MAX) return "corrupt-data";
  if (claimed > content.bytesMax - content.length || !content.beginPiece()) return "too-large";
  try {
    const decoded = snappy.uncompressSync(block as unknown as NativeBytes) as Uint8Array;
    return content.take(decoded) ? null : "too-large";
  } catch {
    // The package throws one error for all damage, and nothing else in it can fail.
    return "corrupt-data";
  }
}

function isXerial(bytes: Uint8Array): boolean {
  return bytes.length >= XERIAL_HEADER_BYTES && XERIAL_MAGIC.every((byte, index) => bytes[index] === byte);
}

/** Index after the chunk at `at`, -1 when it reaches beyond the end. */
function chunkEnd(view: DataView, at: number): number {
  if (at + 4 > view.byteLength) return -1;
  const end = at + 4 + view.getUint32(at);
  return end > view.byteLength ? -1 : end;
}

function decodeXerial(bytes: Uint8Array, content: ContentBuffer): DecompressionRefusal | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = XERIAL_HEADER_BYTES; at < bytes.length;) {
    const end = chunkEnd(view, at);
    if (end < 0) return "corrupt-data";
    const refusal = decodeBlock(bytes.subarray(at + 4, end), content);
    if (refusal !== null) return refusal;
    at = end;
  }
  return null;
}

/**
 * Decodes either form.
 * @param bytes the stream or block @param content receives the result, up to its limit
 */
export function decodeSnappy(bytes: Uint8Array, content: ContentBuffer): DecompressionRefusal | null {
  return isXerial(bytes) ? decodeXerial(bytes, content) : decodeBlock(bytes, content);
}

/**
 * Encodes a xerial stream.
 * @param pieces the content @param output receives the stream, up to its limit
 * @returns false when the stream is larger than that
 */
export function encodeSnappy(pieces: Pieces, output: ContentBuffer): boolean {
  if (!output.append(WRITTEN_HEADER)) return false;
  for (const plain of blocksOf(pieces, CHUNK_BYTES)) {
    const chunk: Uint8Array = snappy.compressSync(plain as unknown as NativeBytes);
    new DataView(lengthBytes.buffer).setInt32(0, chunk.length);
    const fits = output.append(lengthBytes) && output.append(chunk);
    freeBytes(chunk);
    if (!fits) return false;
  }
  return true;
}
