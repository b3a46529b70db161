/**
 * Random numbers that can be repeated from a seed, for tests, simulations and jitter. Not for secrets. Any isolate. The generator
 * is mulberry32: 32 bits of state, a period of 2^32.
 */

/** Makes a generator. @param seed any integer @returns uniform numbers in [0, 1) */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
