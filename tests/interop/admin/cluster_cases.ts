/**
 * The compared cases that ask about the cluster as a whole: ACLs, the quorum, features, brokers, transactions. Plain data of a test.
 *
 * Not here: what is true of one broker alone, as the quorum's leader, or of Kafka's features that are not implemented here
 * (net/handlers/55_describe_quorum_test.ts, 57_update_features_test.ts). UnregisterBroker of the only broker, which Kafka carries out, so that
 * its clients find no broker any more.
 */
import type { AdminCase } from "./admin_case.ts";

const TOPIC = 2;
const acl = { principal: "User:alice", host: "*", operation: 3, permissionType: 3 };
const anyAcl = { principalFilter: null, hostFilter: null, operation: 1, permissionType: 1 };

function createdAcls(what: string, ...names: string[]): AdminCase {
  const creations = names.map((resourceName) => ({
    resourceType: TOPIC,
    resourceName,
    resourcePatternType: 3,
    ...acl,
  }));
  return { name: `CreateAcls: ${what}`, api: [30, 3], request: { creations } };
}

function deletedAcls(what: string, ...names: (string | null)[]): AdminCase {
  const filters = names.map((resourceNameFilter) => {
    return { resourceTypeFilter: TOPIC, resourceNameFilter, patternTypeFilter: 3, ...anyAcl };
  });
  return { name: `DeleteAcls: ${what}`, api: [31, 3], request: { filters } };
}

function describedAcls(what: string, rest: Record<string, unknown> = {}): AdminCase {
  const request = { resourceTypeFilter: 1, resourceNameFilter: null, patternTypeFilter: 1, ...anyAcl, ...rest };
  return { name: `DescribeAcls: ${what}`, api: [29, 3], request };
}

function quorum(what: string, ...topics: readonly [topic: string, ...partitions: number[]][]): AdminCase {
  const asked = topics.map(([topicName, ...partitions]) => ({
    topicName,
    partitions: partitions.map((partitionIndex) => ({ partitionIndex })),
  }));
  return { name: `DescribeQuorum: ${what}`, api: [55, 2], request: { topics: asked } };
}

type Feature = readonly [feature: string, level: number, upgradeType?: number];

function features(what: string, updates: readonly Feature[], { version = 2, validateOnly = false } = {}): AdminCase {
  const featureUpdates = updates.map(([feature, maxVersionLevel, upgradeType = 1]) => {
    return { feature, maxVersionLevel, upgradeType, allowDowngrade: false };
  });
  const request = { timeoutMs: 5000, featureUpdates, validateOnly };
  return { name: `UpdateFeatures: ${what}`, api: [57, version], request };
}

function unregistered(brokerId: number): AdminCase {
  return { name: `UnregisterBroker: ${brokerId}`, api: [64, 0], request: { brokerId } };
}

function transactions(what: string, ...transactionalIds: string[]): AdminCase {
  return { name: `DescribeTransactions: ${what}`, api: [65, 0], request: { transactionalIds } };
}

function listedTransactions(what: string, changes: Record<string, unknown> = {}): AdminCase {
  const request = { stateFilters: [], producerIdFilters: [], durationFilter: -1, transactionalIdPattern: null };
  return { name: `ListTransactions: ${what}`, api: [66, 2], request: { ...request, ...changes } };
}

/** The cases. Those of DescribeTransactions are the last: Kafka creates a topic for them. */
export const clusterCases: readonly AdminCase[] = [
  describedAcls("all"),
  describedAcls("of a topic", { resourceTypeFilter: TOPIC, resourceNameFilter: "t", patternTypeFilter: 2 }),
  describedAcls("of unknown kinds", { resourceTypeFilter: 99, operation: 99, permissionType: -1 }),
  createdAcls("some", "t", "nope"),
  createdAcls("without a name", ""),
  createdAcls("nothing"),
  deletedAcls("some", "t", null),
  deletedAcls("nothing"),
  quorum("another topic", ["t", 0]),
  quorum("another partition", ["__cluster_metadata", 1]),
  quorum("the metadata twice", ["__cluster_metadata", 0, 0]),
  quorum("the metadata and a topic", ["__cluster_metadata", 0], ["t", 0, 1]),
  quorum("no partitions", ["__cluster_metadata"]),
  quorum("nothing"),
  features("the levels that are finalized", [["metadata.version", 30], ["group.version", 1]]),
  features("the levels that are finalized, v1", [["metadata.version", 30], ["group.version", 1]], { version: 1 }),
  features("the level that is finalized, v0", [["group.version", 1]], { version: 0 }),
  features("a dry run", [["group.version", 1]], { validateOnly: true }),
  features("a safe downgrade to the same level", [["metadata.version", 30, 2]]),
  features("an unknown feature", [["no.such", 1]]),
  features("an unknown feature, v1", [["no.such", 1]], { version: 1 }),
  features("an unknown feature that is turned off", [["no.such", 0, 2]]),
  features("one of two is wrong", [["group.version", 1], ["no.such", 1]]),
  features("a negative level", [["group.version", -1]]),
  features("an unknown kind of change", [["group.version", 1, 4]]),
  features("no kind of change", [["group.version", 1, 0]]),
  features("a feature twice", [["no.such", 1], ["no.such", 0]]),
  features("nothing", []),
  features("nothing, v1", [], { version: 1 }),
  unregistered(7),
  unregistered(-1),
  listedTransactions("all"),
  listedTransactions("by known states", { stateFilters: ["Ongoing", "PrepareEpochFence"] }),
  listedTransactions("by unknown states", { stateFilters: ["ongoing", "", "Ongoing", "ongoing"] }),
  listedTransactions("of producers", { producerIdFilters: [7, -1] }),
  listedTransactions("by duration", { durationFilter: 0 }),
  listedTransactions("by a pattern", { transactionalIdPattern: "order.*" }),
  listedTransactions("by an empty pattern", { transactionalIdPattern: "" }),
  ...["a(", "[", "*a", "a**", "a{2,1}", "a\\", "a)", "a++", "(?i)a", "(?>a)", "\\Q("].map((transactionalIdPattern) =>
    listedTransactions(`by the pattern ${transactionalIdPattern}`, { transactionalIdPattern })
  ),
  transactions("unknown ones", "orders", "a"),
  transactions("one twice", "orders", "orders"),
  transactions("without a name", ""),
  transactions("nothing"),
];
