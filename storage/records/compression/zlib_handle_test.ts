/** Tests of gzip and zstd by the handles of `node:zlib`: what a runtime with another inner interface, or another library, would change. */
import { strict as assert } from "node:assert";
import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { createRandom } from "../../base/random.ts";
import { compress, decompress, decompressInto } from "./compression.ts";
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
