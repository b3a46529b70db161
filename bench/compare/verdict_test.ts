import assert from "node:assert/strict";
import type { Figure } from "./figure.ts";
import { exitCodeOf, isDecided, judge, type Judged, PAIRS_MAX, type Verdict } from "./verdict.ts";

/** One figure whose pairs have these ratios. */
function judged(ratios: readonly number[], figure: Partial<Figure> = {}): Judged {
  const run = (value: number): Figure[] => [{ name: "rate", better: "higher", binding: true, ...figure, value }];
  const [row] = judge({ baseline: ratios.map(() => run(200)), candidate: ratios.map((ratio) => run(200 * ratio)) });
  return row!;
}

const times = (count: number, ratio: number) => Array<number>(count).fill(ratio);

Deno.test('judge() says "within" for equal trees after four pairs, not before', () => {
  assert.equal(judged([1.01, 0.99, 1]).verdict, "undecided");
  const row = judged([1.01, 0.99, 1, 0.98]);
  assert.equal(row.verdict, "within");
  assert.equal(row.ratio, 0.995);
  assert.deepEqual(row.interval, { low: 0.98, high: 1.01 });
});

Deno.test("judge() has a bound on the worse side only, whether more or less is better", () => {
  assert.equal(judged(times(4, 2)).verdict, "within");
  assert.equal(judged(times(4, 0.5), { better: "lower" }).verdict, "within");
  assert.equal(judged(times(4, 1.029), { better: "lower" }).verdict, "within");
  assert.equal(judged(times(8, 1.031), { better: "lower" }).verdict, "broken");
  assert.equal(judged(times(8, 1 / 1.031)).verdict, "broken");
});

Deno.test('judge() says "broken" after enough pairs only, and rarely for equal trees, however noisy', () => {
  assert.equal(judged(times(7, 0.9)).verdict, "undecided");
  assert.equal(judged(times(8, 0.9)).verdict, "broken");
  assert.equal(judged([...times(7, 0.9), 1]).verdict, "undecided", "one of eight pairs speaks against it");
  assert.equal(judged([...times(14, 0.9), 1, 1]).verdict, "broken");
});

Deno.test("judge() leaves a figure undecided if it is noisier than the bound", () => {
  assert.equal(judged([0.9, 1.1, 0.95, 1.05]).verdict, "undecided");
  assert.equal(judged(Array.from({ length: PAIRS_MAX }, (_, i) => i % 2 === 0 ? 0.9 : 1.1)).verdict, "undecided");
  assert.equal(judged([1, 1, 1, 1, 1, 0.9, 1]).verdict, "within", "one outlier of seven does not hinder");
});

Deno.test("judge() reports a figure without a bound, and judges no missing value or zero", () => {
  assert.equal(judged(times(8, 5), { binding: undefined, better: "lower" }).verdict, "reported");
  assert.equal(judged([1, 1, NaN, 1]).verdict, "undecided");
  assert.equal(judged([1, 1, 0, 1]).verdict, "undecided");
});

Deno.test("exitCodeOf() is 1 if a bound is broken, 2 if something is only undecided", () => {
  const rows = (...verdicts: Verdict[]) => verdicts.map((verdict) => ({ ...judged([1]), verdict }));
  assert.equal(exitCodeOf(rows("within", "reported")), 0);
  assert.equal(exitCodeOf(rows("within", "undecided", "broken")), 1);
  assert.equal(exitCodeOf(rows("within", "undecided")), 2);
  assert(isDecided(rows("within", "broken", "reported")));
  assert(!isDecided(rows("within", "undecided")));
});
