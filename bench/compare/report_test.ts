import assert from "node:assert/strict";
import { againstReport, againstSummary, markdownReport, textSummary } from "./report.ts";
import type { Figure } from "./figure.ts";
import type { ShapeResult } from "./shape.ts";
import type { Contender } from "./targets.ts";
import { judge } from "./verdict.ts";

function contender(title: string): Contender {
  return { name: title, title, launch: () => Promise.reject(new Error("Cannot start: a test has no brokers")) };
}

function resultOf(baseline: readonly Figure[][], candidate: readonly Figure[][]): ShapeResult {
  const shape = { name: "shape", title: "A shape", quick: false, warmRunsMax: 0, run: () => Promise.resolve([]) };
  return { shape, contenders: [contender("Apache Kafka"), contender("Barnabas")], baseline, candidate };
}

const rate = (value: number): Figure => ({ name: "MB/s", value, better: "higher", binding: true });
const latency = (value: number, saturated = false): Figure => ({ name: "p99 ms", value, better: "lower", saturated });

Deno.test("markdownReport() and textSummary() give medians, ranges and ratios pair by pair", () => {
  const result = resultOf([[rate(100), latency(2)], [rate(300), latency(3)]], [[rate(200), latency(1)], [
    rate(300),
    latency(6),
  ]]);
  const report = markdownReport([["date", "today"]], [result]).split("\n");
  assert(report.includes("| date | today |"));
  assert(report.includes("| | Apache Kafka | Barnabas | ratio |"));
  assert(report.includes("| MB/s | 200 (100–300) | 250 (200–300) | 1.5 (1–2) |"));
  assert(report.includes("| p99 ms | 2.5 (2–3) | 3.5 (1–6) | 1.25 (0.5–2) |"));
  assert.equal(textSummary(result).length, 3);
});

Deno.test("markdownReport() and textSummary() say which broker was past saturation", () => {
  const result = resultOf([[latency(900, true)], [latency(2)]], [[latency(2)], [latency(2)]]);
  for (const text of [markdownReport([], [result]), textSummary(result).join("\n")]) {
    assert.match(text, /Apache Kafka is past saturation in 1 of 2 runs/);
    assert.doesNotMatch(text, /Barnabas is past saturation/);
  }
});

Deno.test("againstReport() and againstSummary() give a verdict for each binding figure and none for a latency", () => {
  const runs = (ratio: number) => Array.from({ length: 8 }, () => [rate(200 * ratio), latency(5)]);
  const noisy = Array.from({ length: 8 }, (_, i) => [rate(i % 2 === 0 ? 150 : 250), latency(5)]);
  const cases = [[runs(1), "within 3 %"], [runs(0.9), "BROKEN"], [noisy, "undecided: after 8 pairs"]] as const;
  for (const [candidate, expected] of cases) {
    const result = resultOf(runs(1), candidate);
    const judged = judge(result);
    const report = againstReport([["before", "abc"]], [{ result, judged }]);
    for (const lines of [report.split("\n"), againstSummary(result, judged)]) {
      assert(lines.some((line) => line.includes("MB/s") && line.includes(expected)), expected);
      assert(lines.some((line) => line.includes("p99 ms") && line.includes("reported only")));
    }
  }
});
