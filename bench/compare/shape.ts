/** What a shape of load is to the benchmark. Types only. */
import type { Figure } from "./figure.ts";
import type { Contender, Target } from "./targets.ts";

/** What a run gets. */
export interface RunContext {
  /** The long-running broker of this side. */
  readonly target: Target;
  /** For shapes that start brokers of their own. */
  readonly scratch: string;
  /** Multiplies amounts and lengths: 1 in a full run. */
  readonly scale: number;
  /** Different in each run: for names of topics. */
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
  /** Runs that do not count, at most; 0 for one that starts brokers of its own, few for one that takes long to set up. */
  readonly warmRunsMax: number;
  run(context: RunContext): Promise<Figure[]>;
}

/** The two brokers of a comparison: ratios are the second's figures by the first's. */
export type Contenders = readonly [baseline: Contender, candidate: Contender];

/** All runs of a shape, in pairs that ran next to each other. */
export interface ShapeResult {
  readonly shape: Shape;
  readonly contenders: Contenders;
  readonly baseline: readonly (readonly Figure[])[];
  readonly candidate: readonly (readonly Figure[])[];
}
