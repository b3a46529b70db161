/**
 * Calls of the tools that ask about the cluster as a whole. Plain data of a test.
 *
 * Not here, because this broker answers otherwise: `kafka-transactions describe`, which FindCoordinator refuses (net/handlers/10_find_coordinator.ts);
 * `kafka-metadata-quorum remove-controller`, as there is no Raft; downgrades within Kafka's range (net/handlers/57_update_features_test.ts).
 */
import { call, type ToolSession } from "./recorded_tools.ts";

/** The id of a cluster, in base64url. */
const CLUSTER_ID = /\b[A-Za-z0-9_-]{22}\b/g;

const cluster = (command: string, ...words: string[]) => ({
  tool: "ClusterTool",
  words: [command, "--bootstrap-server", "SERVER", ...words],
});

/** kafka-cluster, kafka-acls, kafka-transactions. */
export const clusterSession: ToolSession = {
  name: "cluster",
  calls: [
    cluster("cluster-id"),
    cluster("list-endpoints"),
    cluster("list-endpoints", "--include-fenced-brokers"),
    cluster("unregister", "--id", "7"),
    cluster("unregister", "--id", "-1"),
    call("AclCommand", "--list"),
    call("AclCommand", "--list", "--topic", "t"),
    call("AclCommand", "--add", "--allow-principal", "User:alice", "--operation", "Read", "--topic", "t"),
    call("AclCommand", "--remove", "--force", "--topic", "t"),
    call("TransactionsCommand", "list"),
    call("TransactionsCommand", "list", "--duration-filter", "1000"),
    call("TransactionsCommand", "list", "--transactional-id-pattern", "order.*"),
    call("TransactionsCommand", "list", "--transactional-id-pattern", "a("),
    call("TransactionsCommand", "find-hanging", "--broker-id", "1"),
  ],
  normal: [[CLUSTER_ID, "ID"]],
};

/** kafka-metadata-quorum. */
export const quorumSession: ToolSession = {
  name: "quorum",
  calls: [
    call("MetadataQuorumCommand", "describe", "--status"),
    call("MetadataQuorumCommand", "describe", "--replication"),
    call("MetadataQuorumCommand", "describe", "--replication", "--human-readable"),
    call("MetadataQuorumCommand", "add-controller"),
  ],
  normal: [
    [CLUSTER_ID, "ID"],
    [/^(LeaderEpoch|HighWatermark): \d+$/, "$1: N"],
    [/"[A-Z]+:\/\/[^"]*"/g, '"LISTENER"'],
    [/^1 ID \d+ 0 \d+ \d+ Leader$/, "1 ID N 0 MS MS Leader"],
    [/^1 ID \d+ 0 \d+ ms ago \d+ ms ago Leader$/, "1 ID N 0 MS ago MS ago Leader"],
  ],
};

const features = (...words: string[]) => call("FeatureCommand", ...words);

/** kafka-features. */
export const featureSession: ToolSession = {
  name: "features",
  calls: [
    features("describe"),
    features("upgrade", "--metadata", "4.3-IV0"),
    features("upgrade", "--metadata", "4.3"),
    features("upgrade", "--metadata", "4.4-IV0"),
    features("upgrade", "--feature", "group.version=1"),
    features("upgrade", "--feature", "group.version=2"),
    features("upgrade", "--feature", "metadata.version=31"),
    features("upgrade", "--feature", "no.such=1"),
    features("upgrade", "--feature", "group.version=1", "--feature", "no.such=1"),
    features("upgrade", "--dry-run", "--feature", "group.version=1"),
    features("upgrade", "--dry-run", "--feature", "group.version=7"),
    features("downgrade", "--feature", "group.version=2"),
    features("disable", "--feature", "no.such"),
    features("disable", "--feature", "metadata.version"),
    features("disable", "--feature", "metadata.version", "--unsafe"),
    features("version-mapping"),
    features("feature-dependencies", "--feature", "group.version=1"),
  ],
  omitted: /^Feature: (eligible\.leader\.replicas|kraft|share|streams|transaction)\.version /,
  normal: [
    [/Epoch: \d+$/, "Epoch: N"],
    // Kafka supports lower levels, too.
    [/SupportedMinVersion: \S+/, "SupportedMinVersion: LOWEST"],
    [/only supports versions (\d+-)?(\d+)$/, "only supports versions LOWEST-$2"],
  ],
};

/** kafka-broker-api-versions. */
export const apiVersionsSession: ToolSession = {
  name: "api_versions",
  calls: [call("BrokerApiVersionsCommand")],
  // Transactions, delegation tokens, Raft, share groups, streams groups.
  omitted: /^\w+\((2[4-8]|3[89]|4[01]|7[6-9]|8\d|9[0-2])\): /,
};
