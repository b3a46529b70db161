/**
 * The cluster simulation: histories of brokers, a metadata store, clients and faults, by seed (tests/cluster). A failure prints its seed;
 * BARNABAS_SEED replays it. BARNABAS_SLOW=1 takes twenty times as many. Mistakes are planted, and have to be found.
 */
import { strict as assert } from "node:assert";
import { canaries } from "./cluster/cluster_canaries.ts";
import { runHistory } from "./cluster/cluster_history.ts";
import type { Counts } from "./cluster/cluster_invariants.ts";

const isSlow = Deno.env.get("BARNABAS_SLOW") === "1";
const fixedSeed = Deno.env.get("BARNABAS_SEED");
const HISTORIES = isSlow ? 400_000 : 20_000;
/** Most histories until a planted mistake is found. */
const CANARY_HISTORIES = 2_000;

const noCounts = (): Counts => ({
  appends: 0,
  commits: 0,
  acks: 0,
  elections: 0,
  eligibleElections: 0,
  uncleanElections: 0,
  truncations: 0,
  shrinks: 0,
  expansions: 0,
  reassignments: 0,
  losses: 0,
});

function run(seed: number, counts: Counts): number {
  try {
    return runHistory(seed, {}, counts);
  } catch (cause) {
    throw new Error(`The history of seed ${seed} failed: BARNABAS_SEED=${seed} replays it`, { cause });
  }
}

Deno.test("replicas lose nothing committed and become whole again, whatever happens to brokers, network and metadata store", () => {
  if (fixedSeed !== undefined) return void run(Number(fixedSeed), noCounts());
  const counts = noCounts();
  const first = isSlow ? Date.now() % 1_000_000_000 : 1;
  let steps = 0;
  for (let seed = first; seed < first + HISTORIES; seed++) steps += run(seed, counts);
  assert.ok(steps > 1_000_000, `${steps} steps`);
  for (const [what, count] of Object.entries(counts)) assert.ok(count > HISTORIES / 100, `${what}: ${count}`);
});

for (const { mistake, planted, breaks, firstSeed } of canaries) {
  Deno.test(`the cluster simulation finds ${mistake} (canary)`, () => {
    const isFound = ({ message }: Error) => breaks.split(" ").some((invariant) => message.startsWith(`${invariant}:`));
    for (let seed = firstSeed; seed < firstSeed + CANARY_HISTORIES; seed++) {
      try {
        runHistory(seed, planted, noCounts());
      } catch (error) {
        if (isFound(error as Error)) return;
      }
    }
    assert.fail(`${CANARY_HISTORIES} histories do not break ${breaks}`);
  });
}
