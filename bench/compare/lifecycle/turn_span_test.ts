import assert from "node:assert/strict";
import { TURN_TIME_BOUNDS_MS, type TurnTimes } from "../../../partitions/shared/turn_times.ts";
import { turnsBetween } from "./turn_span.ts";

/** @param turns counts by the upper bound of their bucket in milliseconds; 0: longer than all */
function timesOf(turns: Readonly<Record<number, number>>, longestMs: number): TurnTimes {
  const counts = [...TURN_TIME_BOUNDS_MS, 0].map((bound) => turns[bound] ?? 0);
  return { shard: 0, counts, longestMs };
}

Deno.test("turnsBetween() takes the longest turn since the start when it is a new one", () => {
  const found = turnsBetween([timesOf({ 1: 5 }, 0.8)], [timesOf({ 1: 9, 20: 2 }, 17.5)]);
  assert.deepEqual(found, { longTurns: 2, longestMs: 17.5 });
});

Deno.test("turnsBetween() takes the bound of the highest bucket when a turn before was longer", () => {
  const found = turnsBetween([timesOf({ 1: 5, 0: 1 }, 1500)], [timesOf({ 1: 9, 5: 1, 0: 1 }, 1500)]);
  assert.deepEqual(found, { longTurns: 0, longestMs: 5 });
});

Deno.test("turnsBetween() takes no bound above the longest turn since the start", () => {
  const found = turnsBetween([timesOf({ 0: 1 }, 1500)], [timesOf({ 0: 2 }, 1500)]);
  assert.deepEqual(found, { longTurns: 1, longestMs: 1500 });
});

Deno.test("turnsBetween() adds up the shards, counts turns above 10 ms only, and survives a wrap", () => {
  const before = [timesOf({ 1: 2 ** 32 - 1, 20: 1 }, 40), timesOf({}, 0)];
  const after = [timesOf({ 1: 3, 10: 4, 20: 2 }, 40), timesOf({ 50: 1 }, 33)];
  assert.deepEqual(turnsBetween(before, after), { longTurns: 2, longestMs: 33 });
  assert.deepEqual(turnsBetween(before, before), { longTurns: 0, longestMs: 0 });
});
