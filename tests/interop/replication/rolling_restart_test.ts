/**
 * A rolling restart: each broker is stopped in order and started again, one after the other, while idempotent producers (acks=all) of
 * librdkafka, Java and franz-go write. None of their writes fails.
 */
import { chooseSeed } from "../random.ts";
import { interopTest } from "../toolchain.ts";
import { runFaults } from "./fault_runs.ts";
import { journalLibraries } from "./library_clients.ts";
import { rollingRestart } from "./process_faults.ts";

/** Restarts of all brokers. */
const COUNT = 3;

for (const timing of [{ sessionMs: 9000, heartbeatMs: 2000 }, { sessionMs: 700, heartbeatMs: 100 }]) {
  interopTest({
    name: `replication: no write fails while all brokers are restarted in turn (session ${timing.sessionMs} ms)`,
    needs: ["etcd", "python", "java", "go"],
    slow: true,
    async fn(context) {
      const overrides = { "leader.imbalance.check.interval.seconds": "1" };
      const libraries = journalLibraries;
      await runFaults(context, {
        faults: [rollingRestart],
        count: COUNT,
        timing,
        seed: chooseSeed(),
        libraries,
        overrides,
      });
    },
  });
}
