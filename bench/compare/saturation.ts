/**
 * Whether a broker takes the rate that a load offers. Under an open loop, requests that it does not take wait in a queue. Its latencies
 * then show how long the run and the queue were, not how fast the broker answers, and the report has to say so. Pure.
 */
import type { Figure } from "./figure.ts";

/** A broker that takes less of the offered rate than this by the end of the run is past saturation. */
const TAKEN_MIN = 0.98;
/**
 * A broker that takes the rate is past saturation, too, if half of all requests wait longer than this: over loopback a broker answers
 * within a millisecond, and the rest is the queue.
 */
const QUEUE_MS = 10;

/** The result of a load at a fixed rate. */
export interface Offered {
  /** Requests or records per second. */
  readonly rate: number;
  /** Answers per second, until the last one. */
  readonly takenRate: number;
  /** Median time from the moment when a request was due to its answer. */
  readonly p50Ms: number;
}

/** Name of the rate's figure. */
export const TAKEN = "taken of the offered rate, %";

/** The rate as a figure, and whether the broker takes it. */
export function takenFigure({ rate, takenRate, p50Ms }: Offered): Figure {
  const taken = Math.min(1, takenRate / rate);
  return {
    name: TAKEN,
    value: taken * 100,
    better: "higher",
    saturated: taken < TAKEN_MIN || p50Ms > QUEUE_MS,
  };
}

/**
 * The sentence of the report for one broker.
 * @param title the broker's name
 * @param runs the figures of each of its runs
 * @returns null when it took the load in every run, or the load has no fixed rate
 */
export function saturationNote(title: string, runs: readonly (readonly Figure[])[]): string | null {
  const past = runs.filter((run) => run.some(({ saturated }) => saturated)).length;
  if (past === 0) return null;
  return `${title} is past saturation in ${past} of ${runs.length} runs: what it is offered waits in a queue, and its latencies tell ` +
    "how long that is, not how fast it answers.";
}
