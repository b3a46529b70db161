import assert from "node:assert/strict";
import { HEAP_GROWTH_BYTES, HeapGarbage, type OldGeneration, ownHeap } from "./heap_garbage.ts";

const MIB = 1024 * 1024;
/** Longer than the time between two looks. */
const LOOK_MS = 100;

/** A heap whose size the test sets. */
class FakeHeap implements OldGeneration {
  usedBytes = 30 * MIB;
  requests = 0;

  requestCollection(): void {
    this.requests++;
  }
}

/** A watched heap; `sizes` are what the looks find, in MiB. */
function watch() {
  const heap = new FakeHeap();
  const garbage = new HeapGarbage(HEAP_GROWTH_BYTES.shard, heap);
  let nowMs = 0;
  const look = (sizes: readonly number[], everyMs = LOOK_MS) => {
    for (const size of sizes) {
      heap.usedBytes = size * MIB;
      garbage.look(nowMs += everyMs);
    }
    return heap.requests;
  };
  return { heap, look };
}

Deno.test("HeapGarbage requests a collection when the old generation has grown by 16 MiB since it was smallest", () => {
  const { look } = watch();
  assert.equal(look([30, 40, 45]), 0);
  assert.equal(look([51]), 1);
  assert.equal(look([60, 70]), 1, "the collection takes its time");
  assert.equal(look([78]), 2, "it grew by half again");
  assert.equal(look([25, 35, 40]), 2, "the collection has ended");
  assert.equal(look([42]), 3);
});

Deno.test("HeapGarbage lets a large heap grow by half, and a heap that lives stay", () => {
  const { look } = watch();
  look([30, 200]);
  assert.equal(look([210, 299]), 1);
  assert.equal(look([301]), 2);
  const { look: lookAgain } = watch();
  assert.equal(lookAgain(new Array(200).fill(100)), 0);
});

Deno.test("HeapGarbage looks every 20 ms at most", () => {
  const { look } = watch();
  look([30], 1000);
  assert.equal(look([100, 100, 100], 6), 0);
  assert.equal(look([100], 6), 1);
});

Deno.test("HeapGarbage has the rest collected once when the heap has not grown for 5 s", () => {
  const { look } = watch();
  look([30, 45]);
  assert.equal(look([45, 45, 45, 45], 1000), 0);
  assert.equal(look([45, 45], 1000), 1);
  assert.equal(look(new Array(100).fill(45), 1000), 1, "all of it lives");
  assert.equal(look([31]), 1);
  assert.equal(look(new Array(100).fill(34), 1000), 1, "too little to collect");
});

// V8 marks on other threads, which get no time on a busy machine; tests/hostile sees the effect at each commit.
Deno.test({
  name: "requestCollection() lets V8 collect an old generation that is far below its limit (BARNABAS_SLOW=1)",
  ignore: Deno.env.get("BARNABAS_SLOW") !== "1",
  fn() {
    const heap = ownHeap();
    const before = heap.usedBytes;
    const held: number[][] = [];
    // Large arrays go to the old generation when they have survived.
    for (let count = 0; count < 25; count++) held.push(new Array(200_000).fill(0.5));
    assert.ok(churnUntil(() => heap.usedBytes > before + 35 * MIB), "the arrays are in the old generation");
    held.length = 0;
    heap.requestCollection();
    assert.ok(churnUntil(() => heap.usedBytes < before + 15 * MIB), "they were collected");
  },
});

/** Makes garbage that dies young, because V8 works on collections in between. @returns whether the condition came to hold */
function churnUntil(condition: () => boolean): boolean {
  const endMs = performance.now() + 20_000;
  for (let count = 0; performance.now() < endMs; count++) {
    const text = Array.from({ length: 1000 }, (_, index) => `${count}${index}`).join("");
    if (text.length > 0 && condition()) return true;
  }
  return false;
}
