/** A number that a benchmark reports. Types only. */

/** One figure of one run. */
export interface Figure {
  /** "produce, MB/s": a row of the report. */
  readonly name: string;
  readonly value: number;
  /** Whether more is better. */
  readonly better: "higher" | "lower";
  /** True for a rate, for CPU time by the work done, and for memory: what `--against` holds to a bound (verdict.ts). */
  readonly binding?: boolean;
  /** True when this run offered more than the broker can carry (saturation.ts). */
  readonly saturated?: boolean;
}
