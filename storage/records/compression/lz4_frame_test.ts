import { strict as assert } from "node:assert";
import { ContentBuffer } from "./content_buffer.ts";
import { decodeLz4Frame, encodeLz4Frame } from "./lz4_frame.ts";
import { xxh32 } from "./xxh32.ts";

const LIMIT = 1 << 20;

function decode(bytes: Uint8Array): Uint8Array | string {
  const content = new ContentBuffer();
  content.reset(LIMIT);
  return decodeLz4Frame(bytes, content) ?? content.bytes.subarray(0, content.length);
}

function encode(bytes: Uint8Array): Uint8Array {
  const output = new ContentBuffer();
  output.reset(LIMIT);
  assert.ok(encodeLz4Frame(bytes, output));
  return output.bytes.subarray(0, output.length);
}

const content = new TextEncoder().encode("barnabas barnabas barnabas barnabas!");

/** A frame of one stored block with the given flags and block size, and correct checksums. */
function frame(flg: number, options: { bd?: number; blockBytes?: number } = {}): Uint8Array {
  const size = (flg & 0x08) !== 0 ? [content.length, 0, 0, 0, 0, 0, 0, 0] : [];
  const descriptor = new Uint8Array([flg, options.bd ?? 0x40, ...size]);
  const headerChecksum = (xxh32(descriptor, 0, descriptor.length) >>> 8) & 0xff;
  const blockBytes = options.blockBytes ?? content.length;
  const stored = [blockBytes & 0xff, (blockBytes >> 8) & 0xff, (blockBytes >> 16) & 0xff, 0x80];
  const checksum = words(xxh32(content, 0, content.length));
  return new Uint8Array([
    ...[0x04, 0x22, 0x4d, 0x18, ...descriptor, headerChecksum],
    ...[...stored, ...content, ...((flg & 0x10) !== 0 ? checksum : [])],
    ...[0, 0, 0, 0, ...((flg & 0x04) !== 0 ? checksum : [])],
  ]);
}

function words(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
}

Deno.test("encodeLz4Frame() writes Kafka's header and end mark", () => {
  const bytes = encode(content);
  assert.deepEqual([...bytes.subarray(0, 7)], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
  assert.deepEqual([...bytes.subarray(-4)], [0, 0, 0, 0]);
  assert.deepEqual([...encode(new Uint8Array(0))], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 0, 0, 0, 0]);
});

Deno.test("decodeLz4Frame() reads content sizes and block and content checksums, and refuses wrong ones", () => {
  for (const flg of [0x60, 0x68, 0x70, 0x64, 0x7c]) {
    const bytes = frame(flg);
    assert.deepEqual(new Uint8Array(decode(bytes) as Uint8Array), content, flg.toString(16));
    const flipped = bytes.slice();
    flipped[bytes.indexOf(content[0]!, 15) + 3]! ^= 1;
    if ((flg & 0x14) !== 0) assert.equal(decode(flipped), "corrupt-data", flg.toString(16));
  }
});

Deno.test("decodeLz4Frame() refuses versions, flags and block sizes that Kafka does not read", () => {
  for (const flg of [0x20, 0xa0, 0xe0, 0x40, 0x62, 0x61]) {
    assert.equal(decode(frame(flg)), "corrupt-data", flg.toString(16));
  }
  for (const bd of [0x00, 0x30, 0xc0, 0x41, 0x48]) {
    assert.equal(decode(frame(0x60, { bd })), "corrupt-data", bd.toString(16));
  }
  for (const bd of [0x50, 0x60, 0x70]) assert.equal(typeof decode(frame(0x60, { bd })), "object");
});

Deno.test("decodeLz4Frame() refuses a wrong header checksum and ignores bytes after the frame", () => {
  const bytes = frame(0x60);
  const wrong = bytes.slice();
  wrong[6]! ^= 1;
  assert.equal(decode(wrong), "corrupt-data");
  assert.deepEqual(new Uint8Array(decode(new Uint8Array([...bytes, 1, 2, 3])) as Uint8Array), content);
});

Deno.test("decodeLz4Frame() refuses blocks larger than the frame allows or than the remaining bytes", () => {
  for (const blockBytes of [content.length + 5, 65537, 0x7fffff]) {
    assert.equal(decode(frame(0x60, { blockBytes })), "corrupt-data", `${blockBytes}`);
  }
});

/** Bytes that continue a length after its 15 in the token. */
function lengthBytes(length: number): number[] {
  return [...new Array(Math.floor((length - 15) / 255)).fill(255), (length - 15) % 255];
}

/** A frame of one block: literals, a run of their last byte, and one literal unless the block is cut off. */
function runFrame(literals: number, matchBytes: number, isCut = false): Uint8Array {
  const first = literals < 15 ? [literals << 4 | 15] : [0xff, ...lengthBytes(literals)];
  const run = [...first, ...new Array(literals).fill(65), 1, 0, ...lengthBytes(matchBytes - 4)];
  const block = isCut ? run : [...run, 0x10, 66];
  return new Uint8Array([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, ...words(block.length), ...block, 0, 0, 0, 0]);
}

Deno.test("decodeLz4Frame() refuses a small or large block that decodes to more than the frame allows", () => {
  for (const literals of [1, 5000]) {
    const matchBytes = 65536 - literals - 1;
    assert.equal((decode(runFrame(literals, matchBytes)) as Uint8Array).length, 65536);
    assert.equal((decode(runFrame(literals, matchBytes - 1000)) as Uint8Array).length, 64536);
    for (const more of [1, 4466]) assert.equal(decode(runFrame(literals, matchBytes + more)), "corrupt-data");
  }
});

Deno.test("decodeLz4Frame() refuses a small or large block that does not end with literals", () => {
  for (const literals of [1, 5000]) assert.equal(decode(runFrame(literals, 100, true)), "corrupt-data");
});

Deno.test("decodeLz4Frame() refuses matches that reach before their block", () => {
  const block = [0x10, 65, 2, 0, 0x10, 66];
  const bytes = new Uint8Array([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, block.length, 0, 0, 0, ...block, 0, 0, 0, 0]);
  assert.equal(decode(bytes), "corrupt-data");
  bytes[7 + 4 + 2] = 1;
  assert.deepEqual([...decode(bytes) as Uint8Array], [65, 65, 65, 65, 65, 66]);
  bytes[7 + 4 + 2] = 0;
  assert.equal(decode(bytes), "corrupt-data", "distance 0");
});
