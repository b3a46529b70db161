/**
 * Turns a consumer group into a classic one when its last member of the consumer protocol has left, if `group.consumer.migration.policy`
 * allows it. Runs on shards. Source: KIP-848; Kafka's GroupMetadataManager.convertToClassicGroup, ClassicGroup.fromConsumerGroup.
 */
import type { ClassicMemberFacts } from "../classic/classic_member.ts";
import { selectProtocol } from "../classic/protocol_votes.ts";
import {
  CONSUMER_PROTOCOL_TYPE,
  decodeConsumerSubscription,
  encodeConsumerAssignment,
} from "../records/consumer_protocol.ts";
import type { Member } from "./consumer_member.ts";
import type { ConsumerGroupCore, Downgrade } from "./consumer_group_core.ts";
import { groupTombstones } from "./group_tombstones.ts";

/** Returns whether the members that remain are classic, and at least one remains. O(leaving). */
function hasOnlyClassicMembers({ state }: ConsumerGroupCore, leaving: ReadonlySet<Member>): boolean {
  let left = state.members.size;
  let leftClassic = state.classicCount;
  for (const { classic } of leaving) {
    left--;
    if (classic !== null) leftClassic--;
  }
  return left > 0 && left === leftClassic;
}

/** Plans the downgrade when members leave. @param rebalance whether all join again @returns null if it stays a consumer group */
export function planDowngrade(
  core: ConsumerGroupCore,
  leaving: ReadonlySet<Member>,
  rebalance = true,
): Downgrade | null {
  const { state, groupId, ports } = core;
  const { consumerMigrationPolicy, maxSize } = ports.settings;
  if (!hasOnlyClassicMembers(core, leaving)) return null;
  if (consumerMigrationPolicy !== "bidirectional" && consumerMigrationPolicy !== "downgrade") return null;
  if (state.members.size - leaving.size > maxSize) return null;
  const staying = [...state.members.values()].filter((member) => !leaving.has(member));
  const protocolName = selectProtocol(staying.map(({ classic }) => ({ protocols: classic!.supportedProtocols })));
  if (protocolName === null) return null;
  const members = staying.map((member) => toClassic(core, member, protocolName));
  const seed = { generation: state.groupEpoch, protocolType: CONSUMER_PROTOCOL_TYPE, protocolName, members };
  return { groupId, tombstones: groupTombstones(state), seed, rebalance };
}

function toClassic({ ports }: ConsumerGroupCore, member: Member, protocolName: string): ClassicMemberFacts {
  const { memberId, instanceId, clientId, clientHost, rebalanceTimeoutMs } = member;
  const { sessionTimeoutMs, supportedProtocols } = member.classic!;
  const metadata = supportedProtocols.find(({ name }) => name === protocolName)!.metadata;
  // Its current partitions, not its target, which Kafka writes. If the group is upgraded before all members have joined again, no other
  // member may get partitions that this member still uses.
  const assignedPartitions = [];
  for (const owned of [member.assigned, member.revoking]) {
    for (const [topicId, partitions] of owned) {
      const topic = ports.image.topicById(topicId)?.name;
      if (topic !== undefined) assignedPartitions.push({ topic, partitions: [...partitions.keys()] });
    }
  }
  const version = decodeConsumerSubscription(metadata)?.version ?? 0;
  return {
    memberId,
    groupInstanceId: instanceId,
    clientId,
    clientHost,
    rebalanceTimeoutMs,
    sessionTimeoutMs,
    protocols: supportedProtocols,
    assignment: encodeConsumerAssignment(version, { assignedPartitions, userData: null }),
  };
}
