/**
 * The simulation of a follower's log (follower_lives.ts): lives that end in crashes, at random and at every call. Mistakes
 * are planted, and have to be found.
 */
import { strict as assert } from "node:assert";
import { TRUNCATION_FILE } from "../storage/log/follower/truncation_mark.ts";
import { FollowerLives, type Planted } from "./follower_lives.ts";
import { assertLives, assertLivesEndAnywhere, runLives } from "./seeded_lives.ts";

Deno.test("a follower's log is that of one history, with all that was flushed and not cut off, through kills and losses of power", () => {
  assertLives((seed) => new FollowerLives(seed), 400);
});

Deno.test("a follower's log is that of one history, wherever a life is stopped", () => {
  assertLivesEndAnywhere((seed) => new FollowerLives(seed), 2);
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
      for (let seed = 1; seed < 300; seed++) runLives(seed, new FollowerLives(seed, planted));
    }, /BARNABAS_SEED/);
  });
}
