import { strict as assert } from "node:assert";
import { createRandom } from "./random.ts";
import { LowestNames } from "./lowest_names.ts";

Deno.test("LowestNames keeps the first names of any list, and knows the next one", () => {
  const seed = Date.now() >>> 0;
  const random = createRandom(seed);
  for (let round = 0; round < 300; round++) {
    const all = Array.from({ length: Math.floor(random() * 60) }, () => `t${Math.floor(random() * 1000)}`);
    const names = [...new Set(all)];
    const countMax = 1 + Math.floor(random() * 20);
    const lowest = new LowestNames(countMax);
    for (const name of names) lowest.add(name);
    const sorted = names.toSorted();
    const expected = { names: sorted.slice(0, countMax), next: sorted[countMax] ?? null };
    assert.deepEqual(lowest.take(), expected, `seed ${seed}, round ${round}`);
  }
});
