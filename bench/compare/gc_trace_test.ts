import assert from "node:assert/strict";
import { type Pause, pauseFigures, readPauses } from "./gc_trace.ts";

/** Lines that brokers under load have written, and their meaning. */
const LINES: readonly (readonly [line: string, expected: Pause | null])[] = [
  // V8 15.0
  [
    "[2532:0x7fb104060000]    13998 ms: Scavenge 18.0 (22.9) -> 14.1 (22.9) MB, pooled: 0.0 MB, 0.24 / 0.00 ms (average mu = 1.000, current mu = 1.000) allocation failure; ",
    { heap: "0x7fb104060000", generation: "young", longestMs: 0.24, totalMs: 0.24 },
  ],
  [
    "[4756:0x5596c51fa000]       34 ms: Scavenge (during sweeping) 2.2 (3.0) -> 2.3 (3.0) MB, pooled: 0.0 MB, 0.05 / 0.00 ms (average mu = 0.917, current mu = 0.917) testing; ",
    { heap: "0x5596c51fa000", generation: "young", longestMs: 0.05, totalMs: 0.05 },
  ],
  [
    "[4756:0x5596c51fa000]       34 ms: Mark-Compact 2.3 (2.8) -> 2.2 (2.8) MB, pooled: 0.0 MB, 2.74 / 0.00 ms (average mu = 0.917, current mu = 0.917) testing; GC in old space requested",
    { heap: "0x5596c51fa000", generation: "old", longestMs: 2.74, totalMs: 2.74 },
  ],
  [
    "[4714:0x55a987cf0000]      339 ms: Incremental Mark-Compact 199.7 (216.7) -> 38.1 (57.3) MB, pooled: 142.5 MB, 27.41 / 0.00 ms (+ 0.2 ms in 8 steps since start of marking, biggest step 0.2 ms, walltime since start of marking 31 ms) (average mu = 0.918, current mu = 0.918) finalize incremental marking via stack guard; GC in old space requested",
    { heap: "0x55a987cf0000", generation: "old", longestMs: 27.41, totalMs: 27.61 },
  ],
  ["Barnabas 0.1.0 listening on 127.0.0.1:22501 · data in /tmp/data · 2 shards · started in 0.38 s", null],
  ["[2532:0x7fb104060000]    13998 ms: Scavenge 18.0 (22.9) -> 14", null],
  // OpenJDK 17, G1
  [
    "[0.979s][info][gc] GC(0) Pause Young (Normal) (G1 Evacuation Pause) 12M->4M(256M) 43.487ms",
    { heap: "JVM", generation: "young", longestMs: 43.487, totalMs: 43.487 },
  ],
  [
    "[1.507s][info][gc] GC(10) Pause Young (Concurrent Start) (G1 Evacuation Pause) 102M->102M(256M) 8.669ms",
    { heap: "JVM", generation: "young", longestMs: 8.669, totalMs: 8.669 },
  ],
  [
    "[1.597s][info][gc] GC(16) Pause Young (Mixed) (G1 Evacuation Pause) 161M->161M(256M) 8.489ms",
    { heap: "JVM", generation: "old", longestMs: 8.489, totalMs: 8.489 },
  ],
  [
    "[1.543s][info][gc] GC(11) Pause Remark 128M->128M(256M) 2.636ms",
    { heap: "JVM", generation: "old", longestMs: 2.636, totalMs: 2.636 },
  ],
  ["[1.507s][info][gc] GC(11) Concurrent Mark Cycle", null],
  ["[1.567s][info][gc] GC(11) Concurrent Mark Cycle 59.449ms", null],
  ["[0.019s][info][gc] Using G1", null],
];

Deno.test("readPauses() reads each kind of line that V8 and the JVM write, and nothing else", () => {
  for (const [line, expected] of LINES) assert.deepEqual(readPauses(line), expected === null ? [] : [expected], line);
  const expected = LINES.map(([, pause]) => pause).filter((pause) => pause !== null);
  assert.deepEqual(readPauses(LINES.map(([line]) => `${line}\n`).join("")), expected);
});

Deno.test("readPauses() takes a step of marking as the longest stop if it was longer than the pause after it", () => {
  const line =
    "[1:0x1]  339 ms: Incremental Mark-Compact 9.7 (16.7) -> 8.1 (7.3) MB, pooled: 1.5 MB, 1.50 / 0.00 ms (+ 4.0 ms in 2 steps since start of marking, biggest step 3.5 ms, walltime since start of marking 31 ms) (average mu = 0.918, current mu = 0.918) task; ";
  assert.deepEqual(readPauses(line), [{ heap: "0x1", generation: "old", longestMs: 3.5, totalMs: 5.5 }]);
});

Deno.test("pauseFigures() gives rates, the longest pause and shares of the time, for all heaps and for the busiest", () => {
  const pause = (heap: string, generation: Pause["generation"], ms: number) => ({
    ...{ heap, generation },
    ...{ longestMs: ms, totalMs: ms },
  });
  const pauses = [pause("a", "young", 2), pause("b", "old", 5), pause("b", "young", 1), pause("a", "old", 4)];
  const marked = { ...pause("a", "old", 1), totalMs: 8 };
  assert.deepEqual(pauseFigures([...pauses, marked], 2).map(({ name, value }) => [name, value]), [
    ["GC pauses per second", 2.5],
    ["GC pauses, longest ms", 5],
    ["GC pauses, % of the time", 1],
    ["GC pauses, % of the time, one heap", 0.7],
    ["GC pauses of old objects per second", 1.5],
    ["GC pauses of old objects, longest ms", 5],
  ]);
});

Deno.test("pauseFigures() gives zeros for a run without collections", () => {
  assert(pauseFigures([], 16).every(({ value }) => value === 0));
});
