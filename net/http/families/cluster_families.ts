/**
 * The broker's state, its part in the cluster, and the metadata store, which Kafka's dashboards look for under the names of its quorum: the
 * store is a quorum of one voter, the controller, and every broker has all of its metadata. What is sent and received for that is nothing,
 * because brokers do not fetch metadata from each other. Main isolate.
 *
 * Source: KafkaRaftMetrics and RaftChannelMetrics of Apache Kafka 4.3.1.
 */
import type { MetricFamily } from "../metric_family.ts";
import { kafkaAttribute, kafkaName, single } from "./families.ts";
import type { MetricSources } from "./metric_sources.ts";

/** Kafka's BrokerState: RUNNING. */
const RUNNING = 3;
/** Kafka's BrokerState: PENDING_CONTROLLED_SHUTDOWN. */
const STOPPING = 6;

/** Families of the cluster. @param isStopping the broker gives away what it leads */
export function clusterFamilies(sources: MetricSources, isStopping: boolean): MetricFamily[] {
  return [
    single("gauge", kafkaName("kafka.server:type=KafkaServer,name=BrokerState"), {
      help: "3 while the broker runs, 6 while it stops",
      value: isStopping ? STOPPING : RUNNING,
    }),
    ...electionFamilies(sources),
    ...quorumFamilies(sources),
  ];
}

function electionFamilies({ replication }: MetricSources): MetricFamily[] {
  const { cleanElections = 0, uncleanElections = 0, isrShrinks = 0, isrExpands = 0 } = replication ?? {};
  const families = [
    single("counter", kafkaName("kafka.controller:type=ControllerStats,name=UncleanLeaderElectionsPerSec"), {
      help: "Leaders of the cluster's partitions that may have lost records",
      value: uncleanElections,
    }),
    single("counter", "barnabas_leader_elections_total", {
      help: "Leaders of the cluster's partitions that were chosen among in-sync or eligible replicas",
      value: cleanElections,
    }),
    single("counter", kafkaName("kafka.server:type=ReplicaManager,name=IsrShrinksPerSec"), {
      help: "Changes that took a replica out of an in-sync set, of partitions led here",
      value: isrShrinks,
    }),
    single("counter", kafkaName("kafka.server:type=ReplicaManager,name=IsrExpandsPerSec"), {
      help: "Changes that added a replica to an in-sync set, of partitions led here",
      value: isrExpands,
    }),
  ];
  if (replication === null) return families;
  const outcomes = Object.entries(replication.transactions);
  return [
    ...families,
    {
      kind: "counter",
      name: "barnabas_membership_transactions_total",
      help: "Transactions of this broker's membership with the metadata store, by their outcome",
      samples: outcomes.map(([outcome, value]) => ({ labels: { outcome }, value })),
    },
    single("gauge", "barnabas_image_lag_revisions", {
      help: "Revisions of the metadata store by which the broker is behind its own last change",
      value: replication.imageLag,
    }),
  ];
}

function quorumFamilies({ image, config: { nodeId } }: MetricSources): MetricFamily[] {
  const leader = image.controllerId;
  const gauges: readonly (readonly [string, number, string])[] = [
    ["current-leader", leader, "Node id of the controller, -1 without one"],
    ["current-vote", leader, "Node id of the controller, which is the only one to vote for"],
    ["current-epoch", image.controllerEpoch, "Epoch of the controller, as DescribeQuorum tells it"],
    ["high-watermark", image.version, "Number of the last change of the metadata that is stored"],
    ["log-end-offset", image.version, "Number of the last change of the metadata that this broker knows"],
    ["append-records-rate", 0, "Records a second that are appended to Kafka's metadata log, which does not exist here"],
    ["fetch-records-rate", 0, "Records a second that are fetched from Kafka's metadata log, which does not exist here"],
    ["commit-latency-avg", NaN, "Kafka's latency of commits to its metadata log, which does not exist here"],
  ];
  const channel = ["incoming-byte-total", "outgoing-byte-total", "request-total", "response-total"];
  return [
    {
      kind: "state",
      name: kafkaAttribute("kafka.server:type=raft-metrics,current-state"),
      help: "1, with leader on the controller and observer on other brokers",
      samples: [{ labels: {}, state: leader === nodeId ? "leader" : "observer" }],
    },
    ...gauges.map(([attribute, value, help]) =>
      single("gauge", { group: "kafka.server", type: "raft-metrics", attribute }, { help, value })
    ),
    ...channel.map((attribute) =>
      single("counter", { group: "kafka.server", type: "raft-channel-metrics", attribute }, {
        help: "0: brokers do not fetch metadata from each other here",
        value: 0,
      })
    ),
  ];
}
