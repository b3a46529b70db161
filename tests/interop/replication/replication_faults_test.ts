/**
 * Nothing acknowledged is lost: three brokers replicate a topic (factor 3, min.insync.replicas 2) while processes are killed, paused and
 * stopped, and idempotent producers (acks=all) and consumers work on. In the end every record and every file is judged (history_check.ts).
 *
 * A seed chooses the faults: BARNABAS_SEED replays it. When the test fails, the directories stay.
 */
import { interopTest } from "../toolchain.ts";
import { chooseSeed } from "../random.ts";
import { processFaults } from "./process_faults.ts";
import { runFaults } from "./fault_runs.ts";

/** Kafka's defaults. */
const PATIENT = { sessionMs: 9000, heartbeatMs: 2000 };

interopTest({
  name: "replication: nothing acknowledged is lost while processes are killed, paused and stopped",
  needs: ["etcd"],
  slow: true,
  async fn(context) {
    await runFaults(context, { faults: processFaults, count: 10, timing: PATIENT, seed: chooseSeed() });
  },
});
