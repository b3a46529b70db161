/**
 * Random sequences of events of a coordinator. The seed is printed on a failure; BARNABAS_SEED replays it. BARNABAS_SLOW=1 runs a million
 * steps.
 */
import { strict as assert } from "node:assert";
import { CoordinatorModel } from "./coordinator_model_testing.ts";
import type { TestCoordinatorOptions } from "./coordinator_testing.ts";

const STEPS = 1000;
const isSlow = Deno.env.get("BARNABAS_SLOW") === "1";
const wanted = Deno.env.get("BARNABAS_SEED");

function run(seed: number, options: TestCoordinatorOptions = {}): CoordinatorModel["counts"] {
  try {
    const model = new CoordinatorModel(seed, options);
    model.run(STEPS);
    return model.counts;
  } catch (error) {
    throw new Error(`BARNABAS_SEED=${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

Deno.test("GroupCoordinator keeps its promises in random sequences of events", () => {
  if (wanted !== undefined) return void run(Number(wanted));
  const lives = isSlow ? 1_000_000 / STEPS : 5;
  const happened = new Map<string, number>();
  for (let seed = 1; seed <= lives; seed++) {
    for (const [what, count] of Object.entries(run(seed))) happened.set(what, (happened.get(what) ?? 0) + count);
  }
  for (const [what, count] of happened) assert(count >= lives / 2, `${what}: ${count} in ${lives} lives`);
});

Deno.test("the random sequences find a log that sometimes loses an acknowledged batch (canary)", () => {
  let found = 0;
  for (let seed = 1; seed <= 5; seed++) {
    try {
      run(seed, { losesBatch: 4 });
    } catch (error) {
      assert.match(String(error), /is .* not|has one member|old generation|own|empty groups/);
      found++;
    }
  }
  assert(found >= 4, `found in ${found} of 5 lives`);
});
