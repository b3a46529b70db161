import { strict as assert } from "node:assert";
import { decompressInto } from "./compression.ts";
import { ContentBuffer } from "./content_buffer.ts";
import { xxh32 } from "./xxh32.ts";

/** Frames, chunks or blocks of one byte of content each, by codec. */
function tinyPieces(codec: number, count: number): Uint8Array {
  const repeat = (piece: number[]) => Array.from({ length: count }, () => piece).flat();
  if (codec === 4) return new Uint8Array(repeat([0x28, 0xb5, 0x2f, 0xfd, 0x20, 1, 9, 0, 0, 65]));
  if (codec === 2) {
    const header = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1];
    return new Uint8Array([...header, ...repeat([0, 0, 0, 3, 1, 0, 65])]);
  }
  const checksum = (xxh32(new Uint8Array([0x60, 0x40]), 0, 2) >>> 8) & 0xff;
  return new Uint8Array([4, 0x22, 0x4d, 0x18, 0x60, 0x40, checksum, ...repeat([2, 0, 0, 0, 0x10, 65]), 0, 0, 0, 0]);
}

Deno.test("decompressInto() stops at a limit of pieces, each of which takes a library's call", () => {
  const content = new ContentBuffer();
  for (const codec of [2, 3, 4]) {
    assert.equal(decompressInto(content, codec, tinyPieces(codec, 300), 1000, 256), "too-large");
    assert.equal(decompressInto(content, codec, tinyPieces(codec, 256), 1000, 256), null);
    assert.equal(content.length, 256);
    assert.equal(decompressInto(content, codec, tinyPieces(codec, 300), 1000), null);
  }
});
