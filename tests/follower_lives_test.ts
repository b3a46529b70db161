/**
 * The simulation of a follower's log (follower_lives.ts): lives that end in crashes, at random and at every call. Mistakes
 * are planted, and have to be found.
 */
import { strict as assert } from "node:assert";
import { LEADER_EPOCHS_FILE } from "../storage/log/epochs/leader_epoch_file.ts";
import { TRUNCATION_FILE } from "../storage/log/follower/truncation_mark.ts";
import { FollowerLives, type Planted } from "./follower_lives.ts";
import { assertLives, assertLivesEndAnywhere, runLives } from "./seeded_lives.ts";

Deno.test("a follower's log is that of one history, with all that was flushed and not cut off, through kills and losses of power", () => {
  assertLives((seed) => new FollowerLives(seed), 400);
});

Deno.test("a follower's log is that of one history, wherever a life is stopped", () => {
  assertLivesEndAnywhere((seed) => new FollowerLives(seed), 2);
});

/** A truncation does not flush names after calls of one kind. */
function skipsFlushAfter(kind: "removal" | "creation"): Planted {
  return {
    fileSystem: (fs, isTruncating) => {
      let last: typeof kind | null = null;
      return {
        ...fs,
        open: (path, mode) => {
          if (mode.create && path.endsWith(".log")) last = "creation";
          return fs.open(path, mode);
        },
        rename: (from, to) => {
          if (to.endsWith(".deleted")) last = "removal";
          fs.rename(from, to);
        },
        syncDirectory: (path) => {
          const isSkipped = isTruncating() && last === kind;
          last = null;
          return isSkipped || fs.syncDirectory(path);
        },
      };
    },
  };
}

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
  ["a truncation after which the new segment's name is not flushed", skipsFlushAfter("creation")],
  ["a truncation that removes segments without a flush", skipsFlushAfter("removal")],
  ["a truncation that does not save the epochs", {
    fileSystem: (fs, isTruncating) => ({
      ...fs,
      rename: (from, to) => {
        if (isTruncating() && to.endsWith(`/${LEADER_EPOCHS_FILE}`)) fs.remove(from);
        else fs.rename(from, to);
      },
    }),
  }],
];
for (const [mistake, planted] of canaries) {
  Deno.test(`the simulation of a follower's log finds ${mistake} (canary)`, () => {
    assert.throws(() => {
      for (let seed = 1; seed < 300; seed++) runLives(seed, new FollowerLives(seed, planted));
    }, /BARNABAS_SEED/);
  });
}
