/**
 * Totals and counts in shared words of one writer. Any isolate may read them while the writer counts.
 *
 *   a count   one word, which wraps at 2^32
 *   a total   low 32 bits | high bits | high bits again
 *
 * Nearly every change of a total is one store of its low word. When that overflows, the writer stores high, low and high again; a reader
 * reads them in the opposite order and takes the total when both copies of the high bits are the same. So a total never goes back or jumps.
 *
 * Stores of a low word and of a count are plain ones: no other word depends on them, and a word of 32 bits does not tear. The end of a turn
 * stores its counters atomically (turn_times.ts), so what was counted before is seen by then. A plain store takes 1.3 ns, an atomic one 13
 * (2 cores).
 */

const TWO_POW_32 = 0x1_0000_0000;

/** Words of a total. */
export const TOTAL_WORDS = 3;

/** Adds to a total; only its one writer calls it. @param at its first word @param amount an integer, 0 or more */
export function addTotal(words: Int32Array, at: number, amount: number): void {
  const sum = ((words[at] as number) >>> 0) + amount;
  if (sum < TWO_POW_32) words[at] = sum;
  else carry(words, at, sum);
}

/** Adds one to a count; only its one writer calls it. @param at its word */
export function addOne(words: Int32Array, at: number): void {
  words[at] = (words[at] as number) + 1;
}

/** Adds to a count; only its one writer calls it. @param at its word */
export function addCount(words: Int32Array, at: number, amount: number): void {
  words[at] = (words[at] as number) + amount;
}

/** Reads a total. @param at its first word */
export function readTotal(words: Int32Array, at: number): number {
  for (;;) {
    const again = Atomics.load(words, at + 2);
    const low = Atomics.load(words, at) >>> 0;
    const high = Atomics.load(words, at + 1);
    if (high === again) return high * TWO_POW_32 + low;
  }
}

/** Reads a count: 0 to 2^32 - 1. @param at its word */
export function readCount(words: Int32Array, at: number): number {
  return Atomics.load(words, at) >>> 0;
}

function carry(words: Int32Array, at: number, sum: number): void {
  const high = (words[at + 1] as number) + Math.floor(sum / TWO_POW_32);
  Atomics.store(words, at + 1, high);
  Atomics.store(words, at, sum % TWO_POW_32);
  Atomics.store(words, at + 2, high);
}
