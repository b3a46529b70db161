/**
 * Injects faults one after another and checks what each may do. Every choice comes from one seed: the same seed begins the same faults in the
 * same order (what they meet depends on the machine). Main isolate of a test.
 */
import assert from "node:assert/strict";
import { waitFor } from "../../../bench/peer/processes.ts";
import type { Random } from "../random.ts";
import type { Fault } from "./fault.ts";
import type { ReplicationRig, WritesSince } from "./replication_rig.ts";

/** What a fault did. */
export interface FaultReport {
  readonly name: string;
  readonly what: string;
  /** From its beginning until each partition had acknowledged what was sent later; null: it was not to. */
  readonly resumedMs: number | null;
  /** From the beginning of its end until all replicas were in sync and took writes. */
  readonly recoveredMs: number;
}

/** Chooses faults so that each comes once before one comes again. @param count how many */
export function chooseFaults(faults: readonly Fault[], random: Random, count: number): Fault[] {
  const chosen: Fault[] = [];
  let left: Fault[] = [];
  while (chosen.length < count) {
    if (left.length === 0) left = [...faults];
    chosen.push(...left.splice(random.below(left.length), 1));
  }
  return chosen;
}

/** Injects a fault, waits for what it has to allow, ends it, and waits until all is well. @throws Error when it did what it must not */
export async function inject(rig: ReplicationRig, fault: Fault, random: Random): Promise<FaultReport> {
  const epochs = epochsOf(rig);
  const applied = await fault.apply(rig, random);
  const beganMs = performance.now();
  const written = rig.writesSince();
  let resumedMs: number | null = null;
  let endedMs = 0;
  try {
    if (typeof applied.writes === "object") {
      await resumed(rig, written, applied.writes.resumeWithinMs);
      resumedMs = performance.now() - beganMs;
    }
    const leftMs = applied.lastsMs - (performance.now() - beganMs);
    if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs));
    if (applied.writes === "stop") {
      assert.deepEqual(written.partitions(), [], "no partition acknowledges writes meanwhile");
    }
  } finally {
    endedMs = performance.now();
    await applied.undo();
  }
  await rig.healthy();
  if (applied.mayElect === false) assert.deepEqual(epochsOf(rig), epochs, "no partition has got another leader");
  return { name: fault.name, what: applied.what, resumedMs, recoveredMs: performance.now() - endedMs };
}

async function resumed(rig: ReplicationRig, written: WritesSince, withinMs: number): Promise<void> {
  try {
    await waitFor("all partitions take writes again", () => written.done() || undefined, withinMs);
  } catch (cause) {
    const said = await Promise.all(rig.cluster.nodes.map((node) => rig.view.ask(node)));
    const words = said.map((answer) => answer === null ? "no answer" : JSON.stringify(answer)).join("\n");
    throw new Error(`Partitions ${written.partitions()} alone take writes; brokers say\n${words}`, { cause });
  }
}

function epochsOf({ view }: ReplicationRig): number[] {
  return view.partitions.map(({ leaderEpoch }) => leaderEpoch);
}

/** A line about a fault, for people. */
export function lineOf({ name, what, resumedMs, recoveredMs }: FaultReport): string {
  const resumed = resumedMs === null ? "" : `writes resumed after ${resumedMs.toFixed(0)} ms, `;
  return `${name}: ${what}; ${resumed}in sync ${recoveredMs.toFixed(0)} ms after its end began`;
}
