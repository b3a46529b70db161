/** A comparison as text: a table per shape, ratios per pair of runs that ran next to each other. Pure. */
import type { Description } from "./machine.ts";
import type { Figure, ShapeResult } from "./shape.ts";

/** One row: a figure of both sides, in the order of the runs. */
interface Row {
  readonly name: string;
  readonly better: Figure["better"];
  readonly kafka: readonly number[];
  readonly barnabas: readonly number[];
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
    "| | |",
    "| --- | --- |",
    ...machine.map(([name, value]) => `| ${name} | ${value} |`),
  ];
  return [...head, ...results.flatMap((result) => ["", ...shapeSection(result)]), ""].join("\n");
}

function shapeSection(result: ShapeResult): string[] {
  return [
    `## ${result.shape.title}`,
    "",
    `\`--only ${result.shape.name}\`, ${result.runs.barnabas.length} pairs of runs`,
    "",
    "| | Apache Kafka | Barnabas | ratio |",
    "| --- | ---: | ---: | ---: |",
    ...rowsOf(result).map((row) =>
      `| ${row.name} | ${summary(row.kafka)} | ${summary(row.barnabas)} | ${ratioCell(row)} |`
    ),
  ];
}

/** Rows of a result, in the order of the first run's figures. */
function rowsOf({ runs }: ShapeResult): Row[] {
  const valueOf = (run: readonly Figure[], name: string) => run.find((figure) => figure.name === name)?.value ?? NaN;
  return (runs.barnabas[0] ?? []).map(({ name, better }) => ({
    name,
    better,
    kafka: runs.kafka.map((run) => valueOf(run, name)),
    barnabas: runs.barnabas.map((run) => valueOf(run, name)),
  }));
}

/** A line per row for the terminal. */
export function textSummary(result: ShapeResult): string[] {
  return rowsOf(result).map((row) => {
    const [kafka, barnabas] = [summary(row.kafka), summary(row.barnabas)].map((text) => text.padStart(24));
    return `  ${row.name.padEnd(42)}${kafka}${barnabas}   × ${ratioCell(row)}`;
  });
}

function ratioCell(row: Row): string {
  const ratios = row.barnabas.map((value, pair) => value / row.kafka[pair]!);
  if (ratios.some((ratio) => !Number.isFinite(ratio))) return "–";
  const ahead = ratios.every((ratio) => row.better === "higher" ? ratio > 1 : ratio < 1);
  return ahead ? `**${summary(ratios)}**` : summary(ratios);
}

/** "median (lowest–highest)". */
function summary(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return sorted.length < 2 ? short(median) : `${short(median)} (${short(sorted[0]!)}–${short(sorted.at(-1)!)})`;
}

/** Three significant digits, no exponent. */
function short(value: number): string {
  if (!Number.isFinite(value)) return "–";
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}
