/**
 * Decides "no worse than before": whether a figure of one tree is within a bound of the other tree's, by pairs of neighbouring runs. Pure.
 *
 * The median of the pairs' ratios is judged. The bound is small and the noise of a run is not, so the median alone says little: a figure
 * is within the bound, or beyond it, only if the whole confidence interval of the median is.
 */
import type { Figure } from "./figure.ts";
import type { ShapeResult } from "./shape.ts";
import { type Interval, median, medianInterval } from "./statistics.ts";

/** How much worse a binding figure may be: 3 %. */
export const BOUND = 1.03;
/** Pairs of runs before anything is judged. */
export const PAIRS_MIN = 4;
/** Pairs of runs after which an open figure is undecided; --pairs sets another limit. */
export const PAIRS_MAX = 16;
/** Confidence of "within": the interval from the lowest to the highest of four pairs. */
const CONFIDENCE_WITHIN = 0.85;
/** Confidence of "broken": higher, because a shape has about eight figures and is judged after each pair. It takes eight pairs. */
const CONFIDENCE_BROKEN = 0.99;

/** The verdict about a figure; "reported" is one without a bound. */
export type Verdict = "within" | "broken" | "undecided" | "reported";

/** A figure of all pairs of runs. */
export interface Judged {
  readonly name: string;
  /** In the order of the pairs. */
  readonly baseline: readonly number[];
  readonly candidate: readonly number[];
  /** Median of the pairs' ratios, candidate by baseline. */
  readonly ratio: number;
  /** Confidence interval of the median; null when there are too few pairs. */
  readonly interval: Interval | null;
  readonly verdict: Verdict;
}

/** Judges each figure of a shape, in the order of the first run's. */
export function judge({ baseline, candidate }: Pick<ShapeResult, "baseline" | "candidate">): Judged[] {
  const valueOf = (run: readonly Figure[], name: string) => run.find((figure) => figure.name === name)?.value ?? NaN;
  return (candidate[0] ?? []).map(({ name, better, binding = false }) => {
    const row = {
      name,
      baseline: baseline.map((run) => valueOf(run, name)),
      candidate: candidate.map((run) => valueOf(run, name)),
    };
    const ratios = row.candidate.map((value, pair) => value / row.baseline[pair]!);
    const interval = medianInterval(ratios, CONFIDENCE_WITHIN);
    return { ...row, ratio: median(ratios), interval, verdict: binding ? verdictOf(ratios, better) : "reported" };
  });
}

function verdictOf(ratios: readonly number[], better: Figure["better"]): Verdict {
  if (ratios.length < PAIRS_MIN || ratios.some((ratio) => !(ratio > 0 && ratio < Infinity))) return "undecided";
  const worse = ratios.map((ratio) => better === "higher" ? 1 / ratio : ratio);
  const within = medianInterval(worse, CONFIDENCE_WITHIN);
  if (within !== null && within.high <= BOUND) return "within";
  const broken = medianInterval(worse, CONFIDENCE_BROKEN);
  return broken !== null && broken.low > BOUND ? "broken" : "undecided";
}

/** True when no more pairs of runs are needed. */
export function isDecided(judged: readonly Judged[]): boolean {
  return judged.every(({ verdict }) => verdict !== "undecided");
}

/** Exit code of a comparison: 0 all are within the bound, 1 a bound is broken, 2 none is broken but some are undecided. */
export function exitCodeOf(judged: readonly Judged[]): 0 | 1 | 2 {
  if (judged.some(({ verdict }) => verdict === "broken")) return 1;
  return isDecided(judged) ? 0 : 2;
}
