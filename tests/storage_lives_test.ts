/**
 * The storage simulation: lives of a log (storage_lives.ts) that end in crashes, at random and at every call. Mistakes
 * are planted, and have to be found.
 */
import { strict as assert } from "node:assert";
import { CLEANED_SUFFIX } from "../storage/segments/segment_names.ts";
import type { FileSystem } from "../storage/sys/file_system.ts";
import { assertLives, assertLivesEndAnywhere, runLives } from "./seeded_lives.ts";
import { type Planted, StorageLives } from "./storage_lives.ts";

Deno.test("a log loses nothing durable but what the rules remove, through kills, losses of power and all that happens to it", () => {
  assertLives((seed) => new StorageLives(seed), 300);
  // A snapshot of the producers had survived a loss of power, and not the last batch that it knew.
  runLives(901_249_590, new StorageLives(901_249_590));
  // One that a start had removed was back after the next loss of power, in a log that reached as far again.
  runLives(902_345_885, new StorageLives(902_345_885));
});

Deno.test("a log loses nothing durable but what the rules remove, wherever a life is stopped", () => {
  assertLivesEndAnywhere((seed) => new StorageLives(seed), 1);
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
      for (let seed = firstSeed; seed < firstSeed + 300; seed++) runLives(seed, new StorageLives(seed, planted));
    }, /BARNABAS_SEED/);
  });
}
