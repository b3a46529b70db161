/** The judgement on made-up figures: it distinguishes what the broker did from what the machine did. */
import assert from "node:assert/strict";
import { TURN_TIME_BOUNDS_MS } from "../../mod.ts";
import { judgeTurns } from "./judgement.ts";
import { type Samples, takenByMachine } from "./meter.ts";

/** Samples of a thread that waited this long in each period of 4 ms. */
function samplesOf(waits: readonly number[]): Samples {
  let [atMs, waitedMs] = [0, 0];
  const samples: Samples = { atMs: [0], waitedMs: [[0]], stolenMs: 0 };
  for (const wait of waits) {
    samples.atMs.push(atMs += 4);
    samples.waitedMs[0]!.push(waitedMs += wait);
  }
  return samples;
}

function timesOf(turnsMs: readonly number[]) {
  const counts = new Array(TURN_TIME_BOUNDS_MS.length + 1).fill(0);
  for (const ms of turnsMs) {
    const bucket = TURN_TIME_BOUNDS_MS.findIndex((bound) => ms <= bound);
    counts[bucket === -1 ? TURN_TIME_BOUNDS_MS.length : bucket]++;
  }
  return [{ shard: 0, counts, longestMs: Math.max(0, ...turnsMs) }];
}

function complaintsOf(turnsMs: readonly number[], samples: Samples, earlierMs: readonly number[] = []): string[] {
  const complaints: string[] = [];
  judgeTurns(timesOf(earlierMs), timesOf([...earlierMs, ...turnsMs]), {
    samples,
    complain: (text) => void complaints.push(text),
  });
  return complaints;
}

const idle = samplesOf(new Array(1000).fill(0));

Deno.test("judgeTurns() complains of a turn that worked for more than 50 ms", () => {
  assert.deepEqual(complaintsOf([3, 49.9], idle), []);
  assert.equal(complaintsOf([50.1], idle).length, 1);
  assert.equal(complaintsOf([50.1], idle, [400]).length, 1, "also when there has been a longer one");
  assert.equal(complaintsOf([1000], samplesOf(new Array(1000).fill(2))).length, 1, "the machine took half of it");
  assert.equal(complaintsOf([5000], idle).length, 1);
});

Deno.test("judgeTurns() leaves out the time that the machine took", () => {
  const busy = samplesOf(new Array(1000).fill(2));
  assert.deepEqual(complaintsOf([95], busy), [], "47 of 95 ms");
  assert.equal(complaintsOf([120], busy).length, 1, "60 of 120 ms");
  assert.deepEqual(complaintsOf([120], { ...busy, stolenMs: 30 }), []);
});

Deno.test("judgeTurns() complains of many turns above 10 ms, not of few", () => {
  const short = new Array(2000).fill(3);
  assert.deepEqual(complaintsOf([...short, ...new Array(20).fill(12)], idle), []);
  assert.equal(complaintsOf([...short, ...new Array(60).fill(12)], idle).length, 1);
});

Deno.test("takenByMachine() is the longest wait in any stretch of the length, never more than the stretch", () => {
  const burst = samplesOf([0, 0, 4, 4, 4, 0, 0, 0, 0, 0]);
  assert.equal(takenByMachine(burst, 12), 12);
  assert.equal(takenByMachine(burst, 4), 4);
  assert.equal(takenByMachine(burst, 100), 12);
  assert.equal(takenByMachine(samplesOf([]), 100), 0);
});
