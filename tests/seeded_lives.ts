/**
 * Runs simulations of a log by seed: lives that end in crashes, at random and at every call. A failure prints its seed; BARNABAS_SEED
 * replays it. BARNABAS_SLOW=1 runs many more. Test code.
 */
import { strict as assert } from "node:assert";
import type { Survival } from "./crashing_file_system.ts";

/** Lives of one log. */
const LIVES = 12;
/** Lives of a log before the one that ends at every call. */
const EARLIER_LIVES = 2;
const SLOW_CRASHES_MIN = 100_000;
const SLOW_SEEDS = 200;
const isSlow = Deno.env.get("BARNABAS_SLOW") === "1";
const fixedSeed = Deno.env.get("BARNABAS_SEED");

/** The lives of one log. */
export interface Lives {
  /** What happened so far, by its name. */
  readonly counts: { readonly crashes: number; readonly startCrashes: number };
  /** Lives once. @param crash ends it after that many calls, if it is not over by then @returns whether it was ended so */
  live(crash?: { afterCalls: number; survival: Survival }): boolean;
  /** Checks what is left. */
  finish(): void;
}

function replayable<Result>(seed: number, run: () => Result): Result {
  try {
    return run();
  } catch (cause) {
    throw new Error(`The lives of seed ${seed} failed: BARNABAS_SEED=${seed} replays them`, { cause });
  }
}

/** Runs all lives of one seed. @throws when one of them finds a fault */
export function runLives(seed: number, lives: Lives): Lives["counts"] {
  return replayable(seed, () => {
    for (let life = 0; life < LIVES; life++) lives.live();
    lives.finish();
    return lives.counts;
  });
}

/** Runs seeds until there were enough crashes, and asserts that everything happened that is counted. @param begin the lives of a seed */
export function assertLives(begin: (seed: number) => Lives, crashesMin: number): void {
  const first = fixedSeed !== undefined ? Number(fixedSeed) : isSlow ? Date.now() % 1_000_000_000 : 1;
  const wanted = isSlow ? SLOW_CRASHES_MIN : crashesMin;
  const total: Record<string, number> = {};
  for (let seed = first; (total.crashes ?? 0) + (total.startCrashes ?? 0) < wanted; seed++) {
    for (const [what, count] of Object.entries(runLives(seed, begin(seed)))) total[what] = (total[what] ?? 0) + count;
    if (fixedSeed !== undefined) return;
  }
  for (const [what, count] of Object.entries(total)) assert.ok(count > 10, `${what}: ${count}`);
}

/** Ends a life of each seed at every call, with all ways in which what was written survives. @param begin the lives of a seed */
export function assertLivesEndAnywhere(begin: (seed: number) => Lives, seedsCount: number): void {
  const seeds = fixedSeed !== undefined
    ? [Number(fixedSeed)]
    : Array.from({ length: isSlow ? SLOW_SEEDS : seedsCount }, (_, i) => i + 1);
  for (const seed of seeds) {
    for (const survival of ["all", "none", "random"] as const) {
      let isStopped = true;
      for (let afterCalls = 1; isStopped; afterCalls++) {
        const lives = begin(seed);
        replayable(seed, () => {
          for (let life = 0; life < EARLIER_LIVES; life++) lives.live();
          isStopped = lives.live({ afterCalls, survival });
          lives.finish();
        });
      }
    }
  }
}
