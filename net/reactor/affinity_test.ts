import { strict as assert } from "node:assert";
import { Affinity } from "./affinity.ts";

function request(affinity: Affinity, shards: number[]): number {
  for (const shard of shards) affinity.countPartition(shard);
  affinity.endRequest();
  return affinity.destination;
}

function requestsUntilTransfer(affinity: Affinity, shards: number[]): number {
  for (let count = 1; count <= 1000; count++) if (request(affinity, shards) !== -1) return count;
  return Infinity;
}

Deno.test("Affinity asks for a transfer after eight requests in a row that mostly concern one other shard", () => {
  assert.equal(requestsUntilTransfer(new Affinity(0, 0), [1, 0, 1]), 8);
  const affinity = new Affinity(0, 0);
  for (let count = 0; count < 7; count++) assert.equal(request(affinity, [2]), -1);
  assert.equal(request(affinity, [0]), -1);
  for (let count = 0; count < 7; count++) assert.equal(request(affinity, [2]), -1);
  assert.equal(request(affinity, [2]), 2);
});

Deno.test("Affinity stays when half or more is its own, when shards alternate, and when no partition is asked for", () => {
  assert.equal(requestsUntilTransfer(new Affinity(0, 0), [0, 0, 1]), Infinity);
  assert.equal(requestsUntilTransfer(new Affinity(0, 0), [0, 1]), Infinity);
  assert.equal(requestsUntilTransfer(new Affinity(0, 0), [1, 0, 2]), Infinity);
  assert.equal(requestsUntilTransfer(new Affinity(0, 0), []), Infinity);
  const affinity = new Affinity(0, 0);
  for (let count = 0; count < 100; count++) assert.equal(request(affinity, [1 + (count % 2)]), -1);
});

Deno.test("Affinity.startOver() asks again after the same number of requests when a connection could not be transferred", () => {
  const affinity = new Affinity(0, 0);
  assert.equal(requestsUntilTransfer(affinity, [1]), 8);
  affinity.startOver();
  assert.equal(affinity.destination, -1);
  assert.equal(requestsUntilTransfer(affinity, [1]), 8);
});

Deno.test("Affinity needs twice as many requests after each transfer, and never transfers again after four", () => {
  assert.deepEqual([0, 1, 2, 3, 4].map((transfers) => requestsUntilTransfer(new Affinity(0, transfers), [1])), [
    8,
    16,
    32,
    64,
    Infinity,
  ]);
});

Deno.test("Affinity.pin() keeps a connection on its shard", () => {
  const affinity = new Affinity(0, 0);
  affinity.pin();
  assert.equal(requestsUntilTransfer(affinity, [1]), Infinity);
});
