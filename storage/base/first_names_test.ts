import assert from "node:assert/strict";
import { firstNames } from "./first_names.ts";

Deno.test("A sentence has the first names of a list, and says how many it leaves out", () => {
  assert.equal(firstNames([]), "");
  assert.equal(firstNames(["a", "b", "c", "d", "e"]), "a, b, c, d, e");
  assert.equal(firstNames(["1", "2", "3", "4", "5", "6", "7"]), "1, 2, 3, 4, 5 and 2 more");
  assert.equal(firstNames(["1", "2", "3"], { namedMax: 2 }), "1, 2 and 1 more");
  assert.equal(firstNames(["a", "b", "c", "d", "e"], { count: 1000 }), "a, b, c, d, e and 995 more");
});
