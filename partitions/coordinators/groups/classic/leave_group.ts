/**
 * LeaveGroup of a classic group: members leave, or an administrator removes them by their instance ids. Runs on shards.
 *
 * v0-2 name one member, whose error is the error of the answer · v3 several members, each with its own error (KIP-345).
 *
 * Source: Kafka's GroupMetadataManager.classicGroupLeaveToClassicGroup, LeaveGroupResponse.
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { LeaveGroupRequest, LeaveGroupResponse } from "../../../../net/protocol/messages/13_leave_group.ts";
import type { Rebalance } from "./rebalance.ts";

const SEVERAL_MEMBERS_VERSION = 3;
const NO_MEMBER_ID = "";

/** Handles a LeaveGroup: removes the members, and the others rebalance. */
export function leaveGroup(group: Rebalance, request: LeaveGroupRequest, apiVersion: number): LeaveGroupResponse {
  if (group.state.name === "Dead") return { errorCode: errorCode.COORDINATOR_NOT_AVAILABLE, members: [] };
  if (apiVersion < SEVERAL_MEMBERS_VERSION) {
    const code = leave(group, request.memberId, null);
    if (code === errorCode.NONE) group.membersLeft();
    return { errorCode: code, members: [] };
  }
  const members = request.members.map(({ memberId, groupInstanceId }) => ({
    memberId,
    groupInstanceId,
    errorCode: leave(group, memberId, groupInstanceId),
  }));
  if (members.some((member) => member.errorCode === errorCode.NONE)) group.membersLeft();
  return { errorCode: errorCode.NONE, members };
}

function leave(group: Rebalance, memberId: string, groupInstanceId: string | null): number {
  const { state } = group;
  const { members } = state;
  if (memberId === NO_MEMBER_ID) {
    const member = groupInstanceId === null ? undefined : members.ofInstance(groupInstanceId);
    if (member === undefined) return errorCode.UNKNOWN_MEMBER_ID;
    state.remove(member);
    return errorCode.NONE;
  }
  if (group.dropPending(memberId)) return errorCode.NONE;
  const unknown = state.identify(memberId, groupInstanceId);
  if (unknown !== errorCode.NONE) return unknown;
  const member = members.get(memberId);
  if (member !== undefined) state.remove(member);
  return errorCode.NONE;
}
