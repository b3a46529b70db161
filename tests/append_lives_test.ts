/**
 * Random lives of a partition under producers (append_lives.ts). The seed is printed when one fails; BARNABAS_SEED replays it.
 * BARNABAS_SLOW=1 lives 50 times as many.
 */
import { strict as assert } from "node:assert";
import { AppendLives, type LifeCounts } from "./append_lives.ts";
import type { CrashingFileSystem, Survival } from "./crashing_file_system.ts";
import { chooseSeed } from "./interop/random.ts";

const LIVES = 3;

function run(
  seed: number,
  flushMessages: number,
  by: { survival: Survival; tamper?: (files: CrashingFileSystem) => void },
) {
  const lives = new AppendLives(seed, flushMessages, by.tamper);
  try {
    for (let life = 0; life < LIVES; life++) if (!lives.live(by.survival)) break;
  } catch (cause) {
    throw new Error(`The lives of seed ${seed} failed: BARNABAS_SEED=${seed} replays them`, { cause });
  }
  return lives.counts;
}

for (const survival of ["all", "none", "random"] as const) {
  Deno.test(`appends keep their promises through queues, flushes, moves and crashes (${survival} survives)`, () => {
    const fixed = Deno.env.get("BARNABAS_SEED");
    const sequences = fixed ? 1 : Deno.env.get("BARNABAS_SLOW") ? 500 : 10;
    const first = chooseSeed();
    const total: Record<string, number> = {};
    for (let index = 0; index < sequences; index++) {
      for (const flushMessages of [1, 3, Infinity]) {
        const counts: LifeCounts = run(first + index, flushMessages, { survival });
        for (const [what, count] of Object.entries(counts)) total[what] = (total[what] ?? 0) + count;
      }
    }
    if (fixed) return;
    for (const [what, count] of Object.entries(total)) assert.ok(count > 0, `${what}: ${count}`);
  });
}

Deno.test("the lives find a disk that does not really flush (canary)", () => {
  const tamper = ({ fileSystem }: CrashingFileSystem) => void (fileSystem.fdatasync = () => true);
  assert.throws(() => {
    for (let seed = 1; seed <= 20; seed++) run(seed, 1, { survival: "none", tamper });
  });
});
