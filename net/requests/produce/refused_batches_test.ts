import { strict as assert } from "node:assert";
import { RefusedBatches } from "./refused_batches.ts";

const batch = (sequence: number, change: { producerId?: number; topic?: string; partition?: number } = {}) => ({
  producerId: 1,
  topic: "t",
  partition: 0,
  sequence,
  ...change,
});

Deno.test("RefusedBatches.isAhead() finds batches behind a refused one of their producer and partition, until it is stored", () => {
  const refused = new RefusedBatches();
  assert.equal(refused.isAhead(batch(17), 0), false, "an unknown producer may start anywhere");
  refused.onRefused(batch(17), 0);
  refused.onRefused(batch(34), 0);
  assert.deepEqual([16, 17, 18, 34].map((sequence) => refused.isAhead(batch(sequence), 0)), [false, false, true, true]);
  for (const other of [{ producerId: 2 }, { topic: "u" }, { partition: 1 }]) {
    assert.equal(refused.isAhead(batch(34, other), 0), false);
  }
  refused.onStored(batch(17));
  assert.deepEqual([refused.isAhead(batch(34), 0), refused.isEmpty], [false, true]);
});

Deno.test("RefusedBatches keeps the first refused sequence, and forgets it at the first batch of a new epoch", () => {
  const refused = new RefusedBatches();
  refused.onRefused(batch(34), 0);
  refused.onRefused(batch(0), 0);
  assert.deepEqual([refused.isAhead(batch(17), 0), refused.isAhead(batch(0), 0)], [true, false]);
  refused.onStored(batch(0));
  assert.equal(refused.isEmpty, true);
});

Deno.test("RefusedBatches remembers the latest hundred", () => {
  const refused = new RefusedBatches();
  for (let partition = 0; partition < 101; partition++) refused.onRefused(batch(0, { partition }), 0);
  assert.deepEqual([0, 1, 100].map((partition) => refused.isAhead(batch(1, { partition }), 0)), [false, true, true]);
});

Deno.test("RefusedBatches does not remember names that no topic can have, because a hundred of them take megabytes", () => {
  const refused = new RefusedBatches();
  refused.onRefused(batch(0, { topic: "t".repeat(250) }), 0);
  assert.ok(refused.isEmpty);
  refused.onRefused(batch(0, { topic: "t".repeat(249) }), 0);
  assert.ok(!refused.isEmpty);
});

Deno.test("RefusedBatches.isAhead() forgets a refusal once another broker may have stored the batch, and takes a newer one instead", () => {
  const refused = new RefusedBatches();
  refused.onRefused(batch(17), 6);
  assert.deepEqual([5, 6].map((epoch) => refused.isAhead(batch(34), epoch)), [true, true]);
  refused.onRefused(batch(34), 8);
  assert.deepEqual([17, 34, 51].map((sequence) => refused.isAhead(batch(sequence), 8)), [false, false, true]);
  assert.deepEqual([refused.isAhead(batch(51), 9), refused.isEmpty], [false, true]);
});
