/** A run: a cluster, its load, some faults of a seed, the verdict. Main isolate of a test. */
import assert from "node:assert/strict";
import { ClusterRig, type ClusterRigOptions } from "../cluster/cluster_rig.ts";
import { dumpLogSegments } from "../dump_log.ts";
import { Random } from "../random.ts";
import type { Fault } from "./fault.ts";
import { chooseFaults, inject, lineOf } from "./fault_runner.ts";
import { type JournalLibrary, LibraryClient } from "./library_clients.ts";
import { ReplicationRig } from "./replication_rig.ts";

/** What a run does. */
export interface FaultRun {
  /** From which it chooses. */
  readonly faults: readonly Fault[];
  /** How many. */
  readonly count: number;
  readonly timing: { readonly sessionMs: number; readonly heartbeatMs: number };
  readonly seed: number;
  /** Of each broker; 1 by default. */
  readonly shards?: number;
  /** Where brokers and etcd run, and how they reach each other. */
  readonly network?: Pick<ClusterRigOptions, "placeOf" | "wiring">;
  /** Makes ready what brokers will have in this directory. */
  readonly prepare?: (directory: string) => Disposable;
  /** Further settings of the brokers, by Kafka's names. */
  readonly overrides?: Readonly<Record<string, string>>;
  /** Whose producers and consumers take part, beside those of the rig; none by default. */
  readonly libraries?: readonly JournalLibrary[];
  /** Whether Apache Kafka's DumpLogSegments judges the files, too. */
  readonly dumpsSegments?: boolean;
}

const ETCD_MEMBERS = 3;

/** Runs. @throws Error that names the seed and the directory, which stays */
export async function runFaults(context: Deno.TestContext, run: FaultRun): Promise<void> {
  const { seed, timing: { sessionMs, heartbeatMs } } = run;
  const directory = Deno.makeTempDirSync({ prefix: "barnabas-replication-" });
  const random = new Random(seed);
  try {
    using _prepared = run.prepare?.(directory);
    await using cluster = await ClusterRig.start({
      directory,
      etcdMembers: ETCD_MEMBERS,
      shards: run.shards,
      ...run.network,
      overrides: {
        "broker.session.timeout.ms": String(sessionMs),
        "broker.heartbeat.interval.ms": String(heartbeatMs),
        "offsets.topic.num.partitions": "3",
        ...run.overrides,
      },
    });
    await using rig = await ReplicationRig.start({ cluster, sessionMs });
    for (const library of run.libraries ?? []) rig.add((target) => new LibraryClient(library, target));
    await rig.clientsWrite();
    const possible = run.faults.filter((fault) => fault.isPossible?.(rig) ?? true);
    for (const [nth, fault] of chooseFaults(possible, random, run.count).entries()) {
      await step(context, `${nth + 1}. ${fault.name}`, async () => {
        say(`      ${lineOf(await inject(rig, fault, random))}`);
      });
    }
    await step(context, "every record and every file is as the rules say", () => rig.conclude());
    if (run.dumpsSegments) {
      await step(context, "DumpLogSegments finds no fault in any file", () => dumpAll(cluster));
    }
  } catch (cause) {
    throw new Error(`Seed ${seed} failed: BARNABAS_SEED=${seed} replays it; see ${directory}`, { cause });
  }
  Deno.removeSync(directory, { recursive: true });
}

async function dumpAll({ nodes }: ClusterRig): Promise<void> {
  for (const { nodeId, dataDir } of nodes) {
    const { complaints, batches } = await dumpLogSegments(dataDir);
    assert.deepEqual(complaints, [], `files of broker ${nodeId}`);
    assert.ok(batches > 0);
  }
}

/** A step without which the others mean nothing. */
async function step(context: Deno.TestContext, name: string, fn: () => Promise<void>): Promise<void> {
  if (!await context.step(name, fn)) throw new Error(`The run ended at the step "${name}"`);
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}
