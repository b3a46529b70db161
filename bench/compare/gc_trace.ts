/**
 * Reads the garbage collection traces of both brokers' engines, as figures of a run. Pure.
 *
 * A pause is a time in which a collection stops threads: those of one isolate of V8, or all of a JVM. Work beside the program
 * (concurrent marking, sweeping) is no pause and is not counted.
 *
 *    [2532:0x7fb104060000]  13998 ms: Scavenge 18.0 (22.9) -> 14.1 (22.9) MB, …, 0.24 / 0.00 ms (average …
 *     pid  isolate          its age   kind                                       pause / time in callbacks
 *    [1.543s][info][gc] GC(11) Pause Remark 128M->128M(256M) 2.636ms
 *     age of the JVM           kind                          pause
 *
 * An incremental collection of V8 has also stopped its isolate in earlier steps: "(+ 0.2 ms in 8 steps since …, biggest step 0.2".
 *
 * Source: V8's `GCTracer::Print()` (--trace-gc); the JVM's unified logging, tag `gc` (-Xlog:gc).
 */
import type { Figure } from "./figure.ts";

/** One collection that stopped threads. */
export interface Pause {
  /** The isolate's address; "JVM" for the only heap of one. */
  readonly heap: string;
  /** Old: it collected old objects, too, and not only those that were made since the last collection. */
  readonly generation: "young" | "old";
  /** The longest single stop. */
  readonly longestMs: number;
  /** All stops of this collection. */
  readonly totalMs: number;
}

const V8_LINE =
  /^\[\d+:(0x[0-9a-f]+)\]\s+\d+ ms: (.*?) [\d.]+ \([\d.]+\) -> [\d.]+ \([\d.]+\) MB,.*? ([\d.]+) \/ [\d.]+ ms (?:\(\+ ([\d.]+) ms in \d+ steps since start of marking, biggest step ([\d.]+) ms)?/;
const JVM_LINE = /^(?:\[[^\]]*\])+ GC\(\d+\) Pause (.*) \d+[KMG]->\d+[KMG]\(\d+[KMG]\) ([\d.]+)ms$/;
/** G1's pauses for new objects only; mixed pauses collect old regions, too. */
const JVM_YOUNG = /^Young \((Normal|Concurrent Start|Prepare Mixed)\)/;

/** The collections in a part of either trace, in their order; other lines are ignored. */
export function readPauses(trace: string): Pause[] {
  return trace.split("\n").map((line) => v8Pause(line) ?? jvmPause(line)).filter((pause) => pause !== null);
}

function v8Pause(line: string): Pause | null {
  const found = V8_LINE.exec(line);
  if (found === null) return null;
  const [, heap, kind, pause, steps = 0, biggestStep = 0] = found;
  return {
    heap: heap!,
    generation: kind!.startsWith("Scavenge") ? "young" : "old",
    longestMs: Math.max(Number(pause), Number(biggestStep)),
    totalMs: Number(pause) + Number(steps),
  };
}

function jvmPause(line: string): Pause | null {
  const found = JVM_LINE.exec(line);
  if (found === null) return null;
  const [, kind, pause] = found;
  const generation = JVM_YOUNG.test(kind!) ? "young" : "old";
  return { heap: "JVM", generation, longestMs: Number(pause), totalMs: Number(pause) };
}

/**
 * Rows of the report about the collections of a run.
 * @param seconds how long the run was watched
 */
export function pauseFigures(pauses: readonly Pause[], seconds: number): Figure[] {
  const old = pauses.filter(({ generation }) => generation === "old");
  const perHeap = [...Map.groupBy(pauses, ({ heap }) => heap).values()];
  const share = (some: readonly Pause[]) => some.reduce((sum, { totalMs }) => sum + totalMs, 0) / (seconds * 10);
  const longest = (some: readonly Pause[]) => some.reduce((most, { longestMs }) => Math.max(most, longestMs), 0);
  return [
    { name: "GC pauses per second", value: pauses.length / seconds, better: "lower" },
    { name: "GC pauses, longest ms", value: longest(pauses), better: "lower" },
    { name: "GC pauses, % of the time", value: share(pauses), better: "lower" },
    { name: "GC pauses, % of the time, one heap", value: Math.max(0, ...perHeap.map(share)), better: "lower" },
    { name: "GC pauses of old objects per second", value: old.length / seconds, better: "lower" },
    { name: "GC pauses of old objects, longest ms", value: longest(old), better: "lower" },
  ];
}
