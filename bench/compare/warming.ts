/** When a broker counts as warm: a virtual machine compiles what it sees often, so the first runs of a load are slower. Pure. */

/** A run is quiet when it gains less than this on the best run before it. */
const WARM_GAIN = 1.05;
/** Quiet runs in a row that end the warming: one may be quiet by chance, because it, or the one before, was a noisy one. */
const QUIET_RUNS = 2;
/** Runs of a load before a broker can count as warm. */
export const WARM_RUNS_MIN = 4;

/**
 * True when more runs of a load will gain little.
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
