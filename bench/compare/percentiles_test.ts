import assert from "node:assert/strict";
import { percentileFigures } from "./percentiles.ts";

Deno.test("percentileFigures() names what was measured and the percentile", () => {
  const found = { count: 9, p50: 1, p99: 2, p999: 3, max: 4 };
  assert.deepEqual(percentileFigures("commit", found), [
    { name: "commit, p50 ms", value: 1, better: "lower" },
    { name: "commit, p99 ms", value: 2, better: "lower" },
    { name: "commit, p99.9 ms", value: 3, better: "lower" },
  ]);
  assert.deepEqual(percentileFigures("alone", found, ["max"]), [{ name: "alone, max ms", value: 4, better: "lower" }]);
});
