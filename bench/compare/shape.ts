/** Shapes of load, as the benchmark sees them. Types only. */
import type { Figure } from "./figure.ts";
import type { Contender, Target } from "./targets.ts";

/** Input of a run. */
export interface RunContext {
  /** The long-running broker of this side. */
  readonly target: Target;
  /** For shapes that start new brokers. */
  readonly scratch: string;
  /** Multiplies amounts and lengths: 1 in a full run. */
  readonly scale: number;
  /** Different in each run, for names of topics. */
  readonly id: string;
}

/** A shape of load. */
export interface Shape {
  /** For --only. */
  readonly name: string;
  /** A sentence for the report. */
  readonly title: string;
  /** Part of a --quick run. */
  readonly quick: boolean;
  /** Most runs that do not count: 0 for a shape that starts new brokers, few for one that takes long to set up. */
  readonly warmRunsMax: number;
  run(context: RunContext): Promise<Figure[]>;
}

/** The two brokers of a comparison: ratios are the second's figures by the first's. */
export type Contenders = readonly [baseline: Contender, candidate: Contender];

/** All runs of a shape, in pairs of neighbouring runs. */
export interface ShapeResult {
  readonly shape: Shape;
  readonly contenders: Contenders;
  readonly baseline: readonly (readonly Figure[])[];
  readonly candidate: readonly (readonly Figure[])[];
}
