/**
 * Restores a classic group from its record after a restart. Pure; runs on shards. Another program may have written the record: whatever
 * it contains, the restored group is valid.
 *
 * Source: Kafka's GroupMetadataManager.replay(GroupMetadataKey, GroupMetadataValue).
 */
import type { GroupMetadataMember, GroupMetadataValue } from "../records/group_record.ts";
import type { ClassicMemberFacts } from "./classic_member.ts";

/** The rebalance timeout of a member. Before Kafka 0.10.1 the session timeout served as one. */
const NO_REBALANCE_TIMEOUT = -1;

/** Reads the members of a record, each id once. After a restart only one protocol of each is known: the one that the group used. */
export function membersOf(value: GroupMetadataValue): ClassicMemberFacts[] {
  const ids = new Set<string>();
  const instanceIds = new Set<string | null>();
  const members: ClassicMemberFacts[] = [];
  for (const member of value.members) {
    const { memberId, groupInstanceId } = member;
    if (ids.has(memberId) || instanceIds.has(groupInstanceId)) continue;
    ids.add(memberId);
    if (groupInstanceId !== null) instanceIds.add(groupInstanceId);
    members.push(memberOf(member, value.protocol ?? ""));
  }
  return members;
}

function memberOf(member: GroupMetadataMember, protocolName: string): ClassicMemberFacts {
  const { memberId, groupInstanceId, clientId, clientHost, rebalanceTimeout, sessionTimeout } = member;
  return {
    memberId,
    groupInstanceId,
    clientId,
    clientHost,
    rebalanceTimeoutMs: rebalanceTimeout === NO_REBALANCE_TIMEOUT ? sessionTimeout : rebalanceTimeout,
    sessionTimeoutMs: sessionTimeout,
    protocols: [{ name: protocolName, metadata: member.subscription }],
    assignment: member.assignment,
  };
}
