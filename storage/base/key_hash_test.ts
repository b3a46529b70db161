import { strict as assert } from "node:assert";
import { HASH_WORDS, hashKey, newHashSecret } from "./key_hash.ts";

/**
 * By OpenSSL 3.0: `openssl mac -macopt hexkey:000102030405060708090a0b0c0d0e0f -macopt size:16 -macopt c-rounds:1 -macopt d-rounds:3 -in
 * FILE SIPHASH`, of the first `length` bytes of 00 01 02 ….
 */
const VECTORS: readonly (readonly [length: number, hash: string])[] = [
  [0, "e77ebcb22788a5befd62db6add303001"],
  [1, "fc6f370460d3eda85e0573cc2b2ff063"],
  [2, "75787f090569839b855bc9548c6aea95"],
  [3, "6bc5ccfa1edcf79f4823187712ebd743"],
  [4, "0c784e71ac2b285a9f8e92e78fbf2c25"],
  [7, "1084b923f2aae0c3a62f2ec80848ab77"],
  [8, "aa12fee1d5e3dab4724f16ab35f9c799"],
  [15, "c17e5505b2bd526c2921cdec1e7e0109"],
  [16, "d0a8d95715518eebb513b0f83d9e1793"],
  [63, "4c5800e34efe426f079f6b0aa75260ad"],
];

function hexOf(secret: Int32Array, key: Uint8Array, start: number, length: number): string {
  const hash = new Int32Array(HASH_WORDS);
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  hashKey(secret, { bytes: key, view }, start, length, hash);
  return new Uint8Array(hash.buffer).toHex();
}

Deno.test("hashKey() is SipHash-1-3 with 128 bits, as OpenSSL computes it", () => {
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
