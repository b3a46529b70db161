/**
 * SipHash-1-3 with 128 bits: the hash of a key under a random secret. Pure; runs on the cleaner worker, twice for every record, and on
 * shards, for those who have a quota.
 *
 *   v0..v3 = secret ^ constants      4 words of 64 bits, each as two of 32 (v and w)
 *   for each 8 bytes m of the key, little-endian, the last one with the length:  v3 ^= m · 1 round · v0 ^= m
 *   v2 ^= 0xee · 3 rounds · first half = v0^v1^v2^v3 · v1 ^= 0xdd · 3 rounds · second half
 *
 * Kafka takes MD5 without a secret. Keys of equal MD5 are easily made, so somebody who can make others produce such a key can remove
 * their records with the other one. Under a secret that never leaves the worker nobody finds keys of equal hash; among 2^32 keys two
 * have it by chance with the probability 2^-65. The hash tables of Rust and Python have SipHash-1-3 for the same reason.
 *
 * It is faster, too: on a busy machine a key of 20 bytes took 0.17 µs of CPU time, by SipHash-2-4 0.29, and by MD5 of node:crypto 0.8 at
 * best (bench/cleaner_bench.ts).
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF".
 */

/** 32-bit words of a secret and of a hash. */
export const HASH_WORDS = 4;

const FINAL_ROUNDS = 3;
const BLOCK_BYTES = 8;

/** Makes a secret for the hashes of one cleaning. */
export function newHashSecret(): Int32Array {
  return crypto.getRandomValues(new Int32Array(HASH_WORDS));
}

/** A word of the last block of a key: its bytes from an index on, zeros after its end. */
function lastWord(bytes: Uint8Array, at: number, end: number): number {
  let word = 0;
  for (let shift = 0; shift < 32 && at < end; shift += 8) word |= bytes[at++]! << shift;
  return word;
}

/**
 * Hashes a key.
 * @param secret of `newHashSecret()` @param memory holds the key @param start index of its first byte @param length of it in bytes
 * @param hash receives the hash, in `HASH_WORDS` words
 */
export function hashKey(
  secret: Int32Array,
  { bytes, view }: { readonly bytes: Uint8Array; readonly view: DataView },
  start: number,
  length: number,
  hash: Int32Array,
): void {
  let [v0, w0] = [secret[0]! ^ 0x70736575, secret[1]! ^ 0x736f6d65];
  let [v1, w1] = [secret[2]! ^ 0x6e646f6d ^ 0xee, secret[3]! ^ 0x646f7261];
  let [v2, w2] = [secret[0]! ^ 0x6e657261, secret[1]! ^ 0x6c796765];
  let [v3, w3] = [secret[2]! ^ 0x79746573, secret[3]! ^ 0x74656462];
  let [m, n, t] = [0, 0, 0];
  const end = start + length;
  const lastBlockAt = end - (length % BLOCK_BYTES);
  for (let at = start; at <= lastBlockAt; at += BLOCK_BYTES) {
    if (at < lastBlockAt) m = view.getInt32(at, true), n = view.getInt32(at + 4, true);
    else m = lastWord(bytes, at, end), n = lastWord(bytes, at + 4, end) | (length << 24);
    v3 ^= m, w3 ^= n;
    v0 = (v0 + v1) | 0, w0 = (w0 + w1 + (v0 >>> 0 < v1 >>> 0 ? 1 : 0)) | 0;
    t = (v1 << 13) | (w1 >>> 19), w1 = ((w1 << 13) | (v1 >>> 19)) ^ w0, v1 = t ^ v0;
    t = v0, v0 = w0, w0 = t;
    v2 = (v2 + v3) | 0, w2 = (w2 + w3 + (v2 >>> 0 < v3 >>> 0 ? 1 : 0)) | 0;
    t = (v3 << 16) | (w3 >>> 16), w3 = ((w3 << 16) | (v3 >>> 16)) ^ w2, v3 = t ^ v2;
    v0 = (v0 + v3) | 0, w0 = (w0 + w3 + (v0 >>> 0 < v3 >>> 0 ? 1 : 0)) | 0;
    t = (v3 << 21) | (w3 >>> 11), w3 = ((w3 << 21) | (v3 >>> 11)) ^ w0, v3 = t ^ v0;
    v2 = (v2 + v1) | 0, w2 = (w2 + w1 + (v2 >>> 0 < v1 >>> 0 ? 1 : 0)) | 0;
    t = (v1 << 17) | (w1 >>> 15), w1 = ((w1 << 17) | (v1 >>> 15)) ^ w2, v1 = t ^ v2;
    t = v2, v2 = w2, w2 = t;
    v0 ^= m, w0 ^= n;
  }
  v2 ^= 0xee;
  for (let round = 0; round < 2 * FINAL_ROUNDS; round++) {
    if (round === FINAL_ROUNDS) {
      hash[0] = v0 ^ v1 ^ v2 ^ v3, hash[1] = w0 ^ w1 ^ w2 ^ w3;
      v1 ^= 0xdd;
    }
    v0 = (v0 + v1) | 0, w0 = (w0 + w1 + (v0 >>> 0 < v1 >>> 0 ? 1 : 0)) | 0;
    t = (v1 << 13) | (w1 >>> 19), w1 = ((w1 << 13) | (v1 >>> 19)) ^ w0, v1 = t ^ v0;
    t = v0, v0 = w0, w0 = t;
    v2 = (v2 + v3) | 0, w2 = (w2 + w3 + (v2 >>> 0 < v3 >>> 0 ? 1 : 0)) | 0;
    t = (v3 << 16) | (w3 >>> 16), w3 = ((w3 << 16) | (v3 >>> 16)) ^ w2, v3 = t ^ v2;
    v0 = (v0 + v3) | 0, w0 = (w0 + w3 + (v0 >>> 0 < v3 >>> 0 ? 1 : 0)) | 0;
    t = (v3 << 21) | (w3 >>> 11), w3 = ((w3 << 21) | (v3 >>> 11)) ^ w0, v3 = t ^ v0;
    v2 = (v2 + v1) | 0, w2 = (w2 + w1 + (v2 >>> 0 < v1 >>> 0 ? 1 : 0)) | 0;
    t = (v1 << 17) | (w1 >>> 15), w1 = ((w1 << 17) | (v1 >>> 15)) ^ w2, v1 = t ^ v2;
    t = v2, v2 = w2, w2 = t;
  }
  hash[2] = v0 ^ v1 ^ v2 ^ v3, hash[3] = w0 ^ w1 ^ w2 ^ w3;
}
