import assert from "node:assert/strict";
import { median, medianInterval } from "./statistics.ts";

Deno.test("median() is the middle value, the mean of the two in the middle, or NaN without values", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([7]), 7);
  assert(Number.isNaN(median([])));
});

Deno.test("medianInterval() has the ranks of the sign test and needs enough values", () => {
  const ranks = (count: number, confidence: number) =>
    medianInterval(Array.from({ length: count }, (_, i) => count - i), confidence);
  // Of 2^6 ways to be above or below, 2 have all six on one side: 96.9 %. Of 2^9, 2 have nine and 18 eight: 96.1 %. And so on.
  assert.equal(ranks(5, 0.95), null);
  assert.deepEqual(ranks(6, 0.95), { low: 1, high: 6 });
  assert.deepEqual(ranks(8, 0.95), { low: 1, high: 8 });
  assert.deepEqual(ranks(9, 0.95), { low: 2, high: 8 });
  assert.deepEqual(ranks(12, 0.95), { low: 3, high: 10 });
  assert.deepEqual(ranks(20, 0.95), { low: 6, high: 15 });
  assert.deepEqual(ranks(8, 0.99), { low: 1, high: 8 });
  assert.equal(ranks(7, 0.99), null);
  for (const count of [0, 1, 2]) assert.equal(ranks(count, 0.85), null);
});

Deno.test("medianInterval() contains the median about as often as it says, for any noise", () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
  let state = seed;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const trials = 4000;
  let held = 0;
  for (let trial = 0; trial < trials; trial++) {
    // Long tail to one side; its median is 1.
    const found = medianInterval(Array.from({ length: 10 }, () => Math.log(random() + 1e-12) / Math.log(0.5)), 0.85)!;
    if (found.low <= 1 && 1 <= found.high) held++;
  }
  // k = 3 of 10: 89 %.
  assert(Math.abs(held / trials - 0.89) < 0.03, `seed ${seed}: ${held} of ${trials}`);
});
