/**
 * Records of a consumer group's members, made and read. Pure; runs on shards. Source: Kafka's GroupCoordinatorRecordHelpers.
 */
import type {
  ConsumerGroupCurrentMemberAssignmentValue,
  ConsumerGroupMemberMetadataValue,
  ConsumerGroupTargetAssignmentMemberValue,
  GroupRecord,
} from "../records/group_record.ts";
import type { Assignment } from "./assignors/assignor.ts";
import {
  type CurrentAssignment,
  type Member,
  type MemberFacts,
  ownedFromRecord,
  ownedToRecord,
} from "./consumer_member.ts";

/** Metadata version of resolved expressions: images here have none, and for Kafka 0 is older than any. */
const NO_METADATA_VERSION = 0;

/** Makes the record of a member's facts. */
export function memberRecord(groupId: string, member: Member): GroupRecord {
  const { memberId, topicNames, topicRegex, serverAssignor, classic } = member;
  const { instanceId, rackId, clientId, clientHost, rebalanceTimeoutMs } = member;
  return {
    kind: "consumer-group-member-metadata",
    key: { groupId, memberId },
    value: {
      instanceId,
      rackId,
      clientId,
      clientHost,
      subscribedTopicNames: [...topicNames],
      subscribedTopicRegex: topicRegex,
      rebalanceTimeoutMs,
      serverAssignor,
      classicMemberMetadata: classic,
    },
  };
}

/** Makes the record of a member's current assignment. */
export function currentRecord(groupId: string, memberId: string, current: CurrentAssignment): GroupRecord {
  const { memberEpoch, previousMemberEpoch, state, assigned, revoking } = current;
  return {
    kind: "consumer-group-current-member-assignment",
    key: { groupId, memberId },
    value: {
      memberEpoch,
      previousMemberEpoch,
      state,
      assignedPartitions: ownedToRecord(assigned),
      partitionsPendingRevocation: ownedToRecord(revoking),
    },
  };
}

/** Makes the record of a member's target. */
export function targetRecord(groupId: string, memberId: string, target: Assignment): GroupRecord {
  const topicPartitions = Array.from(target, ([topicId, partitions]) => ({ topicId, partitions: [...partitions] }));
  return { kind: "consumer-group-target-assignment-member", key: { groupId, memberId }, value: { topicPartitions } };
}

/** Makes the record of the assignment epoch. @param timestampMs wall-clock time of the assignment, 0 for none */
export function assignmentEpochRecord(groupId: string, assignmentEpoch: number, timestampMs: number): GroupRecord {
  return {
    kind: "consumer-group-target-assignment-metadata",
    key: { groupId },
    value: { assignmentEpoch, assignmentTimestamp: timestampMs },
  };
}

/** Makes the record of the group epoch. */
export function groupEpochRecord(groupId: string, epoch: number, metadataHash: bigint): GroupRecord {
  return { kind: "consumer-group-metadata", key: { groupId }, value: { epoch, metadataHash } };
}

/** Makes the record of a resolved expression. @param resolved null for its tombstone */
export function regexRecord(
  groupId: string,
  regularExpression: string,
  resolved: { readonly topics: Iterable<string>; readonly timestampMs: number } | null,
): GroupRecord {
  const value = resolved === null
    ? null
    : { topics: [...resolved.topics].sort(), version: NO_METADATA_VERSION, timestamp: resolved.timestampMs };
  return { kind: "consumer-group-regular-expression", key: { groupId, regularExpression }, value };
}

/** Makes the tombstones of a member. */
export function memberTombstones(groupId: string, memberId: string): GroupRecord[] {
  const key = { groupId, memberId };
  return [
    { kind: "consumer-group-current-member-assignment", key, value: null },
    { kind: "consumer-group-target-assignment-member", key, value: null },
    { kind: "consumer-group-member-metadata", key, value: null },
  ];
}

/** Reads the facts of a member. */
export function factsFromRecord(value: ConsumerGroupMemberMetadataValue): MemberFacts {
  return {
    instanceId: value.instanceId,
    rackId: value.rackId,
    clientId: value.clientId,
    clientHost: value.clientHost,
    rebalanceTimeoutMs: value.rebalanceTimeoutMs,
    topicNames: sortedNames(value.subscribedTopicNames),
    topicRegex: value.subscribedTopicRegex ?? "",
    serverAssignor: value.serverAssignor,
    classic: value.classicMemberMetadata,
  };
}

/** Reads the current assignment of a member. */
export function currentFromRecord(value: ConsumerGroupCurrentMemberAssignmentValue): CurrentAssignment {
  const { memberEpoch, previousMemberEpoch, state, assignedPartitions, partitionsPendingRevocation } = value;
  return {
    memberEpoch,
    previousMemberEpoch,
    state,
    assigned: ownedFromRecord(assignedPartitions, memberEpoch),
    revoking: ownedFromRecord(partitionsPendingRevocation, memberEpoch),
  };
}

/** Reads the target of a member. */
export function targetFromRecord(value: ConsumerGroupTargetAssignmentMemberValue): Assignment {
  const target = new Map<string, readonly number[]>();
  for (const { topicId, partitions } of value.topicPartitions) {
    if (partitions.length > 0) target.set(topicId, [...new Set(partitions)].sort((one, other) => one - other));
  }
  return target;
}

/** Returns names sorted, without duplicates. */
export function sortedNames(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort();
}
