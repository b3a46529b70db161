import { strict as assert } from "node:assert";
import { createRandom } from "../../base/random.ts";
import { compress, compressInto, decompress } from "./compression.ts";
import { ContentBuffer } from "./content_buffer.ts";
import { blocksOf } from "./content_pieces.ts";
import { defaultLevels } from "./levels.ts";

const random = createRandom(11);
const below = (limit: number) => Math.floor(random() * limit);
const text = (bytes: number) => Uint8Array.from({ length: bytes }, (_, at) => 97 + ((at * at) >> 3) % (2 + below(20)));

/** Cuts content into parts of all sizes, which lie one after the other in the same memory. */
function* cut(content: Uint8Array): Generator<Uint8Array> {
  const memory = new Uint8Array(100_000);
  for (let at = 0; at < content.length;) {
    const part = content.subarray(at, at + below(100) * below(1000));
    memory.set(part);
    yield memory.subarray(0, part.length);
    at += part.length;
  }
}

Deno.test("blocksOf() cuts content and its pieces into the same blocks", () => {
  for (const bytes of [0, 1, 999, 1000, 1001, 250_000]) {
    const content = text(bytes);
    const blocks = (pieces: Parameters<typeof blocksOf>[0]) => [...blocksOf(pieces, 1000)].map((block) => block.length);
    const expected = Array.from({ length: Math.ceil(bytes / 1000) }, (_, at) => Math.min(1000, bytes - at * 1000));
    assert.deepEqual(blocks(content), expected);
    assert.deepEqual(blocks(cut(content)), expected);
  }
});

Deno.test("compressInto() compresses pieces to what the whole content decompresses to, in no more memory than it may take", () => {
  const output = new ContentBuffer();
  for (let codec = 0; codec <= 4; codec++) {
    for (const bytes of [0, 1, 32_768, 65_536, 700_000, 3_000_000]) {
      const content = text(bytes);
      const by = { contentBytes: bytes, levels: defaultLevels, bytesMax: 2 * bytes + 100 };
      assert.ok(compressInto(output, codec, cut(content), by), `codec ${codec}, ${bytes} bytes`);
      const packed = output.bytes.slice(0, output.length);
      const found = decompress(codec, packed, { outputBytesMax: bytes + 1 });
      assert.ok(typeof found !== "string", `codec ${codec}, ${bytes} bytes: ${found}`);
      assert.deepEqual(found.slice(), content);
      for (const bytesMax of [packed.length - 1, packed.length >> 1].filter((limit) => limit > 0)) {
        for (const pieces of [cut(content), content]) {
          const isWhole = compressInto(output, codec, pieces, { ...by, bytesMax });
          assert.ok(!isWhole || output.length <= bytesMax, `codec ${codec}, ${bytes} bytes, ${bytesMax}`);
          assert.ok(output.bytes.length <= Math.max(bytesMax + 1, 2 * 1024 * 1024));
        }
      }
      assert.ok(
        compressInto(output, codec, content, { ...by, bytesMax: Math.max(1, compress(codec, content).length) }),
      );
    }
  }
});
