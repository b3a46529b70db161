/** A number that a benchmark reports. Types only. */

/** One figure of one run. */
export interface Figure {
  /** "produce, MB/s": a row of the report. */
  readonly name: string;
  readonly value: number;
  /** Whether more is better. */
  readonly better: "higher" | "lower";
  /** True for a rate, CPU time per work and memory, for which `--against` has a bound (verdict.ts). */
  readonly binding?: boolean;
  /** True when the run offered more load than the broker can take (saturation.ts). */
  readonly saturated?: boolean;
}
