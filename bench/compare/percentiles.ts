/** Percentiles of latencies as the load generators print them (print_samples() in peer/measure.h), and their figures. Pure. */
import type { Figure } from "./figure.ts";

/** In milliseconds, except the count. */
export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Printed by probe_load. */
export interface ProbePrinted {
  readonly errors: number;
  readonly requests: number;
  /** Requests that were not answered within 30 s. */
  readonly missing: number;
  /** From the moment the first request was due to the last answer. */
  readonly seconds: number;
  readonly latencyMs: Percentiles;
}

const NAMES = { p50: "p50", p99: "p99", p999: "p99.9", max: "max" } as const;

/** The figures of some percentiles. @param name of what was measured */
export function percentileFigures(
  name: string,
  found: Percentiles,
  which: readonly (keyof typeof NAMES)[] = ["p50", "p99", "p999"],
): Figure[] {
  return which.map((one) => ({ name: `${name}, ${NAMES[one]} ms`, value: found[one], better: "lower" }));
}
