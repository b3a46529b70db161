import assert from "node:assert/strict";
import { createRandom } from "../../../../../storage/base/random.ts";
import { LoadHeap } from "./load_heap.ts";

Deno.test("LoadHeap keeps the least and the most loaded member on top while the top changes", () => {
  const random = createRandom(1);
  for (let round = 0; round < 50; round++) {
    const loads = Int32Array.from({ length: 1 + Math.floor(random() * 20) }, () => Math.floor(random() * 10));
    const members = Array.from(loads.keys());
    const least = new LoadHeap(members, loads, "least");
    for (let step = 0; step < 50; step++) {
      assert.equal(least.top, loads.indexOf(Math.min(...loads)));
      loads[least.top]!++;
      least.siftTop();
    }
    const most = new LoadHeap(members, loads, "most");
    for (let left = members.length; left > 0; left--) {
      assert.equal(most.top, loads.indexOf(Math.max(...loads)));
      loads[most.top] = -1;
      most.removeTop();
    }
    assert.equal(most.top, -1);
  }
});
