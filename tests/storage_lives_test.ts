/**
 * The storage simulation: lives of a log (storage_lives.ts) that end in crashes, at random and at every call. A failure prints its seed;
 * BARNABAS_SEED replays it. BARNABAS_SLOW=1 goes on until 100,000 crashes. Mistakes are planted, and have to be found.
 */
import { strict as assert } from "node:assert";
import { CLEANED_SUFFIX } from "../storage/segments/segment_names.ts";
import type { FileSystem } from "../storage/sys/file_system.ts";
import { type Planted, StorageLives } from "./storage_lives.ts";

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

function runLives(seed: number, planted?: Planted): StorageLives["counts"] {
  const lives = new StorageLives(seed, planted);
  return replayable(seed, () => {
    for (let life = 0; life < LIVES; life++) lives.live();
    lives.finish();
    return lives.counts;
  });
}

Deno.test("a log loses nothing durable but what the rules remove, through kills, losses of power and all that happens to it", () => {
  const first = fixedSeed !== undefined ? Number(fixedSeed) : isSlow ? Date.now() % 1_000_000_000 : 1;
  const crashesMin = isSlow ? 100_000 : 300;
  const total: Record<string, number> = {};
  for (let seed = first; (total.crashes ?? 0) + (total.startCrashes ?? 0) < crashesMin; seed++) {
    for (const [what, count] of Object.entries(runLives(seed))) total[what] = (total[what] ?? 0) + count;
    if (fixedSeed !== undefined) return;
  }
  for (const [what, count] of Object.entries(total)) assert.ok(count > 10, `${what}: ${count}`);
});

Deno.test("a log loses nothing durable but what the rules remove, wherever a life is stopped", () => {
  const seeds = fixedSeed !== undefined
    ? [Number(fixedSeed)]
    : Array.from({ length: isSlow ? 200 : 1 }, (_, i) => i + 1);
  for (const seed of seeds) {
    for (const survival of ["all", "none", "random"] as const) {
      let isStopped = true;
      for (let afterCalls = 1; isStopped; afterCalls++) {
        const lives = new StorageLives(seed);
        replayable(seed, () => {
          for (let life = 0; life < EARLIER_LIVES; life++) lives.live();
          isStopped = lives.live({ afterCalls, survival });
          lives.finish();
        });
      }
    }
  }
});

/** Does not flush new segments of a cleaning. */
function withoutCleanedFlush(fs: FileSystem): FileSystem {
  const cleaned = new Set<number>();
  return {
    ...fs,
    open: (path, mode) => {
      const fd = fs.open(path, mode);
      if (path.endsWith(CLEANED_SUFFIX)) cleaned.add(fd);
      return fd;
    },
    fdatasync: (fd) => cleaned.has(fd) || fs.fdatasync(fd),
  };
}

/** Each with a seed that finds it soon: the rare ones take 500 and 2,000 crashes from seed 1 on. */
const canaries: [mistake: string, planted: Planted, firstSeed: number][] = [
  ["a flush that only pretends", { fileSystem: (fs) => ({ ...fs, fdatasync: () => true }) }, 1],
  ["names that are not flushed", { fileSystem: (fs) => ({ ...fs, syncDirectory: () => true }) }, 1],
  ["new segments that are not flushed", { fileSystem: withoutCleanedFlush }, 1],
  ["a recovery point that is raised early", { raisesRecoveryPoint: true }, 1],
  ["a log start that is not written", { skipsLogStarts: true }, 1],
  ["retention above the high watermark", { ignoresHighWatermark: true }, 55],
  ["a clean stop that was none", { believesCleanStop: true }, 1],
  ["a start after a loss of power that believes the page cache", { believesBoot: true }, 165],
];
for (const [mistake, planted, firstSeed] of canaries) {
  Deno.test(`the storage simulation finds ${mistake} (canary)`, () => {
    assert.throws(() => {
      for (let seed = firstSeed; seed < firstSeed + 300; seed++) runLives(seed, planted);
    }, /BARNABAS_SEED/);
  });
}
