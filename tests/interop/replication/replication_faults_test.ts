/**
 * Nothing acknowledged is lost: three brokers replicate a topic (factor 3, min.insync.replicas 2) while processes are killed, paused and
 * stopped, and idempotent producers (acks=all) and consumers work on. In the end every record and every file is judged (history_check.ts).
 *
 * A seed chooses the faults: BARNABAS_SEED replays it. When the test fails, the directories stay.
 */
import { chooseSeed } from "../random.ts";
import { interopTest } from "../toolchain.ts";
import { runFaults } from "./fault_runs.ts";
import { journalLibraries } from "./library_clients.ts";
import { commonFaults, processFaults } from "./process_faults.ts";
import { storm } from "./storm_fault.ts";
import { topicRecreated } from "./topic_faults.ts";

/** Kafka's defaults, and those for one data centre. */
const [patient, eager] = [{ sessionMs: 9000, heartbeatMs: 2000 }, { sessionMs: 700, heartbeatMs: 100 }];
/** Runs of the slow test; together they inject 200 faults for each timing. */
const [RUNS, FAULTS_OF_A_RUN] = [4, 50];

interopTest({
  name: "replication: nothing acknowledged is lost while processes are killed, paused and stopped",
  needs: ["etcd", "go"],
  async fn(context) {
    const libraries = journalLibraries.filter(({ name }) => name === "franz-go");
    const count = commonFaults.length;
    await runFaults(context, { faults: commonFaults, count, timing: patient, seed: chooseSeed(), libraries });
  },
});

for (const timing of [patient, eager]) {
  interopTest({
    name: `replication: librdkafka, Java and franz-go lose nothing under many faults (session ${timing.sessionMs} ms)`,
    needs: ["etcd", "python", "java", "go"],
    slow: true,
    async fn(context) {
      const faults = [...processFaults, storm, topicRecreated];
      const first = chooseSeed();
      for (let seed = first; seed < first + RUNS; seed++) {
        await context.step(
          `seed ${seed}`,
          (run) =>
            runFaults(run, {
              faults,
              count: FAULTS_OF_A_RUN,
              timing,
              seed,
              shards: 2,
              libraries: journalLibraries,
              dumpsSegments: true,
            }),
        );
      }
    },
  });
}
