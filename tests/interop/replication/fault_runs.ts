/** A run: a cluster, its load, some faults of a seed, the verdict. Main isolate of a test. */
import { ClusterRig } from "../cluster/cluster_rig.ts";
import { Random } from "../random.ts";
import type { Fault } from "./fault.ts";
import { chooseFaults, inject, lineOf } from "./fault_runner.ts";
import { ReplicationRig } from "./replication_rig.ts";

/** What a run does. */
export interface FaultRun {
  /** From which it chooses. */
  readonly faults: readonly Fault[];
  /** How many. */
  readonly count: number;
  readonly timing: { readonly sessionMs: number; readonly heartbeatMs: number };
  readonly seed: number;
}

const ETCD_MEMBERS = 3;

/** Runs. @throws Error that names the seed and the directory, which stays */
export async function runFaults(context: Deno.TestContext, run: FaultRun): Promise<void> {
  const { seed, timing: { sessionMs, heartbeatMs } } = run;
  const directory = Deno.makeTempDirSync({ prefix: "barnabas-replication-" });
  const random = new Random(seed);
  try {
    await using cluster = await ClusterRig.start({
      directory,
      etcdMembers: ETCD_MEMBERS,
      overrides: {
        "broker.session.timeout.ms": String(sessionMs),
        "broker.heartbeat.interval.ms": String(heartbeatMs),
      },
    });
    await using rig = await ReplicationRig.start({ cluster, sessionMs });
    const possible = run.faults.filter((fault) => fault.isPossible?.(rig) ?? true);
    for (const [nth, fault] of chooseFaults(possible, random, run.count).entries()) {
      let line = "";
      await context.step(`${nth + 1}. ${fault.name}`, async () => {
        line = lineOf(await inject(rig, fault, random));
      });
      if (line === "") throw new Error(`Fault ${nth + 1}, ${fault.name}, did what it must not`);
      say(`      ${line}`);
    }
    await context.step("every record and every file is as the rules say", () => rig.conclude());
  } catch (cause) {
    throw new Error(`Seed ${seed} failed: BARNABAS_SEED=${seed} replays it; see ${directory}`, { cause });
  }
  Deno.removeSync(directory, { recursive: true });
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}
