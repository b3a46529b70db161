/**
 * gzip (RFC 1952), by `node:zlib`. Pure; any isolate but the main one.
 *
 * Several members in a row are one content, as in Kafka.
 */
import defer * as zlib from "node:zlib";
import type { ContentBuffer } from "./content_buffer.ts";
import type { Pieces } from "./content_pieces.ts";
import type { DecompressionRefusal } from "./refusal.ts";
import { ZlibHandle } from "./zlib_handle.ts";

const Z_FINISH = 4;
/** A member ends with its content's size modulo 2^32, LE. */
const SIZE_BYTES = 4;
/** The claimed size is believed up to this ratio; a larger content grows as it comes. */
const BELIEVED_RATIO = 32;

let gunzip: ZlibHandle | null = null;
let gzip: ZlibHandle | null = null;
let gzipLevel = 0;

/** Decompresses a gzip stream. @param content receives the result, up to its limit */
export function decompressGzip(bytes: Uint8Array, content: ContentBuffer): DecompressionRefusal | null {
  if (bytes.length < SIZE_BYTES) return "corrupt-data";
  gunzip ??= new ZlibHandle(zlib.createGunzip(), Z_FINISH);
  const end = bytes.length;
  const claimed = bytes[end - 4]! + bytes[end - 3]! * 0x100 + bytes[end - 2]! * 0x1_0000 + bytes[end - 1]! * 0x100_0000;
  return gunzip.run(bytes, content, Math.min(claimed, end * BELIEVED_RATIO));
}

/**
 * Compresses to one member.
 * @param output receives the result, up to its limit @param level 1 to 9, or -1 for the library's default, which is 6
 * @returns false when the result is larger than that
 */
export function compressGzip(pieces: Pieces, output: ContentBuffer, level: number): boolean {
  if (gzip === null || level !== gzipLevel) {
    gzip?.close();
    gzip = new ZlibHandle(zlib.createGzip({ level }), Z_FINISH);
    gzipLevel = level;
  }
  return gzip.pack(pieces, output);
}
