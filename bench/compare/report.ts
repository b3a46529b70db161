/** A comparison as text: a table for each shape, with the ratios of each pair of neighbouring runs. Pure. */
import type { Description } from "./machine.ts";
import { saturationNote } from "./saturation.ts";
import type { Figure } from "./figure.ts";
import type { ShapeResult } from "./shape.ts";
import { median } from "./statistics.ts";
import { BOUND, type Judged } from "./verdict.ts";

/** One row: a figure of both sides, in the order of the runs. */
interface Row {
  readonly name: string;
  readonly better: Figure["better"];
  readonly baseline: readonly number[];
  readonly candidate: readonly number[];
}

/** The report as Markdown. */
export function markdownReport(machine: Description, results: readonly ShapeResult[]): string {
  const head = [
    "# Results of the comparison with Apache Kafka",
    "",
    "Written by `deno task bench:compare`; [README.md](README.md) says how it measures and how to read it. Each cell is the median",
    "of the runs with the lowest and the highest in brackets; a ratio is this broker's figure by Apache Kafka's, pair by pair.",
    "**Bold** ratios are ahead of Apache Kafka in every pair.",
    "",
    ...machineTable(machine),
  ];
  return [...head, ...results.flatMap((result) => ["", ...shapeSection(result)]), ""].join("\n");
}

function machineTable(machine: Description): string[] {
  return ["| | |", "| --- | --- |", ...machine.map(([name, value]) => `| ${name} | ${value} |`)];
}

function shapeSection(result: ShapeResult): string[] {
  const [baseline, candidate] = result.contenders;
  return [
    ...sectionHead(result),
    `| | ${baseline.title} | ${candidate.title} | ratio |`,
    "| --- | ---: | ---: | ---: |",
    ...rowsOf(result).map((row) =>
      `| ${row.name} | ${summary(row.baseline)} | ${summary(row.candidate)} | ${ratioCell(row)} |`
    ),
    ...saturationNotes(result).flatMap((note) => ["", note]),
  ];
}

function sectionHead({ shape, candidate }: ShapeResult): string[] {
  return [`## ${shape.title}`, "", `\`--only ${shape.name}\`, ${candidate.length} pairs of runs`, ""];
}

/** A sentence for each side that could not take the load that the shape offered. */
function saturationNotes({ contenders, baseline, candidate }: ShapeResult): string[] {
  return [saturationNote(contenders[0].title, baseline), saturationNote(contenders[1].title, candidate)]
    .filter((note) => note !== null);
}

/** Rows of a result, in the order of the first run's figures. */
function rowsOf({ baseline, candidate }: ShapeResult): Row[] {
  const valueOf = (run: readonly Figure[], name: string) => run.find((figure) => figure.name === name)?.value ?? NaN;
  return (candidate[0] ?? []).map(({ name, better }) => ({
    name,
    better,
    baseline: baseline.map((run) => valueOf(run, name)),
    candidate: candidate.map((run) => valueOf(run, name)),
  }));
}

/** Lines for the terminal: one per row, and notes about them. */
export function textSummary(result: ShapeResult): string[] {
  return [
    textHead(result, "ratio"),
    ...rowsOf(result).map((row) => `${textCells(row)}   × ${ratioCell(row)}`),
    ...saturationNotes(result).map((note) => `  ${note}`),
  ];
}

function textHead({ contenders: [baseline, candidate] }: ShapeResult, last: string): string {
  return `  ${"".padEnd(42)}${baseline.title.padStart(24)}${candidate.title.padStart(24)}   ${last}`;
}

function textCells({ name, baseline, candidate }: Pick<Row, "name" | "baseline" | "candidate">): string {
  return `  ${name.padEnd(42)}${summary(baseline).padStart(24)}${summary(candidate).padStart(24)}`;
}

/** The report of a comparison of two checkouts as Markdown. */
export function againstReport(
  machine: Description,
  results: readonly { readonly result: ShapeResult; readonly judged: readonly Judged[] }[],
): string {
  return [
    "# Results of the comparison with another checkout",
    "",
    "Written by `deno task bench:compare --against`; bench/README.md says how it measures and how to read it. Each cell is the median",
    "of the runs with the lowest and the highest in brackets; a ratio is the median of the pairs of runs, with the interval that it",
    "lies in by 85 %.",
    "",
    ...machineTable(machine),
    ...results.flatMap(({ result, judged }) => [
      "",
      ...sectionHead(result),
      `| | ${result.contenders[0].title} | ${result.contenders[1].title} | ratio | verdict |`,
      "| --- | ---: | ---: | ---: | --- |",
      ...judged.map((row) =>
        `| ${row.name} | ${summary(row.baseline)} | ${summary(row.candidate)} | ${judgedRatio(row)} | ${
          verdictCell(row)
        } |`
      ),
    ]),
    "",
  ].join("\n");
}

/** The same for the terminal, for one shape. */
export function againstSummary(result: ShapeResult, judged: readonly Judged[]): string[] {
  return [
    textHead(result, `${"ratio".padEnd(24)}verdict`),
    ...judged.map((row) => `${textCells(row)}   ${`× ${judgedRatio(row)}`.padEnd(24)}${verdictCell(row)}`),
  ];
}

function judgedRatio({ ratio, interval }: Judged): string {
  if (!Number.isFinite(ratio)) return "–";
  return interval === null
    ? ratio.toFixed(3)
    : `${ratio.toFixed(3)} (${interval.low.toFixed(3)}–${interval.high.toFixed(3)})`;
}

function verdictCell({ verdict, baseline }: Judged): string {
  const bound = `${Math.round((BOUND - 1) * 100)} %`;
  if (verdict === "within") return `within ${bound}`;
  if (verdict === "broken") return `BROKEN: worse by more than ${bound}`;
  if (verdict === "reported") return "reported only";
  return `undecided: after ${baseline.length} pairs the runs are noisier than ${bound}`;
}

function ratioCell(row: Row): string {
  const ratios = row.candidate.map((value, pair) => value / row.baseline[pair]!);
  if (ratios.some((ratio) => !Number.isFinite(ratio))) return "–";
  const ahead = ratios.every((ratio) => row.better === "higher" ? ratio > 1 : ratio < 1);
  return ahead ? `**${summary(ratios)}**` : summary(ratios);
}

/** "median (lowest–highest)". */
function summary(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted.length < 2
    ? short(median(sorted))
    : `${short(median(sorted))} (${short(sorted[0]!)}–${short(sorted.at(-1)!)})`;
}

/** Three significant digits, no exponent. */
function short(value: number): string {
  if (!Number.isFinite(value)) return "–";
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}
