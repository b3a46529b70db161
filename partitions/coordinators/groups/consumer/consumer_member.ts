/**
 * A member of a consumer group: the facts that it sent about itself, and its current assignment. It is an immutable value: a change makes
 * a new one. Pure; runs on shards. Source: Kafka's ConsumerGroupMember, MemberState.
 */
import { areSameProtocols } from "../classic/protocol_votes.ts";
import type { ClassicMemberMetadata, CurrentTopicPartitions } from "../records/group_record.ts";

/** The member joins. This and the next two are values of the epoch in requests that are not epochs. */
export const JOIN_EPOCH = 0;
/** The member leaves. */
export const LEAVE_EPOCH = -1;
/** A static member leaves temporarily. Its record has this value until it is back. */
export const STATIC_LEAVE_EPOCH = -2;

/** States of a member, as they stand in its record. */
export const memberState = {
  /** The member has its target of `memberEpoch`. */
  STABLE: 0,
  /** The member has to give up partitions before it can move to the next epoch. */
  UNREVOKED_PARTITIONS: 1,
  /** The member is in the newest epoch, but other members still have some partitions of its target. */
  UNRELEASED_PARTITIONS: 2,
} as const;

/** Partitions by topic id, each with the member epoch in which the member got it. Never an empty topic. */
export type OwnedPartitions = ReadonlyMap<string, ReadonlyMap<number, number>>;

/** No partitions. */
export const OWNS_NOTHING: OwnedPartitions = new Map();

/** The current assignment of a member and its progress: the part of the member that reconciliation changes. */
export interface CurrentAssignment {
  /** Epoch of the target that it has or moves to; -2 while a static member is away. */
  readonly memberEpoch: number;
  /** The epoch before. A heartbeat may still name it if an answer was lost. */
  readonly previousMemberEpoch: number;
  /** One of `memberState`. A later Kafka may have written other values. */
  readonly state: number;
  /** Partitions that it may use. */
  readonly assigned: OwnedPartitions;
  /** Partitions that it has to give up, until a heartbeat confirms it. */
  readonly revoking: OwnedPartitions;
}

/** What a member sent about itself. */
export interface MemberFacts {
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly rebalanceTimeoutMs: number;
  /** Sorted, without duplicates. Members that name the same topics share one list. */
  readonly topicNames: readonly string[];
  /** "" if it has no expression. */
  readonly topicRegex: string;
  readonly serverAssignor: string | null;
  /** null if it uses the consumer protocol. */
  readonly classic: ClassicMemberMetadata | null;
}

/** A member. */
export interface Member extends MemberFacts, CurrentAssignment {
  readonly memberId: string;
}

/** Makes a member without facts or partitions. */
export function newMember(memberId: string): Member {
  return {
    memberId,
    instanceId: null,
    rackId: null,
    clientId: "",
    clientHost: "",
    rebalanceTimeoutMs: -1,
    topicNames: [],
    topicRegex: "",
    serverAssignor: null,
    classic: null,
    memberEpoch: JOIN_EPOCH,
    previousMemberEpoch: -1,
    state: memberState.STABLE,
    assigned: OWNS_NOTHING,
    revoking: OWNS_NOTHING,
  };
}

/** Returns whether two members have equal facts. */
export function sameFacts(one: MemberFacts, other: MemberFacts): boolean {
  return one.instanceId === other.instanceId && one.rackId === other.rackId && one.clientId === other.clientId &&
    one.clientHost === other.clientHost && one.rebalanceTimeoutMs === other.rebalanceTimeoutMs &&
    one.topicRegex === other.topicRegex && one.serverAssignor === other.serverAssignor &&
    sameNames(one.topicNames, other.topicNames) && sameClassic(one.classic, other.classic);
}

/** Returns whether two sorted lists of names are equal. */
export function sameNames(one: readonly string[], other: readonly string[]): boolean {
  if (one === other) return true;
  return one.length === other.length && one.every((name, index) => name === other[index]);
}

/** Returns whether a member has its whole target of an epoch. */
export function isReconciledTo(member: CurrentAssignment, assignmentEpoch: number): boolean {
  return member.state === memberState.STABLE && member.memberEpoch === assignmentEpoch;
}

/** Returns whether a set of owned partitions contains one. */
export function owns(owned: OwnedPartitions, topicId: string, partition: number): boolean {
  return owned.get(topicId)?.has(partition) === true;
}

/** Returns whether two sets of owned partitions are equal, including epochs. */
export function sameOwned(one: OwnedPartitions, other: OwnedPartitions): boolean {
  if (one === other) return true;
  if (one.size !== other.size) return false;
  for (const [topicId, partitions] of one) {
    const others = other.get(topicId);
    if (others === undefined || others.size !== partitions.size) return false;
    for (const [partition, epoch] of partitions) if (others.get(partition) !== epoch) return false;
  }
  return true;
}

/** Converts owned partitions to those of a record. */
export function ownedToRecord(owned: OwnedPartitions): CurrentTopicPartitions[] {
  return Array.from(owned, ([topicId, partitions]) => ({
    topicId,
    partitions: [...partitions.keys()],
    assignmentEpochs: [...partitions.values()],
  }));
}

/** Converts owned partitions of a record. @param memberEpoch for records without epochs (Kafka 4.2 and before) */
export function ownedFromRecord(topics: readonly CurrentTopicPartitions[], memberEpoch: number): OwnedPartitions {
  if (topics.length === 0) return OWNS_NOTHING;
  const owned = new Map<string, Map<number, number>>();
  for (const { topicId, partitions, assignmentEpochs } of topics) {
    const epochs = assignmentEpochs?.length === partitions.length ? assignmentEpochs : null;
    const known = owned.get(topicId) ?? new Map<number, number>();
    partitions.forEach((partition, index) => known.set(partition, epochs?.[index] ?? Math.max(memberEpoch, 0)));
    if (known.size > 0) owned.set(topicId, known);
  }
  return owned;
}

function sameClassic(one: ClassicMemberMetadata | null, other: ClassicMemberMetadata | null): boolean {
  if (one === other) return true;
  if (one === null || other === null || one.sessionTimeoutMs !== other.sessionTimeoutMs) return false;
  return areSameProtocols(one.supportedProtocols, other.supportedProtocols);
}
