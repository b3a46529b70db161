import { strict as assert } from "node:assert";
import { METRIC_SPELLINGS } from "../../partitions/config/broker/broker_http_settings.ts";
import type { MetricFamily, MetricName } from "./metric_family.ts";
import { spelled, spelledLabel } from "./metric_spelling.ts";

type Kind = MetricFamily["kind"];

/** What each spelling makes of a name, with its type: A, B, C. */
function spellings(name: MetricName, kind: Kind): string[] {
  return METRIC_SPELLINGS.map((spelling) => {
    const found = spelled({ name, kind }, spelling);
    return `${found.name} ${found.type}`;
  });
}

const bean = (group: string, type: string, name: string) => ({ group, type, name });
const attribute = (type: string, attribute: string) => ({ group: "kafka.server", type, attribute });

/** The names are copied from the dashboards and rules that metric_spelling.ts names. */
const cases: readonly (readonly [MetricName, Kind, [string, string, string]])[] = [
  [bean("kafka.server", "BrokerTopicMetrics", "BytesInPerSec"), "counter", [
    "kafka_server_brokertopicmetrics_bytesin_total counter",
    "kafka_server_brokertopicmetrics_bytesinpersec_total counter",
    "kafka_server_brokertopicmetrics_bytesinpersec untyped",
  ]],
  [bean("kafka.controller", "ControllerStats", "UncleanLeaderElectionsPerSec"), "counter", [
    "kafka_controller_controllerstats_uncleanleaderelections_total counter",
    "kafka_controller_controllerstats_uncleanleaderelectionspersec_total counter",
    "kafka_controller_controllerstats_uncleanleaderelectionspersec untyped",
  ]],
  [bean("kafka.server", "KafkaRequestHandlerPool", "RequestHandlerAvgIdlePercent"), "idle", [
    "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent gauge",
    "kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent_total counter",
    "kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent untyped",
  ]],
  [bean("kafka.network", "SocketServer", "NetworkProcessorAvgIdlePercent"), "gauge", [
    "kafka_network_socketserver_networkprocessoravgidle_percent gauge",
    "kafka_network_socketserver_networkprocessoravgidlepercent gauge",
    "kafka_network_socketserver_networkprocessoravgidlepercent gauge",
  ]],
  [bean("kafka.server", "ReplicaManager", "LeaderCount"), "gauge", [
    "kafka_server_replicamanager_leadercount gauge",
    "kafka_server_replicamanager_leadercount gauge",
    "kafka_server_replicamanager_leadercount gauge",
  ]],
  [bean("kafka.server", "KafkaServer", "linux-disk-read-bytes"), "gauge", [
    "kafka_server_kafkaserver_linux_disk_read_bytes gauge",
    "kafka_server_kafkaserver_linux_disk_read_bytes gauge",
    "kafka_server_kafkaserver_linux_disk_read_bytes gauge",
  ]],
  [bean("kafka.coordinator.group", "GroupMetadataManager", "NumGroups"), "gauge", [
    "kafka_coordinator_group_groupmetadatamanager_numgroups gauge",
    "kafka_coordinator_group_groupmetadatamanager_numgroups gauge",
    "kafka_coordinator_group_groupmetadatamanager_numgroups gauge",
  ]],
  [bean("kafka.network", "RequestMetrics", "TotalTimeMs"), "histogram", [
    "kafka_network_requestmetrics_totaltimems summary",
    "kafka_network_requestmetrics_totaltimems summary",
    "kafka_network_requestmetrics_totaltimems untyped",
  ]],
  [attribute("raft-metrics", "current-leader"), "gauge", [
    "kafka_server_raftmetrics_current_leader gauge",
    "kafka_server_raft_metrics_current_leader gauge",
    "kafka_server_raftmetrics_current_leader gauge",
  ]],
  [attribute("raft-metrics", "current-state"), "state", [
    "kafka_server_raftmetrics_current_state gauge",
    "kafka_server_raft_metrics_current_state_info gauge",
    "kafka_server_raftmetrics_current_state gauge",
  ]],
  [attribute("raft-channel-metrics", "incoming-byte-total"), "counter", [
    "kafka_server_raftchannelmetrics_incoming_byte_total counter",
    "kafka_server_raft_channel_metrics_incoming_byte gauge",
    "kafka_server_raftchannelmetrics_incoming_byte_total counter",
  ]],
  [attribute("socket-server-metrics", "connection-count"), "gauge", [
    "kafka_server_socket_server_metrics_connection_count gauge",
    "kafka_server_socket_server_metrics_connection_count gauge",
    "kafka_server_socketservermetrics_connection_count gauge",
  ]],
  ["kafka_consumergroup_lag", "gauge", Array(3).fill("kafka_consumergroup_lag gauge") as [string, string, string]],
];

Deno.test("spelled() gives each name as the dashboards of jmx_exporter, metrics-reporter and Confluent's stacks have it", () => {
  for (const [name, kind, expected] of cases) assert.deepEqual(spellings(name, kind), expected);
});

Deno.test("spelledLabel() keeps the labels of Kafka, which Confluent's rules write in lower case", () => {
  assert.equal(spelledLabel("networkProcessor", "jmx-exporter"), "networkProcessor");
  assert.equal(spelledLabel("networkProcessor", "confluent"), "network_processor");
  assert.equal(spelledLabel("clientId", "strimzi-reporter"), "clientId");
  assert.equal(spelledLabel("clientId", "confluent"), "clientid");
});
