/**
 * Values of `__consumer_offsets` that the consumer protocol writes (KIP-848). Plain data, any isolate. Each value follows its version,
 * which is always 0; later additions are tagged fields. Source: Kafka 4.3 ConsumerGroup*Value.json
 * (group-coordinator/src/main/resources/common/message).
 */
import {
  array,
  bigInt64,
  bytes,
  field,
  type Infer,
  int32,
  int64,
  int8,
  message,
  string,
  struct,
  uuid,
} from "../../../../net/protocol/schema.ts";

/** Of key type 3: the group itself. */
export const consumerGroupMetadataValue = message({ apiKey: 3, versions: "0", flexible: "0+" }, {
  epoch: field(int32, "0+"),
  metadataHash: field(bigInt64, "0+", { tag: 0, taggedVersions: "0+" }), // of the topics it subscribes to, 0 = not known
});

const topicMetadata = struct({
  topicId: field(uuid, "0+"),
  topicName: field(string, "0+"),
  numPartitions: field(int32, "0+"),
  partitionMetadata: field(
    array(struct({
      partition: field(int32, "0+"),
      racks: field(array(string), "0+"),
    })),
    "0+",
  ),
});

/** Of key type 4: the topics of a group. Kafka has written only tombstones since 4.1. */
export const consumerGroupPartitionMetadataValue = message({ apiKey: 4, versions: "0", flexible: "0+" }, {
  topics: field(array(topicMetadata), "0+"),
});

const classicMemberMetadata = struct({
  sessionTimeoutMs: field(int32, "0+"),
  supportedProtocols: field(
    array(struct({
      name: field(string, "0+"),
      metadata: field(bytes, "0+"),
    })),
    "0+",
  ),
});

/** Of key type 5: a member's own data, such as its subscription. */
export const consumerGroupMemberMetadataValue = message({ apiKey: 5, versions: "0", flexible: "0+" }, {
  instanceId: field(string, "0+", { nullable: "0+" }),
  rackId: field(string, "0+", { nullable: "0+" }),
  clientId: field(string, "0+"),
  clientHost: field(string, "0+"),
  subscribedTopicNames: field(array(string), "0+"), // sorted
  subscribedTopicRegex: field(string, "0+", { nullable: "0+" }),
  rebalanceTimeoutMs: field(int32, "0+", { default: -1 }),
  serverAssignor: field(string, "0+", { nullable: "0+" }),
  // null = it uses the consumer protocol; not the default, so that Kafka writes it down
  classicMemberMetadata: field(classicMemberMetadata, "0+", { nullable: "0+", tag: 0, taggedVersions: "0+" }),
});

/** Of key type 6: the epoch of the target assignment. */
export const consumerGroupTargetAssignmentMetadataValue = message({ apiKey: 6, versions: "0", flexible: "0+" }, {
  assignmentEpoch: field(int32, "0+"),
  assignmentTimestamp: field(int64, "0+", { default: 0, tag: 0, taggedVersions: "0+", ignorable: true }),
});

const targetTopicPartitions = struct({
  topicId: field(uuid, "0+"),
  partitions: field(array(int32), "0+"),
});

/** Of key type 7: a member's target assignment. */
export const consumerGroupTargetAssignmentMemberValue = message({ apiKey: 7, versions: "0", flexible: "0+" }, {
  topicPartitions: field(array(targetTopicPartitions), "0+"),
});

const currentTopicPartitions = struct({
  topicId: field(uuid, "0+"),
  partitions: field(array(int32), "0+"),
  assignmentEpochs: field(array(int32), "0+", {
    nullable: "0+",
    default: [], // else as many as partitions: the epoch in which the member got each, to refuse late commits
    tag: 0,
    taggedVersions: "0+",
  }),
});

/** Of key type 8: a member's current assignment. */
export const consumerGroupCurrentMemberAssignmentValue = message({ apiKey: 8, versions: "0", flexible: "0+" }, {
  memberEpoch: field(int32, "0+"),
  previousMemberEpoch: field(int32, "0+"),
  state: field(int8, "0+"), // 0 stable, 1 unrevoked partitions, 2 unreleased partitions, 127 unknown
  assignedPartitions: field(array(currentTopicPartitions), "0+"),
  partitionsPendingRevocation: field(array(currentTopicPartitions), "0+"),
});

/** Of key type 16: the topics that match a regular expression. */
export const consumerGroupRegularExpressionValue = message({ apiKey: 16, versions: "0", flexible: "0+" }, {
  topics: field(array(string), "0+"), // sorted
  version: field(int64, "0+"), // of the metadata that it was resolved with
  timestamp: field(int64, "0+"),
});

/** A consumer group. */
export type ConsumerGroupMetadataValue = Infer<typeof consumerGroupMetadataValue>;
/** Topics of a consumer group, as Kafka 4.0 and before kept them. */
export type ConsumerGroupPartitionMetadataValue = Infer<typeof consumerGroupPartitionMetadataValue>;
/** A member's own data, such as its subscription. */
export type ConsumerGroupMemberMetadataValue = Infer<typeof consumerGroupMemberMetadataValue>;
/** A member that uses the classic protocol in a consumer group. */
export type ClassicMemberMetadata = Infer<typeof classicMemberMetadata>;
/** Epoch of the target assignment. */
export type ConsumerGroupTargetAssignmentMetadataValue = Infer<typeof consumerGroupTargetAssignmentMetadataValue>;
/** A member's target assignment. */
export type ConsumerGroupTargetAssignmentMemberValue = Infer<typeof consumerGroupTargetAssignmentMemberValue>;
/** Partitions of one topic in it. */
export type TargetTopicPartitions = Infer<typeof targetTopicPartitions>;
/** A member's current assignment. */
export type ConsumerGroupCurrentMemberAssignmentValue = Infer<typeof consumerGroupCurrentMemberAssignmentValue>;
/** Partitions of one topic in it. */
export type CurrentTopicPartitions = Infer<typeof currentTopicPartitions>;
/** Topics that match a regular expression. */
export type ConsumerGroupRegularExpressionValue = Infer<typeof consumerGroupRegularExpressionValue>;
