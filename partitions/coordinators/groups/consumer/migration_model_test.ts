/**
 * Random sequences of events of a group that changes its protocol while in use. A failure prints its seed; BARNABAS_SEED replays it.
 * BARNABAS_SLOW=1 runs more of them.
 */
import assert from "node:assert/strict";
import { runMigrations } from "./migration_model_testing.ts";

const STEPS = 600;
const isSlow = Deno.env.get("BARNABAS_SLOW") === "1";
const wanted = Deno.env.get("BARNABAS_SEED");

Deno.test("no partition has two users while a group changes its protocol, and the group becomes stable", () => {
  if (wanted !== undefined) return runMigrations(Number(wanted), { steps: STEPS });
  for (let seed = 1; seed <= (isSlow ? 500 : 8); seed++) runMigrations(seed, { steps: STEPS });
});

Deno.test("the random migrations find members that lose partitions without being asked to give them up (canary)", () => {
  assert.throws(() => {
    for (let seed = 1; seed <= 8; seed++) runMigrations(seed, { steps: STEPS, isBlind: true });
  }, /is used by/);
});
