import { strict as assert } from "node:assert";
import { IsolateTable } from "./mail.ts";
import { readTurnTimes, TURN_TIME_BOUNDS_MS, TurnCounter } from "./turn_times.ts";

Deno.test("TurnCounter.count() counts each turn in the bucket of its duration, only for its shard, and keeps the longest", () => {
  const isolates = new IsolateTable(IsolateTable.allocate(2));
  const counter = new TurnCounter(isolates, 1);
  const none = Array<number>(TURN_TIME_BOUNDS_MS.length + 1).fill(0);
  assert.deepEqual(readTurnTimes(isolates, 1), { shard: 1, counts: none, longestMs: 0 });
  for (const tookMs of [0, 1, 1.001, 10, 10.5, 50, 999, 1001, 80_000]) counter.count(tookMs);
  assert.deepEqual(readTurnTimes(isolates, 1).counts, [2, 1, 0, 1, 1, 1, 0, 0, 0, 1, 2]);
  assert.equal(readTurnTimes(isolates, 1).longestMs, 80_000);
  counter.count(1e12);
  assert.equal(readTurnTimes(isolates, 1).longestMs, 0x7fff_ffff / 1000, "what does not fit stays at the end");
  assert.deepEqual(readTurnTimes(isolates, 0), { shard: 0, counts: none, longestMs: 0 });
});
