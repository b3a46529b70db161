/**
 * ConsumerGroupHeartbeat v0-1 to a consumer group: members join, stay and leave. Runs on shards.
 *
 * A request names only what changed. A request with timeout, subscription and owned partitions is a full one: its answer has the
 * assignment even if that did not change. Source: KIP-848, KIP-1082; Kafka's GroupMetadataManager.consumerGroupHeartbeat.
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse,
} from "../../../../net/protocol/messages/68_consumer_group_heartbeat.ts";
import { refuseConsumerHeartbeat } from "../group_refusals.ts";
import type { CoordinatorClient } from "../../runtime/coordinator.ts";
import {
  isReconciledTo,
  JOIN_EPOCH,
  type Member,
  newMember,
  type OwnedPartitions,
  OWNS_NOTHING,
  sameOwned,
  STATIC_LEAVE_EPOCH,
} from "./consumer_member.ts";
import type { ConsumerGroupCore } from "./consumer_group_core.ts";
import { currentRecord, sortedNames } from "./member_records.ts";
import { assign, type MemberChange, memberOf, reconcileMember, type StepRefusal, updateMember } from "./membership.ts";
import { ownsOnly } from "./reconciliation.ts";

/** Returns whether a heartbeat changes nothing and its member has its whole target. O(1). */
export function isQuietHeartbeat(
  { state, regexes, isTopicCheckDue }: ConsumerGroupCore,
  request: ConsumerGroupHeartbeatRequest,
  client: CoordinatorClient,
): Member | null {
  const member = state.members.get(request.memberId);
  if (member === undefined || request.memberEpoch !== member.memberEpoch || request.memberEpoch <= JOIN_EPOCH) {
    return null;
  }
  const saysNothing = request.subscribedTopicNames === null && request.subscribedTopicRegex === null &&
    request.serverAssignor === null &&
    (request.instanceId === null || request.instanceId === member.instanceId) &&
    (request.rackId === null || request.rackId === member.rackId) &&
    (request.rebalanceTimeoutMs === -1 || request.rebalanceTimeoutMs === member.rebalanceTimeoutMs);
  const isSettled = isReconciledTo(member, state.groupEpoch) && state.assignmentEpoch === state.groupEpoch &&
    member.classic === null && !isTopicCheckDue && !regexes.isDue;
  const isSameClient = client.clientId === member.clientId && client.clientHost === member.clientHost;
  return saysNothing && isSettled && isSameClient ? member : null;
}

/** Handles a member that joins or stays. The request must be well-formed, with an epoch of 0 or more. */
export function handleHeartbeat(
  core: ConsumerGroupCore,
  request: ConsumerGroupHeartbeatRequest,
  client: CoordinatorClient,
): ConsumerGroupHeartbeatResponse {
  const change = changeOf(core, request, client);
  if ("code" in change) return refuse(change);
  const subscriptionChanged = updateMember(core, change);
  if (typeof subscriptionChanged === "object") return refuse(subscriptionChanged);
  const { memberId } = change.after;
  core.keepAlive(memberOf(core, memberId));
  if ((change.before?.classic ?? null) !== null) core.timersOf(memberId).cancelOthersThan("consumer");
  const code = assign(core);
  if (code !== 0) return refuse({ code, message: null });
  const reconciled = reconcileMember(core, memberId, { reported: request.topicPartitions, subscriptionChanged });
  if ("code" in reconciled) return refuse(reconciled);
  const isFull = request.rebalanceTimeoutMs !== -1 && request.topicPartitions !== null &&
    (request.subscribedTopicNames !== null || request.subscribedTopicRegex !== null);
  const isTold = request.memberEpoch === JOIN_EPOCH || isFull || !sameOwned(change.after.assigned, reconciled.assigned);
  return answer(core, reconciled, isTold ? reconciled.assigned : null);
}

/** Makes the answer for a member. @param assigned null for "as before" */
export function answer(
  { ports, groupId }: ConsumerGroupCore,
  { memberId, memberEpoch }: Member,
  assigned: OwnedPartitions | null,
): ConsumerGroupHeartbeatResponse {
  return {
    throttleTimeMs: 0,
    errorCode: errorCode.NONE,
    errorMessage: null,
    memberId,
    memberEpoch,
    heartbeatIntervalMs: ports.settingsOf(groupId).heartbeatIntervalMs,
    assignment: assigned === null ? null : {
      topicPartitions: Array.from(
        assigned,
        ([topicId, partitions]) => ({ topicId, partitions: [...partitions.keys()] }),
      ),
    },
  };
}

/** Handles a member that leaves, permanently or, if it is static, temporarily. */
export function handleLeave(
  core: ConsumerGroupCore,
  request: ConsumerGroupHeartbeatRequest,
): ConsumerGroupHeartbeatResponse {
  const { groupId, state } = core;
  const { memberId, memberEpoch, instanceId } = request;
  const member = instanceId === null ? state.members.get(memberId) : state.staticMember(instanceId);
  if (member === undefined) return refuse(unknownMember(request, groupId));
  if (member.memberId !== memberId) return refuse(fencedInstance(request, member));
  const code = memberEpoch === STATIC_LEAVE_EPOCH
    ? core.append([currentRecord(groupId, memberId, awayAssignment(member))])
    : core.fence(new Set([member]));
  if (code !== 0) return refuse({ code, message: null });
  if (memberEpoch === STATIC_LEAVE_EPOCH && core.timersOf(memberId).isRebalancing) {
    core.timersOf(memberId).rebalance.cancel();
  }
  return { ...refuseConsumerHeartbeat(errorCode.NONE, null), memberId, memberEpoch };
}

/** Makes the assignment of an absent static member: it keeps its partitions, with epoch 0, for the member that replaces it. */
function awayAssignment(member: Member): Member {
  const assigned = new Map<string, ReadonlyMap<number, number>>();
  for (const [topicId, partitions] of member.assigned) {
    assigned.set(topicId, new Map(Array.from(partitions.keys(), (partition) => [partition, 0])));
  }
  return { ...member, memberEpoch: STATIC_LEAVE_EPOCH, assigned, revoking: OWNS_NOTHING };
}

function changeOf(
  core: ConsumerGroupCore,
  request: ConsumerGroupHeartbeatRequest,
  client: CoordinatorClient,
): MemberChange | StepRefusal {
  const { groupId, state, ports } = core;
  const { instanceId, memberEpoch, topicPartitions } = request;
  if (isFull(core, request.memberId, instanceId)) {
    const message = `The consumer group has reached its maximum capacity of ${ports.settings.consumerMaxSize} members.`;
    return { code: errorCode.GROUP_MAX_SIZE_REACHED, message };
  }
  const memberId = request.memberId === "" ? ports.newId() : request.memberId;
  const isJoining = memberEpoch === JOIN_EPOCH;
  const holder = state.staticMember(instanceId);
  const before = (instanceId === null || (isJoining && holder === undefined)) ? state.members.get(memberId) : holder;
  if (before === undefined && !isJoining) return unknownMember(request, groupId);
  if (isJoining && holder !== undefined) {
    if (holder.classic === null && holder.memberEpoch !== STATIC_LEAVE_EPOCH) {
      const message = `Static member ${memberId} with instance id ${instanceId} cannot join the group because the ` +
        `instance id is owned by ${holder.memberId} member.`;
      return { code: errorCode.UNRELEASED_INSTANCE_ID, message };
    }
    const taken: Member = { ...holder, memberId, memberEpoch: JOIN_EPOCH, previousMemberEpoch: JOIN_EPOCH };
    return { before: holder, after: updatedMember(taken, request, client), replaced: holder };
  }
  if (before !== undefined) {
    if (before.memberId !== memberId) return fencedInstance(request, before);
    const refusal = checkEpoch(before, memberEpoch, topicPartitions);
    if (refusal !== null) return refusal;
  }
  return {
    before: before ?? null,
    after: updatedMember(before ?? newMember(memberId), request, client),
    replaced: null,
  };
}

/** Returns whether the group is too full for a member. A member that replaces another always fits. */
export function isFull({ state, ports }: ConsumerGroupCore, memberId: string, instanceId: string | null): boolean {
  if (state.members.size < ports.settings.consumerMaxSize) return false;
  return state.staticMember(instanceId) === undefined && !state.members.has(memberId);
}

/** Returns the member with the changes of its request. */
function updatedMember(member: Member, request: ConsumerGroupHeartbeatRequest, client: CoordinatorClient): Member {
  const { subscribedTopicNames, subscribedTopicRegex } = request;
  return {
    ...member,
    instanceId: request.instanceId ?? member.instanceId,
    rackId: request.rackId ?? member.rackId,
    rebalanceTimeoutMs: request.rebalanceTimeoutMs === -1 ? member.rebalanceTimeoutMs : request.rebalanceTimeoutMs,
    serverAssignor: request.serverAssignor ?? member.serverAssignor,
    topicNames: subscribedTopicNames === null ? member.topicNames : sortedNames(subscribedTopicNames),
    topicRegex: subscribedTopicRegex ?? member.topicRegex,
    clientId: client.clientId,
    clientHost: client.clientHost,
    classic: null,
  };
}

/** Checks the epoch. The previous one is accepted, because an answer may be lost, if the member reports only its own partitions. */
function checkEpoch(
  member: Member,
  memberEpoch: number,
  reported: ConsumerGroupHeartbeatRequest["topicPartitions"],
): StepRefusal | null {
  if (memberEpoch === JOIN_EPOCH || memberEpoch === member.memberEpoch) return null;
  const isLate = memberEpoch === member.previousMemberEpoch && memberEpoch < member.memberEpoch;
  if (isLate && ownsOnly(reported, member.assigned)) return null;
  const comparison = memberEpoch > member.memberEpoch ? "greater" : "smaller";
  const message = `The consumer group member has a ${comparison} member epoch (${memberEpoch}) than the one known by ` +
    `the group coordinator (${member.memberEpoch}). The member must abandon all its partitions and rejoin.`;
  return { code: errorCode.FENCED_MEMBER_EPOCH, message };
}

function unknownMember({ memberId, instanceId }: ConsumerGroupHeartbeatRequest, groupId: string): StepRefusal {
  const message = instanceId === null
    ? `Member ${memberId} is not a member of group ${groupId}.`
    : `Instance id ${instanceId} is unknown.`;
  return { code: errorCode.UNKNOWN_MEMBER_ID, message };
}

function fencedInstance({ memberId, instanceId }: ConsumerGroupHeartbeatRequest, holder: Member): StepRefusal {
  const message = `Static member ${memberId} with instance id ${instanceId} was fenced by member ${holder.memberId}.`;
  return { code: errorCode.FENCED_INSTANCE_ID, message };
}

function refuse({ code, message }: StepRefusal): ConsumerGroupHeartbeatResponse {
  return refuseConsumerHeartbeat(code, message);
}
