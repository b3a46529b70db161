/**
 * A classic group of consumers becomes a consumer group: when a member of the consumer protocol joins it, and
 * `group.consumer.migration.policy` allows it. Runs on shards.
 *
 * The members keep what they have; those of the classic protocol join again when their next heartbeat says so.
 * Source: KIP-848; Kafka's GroupMetadataManager.convertToConsumerGroup, ConsumerGroup.fromClassicGroup.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import type { ClassicMemberFacts } from "../classic/classic_member.ts";
import type { GroupPorts } from "../ports.ts";
import {
  CONSUMER_PROTOCOL_TYPE,
  decodeConsumerAssignment,
  decodeConsumerSubscription,
} from "../records/consumer_protocol.ts";
import type { GroupRecord } from "../records/group_record.ts";
import { type Member, memberState, OWNS_NOTHING } from "./consumer_member.ts";
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

/** A classic group as far as it matters here. */
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
 * @returns the records: first what forgets the classic group, then those of the consumer group; or why there is none
 */
export function planUpgrade(ports: UpgradePorts, group: UpgradableGroup): GroupRecord[] | StepRefusal {
  const { groupId, generation } = group;
  if (group.memberCount === 0) return group.tombstones();
  const refusal = checkUpgrade(ports, group);
  if (refusal !== null) return refusal;
  const members: Member[] = [];
  const taken = new Map<string, Set<number>>();
  for (const facts of group.members()) {
    const member = toConsumer(ports, facts, { group, taken });
    if (typeof member === "string") return refuse(groupId, member);
    members.push(member);
  }
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

function toConsumer(
  ports: UpgradePorts,
  facts: ClassicMemberFacts,
  { group, taken }: { group: UpgradableGroup; taken: Map<string, Set<number>> },
): Member | string {
  const protocol = facts.protocols.find(({ name }) => name === group.protocolName) ?? facts.protocols[0];
  const subscription = protocol === undefined ? null : decodeConsumerSubscription(protocol.metadata);
  if (subscription === null) return "the embedded consumer protocol is malformed";
  const assigned = assignedOf(ports, facts, { generation: group.generation, taken });
  if (typeof assigned === "string") return assigned;
  return {
    memberId: facts.memberId,
    instanceId: facts.groupInstanceId,
    rackId: subscription.value.rackId || null,
    clientId: facts.clientId,
    clientHost: facts.clientHost,
    rebalanceTimeoutMs: facts.rebalanceTimeoutMs,
    topicNames: sortedNames(subscription.value.topics),
    topicRegex: "",
    serverAssignor: null,
    classic: {
      sessionTimeoutMs: facts.sessionTimeoutMs,
      supportedProtocols: facts.protocols.map(({ name, metadata }) => ({ name, metadata })),
    },
    memberEpoch: group.generation,
    previousMemberEpoch: group.generation,
    state: memberState.STABLE,
    assigned,
    revoking: OWNS_NOTHING,
  };
}

/** What the leader gave a member. A leader may have made mistakes; here each partition has one member and exists. */
function assignedOf(
  { image }: UpgradePorts,
  { assignment: bytes }: ClassicMemberFacts,
  { generation, taken }: { generation: number; taken: Map<string, Set<number>> },
): ReadonlyMap<string, ReadonlyMap<number, number>> | string {
  if (bytes.length === 0) return OWNS_NOTHING;
  const assignment = decodeConsumerAssignment(bytes)?.value;
  if (assignment === undefined) return "the embedded consumer protocol is malformed";
  if (assignment.userData !== null && assignment.userData.length > 0) {
    return "a custom assignor with user data is in use";
  }
  const assigned = new Map<string, Map<number, number>>();
  for (const { topic: name, partitions } of assignment.assignedPartitions) {
    const topic = image.topic(name);
    if (topic === undefined) continue;
    const others = taken.get(topic.id) ?? new Set();
    const own = assigned.get(topic.id) ?? new Map<number, number>();
    for (const partition of partitions) {
      if (partition < 0 || partition >= topic.partitions.length || others.has(partition)) continue;
      others.add(partition);
      own.set(partition, generation);
    }
    taken.set(topic.id, others);
    if (own.size > 0) assigned.set(topic.id, own);
  }
  return assigned;
}

function refuse(groupId: string, why: string): StepRefusal {
  const message = `Cannot upgrade classic group ${groupId} to consumer group because ${why}.`;
  return { code: errorCode.GROUP_ID_NOT_FOUND, message };
}
