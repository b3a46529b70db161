/**
 * Brokers of one run, with a directory of their own that several starts share: settings that only one shape needs, and what a stop or a kill
 * leaves. Main isolate of the benchmark.
 */
import { waitForBroker } from "../../peer/wire_client.ts";
import type { RunContext } from "../shape.ts";
import { explainFailure, type LaunchOptions, type Target } from "../targets.ts";

/** Starts brokers of the run's side on its directory, one after the other. */
export interface OwnBroker {
  /** Holds `data`. */
  readonly directory: string;
  /**
   * Starts a broker; it is stopped when `use` has settled.
   * @param options settings of this start
   * @param use gets it before it answers; `answers()` waits for that
   */
  run<T>(options: StartOptions, use: (target: Target) => Promise<T>): Promise<T>;
}

/** How to start a broker in a directory. */
export type StartOptions = Pick<LaunchOptions, "properties" | "turnTimesFile">;

/** Runs a body with a new directory of the run's side, and removes it. */
export async function withOwnBroker<T>(context: RunContext, body: (broker: OwnBroker) => Promise<T>): Promise<T> {
  const directory = `${context.scratch}/own-${context.target.contender.name}-${context.id}`;
  const run = async <R>(options: StartOptions, use: (target: Target) => Promise<R>): Promise<R> => {
    await using target = await context.target.contender.launch({ directory, gcTrace: false, ...options });
    return await use(target).catch((error) => explainFailure(error, [target]));
  };
  try {
    return await body({ directory, run });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Waits until a broker answers requests. @returns seconds since its process was started */
export async function answers(target: Target): Promise<number> {
  await waitForBroker(target.port, () => target.process.running);
  return secondsSince(target.launchedAtMs);
}

/** Seconds since a moment of `performance.now()`. */
export function secondsSince(startedMs: number): number {
  return (performance.now() - startedMs) / 1000;
}
