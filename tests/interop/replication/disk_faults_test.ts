/**
 * Nothing acknowledged is lost while the disk of one broker is full or fails, or when it comes back with damaged files or none. A seed chooses
 * the order: BARNABAS_SEED replays it.
 */
import { chooseSeed } from "../random.ts";
import { mountMemory } from "../system_faults.ts";
import { interopTest } from "../toolchain.ts";
import type { Fault } from "./fault.ts";
import { runFaults } from "./fault_runs.ts";
import { damageFaults, diskFaults, fullDisks } from "./faults/disk_faults.ts";

/** `replica.lag.time.max.ms` */
const LAG_MS = 2000;
const TIMING = { sessionMs: 3000, heartbeatMs: 300 };
const OVERRIDES = { "replica.lag.time.max.ms": String(LAG_MS) };

/** A small file system for each broker. */
function smallDisks(directory: string): Disposable {
  const mounted = new DisposableStack();
  for (const nodeId of [1, 2, 3]) mounted.use(mountMemory(`${directory}/broker-${nodeId}`, { megabytes: 64 }));
  return mounted;
}

interopTest({
  name:
    "replication: nothing acknowledged is lost while a leader's disk is full, and others lead; nor where a log's tail is damaged",
  needs: ["etcd", "mount"],
  async fn(context) {
    const faults = [fullDisks(LAG_MS)[0] as Fault, damageFaults[1] as Fault];
    const seed = chooseSeed();
    await runFaults(context, { faults, count: 2, timing: TIMING, seed, overrides: OVERRIDES, prepare: smallDisks });
  },
});

interopTest({
  name: "replication: nothing acknowledged is lost while a broker's disk fails, or has lost what was written",
  needs: ["etcd", "strace"],
  slow: true,
  async fn(context) {
    const faults = [...damageFaults, ...diskFaults(LAG_MS)];
    const overrides = { ...OVERRIDES, "log.flush.interval.messages": "1" };
    await runFaults(context, { faults, count: faults.length, timing: TIMING, seed: chooseSeed(), overrides });
  },
});

interopTest({
  name: "replication: nothing acknowledged is lost while a broker's disk is full, again and again",
  needs: ["etcd", "mount"],
  slow: true,
  async fn(context) {
    const faults = [...fullDisks(LAG_MS), ...damageFaults];
    const seed = chooseSeed();
    await runFaults(context, { faults, count: 10, timing: TIMING, seed, overrides: OVERRIDES, prepare: smallDisks });
  },
});
