/** Figures of both clusters side by side, as Markdown. Pure. */
import type { Figure } from "../compare/figure.ts";
import { median } from "../compare/statistics.ts";

/** The runs of both clusters, in pairs of neighbouring runs where both ran as often. */
export interface Section {
  readonly title: string;
  readonly columns: readonly { readonly title: string; readonly runs: readonly (readonly Figure[])[] }[];
}

/** A table: each cell is the median, with the lowest and the highest value. The ratio is the last column's by the first one's, pair by pair. */
export function markdownSection({ title, columns }: Section): string {
  const names = new Set(columns.flatMap(({ runs }) => (runs[0] ?? []).map(({ name }) => name)));
  const hasRatio = columns.length === 2;
  const rows = [...names].map((name) => {
    const values = columns.map(({ runs }) =>
      runs.map((run) => run.find((figure) => figure.name === name)?.value ?? NaN)
    );
    const [first = [], last = []] = values;
    const ratio = last.map((value, pair) => value / (first[pair] ?? NaN));
    return [name, ...values.map(cell), ...(hasRatio ? [cell(ratio)] : [])];
  });
  const head = ["", ...columns.map((column) => column.title), ...(hasRatio ? ["ratio"] : [])];
  const lines = [head, ["---", ...head.slice(1).map(() => "---:")], ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return [`### ${title}`, "", ...lines, ""].join("\n");
}

function cell(values: readonly number[]): string {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length === 0) return "–";
  const [low, middle, high] = [sorted[0], median(sorted), sorted.at(-1)].map((value) => short(value as number));
  return sorted.length === 1 ? `${middle}` : `${middle} (${low}–${high})`;
}

/** Three significant digits, no exponent. */
export function short(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}
