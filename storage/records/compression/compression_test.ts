import { strict as assert } from "node:assert";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { compressSync as compressRawSnappy } from "npm:snappy@7.4.3";
import { compress, decompress } from "./compression.ts";

const NONE = 0;
const GZIP = 1;
const SNAPPY = 2;
const LZ4 = 3;
const ZSTD = 4;
const codecs = [NONE, GZIP, SNAPPY, LZ4, ZSTD];
const limits = { outputBytesMax: 1 << 20 };

let state = 42;
const random = () => (state = Math.imul(state, 1664525) + 1013904223 | 0) >>> 8;

function noise(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, () => random());
}

function text(bytes: number): Uint8Array {
  const words = ["kafka", "offset", "partition ", "log,", "x"];
  const encoded = new TextEncoder().encode(Array.from({ length: bytes }, () => words[random() % 5]).join(""));
  return encoded.subarray(0, bytes);
}

/** Contents for every path of the codecs: empty, short, runs, noise (stored blocks), sizes around block limits. */
const contents: [string, Uint8Array][] = [
  ["empty", new Uint8Array(0)],
  ["one byte", new Uint8Array([7])],
  ["13 bytes", text(13)],
  ["a run", new Uint8Array(100_000).fill(9)],
  ["text", text(150_000)],
  ["noise", noise(70_000)],
  ["text, noise, run", new Uint8Array([...text(40_000), ...noise(40_000), ...new Uint8Array(40_000)])],
  ...[32767, 32768, 32769, 65535, 65536, 65537, 131072].map((
    size,
  ): [string, Uint8Array] => [`${size} bytes`, text(size)]),
];

function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length + 20)).subarray(10, 10 + bytes.length);
  copy.set(bytes);
  return copy;
}

Deno.test("decompress() restores the content that compress() got, for every codec and content, from shared memory", () => {
  for (const codec of codecs) {
    for (const [name, content] of contents) {
      const found = decompress(codec, shared(compress(codec, content)), limits);
      assert.ok(typeof found !== "string", `codec ${codec}, ${name}: ${found}`);
      assert.deepEqual(new Uint8Array(found), new Uint8Array(content), `codec ${codec}, ${name}`);
    }
  }
});

Deno.test("decompress() allows exactly outputBytesMax bytes", () => {
  for (const codec of codecs) {
    for (const content of [new Uint8Array(100_000), text(100_000), noise(100_000)]) {
      const packed = compress(codec, content);
      const found = decompress(codec, packed, { outputBytesMax: content.length });
      assert.equal(typeof found !== "string" && found.length, content.length, `codec ${codec}`);
      assert.equal(decompress(codec, packed, { outputBytesMax: content.length - 1 }), "too-large", `codec ${codec}`);
      assert.equal(decompress(codec, packed, { outputBytesMax: 1 }), "too-large", `codec ${codec}`);
    }
  }
});

Deno.test("decompress() refuses unknown codec numbers", () => {
  for (const codec of [5, 6, 7]) assert.equal(decompress(codec, text(10), limits), "unsupported-codec");
});

Deno.test("decompress() refuses every truncation or yields a shorter prefix", () => {
  const content = text(3000);
  for (const codec of codecs.slice(1)) {
    const packed = compress(codec, content);
    for (let length = 0; length < packed.length; length++) {
      const found = decompress(codec, packed.subarray(0, length), limits);
      if (typeof found === "string") continue;
      const isEmpty = codec === ZSTD && length === 0;
      assert.ok(isEmpty || codec === SNAPPY, `codec ${codec} finds that ${length} bytes are cut`);
      assert.ok(found.length < content.length, `codec ${codec}, ${length} bytes`);
    }
  }
});

Deno.test("decompress() never throws on flipped bits", () => {
  const content = new Uint8Array([...text(600), ...noise(100), ...new Uint8Array(600)]);
  for (const codec of codecs.slice(1)) {
    const packed = compress(codec, content);
    for (let bit = 0; bit < packed.length * 8; bit++) {
      const flipped = packed.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const found = decompress(codec, flipped, { outputBytesMax: 10_000 });
      assert.ok(typeof found === "string" || found.length <= 10_000);
    }
  }
});

Deno.test("decompress() refuses noise", () => {
  for (const codec of codecs.slice(1)) {
    for (const bytes of [1, 7, 15, 16, 100, 5000]) {
      const found = decompress(codec, noise(bytes), limits);
      assert.ok(typeof found === "string", `codec ${codec}, ${bytes} bytes`);
    }
  }
});

Deno.test("decompress() refuses bombs of every codec without producing their content", () => {
  const zeros = new Uint8Array(64 << 20);
  const bombs: [number, Uint8Array][] = [
    [GZIP, gzipSync(zeros)],
    [SNAPPY, compressRawSnappy(zeros as unknown as Parameters<typeof compressRawSnappy>[0])],
    [SNAPPY, compress(SNAPPY, zeros)],
    [LZ4, compress(LZ4, zeros)],
    [ZSTD, zstdCompressSync(zeros)],
  ];
  for (const [codec, bomb] of bombs) assert.equal(decompress(codec, bomb, limits), "too-large", `codec ${codec}`);
});

Deno.test("decompress() reads bare snappy blocks, as librdkafka and franz-go write them", () => {
  for (const [name, content] of contents) {
    const packed = compressRawSnappy(content as unknown as Parameters<typeof compressRawSnappy>[0]);
    assert.deepEqual(
      new Uint8Array(decompress(SNAPPY, shared(packed), limits) as Uint8Array),
      new Uint8Array(content),
      name,
    );
  }
});

Deno.test("decompress() refuses snappy blocks that claim more than they can hold", () => {
  for (
    const claim of [[0xff, 0xff, 0x3f], [0xff, 0xff, 0xff, 0xff, 0x0f], [0xff, 0xff, 0xff, 0xff, 0xff, 0x01], [0x80]]
  ) {
    const found = decompress(SNAPPY, new Uint8Array([...claim, 0, 65]), { outputBytesMax: 1 << 30 });
    assert.equal(found, "corrupt-data", `${claim}`);
  }
});

Deno.test("decompress() refuses xerial chunks that reach beyond the end", () => {
  const packed = compress(SNAPPY, text(1000));
  for (const length of [0x7fffffff, 0xffffffff, packed.length - 19]) {
    const hostile = packed.slice();
    new DataView(hostile.buffer).setUint32(16, length);
    assert.equal(decompress(SNAPPY, hostile, limits), "corrupt-data", `${length}`);
  }
});

Deno.test("decompress() reads several gzip members in a row (RFC 1952)", () => {
  const packed = new Uint8Array([...gzipSync(text(10)), ...gzipSync(text(20))]);
  assert.equal((decompress(GZIP, packed, limits) as Uint8Array).length, 30);
});
