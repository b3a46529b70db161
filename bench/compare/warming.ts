/** Decides when a broker is warm: JVM and V8 compile hot code, so the first runs of a load are slower. Pure. */

/** A run is quiet if it is less than this better than the best run before it. */
const WARM_GAIN = 1.05;
/** Quiet runs in a row that end the warming. One alone may be quiet because it, or the run before, was noisy. */
const QUIET_RUNS = 2;
/** Fewest runs of a load before a broker is warm. */
export const WARM_RUNS_MIN = 4;

/**
 * True when further runs of a load will improve little.
 * @param values the first figure of each run, in their order
 * @param better whether more is better
 */
export function isWarm(values: readonly number[], better: "higher" | "lower"): boolean {
  if (values.length < WARM_RUNS_MIN) return false;
  const speeds = values.map((value) => better === "higher" ? value : 1 / value);
  return speeds.slice(-QUIET_RUNS).every((speed, i) => {
    const before = speeds.slice(0, speeds.length - QUIET_RUNS + i);
    return speed < Math.max(...before) * WARM_GAIN;
  });
}
