/**
 * What decompressing and compressing the records of a batch costs, by each codec and size: the broker's way first, then other libraries
 * and other ways to call them. Run: deno bench -A bench/compression_bench.ts
 *
 *   lz4   lz4-napi (the broker's) against lz4-wasm, both behind the walk over the tokens that says how large a block becomes
 *   zstd  node:zlib by one kept stream (the broker's), by its public functions, and zstd-wasm, which has no compressor
 *   gzip  node:zlib by one kept stream (the broker's), and by its public functions
 *   snappy  the package's blocks, bare (librdkafka, franz-go) and in a xerial stream (Java)
 */
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import * as lz4Wasm from "npm:lz4-wasm@0.9.2/lz4_wasm.js";
import { compressSync as compressBareSnappy } from "npm:snappy@7.4.3";
import { BINARY } from "npm:zstd-wasm@0.0.9/lib/binary.js";
import zstdWasmModule from "npm:zstd-wasm@0.0.9/lib/zstd.js";
import { compress, decompressInto } from "../storage/records/compression/compression.ts";
import { ContentBuffer } from "../storage/records/compression/content_buffer.ts";
import { lz4ContentBytes } from "../storage/records/compression/lz4_block.ts";
import { codecNames } from "../storage/records/record_batch.ts";
import { jsonText } from "./batch_texts.ts";

const SIZES = [1000, 16_000, 100_000, 1_000_000];
const LZ4_HEADER_BYTES = 7;
const LZ4_BLOCK_BYTES = 65_536;
const SIZE_PREFIX_BYTES = 4;

/** The functions of zstd-wasm that are used here. */
interface ZstdWasm {
  readonly HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  _ZSTD_decompress(to: number, toBytes: number, from: number, fromBytes: number): number;
}

const wasmBinary = Uint8Array.from(atob(BINARY), (character) => character.charCodeAt(0));
const zstdWasm = await (zstdWasmModule as unknown as (from: object) => Promise<ZstdWasm>)({ wasmBinary });

/** The compressed blocks of a frame, each behind its content's size as lz4-wasm takes it. */
function decodeByLz4Wasm(frame: Uint8Array): void {
  const view = new DataView(frame.buffer, frame.byteOffset);
  for (let at = LZ4_HEADER_BYTES; view.getUint32(at, true) !== 0;) {
    const bytes = view.getUint32(at, true);
    const block = new Uint8Array(SIZE_PREFIX_BYTES + bytes);
    const contentBytes = lz4ContentBytes(frame, at + 4, at + 4 + bytes);
    new DataView(block.buffer).setUint32(0, contentBytes, true);
    block.set(frame.subarray(at + 4, at + 4 + bytes), SIZE_PREFIX_BYTES);
    lz4Wasm.decompress(block);
    at += 4 + bytes;
  }
}

function encodeByLz4Wasm(plain: Uint8Array): void {
  for (let at = 0; at < plain.length; at += LZ4_BLOCK_BYTES) lz4Wasm.compress(plain.subarray(at, at + LZ4_BLOCK_BYTES));
}

function decodeByZstdWasm(packed: Uint8Array, contentBytes: number): void {
  const from = zstdWasm._malloc(packed.length);
  const to = zstdWasm._malloc(contentBytes);
  zstdWasm.HEAPU8.set(packed, from);
  zstdWasm._ZSTD_decompress(to, contentBytes, from, packed.length);
  zstdWasm.HEAPU8.slice(to, to + contentBytes);
  zstdWasm._free(from);
  zstdWasm._free(to);
}

const content = new ContentBuffer();
for (const size of SIZES) {
  const plain = jsonText(size);
  for (const [codec, name] of codecNames.entries()) {
    if (codec === 0) continue;
    const packed = compress(codec, plain);
    const ratio = (size / packed.length).toFixed(1);
    const unpack = { group: `${name}, ${size} bytes, ${ratio} : 1, decompress` };
    const pack = { group: `${name}, ${size} bytes, compress` };
    Deno.bench("the broker", { ...unpack, baseline: true }, () => {
      decompressInto(content, codec, packed, size);
    });
    Deno.bench("the broker", { ...pack, baseline: true }, () => {
      compress(codec, plain);
    });
    if (name === "gzip") {
      Deno.bench("gunzipSync()", unpack, () => void gunzipSync(packed));
      Deno.bench("gzipSync()", pack, () => void gzipSync(plain));
    } else if (name === "zstd") {
      Deno.bench("zstdDecompressSync()", unpack, () => void zstdDecompressSync(packed));
      Deno.bench("zstd-wasm", unpack, () => decodeByZstdWasm(packed, size));
      Deno.bench("zstdCompressSync()", pack, () => void zstdCompressSync(plain));
    } else if (name === "lz4") {
      Deno.bench("lz4-wasm", unpack, () => decodeByLz4Wasm(packed));
      Deno.bench("lz4-wasm", pack, () => encodeByLz4Wasm(plain));
    } else {
      const bare = compressBareSnappy(plain as Parameters<typeof compressBareSnappy>[0]) as Uint8Array;
      Deno.bench("a bare block", unpack, () => {
        decompressInto(content, codec, bare, size);
      });
    }
  }
}
