/** Small batches that unpack to 100 MB of records. Pure; any isolate. Test code. */
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { compressSync as compressBareSnappy } from "npm:snappy@7.4.3";
import { compressSync as compressLz4 } from "npm:lz4-napi@2.10.0";
import { xxh32 } from "../../storage/records/compression/xxh32.ts";
import type { CodecName } from "../../storage/records/record_batch.ts";
import { varintBytes, writeVarint } from "../../storage/records/varint.ts";
import { buildBatch } from "../record_batch_builder.ts";

/** Just below the limit of what a batch may unpack to. */
const CONTENT_BYTES = 104_000_000;
/** Attributes, two deltas, null key, empty value, no headers. */
const TINY_RECORD_BYTES = 6;

/** What the records of a bomb are. */
export type BombRecords = "one" | "tiny" | "gaps";

/** How a bomb's records are compressed; "wide-zstd": in a frame with a window of 128 MiB that does not state its content's size. */
export type BombCodec = Exclude<CodecName, "none"> | "wide-zstd";

const contents = new Map<BombRecords, { bytes: Uint8Array; count: number }>();

/** Builds a bomb. */
export function codecBomb(codec: BombCodec, records: BombRecords): Uint8Array<ArrayBuffer> {
  let content = contents.get(records);
  if (content === undefined) contents.set(records, content = contentOf(records));
  return buildBatch([], {
    codec: codec === "wide-zstd" ? "zstd" : codec,
    baseTimestamp: Date.now(),
    maxTimestamp: -1,
    recordsCount: content.count,
    lastOffsetDelta: content.count - 1,
    rawRecords: packed(codec, content.bytes),
  });
}

/** One record with a value of zeros; or the shortest records there are, with offset delta 0 or, for "gaps", -1 each. */
function contentOf(records: BombRecords): { bytes: Uint8Array; count: number } {
  const bytes = new Uint8Array(CONTENT_BYTES);
  if (records === "one") {
    const body = CONTENT_BYTES - varintBytes(CONTENT_BYTES);
    const valueBytes = body - TINY_RECORD_BYTES + 1 - varintBytes(body);
    let at = writeVarint(bytes, 0, body) + 3;
    at = writeVarint(bytes, at, -1);
    writeVarint(bytes, at, valueBytes);
    return { bytes, count: 1 };
  }
  const record = new Uint8Array(1 + TINY_RECORD_BYTES);
  writeVarint(record, 0, TINY_RECORD_BYTES);
  writeVarint(record, 3, records === "gaps" ? -1 : 0);
  writeVarint(record, 4, -1);
  const count = Math.floor(CONTENT_BYTES / record.length);
  bytes.set(record);
  for (let length = record.length; length < count * record.length; length *= 2) {
    bytes.copyWithin(length, 0, Math.min(length, CONTENT_BYTES - length));
  }
  return { bytes: bytes.subarray(0, count * record.length), count };
}

function packed(codec: BombCodec, content: Uint8Array): Uint8Array {
  switch (codec) {
    case "gzip":
      return gzipSync(content);
    case "snappy":
      return compressBareSnappy(content as unknown as Parameters<typeof compressBareSnappy>[0]) as Uint8Array;
    case "lz4":
      return lz4Frame(content);
    case "zstd":
      return zstdFrame(content, { [constants.ZSTD_c_contentSizeFlag]: 1 });
    default:
      return zstdFrame(content, { [constants.ZSTD_c_contentSizeFlag]: 0, [constants.ZSTD_c_windowLog]: 27 });
  }
}

function zstdFrame(content: Uint8Array, params: Record<number, number>): Uint8Array {
  // The types of the runtime lack the size.
  const options = { params, pledgedSrcSize: content.length } as Parameters<typeof zstdCompressSync>[1];
  return zstdCompressSync(content, options);
}

const LZ4_BLOCK_BYTES = 4 * 1024 * 1024;
const SIZE_PREFIX_BYTES = 4;

/** A frame of independent blocks of 4 MiB, the largest there are. */
function lz4Frame(content: Uint8Array): Uint8Array {
  const head = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x70];
  const parts = [new Uint8Array([...head, (xxh32(new Uint8Array(head), 4, 6) >>> 8) & 0xff])];
  for (let at = 0; at < content.length; at += LZ4_BLOCK_BYTES) {
    const plain = content.subarray(at, at + LZ4_BLOCK_BYTES) as unknown as Parameters<typeof compressLz4>[0];
    const block = (compressLz4(plain) as Uint8Array).subarray(SIZE_PREFIX_BYTES);
    parts.push(new Uint8Array(new Uint32Array([block.length]).buffer), block.slice());
  }
  parts.push(new Uint8Array(4));
  const frame = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  return frame;
}
