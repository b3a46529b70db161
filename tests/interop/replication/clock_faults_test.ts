/**
 * Nothing acknowledged is lost, and nothing but timestamps changes, while the wall clock of one broker jumps and returns: the leader of a
 * partition, a follower, the controller. A seed chooses the order: BARNABAS_SEED replays it.
 */
import { chooseSeed } from "../random.ts";
import { interopTest } from "../toolchain.ts";
import { runFaults } from "./fault_runs.ts";
import { clockFaults } from "./faults/clock_faults.ts";
import { WallClocks } from "./faults/wall_clocks.ts";

const TIMING = { sessionMs: 3000, heartbeatMs: 300 };

interopTest({
  name: "replication: nothing acknowledged is lost, and nobody is fenced, while a broker's wall clock jumps",
  needs: ["etcd", "faketime", "kafka"],
  slow: true,
  async fn(context) {
    using clocks = new WallClocks();
    const faults = clockFaults(clocks);
    await runFaults(context, {
      faults,
      count: faults.length,
      timing: TIMING,
      seed: chooseSeed(),
      network: { placeOf: (name) => clocks.placeOf(name) },
      overrides: { "log.message.timestamp.type": "LogAppendTime" },
      dumpsSegments: true,
    });
  },
});
