/**
 * Turns a classic group of consumers into a consumer group when a member of the consumer protocol joins it, if
 * `group.consumer.migration.policy` allows it. Runs on shards.
 *
 * The members keep their partitions. Classic members join again when the answer to their next heartbeat demands it.
 * Source: KIP-848; Kafka's GroupMetadataManager.convertToConsumerGroup, ConsumerGroup.fromClassicGroup.
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { ClassicMemberFacts } from "../classic/classic_member.ts";
import type { MetadataImage } from "../../../metadata/image.ts";
import type { GroupPorts } from "../group_ports.ts";
import {
  CONSUMER_PROTOCOL_TYPE,
  type ConsumerSubscription,
  type ConsumerTopicPartitions,
  decodeConsumerAssignment,
  decodeConsumerSubscription,
} from "../records/consumer_protocol.ts";
import type { GroupRecord } from "../records/group_record.ts";
import { type Member, memberState, type OwnedPartitions, OWNS_NOTHING } from "./consumer_member.ts";
import {
  assignmentEpochRecord,
  currentRecord,
  groupEpochRecord,
  memberRecord,
  sortedNames,
  targetRecord,
} from "./member_records.ts";
import type { StepRefusal } from "./membership.ts";
import { hashTopics } from "./topics_hash.ts";

/** The parts of a classic group that an upgrade needs. */
export interface UpgradableGroup {
  readonly groupId: string;
  readonly generation: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly memberCount: number;
  members(): Iterable<ClassicMemberFacts>;
  tombstones(): GroupRecord[];
}

type UpgradePorts = Pick<GroupPorts, "image" | "settings">;

/**
 * Plans the upgrade, for a request that joins (epoch 0) a classic group.
 * @returns the tombstones of the classic group and then the records of the consumer group, or a refusal
 */
export function planUpgrade(ports: UpgradePorts, group: UpgradableGroup): GroupRecord[] | StepRefusal {
  const { groupId, generation } = group;
  if (group.memberCount === 0) return group.tombstones();
  const refusal = checkUpgrade(ports, group);
  if (refusal !== null) return refusal;
  const all: DecodedMember[] = [];
  for (const facts of group.members()) {
    const decoded = decodeMember(facts, group.protocolName);
    if (typeof decoded === "string") return refuse(groupId, decoded);
    all.push(decoded);
  }
  const owned = ownedOf(ports.image, all, generation);
  const members = all.map((decoded, index) => toConsumer(decoded, generation, owned[index]!));
  const topics = new Set(members.flatMap(({ topicNames }) => topicNames));
  return [
    ...group.tombstones(),
    ...members.map((member) => memberRecord(groupId, member)),
    groupEpochRecord(groupId, generation, hashTopics(ports.image, topics)),
    ...members.map(({ memberId, assigned }) =>
      targetRecord(groupId, memberId, new Map(Array.from(assigned, ([topicId, had]) => [topicId, [...had.keys()]])))
    ),
    assignmentEpochRecord(groupId, generation, 0),
    ...members.map((member) => currentRecord(groupId, member.memberId, member)),
  ];
}

function checkUpgrade({ settings }: UpgradePorts, group: UpgradableGroup): StepRefusal | null {
  const { consumerMigrationPolicy, consumerMaxSize } = settings;
  if (consumerMigrationPolicy !== "bidirectional" && consumerMigrationPolicy !== "upgrade") {
    return refuse(group.groupId, "online upgrade is disabled");
  }
  if (group.protocolType !== CONSUMER_PROTOCOL_TYPE) {
    return refuse(group.groupId, "the group does not use the consumer embedded protocol");
  }
  if (group.memberCount > consumerMaxSize) {
    return refuse(group.groupId, "the group size exceeds the consumer group maximum size");
  }
  return null;
}

/** A classic member with its decoded bytes. */
interface DecodedMember {
  readonly facts: ClassicMemberFacts;
  readonly subscription: ConsumerSubscription;
  /** The partitions that the leader assigned to it. */
  readonly given: readonly ConsumerTopicPartitions[];
}

function decodeMember(facts: ClassicMemberFacts, protocolName: string | null): DecodedMember | string {
  const malformed = "the embedded consumer protocol is malformed";
  const protocol = facts.protocols.find(({ name }) => name === protocolName) ?? facts.protocols[0];
  const subscription = protocol === undefined ? null : decodeConsumerSubscription(protocol.metadata);
  if (subscription === null) return malformed;
  if (facts.assignment.length === 0) return { facts, subscription: subscription.value, given: [] };
  const assignment = decodeConsumerAssignment(facts.assignment)?.value;
  if (assignment === undefined) return malformed;
  const { userData, assignedPartitions: given } = assignment;
  if (userData !== null && userData.length > 0) return "a custom assignor with user data is in use";
  return { facts, subscription: subscription.value, given };
}

function toConsumer({ facts, subscription }: DecodedMember, generation: number, assigned: OwnedPartitions): Member {
  return {
    memberId: facts.memberId,
    instanceId: facts.groupInstanceId,
    rackId: subscription.rackId || null,
    clientId: facts.clientId,
    clientHost: facts.clientHost,
    rebalanceTimeoutMs: facts.rebalanceTimeoutMs,
    topicNames: sortedNames(subscription.topics),
    topicRegex: "",
    serverAssignor: null,
    classic: {
      sessionTimeoutMs: facts.sessionTimeoutMs,
      supportedProtocols: facts.protocols.map(({ name, metadata }) => ({ name, metadata })),
    },
    memberEpoch: generation,
    previousMemberEpoch: generation,
    state: memberState.STABLE,
    assigned,
    revoking: OWNS_NOTHING,
  };
}

/**
 * Finds the partitions of each member: those that the leader assigned to it, and those that it reported as owned when it joined. A
 * cooperative member uses the latter until it gets a new assignment. (Kafka uses only the former. If the group is upgraded in the middle
 * of a rebalance, Kafka assigns partitions to others that are still in use.) The leader may have made mistakes: in the result each
 * partition exists and has one member.
 */
function ownedOf(image: MetadataImage, all: readonly DecodedMember[], generation: number): OwnedPartitions[] {
  const owned = all.map(() => new Map<string, Map<number, number>>());
  const taken = new Map<string, Set<number>>();
  const take = (own: Map<string, Map<number, number>>, topics: readonly ConsumerTopicPartitions[]) => {
    for (const { topic: name, partitions } of topics) {
      const topic = image.topic(name);
      if (topic === undefined) continue;
      const others = taken.get(topic.id) ?? new Set();
      taken.set(topic.id, others);
      for (const partition of partitions) {
        if (partition < 0 || partition >= topic.partitions.length || others.has(partition)) continue;
        others.add(partition);
        const epochs = own.get(topic.id) ?? new Map<number, number>();
        own.set(topic.id, epochs.set(partition, generation));
      }
    }
  };
  all.forEach(({ given }, index) => take(owned[index]!, given));
  all.forEach(({ subscription }, index) => take(owned[index]!, subscription.ownedPartitions));
  return owned;
}

function refuse(groupId: string, why: string): StepRefusal {
  const message = `Cannot upgrade classic group ${groupId} to consumer group because ${why}.`;
  return { code: errorCode.GROUP_ID_NOT_FOUND, message };
}
