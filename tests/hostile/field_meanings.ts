/**
 * The meaning of request fields, by their names: with these values the broker carries a request out instead of only decoding it. A field
 * that is not named here gets 0, "", false or null. Pure data; any isolate. Test code.
 */

/** What a name or number refers to. */
export type Meaning = "topic" | "topicId" | "group" | "partition" | "text";

/** By the end of the field's path; the longest end counts. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  topic: "topic",
  "topics.name": "topic",
  "topicData.name": "topic",
  topicNames: "topic",
  topicName: "topic",
  resourceName: "topic",
  resourceNameFilter: "topic",
  subscribedTopicNames: "topic",
  topicId: "topicId",
  groups: "group",
  groupIds: "group",
  groupsNames: "group",
  coordinatorKeys: "group",
  groupId: "group",
  key: "group",
  partition: "partition",
  partitions: "partition",
  partitionIndex: "partition",
  partitionIndexes: "partition",
  index: "partition",
  "configs.name": "text",
  configurationKeys: "text",
  "protocols.name": "text",
  "members.memberId": "text",
  "assignments.memberId": "text",
  "listeners.name": "text",
  "features.name": "text",
  // Ids of directories, which the test does not know: those of topics differ just as well.
  logDirs: "topicId",
  offlineLogDirs: "topicId",
  cordonedLogDirs: "topicId",
  "entity.entityName": "text",
  "components.match": "text",
  "users.name": "text",
  "deletions.name": "text",
  "upsertions.name": "text",
  feature: "text",
  transactionalIds: "text",
  stateFilters: "text",
  principal: "text",
  host: "text",
  principalFilter: "text",
  hostFilter: "text",
  statesFilter: "text",
  typesFilter: "text",
};

/** By the end of the field's path; the longest end counts. */
const VALUES: Readonly<Record<string, number | string | boolean | null>> = {
  acks: -1,
  timeoutMs: 5000,
  replicaId: -1,
  replicaEpoch: -1,
  sessionId: 0,
  sessionEpoch: 0, // a new fetch session
  maxBytes: 1 << 20,
  partitionMaxBytes: 1000,
  currentLeaderEpoch: -1,
  lastFetchedEpoch: -1,
  logStartOffset: -1,
  timestamp: 1, // to be searched for
  committedOffset: 1,
  committedLeaderEpoch: -1,
  generationIdOrMemberEpoch: -1, // a commit without membership
  retentionTimeMs: -1,
  "groups.memberEpoch": -1,
  sessionTimeoutMs: 6000,
  rebalanceTimeoutMs: 6000,
  protocolType: "consumer",
  numPartitions: -1,
  replicationFactor: -1,
  brokerIds: 1,
  count: 5,
  configOperation: 0,
  "configs.value": "60000000",
  validateOnly: true,
  resourceType: 2,
  resourceTypes: 2,
  includeSynonyms: true,
  includeDocumentation: true,
  endpointType: 1,
  responsePartitionLimit: 2000,
  transactionTimeoutMs: 60_000,
  producerId: -1,
  producerEpoch: -1,
  entityType: "user",
  "ops.key": "producer_byte_rate",
  "ops.value": 1, // as a float64, the smallest one above 0
  "AlterClientQuotas.validateOnly": false,
  "deletions.mechanism": 1,
  "upsertions.mechanism": 1,
  "upsertions.iterations": 4096,
  clientSoftwareName: "hostile",
  clientSoftwareVersion: "1",
};

/** Arrays that are empty, or null where the version allows it, unless they are stretched themselves. */
const EMPTY = ["forgottenTopicsData", "topicPartitions", "CreateTopics.topics.assignments"];
/** Arrays that are null, which means all, unless they are stretched themselves. */
const NULL = ["configurationKeys", "CreatePartitions.topics.assignments"];

/** What a field refers to, or undefined. @param path API name, then the names of the fields */
export function meaningOf(path: readonly string[]): Meaning | undefined {
  return byLongestEnd(MEANINGS, path);
}

/** The value of a field that refers to nothing, or undefined. */
export function valueOf(path: readonly string[]): number | string | boolean | null | undefined {
  return byLongestEnd(VALUES, path);
}

/** Number of elements of an array that is not stretched; -1 is null. */
export function usualCount(path: readonly string[]): number {
  const matches = (ends: readonly string[]) => ends.some((end) => `.${path.join(".")}`.endsWith(`.${end}`));
  return matches(NULL) ? -1 : matches(EMPTY) ? 0 : 1;
}

function byLongestEnd<T>(table: Readonly<Record<string, T>>, path: readonly string[]): T | undefined {
  for (let start = 0; start < path.length; start++) {
    const end = path.slice(start).join(".");
    if (end in table) return table[end];
  }
  return undefined;
}
