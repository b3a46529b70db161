/**
 * The rig is believed because it finds what is known: a leader that was paused acknowledges writes with acks=1 when it wakes, although another
 * broker leads by then, and they are lost. It finds that on Apache Kafka and on the brokers under test, and no loss with acks=all on either.
 */
import assert from "node:assert/strict";
import { waitFor } from "../../../bench/peer/processes.ts";
import { temporaryDirectory } from "../broker.ts";
import { ClusterRig } from "../cluster/cluster_rig.ts";
import { interopTest } from "../toolchain.ts";
import { findingsOf, lostRecords } from "./history_check.ts";
import { startKafkaBrokers } from "./kafka_brokers.ts";
import type { ReplicatedCluster } from "./replicated_cluster.ts";
import { ReplicationRig } from "./replication_rig.ts";

const ROUNDS = 3;
const SESSION_MS = 2000;
const overrides = {
  "broker.session.timeout.ms": String(SESSION_MS),
  "broker.heartbeat.interval.ms": "300",
  "offsets.topic.num.partitions": "3",
};

interface Peer {
  readonly name: string;
  readonly start: (directory: string) => Promise<ReplicatedCluster>;
}

const peers: readonly Peer[] = [
  { name: "Barnabas", start: (directory) => ClusterRig.start({ directory, overrides }) },
  { name: "Apache Kafka", start: (directory) => startKafkaBrokers({ directory, overrides }) },
];

for (const { name, start } of peers) {
  interopTest({
    name:
      `replication: what a leader of ${name} acknowledges alone may be lost, what all in-sync replicas acknowledge is not`,
    needs: ["etcd", "kafka"],
    slow: true,
    async fn(context) {
      for (const acks of [1, -1] as const) {
        await context.step(`acks=${acks}`, async () => {
          using directory = temporaryDirectory();
          await using cluster = await start(directory.path);
          await using rig = await ReplicationRig.start({ cluster, sessionMs: SESSION_MS, acks });
          for (let round = 0; round < ROUNDS; round++) await wakeDeposed(rig);
          const evidence = await rig.evidence();
          if (acks === -1) assert.deepEqual(findingsOf(evidence), []);
          else assert.notDeepEqual([...lostRecords(evidence)], [], "the rig finds a loss that is known");
        });
      }
    },
  });
}

/** Pauses the leader of partition 0 until another broker leads it, and lets it go on. */
async function wakeDeposed(rig: ReplicationRig): Promise<void> {
  const { leader } = rig.view.partitions[0] ?? { leader: -1 };
  const { process } = rig.node(leader);
  process.signal("SIGSTOP");
  await waitFor("another broker leads partition 0", () => {
    const now = rig.view.partitions[0]?.leader ?? -1;
    return now !== -1 && now !== leader || undefined;
  });
  process.signal("SIGCONT");
  await rig.healthy();
}
