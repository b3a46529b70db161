/**
 * Random sequences of events of a coordinator. The seed is printed on a failure; BARNABAS_SEED replays it. BARNABAS_SLOW=1 runs a million
 * steps.
 */
import { strict as assert } from "node:assert";
import { CoordinatorModel } from "./coordinator_model_testing.ts";
import type { PlantedMistake } from "./coordinated_replica_testing.ts";
import { CoordinatorCluster } from "./coordinator_cluster_testing.ts";
import type { TestCoordinatorOptions } from "./coordinator_testing.ts";
import { SingleWorld } from "./coordinator_world_testing.ts";

const STEPS = 1000;
const isSlow = Deno.env.get("BARNABAS_SLOW") === "1";
const wanted = Deno.env.get("BARNABAS_SEED");

function run(seed: number, options: TestCoordinatorOptions = {}): CoordinatorModel["counts"] {
  return live(seed, (given) => new SingleWorld({ shards: [0, 0, 0], ...given, ...options }));
}

function live(seed: number, start: ConstructorParameters<typeof CoordinatorModel>[1]): CoordinatorModel["counts"] {
  try {
    const model = new CoordinatorModel(seed, start);
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

function runCluster(seed: number, mistake: PlantedMistake | null = null): Record<string, number> {
  let cluster: CoordinatorCluster | null = null;
  const counts = live(seed, (given) => cluster = new CoordinatorCluster({ ...given, mistake }));
  return { ...counts, ...(cluster as CoordinatorCluster | null)?.counts };
}

Deno.test("groups keep their promises in random sequences of events while other brokers are elected and processes are killed", () => {
  if (wanted !== undefined) return void runCluster(Number(wanted));
  const lives = isSlow ? 1_000_000 / STEPS : 5;
  const happened = new Map<string, number>();
  for (let seed = 1; seed <= lives; seed++) {
    for (const [what, count] of Object.entries(runCluster(seed))) {
      happened.set(what, (happened.get(what) ?? 0) + count);
    }
  }
  for (const [what, count] of happened) assert(count >= lives / 2, `${what}: ${count} in ${lives} lives`);
});

for (const mistake of ["acknowledges early", "does not resign"] as const) {
  Deno.test(`the random sequences find a coordinator that ${mistake} (canary)`, () => {
    for (let seed = 1; seed <= 20; seed++) {
      try {
        runCluster(seed, mistake);
      } catch (error) {
        return assert.match(String(error), /is .* not|has one member|old generation|own/);
      }
    }
    assert.fail("no sequence finds it");
  });
}
