import { strict as assert } from "node:assert";
import { quantileOf } from "./metric_family.ts";

Deno.test("quantileOf() goes in a straight line through the bucket that has the value", () => {
  const bounds = [1, 2, 10];
  assert.equal(quantileOf({ bounds, counts: [0, 0, 0, 0] }, 0.99), 0, "nothing was measured");
  assert.equal(quantileOf({ bounds, counts: [10, 0, 0, 0] }, 0.5), 0.5);
  assert.equal(quantileOf({ bounds, counts: [10, 0, 10, 0] }, 0.5), 1, "the bucket's end");
  assert.equal(quantileOf({ bounds, counts: [10, 0, 10, 0] }, 0.75), 6, "an empty bucket is passed over");
  assert.equal(quantileOf({ bounds, counts: [1, 1, 1, 1] }, 1), 10, "above all bounds, the last one is what is known");
  assert.equal(quantileOf({ bounds, counts: [1, 0, 0, 99] }, 0.5), 10);
  assert.equal(quantileOf({ bounds: [], counts: [5] }, 0.5), 0, "no bounds, no knowledge");
  assert.equal(quantileOf({ bounds, counts: [3, 0, 0, 0] }, 1), 1);
});
