/** Tests of gzip and zstd by the handles of `node:zlib`: what a runtime with another inner interface, or another library, would change. */
import { strict as assert } from "node:assert";
import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { createRandom } from "../../base/random.ts";
import { compress, compressInto, decompress, decompressInto } from "./compression.ts";
import { ContentBuffer } from "./content_buffer.ts";
import { defaultLevels } from "./levels.ts";

const GZIP = 1;
const ZSTD = 4;
const LIMIT = { outputBytesMax: 1 << 22 };

const random = createRandom(7);
const text = (bytes: number) =>
  Uint8Array.from({ length: bytes }, (_, at) => 97 + ((at * at) >> 3) % (2 + Math.floor(random() * 20)));
const joined = (...parts: Uint8Array[]) => new Uint8Array(parts.flatMap((part) => [...part]));
const found = (codec: number, packed: Uint8Array) => decompress(codec, packed, LIMIT);

Deno.test("decompressInto() restores contents of all sizes around those of its growing memory, one after the other", () => {
  const content = new ContentBuffer();
  for (const [codec, pack] of [[GZIP, gzipSync], [ZSTD, zstdCompressSync]] as const) {
    for (const size of [0, 1, 65_535, 65_536, 65_537, 131_072, 262_145, 3_000_000]) {
      const plain = text(size);
      assert.equal(decompressInto(content, codec, pack(plain), size + 1), null, `codec ${codec}, ${size} bytes`);
      assert.deepEqual(content.bytes.subarray(0, content.length), plain, `codec ${codec}, ${size} bytes`);
      assert.ok(content.bytes.length <= Math.max(size + 1, 3_000_001), "no more than the limit is allocated");
    }
  }
});

Deno.test("decompressInto() allocates no more than its limit for a bomb", () => {
  for (const [codec, pack] of [[GZIP, gzipSync], [ZSTD, zstdCompressSync]] as const) {
    const bomb = pack(new Uint8Array(30_000_000));
    for (const limit of [1, 1000, 65_536, 1_000_000]) {
      const content = new ContentBuffer();
      assert.equal(decompressInto(content, codec, bomb, limit), "too-large");
      assert.ok(content.bytes.length <= limit, `${content.bytes.length} of ${limit} bytes`);
    }
  }
});

Deno.test("a size that a gzip member claims wrongly is not believed", () => {
  const packed = new Uint8Array(gzipSync(text(100)));
  for (const claim of [0, 99, 101, 0xffff_ffff]) {
    const lying = packed.slice();
    new DataView(lying.buffer).setUint32(lying.length - 4, claim, true);
    assert.equal(found(GZIP, lying), "corrupt-data", `${claim}`);
  }
});

Deno.test("damaged input does not affect the next one", () => {
  const plain = text(5000);
  for (const [codec, pack] of [[GZIP, gzipSync], [ZSTD, zstdCompressSync]] as const) {
    const packed = new Uint8Array(pack(plain));
    for (let at = 0; at < packed.length; at += 7) {
      const damaged = packed.slice();
      damaged[at]! ^= 0x10;
      found(codec, damaged);
      found(codec, packed.subarray(0, at));
      assert.deepEqual(found(codec, packed), plain, `codec ${codec}, byte ${at}`);
    }
  }
});

Deno.test("zstd: several frames and skippable frames are one content, and a frame that is cut off is refused", () => {
  const [one, two] = [text(70_000), text(300)];
  const [first, second] = [zstdCompressSync(one), zstdCompressSync(two)].map((packed) => new Uint8Array(packed));
  const skippable = new Uint8Array([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9]);
  assert.deepEqual(found(ZSTD, joined(first!, second!)), joined(one, two));
  assert.deepEqual(found(ZSTD, joined(skippable, first!, skippable, second!, skippable)), joined(one, two));
  const both = joined(first!, skippable, second!);
  for (let length = both.length - 1; length > both.length - second!.length - 8; length--) {
    const cut = found(ZSTD, both.subarray(0, length));
    const isWhole = length === first!.length || length === first!.length + skippable.length;
    assert.equal(typeof cut === "string", !isWhole, `${length} bytes`);
  }
  assert.equal(found(ZSTD, joined(first!, new Uint8Array([1]))), "corrupt-data");
});

Deno.test("zstd: windows up to 128 MiB are read, larger ones refused", () => {
  const plain = text(1000);
  const params = { [constants.ZSTD_c_compressionLevel]: 22, [constants.ZSTD_c_contentSizeFlag]: 0 };
  assert.deepEqual(found(ZSTD, zstdCompressSync(plain, { params })), plain);
  // Descriptor without flags, a window of 2^(10 + n), one last block of one byte.
  const frameOf = (windowLog: number) =>
    new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0, (windowLog - 10) << 3, (1 << 3) | 1, 0, 0, 65]);
  for (let windowLog = 10; windowLog <= 27; windowLog++) {
    assert.deepEqual(found(ZSTD, frameOf(windowLog)), new Uint8Array([65]), `window 2^${windowLog}`);
  }
  for (const windowLog of [28, 31, 41]) assert.equal(found(ZSTD, frameOf(windowLog)), "corrupt-data");
});

Deno.test("compress() has every level of gzip and zstd, and its result is an ordinary stream", () => {
  const plain = text(20_000);
  const sizes = new Map<number, number>();
  for (const gzip of [-1, 1, 6, 9, 1, -1]) {
    const packed = compress(GZIP, plain, { ...defaultLevels, gzip });
    assert.deepEqual(new Uint8Array(gunzipSync(packed)), plain, `gzip ${gzip}`);
    assert.equal(packed.length, sizes.get(gzip) ?? packed.length, "the same as before other levels");
    sizes.set(gzip, packed.length);
  }
  assert.equal(sizes.get(-1), sizes.get(6));
  assert.ok(sizes.get(9)! < sizes.get(1)!);
  for (const zstd of [-131072, -1, 0, 1, 3, 9, 10, 19, 22, 3]) {
    const packed = compress(ZSTD, plain, { ...defaultLevels, zstd });
    assert.deepEqual(new Uint8Array(zstdDecompressSync(packed)), plain, `zstd ${zstd}`);
  }
});

Deno.test("compress() holds contents that cannot be compressed, and large ones", () => {
  const noise = Uint8Array.from({ length: 1_500_000 }, () => Math.floor(random() * 256));
  for (const codec of [GZIP, ZSTD]) {
    for (const size of [0, 1, 100, 131_073, 1_048_577, noise.length]) {
      const plain = noise.subarray(0, size);
      assert.deepEqual(new Uint8Array(found(codec, compress(codec, plain)) as Uint8Array), plain.slice(), `${size}`);
    }
  }
});

/** A frame with a window of 128 MiB that does not state its size. */
function wideFrame(plain: Uint8Array, checksum: boolean): Uint8Array {
  const params = {
    [constants.ZSTD_c_windowLog]: 27,
    [constants.ZSTD_c_contentSizeFlag]: 0,
    [constants.ZSTD_c_checksumFlag]: checksum ? 1 : 0,
  };
  const packed = new Uint8Array(zstdCompressSync(plain, { params }));
  assert.deepEqual([...packed.subarray(4, 6)], [checksum ? 4 : 0, (27 - 10) << 3]);
  return packed;
}

Deno.test("zstd: frames with large windows that do not state their size are read like others, alone and among others", () => {
  const wide = { outputBytesMax: 1 << 24 };
  const sizes = [0, 1, 255, 70_000, 131_072, 1_000_000, 9_000_000];
  const plains = sizes.map(text);
  for (const checksum of [false, true]) {
    const frames = plains.map((plain) => wideFrame(plain, checksum));
    for (const [index, frame] of frames.entries()) {
      const plain = plains[index]!;
      assert.deepEqual(decompress(ZSTD, frame, wide), plain, `${plain.length} bytes`);
      if (plain.length > 9_000_000 - 1) {
        assert.equal(decompress(ZSTD, frame, { outputBytesMax: 8_999_999 }), "too-large");
      }
    }
    const skippable = new Uint8Array([0x53, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9]);
    const mixed = joined(frames[3]!, skippable, new Uint8Array(zstdCompressSync(plains[4]!)), frames[2]!, frames[0]!);
    assert.deepEqual(decompress(ZSTD, mixed, wide), joined(plains[3]!, plains[4]!, plains[2]!));
    const damaged = frames[3]!.slice();
    damaged[damaged.length - 2]! ^= 0xff;
    if (checksum) assert.equal(decompress(ZSTD, damaged, wide), "corrupt-data");
    assert.equal(decompress(ZSTD, frames[5]!.subarray(0, -1), wide), "corrupt-data");
  }
});

Deno.test("zstd: a size that a frame states is no more than a reason to refuse it", () => {
  const options = { params: { [constants.ZSTD_c_contentSizeFlag]: 1 }, pledgedSrcSize: 100_000 };
  const plain = text(100_000);
  const packed = new Uint8Array(zstdCompressSync(plain, options as Parameters<typeof zstdCompressSync>[1]));
  const sizeAt = (packed[4]! & 0x20) !== 0 ? 5 : 6;
  assert.deepEqual(found(ZSTD, packed), plain);
  assert.equal(packed[4]! >> 6, 2, "the frame states its size in four bytes");
  const view = new DataView(packed.buffer);
  assert.equal(view.getUint32(sizeAt, true), 100_000);
  for (const claim of [99_999, 100_001, 4_000_000]) {
    view.setUint32(sizeAt, claim, true);
    assert.equal(found(ZSTD, packed), "corrupt-data", `${claim}`);
  }
  view.setUint32(sizeAt, 0xffff_ffff, true);
  assert.equal(found(ZSTD, packed), "too-large");
});

Deno.test("compressInto() by zstd states the size of a content that gets a stream of its own, which chooses the library's memory by it", () => {
  const output = new ContentBuffer();
  const plain = text(40_000);
  for (const zstd of [10, 19, 22]) {
    const by = { contentBytes: plain.length, levels: { ...defaultLevels, zstd }, bytesMax: plain.length };
    for (const pieces of [plain, [plain.subarray(0, 1000), plain.subarray(1000)]]) {
      assert.ok(compressInto(output, ZSTD, pieces, by));
      assert.notEqual(output.bytes[4]! >> 5, 0, `level ${zstd}`);
      assert.deepEqual(found(ZSTD, output.bytes.slice(0, output.length)), plain);
    }
  }
});
