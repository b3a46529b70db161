import { strict as assert } from "node:assert";
import { IsolateTable } from "./mail.ts";
import { TURN_TIME_BOUNDS_MS, TurnCounter, TurnTimesReader } from "./turn_times.ts";
import { ISOLATE } from "./words.ts";

Deno.test("TurnCounter.count() counts each turn in the bucket of its duration, only for its shard, and keeps the longest", () => {
  const isolates = new IsolateTable(IsolateTable.allocate(2));
  const counter = new TurnCounter(isolates, 1);
  const reader = new TurnTimesReader(isolates, 2);
  const none = Array<number>(TURN_TIME_BOUNDS_MS.length + 1).fill(0);
  assert.deepEqual(reader.read()[1], { shard: 1, counts: none, longestMs: 0 });
  for (const tookMs of [0, 1, 1.001, 10, 10.5, 50, 999, 1001, 80_000]) counter.count(tookMs);
  assert.deepEqual(reader.read()[1]?.counts, [2, 1, 0, 1, 1, 1, 0, 0, 0, 1, 2]);
  assert.equal(reader.read()[1]?.longestMs, 80_000);
  counter.count(1e12);
  assert.equal(reader.read()[1]?.longestMs, 0x7fff_ffff / 1000, "what does not fit stays at the end");
  assert.deepEqual(reader.read()[0], { shard: 0, counts: none, longestMs: 0 });
  assert.equal(reader.turnsCount, 10);
});

Deno.test("TurnTimesReader goes on where a count of a shard wraps", () => {
  const isolates = new IsolateTable(IsolateTable.allocate(2));
  const reader = new TurnTimesReader(isolates, 2);
  for (const [shard, count] of [-3, 5].entries()) isolates.set(shard, ISOLATE.turns + 1, count);
  assert.deepEqual(reader.read().map(({ counts }) => counts[1]), [2 ** 32 - 3, 5]);
  isolates.set(0, ISOLATE.turns + 1, 4);
  assert.deepEqual(reader.read().map(({ counts }) => counts[1]), [2 ** 32 + 4, 5]);
  assert.equal(reader.turnsCount, 2 ** 32 + 9);
});
