import assert from "node:assert/strict";
import { isWarm, WARM_RUNS_MIN } from "./warming.ts";

/** Runs that a warming takes of a series. */
function runsOf(values: readonly number[], better: "higher" | "lower" = "higher"): number {
  const runs = values.findIndex((_, i) => isWarm(values.slice(0, i + 1), better)) + 1;
  return runs === 0 ? Infinity : runs;
}

Deno.test("isWarm() needs a number of runs, however quiet they are", () => {
  assert.equal(runsOf([100, 100, 100, 100, 100, 100]), WARM_RUNS_MIN);
  assert.equal(runsOf([100, 90, 80, 70]), WARM_RUNS_MIN);
});

Deno.test("isWarm() does not end the warming at one noisy run", () => {
  assert.equal(runsOf([100, 150, 200, 120, 260, 262, 261]), 7, "the fourth run is a noisy one");
  assert.equal(runsOf([100, 150, 200, 120, 205]), 5);
});

Deno.test("isWarm() is false while runs improve, also for a figure of which less is better", () => {
  assert.equal(runsOf([100, 110, 121, 134, 148, 163, 170, 171]), 8);
  assert.equal(runsOf([10, 9, 8, 7, 6, 5.9, 5.8], "lower"), 7);
});
