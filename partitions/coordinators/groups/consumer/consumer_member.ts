/**
 * A member of a consumer group: what it told about itself, and what it has. An immutable value: a change makes another one. Pure; runs
 * on shards. Source: Kafka's ConsumerGroupMember, MemberState.
 */
import { areSameProtocols } from "../classic/protocol_votes.ts";
import type { ClassicMemberMetadata, CurrentTopicPartitions } from "../records/group_record.ts";

/** Member epochs of requests that are no epochs. */
export const JOIN_EPOCH = 0;
/** The member leaves. */
export const LEAVE_EPOCH = -1;
/** A static member leaves for a while; also stands in its record until it is back. */
export const STATIC_LEAVE_EPOCH = -2;

/** States of a member, as they stand in its record. */
export const memberState = {
  /** It has its target of `memberEpoch`. */
  STABLE: 0,
  /** It still has to give up partitions before it can go on to the next epoch. */
  UNREVOKED_PARTITIONS: 1,
  /** It is in the newest epoch, but some of its target is still with others. */
  UNRELEASED_PARTITIONS: 2,
} as const;

/** Partitions by topic id, each with the member epoch in which the member got it. Never an empty topic. */
export type OwnedPartitions = ReadonlyMap<string, ReadonlyMap<number, number>>;

/** Nothing at all. */
export const OWNS_NOTHING: OwnedPartitions = new Map();

/** What a member has, and how far it is: the part of it that reconciliation changes. */
export interface CurrentAssignment {
  /** Epoch of the target that it has or moves to; -2 while a static member is away. */
  readonly memberEpoch: number;
  /** Epoch before; a heartbeat may still name it when an answer was lost. */
  readonly previousMemberEpoch: number;
  /** One of `memberState`; anything else is of a later Kafka. */
  readonly state: number;
  /** What it may use. */
  readonly assigned: OwnedPartitions;
  /** What it has to give up and has not said that it did. */
  readonly revoking: OwnedPartitions;
}

/** The part of a member that it tells itself. */
export interface MemberFacts {
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly rebalanceTimeoutMs: number;
  /** Sorted, no name twice. Members that subscribe alike share one list. */
  readonly topicNames: readonly string[];
  /** "" without. */
  readonly topicRegex: string;
  readonly serverAssignor: string | null;
  /** null: it uses the consumer protocol. */
  readonly classic: ClassicMemberMetadata | null;
}

/** A member. */
export interface Member extends MemberFacts, CurrentAssignment {
  readonly memberId: string;
}

/** A member that nothing is known of. */
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

/** Whether two members told the same. */
export function sameFacts(one: MemberFacts, other: MemberFacts): boolean {
  return one.instanceId === other.instanceId && one.rackId === other.rackId && one.clientId === other.clientId &&
    one.clientHost === other.clientHost && one.rebalanceTimeoutMs === other.rebalanceTimeoutMs &&
    one.topicRegex === other.topicRegex && one.serverAssignor === other.serverAssignor &&
    sameNames(one.topicNames, other.topicNames) && sameClassic(one.classic, other.classic);
}

/** Whether two sorted lists of names are the same. */
export function sameNames(one: readonly string[], other: readonly string[]): boolean {
  if (one === other) return true;
  return one.length === other.length && one.every((name, index) => name === other[index]);
}

/** Whether a member has its whole target of an epoch. */
export function isReconciledTo(member: CurrentAssignment, assignmentEpoch: number): boolean {
  return member.state === memberState.STABLE && member.memberEpoch === assignmentEpoch;
}

/** Whether a set of owned partitions names one. */
export function owns(owned: OwnedPartitions, topicId: string, partition: number): boolean {
  return owned.get(topicId)?.has(partition) === true;
}

/** Whether two sets of owned partitions are the same, epochs included. */
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

/** Owned partitions as they stand in a record. */
export function ownedToRecord(owned: OwnedPartitions): CurrentTopicPartitions[] {
  return Array.from(owned, ([topicId, partitions]) => ({
    topicId,
    partitions: [...partitions.keys()],
    assignmentEpochs: [...partitions.values()],
  }));
}

/** Owned partitions out of a record. @param memberEpoch for records that say no epochs (Kafka 4.2 and before) */
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
