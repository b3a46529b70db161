import { strict as assert } from "node:assert";
import { createRandom } from "../../base/random.ts";
import { lz4ContentBytes } from "./lz4_block.ts";
import { compressSync, uncompressSync } from "npm:lz4-napi@2.10.0";

type NativeBytes = Parameters<typeof compressSync>[0];
const sizeOf = (...block: number[]) => lz4ContentBytes(new Uint8Array(block), 0, block.length);

Deno.test("lz4ContentBytes() adds up literals and matches, with lengths that continue", () => {
  assert.equal(sizeOf(0x10, 65), 1);
  assert.equal(sizeOf(0x00), 0, "an empty block is one token");
  assert.equal(sizeOf(0x12, 65, 1, 0, 0x10, 66), 1 + 4 + 2 + 1);
  const literals = new Array(15 + 255 + 7).fill(65);
  assert.equal(sizeOf(0xf0, 255, 7, ...literals), literals.length);
  assert.equal(sizeOf(0x1f, 65, 1, 0, 255, 255, 3, 0x10, 66), 1 + 15 + 255 + 255 + 3 + 4 + 1);
});

Deno.test("lz4ContentBytes() refuses blocks that are empty, cut off, or end with a match", () => {
  assert.equal(sizeOf(), -1);
  assert.equal(sizeOf(0x20, 65), -1, "a literal is missing");
  assert.equal(sizeOf(0xf0), -1);
  assert.equal(sizeOf(0xf0, 255, 255), -1);
  assert.equal(sizeOf(0x10, 65, 1), -1, "half a distance");
  assert.equal(sizeOf(0x10, 65, 1, 0), -1);
});

Deno.test("lz4ContentBytes() agrees with the library on every block that it decodes, damaged ones too (seeded)", () => {
  const seed = Number(Deno.env.get("BARNABAS_SEED") ?? Date.now() % 1_000_000);
  const random = createRandom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  let decoded = 0;
  for (let round = 0; round < 3000; round++) {
    const plain = Uint8Array.from({ length: below(400) }, (_, at) => below(4) === 0 ? below(256) : at % (1 + below(9)));
    const block = Uint8Array.from(compressSync(plain as NativeBytes));
    if (round % 2 === 1) block[4 + below(block.length - 4)]! ^= 1 << below(8);
    const claimed = lz4ContentBytes(block, 4, block.length);
    if (round % 2 === 0) assert.equal(claimed, plain.length, `BARNABAS_SEED=${seed}`);
    if (claimed < 0 || claimed > 100_000) continue;
    new DataView(block.buffer).setUint32(0, claimed, true);
    try {
      assert.equal(uncompressSync(block).length, claimed, `BARNABAS_SEED=${seed}`);
      decoded++;
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
    }
  }
  assert.ok(decoded > 1500, `${decoded} blocks`);
});
