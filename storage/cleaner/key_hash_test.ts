import { strict as assert } from "node:assert";
import { HASH_WORDS, hashKey, newHashSecret } from "./key_hash.ts";

/** Of the reference implementation (vectors.h, `vectors_sip128`): the secret 00 01 … 0f, and the first `length` bytes of 00 01 02 …. */
const VECTORS: readonly (readonly [length: number, hash: string])[] = [
  [0, "a3817f04ba25a8e66df67214c7550293"],
  [1, "da87c1d86b99af44347659119b22fc45"],
  [2, "8177228da4a45dc7fca38bdef60affe4"],
  [3, "9c70b60c5267a94e5f33b6b02985ed51"],
  [7, "a1f1ebbed8dbc153c0b84aa61ff08239"],
  [8, "3b62a9ba6258f5610f83e264f31497b4"],
  [15, "5493e99933b0a8117e08ec0f97cfc3d9"],
  [16, "6ee2a4ca67b054bbfd3315bf85230577"],
  [63, "5150d1772f50834a503e069a973fbd7c"],
];

function hexOf(secret: Int32Array, key: Uint8Array, start: number, length: number): string {
  const hash = new Int32Array(HASH_WORDS);
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  hashKey(secret, { bytes: key, view }, start, length, hash);
  return new Uint8Array(hash.buffer).toHex();
}

Deno.test("hashKey() is SipHash-2-4 with 128 bits, by the vectors of its reference implementation", () => {
  const secret = new Int32Array(Uint8Array.from({ length: 16 }, (_, index) => index).buffer);
  const key = Uint8Array.from({ length: 64 }, (_, index) => index);
  for (const [length, hash] of VECTORS) assert.equal(hexOf(secret, key, 0, length), hash, `${length} bytes`);
});

Deno.test("hashKey() depends on the key alone, wherever it lies, and on the secret", () => {
  const secret = newHashSecret();
  const key = crypto.getRandomValues(new Uint8Array(40));
  for (let length = 0; length <= 24; length++) {
    const hashes = [0, 1, 7, 13].map((start) => {
      const around = crypto.getRandomValues(new Uint8Array(64));
      around.set(key.subarray(0, length), start);
      return hexOf(secret, around, start, length);
    });
    assert.equal(new Set(hashes).size, 1, `${length} bytes`);
    assert.notEqual(hexOf(newHashSecret(), key, 0, length), hashes[0]);
  }
});
