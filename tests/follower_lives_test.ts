/**
 * The simulation of a follower's log (follower_lives.ts): lives that end in crashes, at random and at every call. A failure prints its seed;
 * BARNABAS_SEED replays it. BARNABAS_SLOW=1 goes on until 100,000 crashes. Mistakes are planted, and have to be found.
 */
import { strict as assert } from "node:assert";
import { TRUNCATION_FILE } from "../storage/log/follower/truncation_mark.ts";
import { FollowerLives, type Planted } from "./follower_lives.ts";

/** Lives of one log. */
const LIVES = 12;
/** Lives of a log before the one that ends at every call. */
const EARLIER_LIVES = 2;
const isSlow = Deno.env.get("BARNABAS_SLOW") === "1";
const fixedSeed = Deno.env.get("BARNABAS_SEED");

function replayable<Result>(seed: number, run: () => Result): Result {
  try {
    return run();
  } catch (cause) {
    throw new Error(`The lives of seed ${seed} failed: BARNABAS_SEED=${seed} replays them`, { cause });
  }
}

function runLives(seed: number, planted?: Planted): FollowerLives["counts"] {
  const lives = new FollowerLives(seed, planted);
  return replayable(seed, () => {
    for (let life = 0; life < LIVES; life++) lives.live();
    lives.finish();
    return lives.counts;
  });
}

Deno.test("a follower's log is that of one history, with all that was flushed and not cut off, through kills and losses of power", () => {
  const first = fixedSeed !== undefined ? Number(fixedSeed) : isSlow ? Date.now() % 1_000_000_000 : 1;
  const crashesMin = isSlow ? 100_000 : 400;
  const total: Record<string, number> = {};
  for (let seed = first; (total.crashes ?? 0) + (total.startCrashes ?? 0) < crashesMin; seed++) {
    for (const [what, count] of Object.entries(runLives(seed))) total[what] = (total[what] ?? 0) + count;
    if (fixedSeed !== undefined) return;
  }
  for (const [what, count] of Object.entries(total)) assert.ok(count > 10, `${what}: ${count}`);
});

Deno.test("a follower's log is that of one history, wherever a life is stopped", () => {
  const seeds = fixedSeed !== undefined
    ? [Number(fixedSeed)]
    : Array.from({ length: isSlow ? 200 : 2 }, (_, i) => i + 1);
  for (const seed of seeds) {
    for (const survival of ["all", "none", "random"] as const) {
      let isStopped = true;
      for (let afterCalls = 1; isStopped; afterCalls++) {
        const lives = new FollowerLives(seed);
        replayable(seed, () => {
          for (let life = 0; life < EARLIER_LIVES; life++) lives.live();
          isStopped = lives.live({ afterCalls, survival });
          lives.finish();
        });
      }
    }
  }
});

const canaries: [mistake: string, planted: Planted][] = [
  ["a flush that only pretends", { fileSystem: (fs) => ({ ...fs, fdatasync: () => true }) }],
  ["names that are not flushed", { fileSystem: (fs) => ({ ...fs, syncDirectory: () => true }) }],
  ["a recovery point that is raised early", { raisesRecoveryPoint: true }],
  ["a clean stop that was none", { believesCleanStop: true }],
  ["a truncation that is not announced", {
    fileSystem: (fs) => ({
      ...fs,
      readFile: (path) => path.endsWith(`/${TRUNCATION_FILE}`) ? null : fs.readFile(path),
    }),
  }],
];
for (const [mistake, planted] of canaries) {
  Deno.test(`the simulation of a follower's log finds ${mistake} (canary)`, () => {
    assert.throws(() => {
      for (let seed = 1; seed < 300; seed++) runLives(seed, planted);
    }, /BARNABAS_SEED/);
  });
}
