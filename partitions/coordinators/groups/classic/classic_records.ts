/**
 * A classic group out of its record: what a restart knows of it. Pure; runs on shards. The record is bytes of a disk, which another
 * program may have written: whatever it says, the group that comes out is a sound one.
 *
 * Source: Kafka's GroupMetadataManager.replay(GroupMetadataKey, GroupMetadataValue).
 */
import type { GroupMetadataMember, GroupMetadataValue } from "../records/group_record.ts";
import type { ClassicMemberFacts } from "./classic_member.ts";

/** Before Kafka 0.10.1 the session timeout stood for it. */
const NO_REBALANCE_TIMEOUT = -1;

/** The members that a record names, each id once. A restart knows one protocol of each: the one that the group used. */
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
