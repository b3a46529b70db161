/**
 * What people administer Kafka with works and tells the truth: consoles, and the admin clients of libraries. Each page and each call shows
 * what it shows on Apache Kafka 4.3.1, errors included; with BARNABAS_INTEROP_PEER=apache-kafka the recordings are compared with Kafka.
 */
import assert from "node:assert/strict";
import { startTestBroker, temporaryDirectory, testsApacheKafka } from "./broker.ts";
import {
  adminClients,
  consoles,
  ON_THREE_BROKERS,
  OTHERWISE_ON_KAFKA,
  OVERRIDES,
  PAUSE_MS,
  type ProgramName,
  recorded,
  runPrograms,
  type Shown,
} from "./administration/programs.ts";
import { ClusterRig } from "./cluster/cluster_rig.ts";
import { eachProves, together } from "./matrix/matrix.ts";
import { interopTest } from "./toolchain.ts";

interopTest({
  name: "consoles: each page of kafka-ui, AKHQ and Redpanda Console shows what it shows on Apache Kafka",
  needs: ["consoles", "go"],
  proves: together(
    eachProves(["java 3"], ["produce", "consume", "idempotence", "classic", "topics", "configs", "offsets", "quotas"]),
    eachProves(["franz-go"], ["quotas", "scram"]),
  ),
  fn: (context) => compareWithKafka(context, consoles),
});

interopTest({
  name:
    "admin clients: each call of confluent-kafka, kafka-python and franz-go returns what it returns on Apache Kafka",
  needs: ["python", "go"],
  proves: together(
    eachProves(["confluent-kafka", "kafka-python", "franz-go"], ["topics", "configs", "offsets", "scram"]),
    eachProves(["franz-go"], ["quotas"]),
  ),
  fn: (context) => compareWithKafka(context, adminClients),
});

interopTest({
  name: "consoles: kafka-ui administers three brokers, through any of them",
  needs: ["consoles", "etcd"],
  proves: eachProves(["java 3"], ["cluster"]),
  async fn() {
    using directory = temporaryDirectory();
    await using rig = await ClusterRig.start({ directory: directory.path, overrides: OVERRIDES });
    const shown = await runPrograms(["kafka-ui"], rig.node(2).bootstrapServers, { pauseMs: PAUSE_MS.cluster });
    const expected = new Map([...recorded("kafka-ui")].map(([page, text]) => [page, ON_THREE_BROKERS[page] ?? text]));
    assert.deepEqual(compared(shown.get("kafka-ui")!), compared(expected));
  },
});

async function compareWithKafka(context: Deno.TestContext, names: readonly ProgramName[]): Promise<void> {
  using directory = temporaryDirectory();
  await using broker = await startTestBroker({ dataDir: directory.path, overrides: OVERRIDES });
  const pauseMs = testsApacheKafka ? PAUSE_MS.kafka : 0;
  const shown = await runPrograms(names, broker.bootstrapServers, { pauseMs });
  for (const name of names) {
    await context.step(name, () => assert.deepEqual(compared(shown.get(name)!), compared(recorded(name))));
  }
}

function compared(shown: Shown): [page: string, shown: string][] {
  return [...shown].filter(([page]) => !testsApacheKafka || !OTHERWISE_ON_KAFKA.includes(page));
}
