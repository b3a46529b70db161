/**
 * Members of the classic protocol in a consumer group: JoinGroup, SyncGroup, Heartbeat and LeaveGroup. A group has such members while it
 * changes its protocol member by member. Runs on shards.
 *
 *   classic             here
 *   generation          member epoch
 *   subscription bytes  topics, and the partitions that the member still owns
 *   JoinGroup           the three steps of membership.ts; answered at once, without waiting for other members
 *   SyncGroup           the assignment of the member, encoded as a leader would encode it
 *   REBALANCE_IN_PROGRESS  the member has partitions to give up or to get, and must join again
 *
 * Source: KIP-848; Kafka's GroupMetadataManager.classicGroupJoinToConsumerGroup, classicGroupSyncToConsumerGroup,
 * classicGroupHeartbeatToConsumerGroup, classicGroupLeaveToConsumerGroup.
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { JoinGroupRequest, JoinGroupResponse } from "../../../../net/protocol/messages/11_join_group.ts";
import type { HeartbeatRequest } from "../../../../net/protocol/messages/12_heartbeat.ts";
import type { LeaveGroupRequest, LeaveGroupResponse } from "../../../../net/protocol/messages/13_leave_group.ts";
import type { SyncGroupRequest, SyncGroupResponse } from "../../../../net/protocol/messages/14_sync_group.ts";
import { refuseJoin, refuseSync } from "../classic/answers.ts";
import type { CoordinatorClient } from "../../runtime/coordinator.ts";
import {
  CONSUMER_PROTOCOL_TYPE,
  type ConsumerSubscription,
  decodeConsumerSubscription,
  encodeConsumerAssignment,
} from "../records/consumer_protocol.ts";
import { JOIN_EPOCH, type Member, memberState, newMember } from "./consumer_member.ts";
import { planDowngrade } from "./downgrade.ts";
import type { ConsumerGroupCore } from "./consumer_group_core.ts";
import { isFull } from "./heartbeat.ts";
import { TOPIC_NAMES_MAX } from "./heartbeat_rules.ts";
import { sortedNames } from "./member_records.ts";
import { assign, type MemberChange, memberOf, reconcileMember, updateMember } from "./membership.ts";
import type { ReportedPartitions } from "./reconciliation.ts";

/** From this version on a dynamic member gets its id before it joins (KIP-394). */
const MEMBER_ID_REQUIRED_VERSION = 4;
/** From this version on LeaveGroup can name several members (KIP-345). */
const SEVERAL_MEMBERS_VERSION = 3;
const NO_MEMBER_ID = "";

/** Handles JoinGroup of a classic member. */
export function joinConsumerGroup(
  core: ConsumerGroupCore,
  request: JoinGroupRequest,
  client: CoordinatorClient,
): JoinGroupResponse {
  const isNameless = request.memberId === NO_MEMBER_ID;
  const code = checkJoin(core, request);
  if (code !== errorCode.NONE) return refuseJoin(NO_MEMBER_ID, code);
  const memberId = isNameless ? core.ports.newId() : request.memberId;
  if (isNameless && request.groupInstanceId === null && client.apiVersion >= MEMBER_ID_REQUIRED_VERSION) {
    return refuseJoin(memberId, errorCode.MEMBER_ID_REQUIRED);
  }
  const subscription = decodeConsumerSubscription(request.protocols[0]!.metadata)?.value;
  if (subscription === undefined || subscription.topics.length > TOPIC_NAMES_MAX) {
    return refuseJoin(NO_MEMBER_ID, errorCode.INCONSISTENT_GROUP_PROTOCOL);
  }
  const change = changeOf(core, { request, memberId, subscription, client });
  if (typeof change === "number") return refuseJoin(NO_MEMBER_ID, change);
  const subscriptionChanged = updateMember(core, change);
  if (typeof subscriptionChanged === "object") return refuseJoin(NO_MEMBER_ID, subscriptionChanged.code);
  core.keepAlive(memberOf(core, memberId));
  // The last member of the consumer protocol has just rejoined with the classic protocol, under the same instance id.
  const isLast = change.replaced !== null && change.replaced.classic === null &&
    planDowngrade(core, new Set()) !== null;
  const joined = (isLast ? downgradeGroup : assignAndReconcile)(core, {
    request,
    memberId,
    subscription,
    subscriptionChanged,
  });
  if (typeof joined === "number") return refuseJoin(NO_MEMBER_ID, joined);
  return {
    errorCode: errorCode.NONE,
    generationId: joined.memberEpoch,
    protocolType: CONSUMER_PROTOCOL_TYPE,
    protocolName: request.protocols[0]!.name,
    leader: "",
    memberId,
    members: [],
  };
}

interface Joined {
  readonly request: JoinGroupRequest;
  readonly memberId: string;
  readonly subscription: ConsumerSubscription;
  readonly subscriptionChanged: boolean;
}

/** Runs steps 2 and 3 for the member. @returns the member as it is now, or Kafka's error code */
function assignAndReconcile(
  core: ConsumerGroupCore,
  { request, memberId, subscription, subscriptionChanged }: Joined,
): Member | number {
  const code = assign(core);
  if (code !== 0) return code;
  const reconciled = reconcileMember(core, memberId, { reported: reportedOf(core, subscription), subscriptionChanged });
  if ("code" in reconciled) return reconciled.code;
  const { join, sync } = core.timersOf(memberId);
  join.cancel();
  sync.set(core.ports.nowMs() + rebalanceTimeoutOf(request));
  return reconciled;
}

/** Turns the group into a classic one. Members join again, unless each already has its whole target. */
function downgradeGroup(
  core: ConsumerGroupCore,
  { memberId, subscription, subscriptionChanged }: Joined,
): Member | number {
  const { state } = core;
  const rebalance = state.assignmentEpoch < state.groupEpoch;
  if (!rebalance) {
    const reconciled = reconcileMember(core, memberId, {
      reported: reportedOf(core, subscription),
      subscriptionChanged,
    });
    if ("code" in reconciled) return reconciled.code;
  }
  const member = memberOf(core, memberId);
  const code = core.holder.becomeClassic(planDowngrade(core, new Set(), rebalance)!);
  return code === 0 ? member : code;
}

/** Handles SyncGroup of a classic member. */
export function syncConsumerGroup(core: ConsumerGroupCore, request: SyncGroupRequest): SyncGroupResponse {
  const member = classicMember(core, request);
  if (typeof member === "number") return refuseSync(member);
  const protocol = member.classic!.supportedProtocols[0];
  const { protocolType, protocolName } = request;
  if (
    (protocolType !== null && protocolType !== CONSUMER_PROTOCOL_TYPE) ||
    (protocolName !== null && protocolName !== protocol?.name)
  ) return refuseSync(errorCode.INCONSISTENT_GROUP_PROTOCOL);
  // A member with partitions to give up has already joined again. It needs the answer to know which partitions it keeps.
  if (core.state.assignmentEpoch > member.memberEpoch && member.state !== memberState.UNREVOKED_PARTITIONS) {
    return refuseSync(mustJoin(core, member));
  }
  core.timersOf(member.memberId).sync.cancel();
  core.keepAlive(member);
  const version = protocol === undefined ? 0 : decodeConsumerSubscription(protocol.metadata)?.version ?? 0;
  const assignedPartitions = [];
  for (const [topicId, partitions] of member.assigned) {
    const topic = core.ports.image.topicById(topicId)?.name;
    if (topic !== undefined) assignedPartitions.push({ topic, partitions: [...partitions.keys()] });
  }
  const assignment = encodeConsumerAssignment(version, { assignedPartitions, userData: null });
  return { errorCode: errorCode.NONE, protocolType, protocolName, assignment };
}

/** Handles Heartbeat of a classic member. @returns Kafka's error code */
export function heartbeatConsumerGroup(core: ConsumerGroupCore, request: HeartbeatRequest): number {
  const member = classicMember(core, request);
  if (typeof member === "number") return member;
  core.keepAlive(member);
  const isToJoin = member.memberEpoch < core.state.assignmentEpoch ||
    member.state === memberState.UNREVOKED_PARTITIONS ||
    (member.state === memberState.UNRELEASED_PARTITIONS && !awaitsPartitions(core, member));
  return isToJoin ? mustJoin(core, member) : errorCode.NONE;
}

/** Handles LeaveGroup, which may name members of both protocols. */
export function leaveConsumerGroup(
  core: ConsumerGroupCore,
  request: LeaveGroupRequest,
  apiVersion: number,
): LeaveGroupResponse {
  const isSingle = apiVersion < SEVERAL_MEMBERS_VERSION;
  const named = isSingle ? [{ memberId: request.memberId, groupInstanceId: null }] : request.members;
  const leaving = new Set<Member>();
  const members = named.map(({ memberId, groupInstanceId }) => {
    const member = leavingMember(core, memberId, groupInstanceId);
    if (typeof member === "object") leaving.add(member);
    return { memberId, groupInstanceId, errorCode: typeof member === "object" ? errorCode.NONE : member };
  });
  const code = core.fence(leaving);
  if (code !== 0) return { errorCode: code, members: [] };
  return isSingle ? { errorCode: members[0]!.errorCode, members: [] } : { errorCode: errorCode.NONE, members };
}

function checkJoin(core: ConsumerGroupCore, request: JoinGroupRequest): number {
  const { state, ports } = core;
  const { sessionTimeoutMs, protocolType, protocols, memberId, groupInstanceId } = request;
  const { minSessionTimeoutMs, maxSessionTimeoutMs, consumerMigrationPolicy } = ports.settings;
  if (sessionTimeoutMs < minSessionTimeoutMs || sessionTimeoutMs > maxSessionTimeoutMs) {
    return errorCode.INVALID_SESSION_TIMEOUT;
  }
  if (consumerMigrationPolicy === "disabled") return errorCode.INCONSISTENT_GROUP_PROTOCOL;
  if (isFull(core, memberId, groupInstanceId)) return errorCode.GROUP_MAX_SIZE_REACHED;
  const isSupported = protocolType === CONSUMER_PROTOCOL_TYPE &&
    protocols.some(({ name }) => state.classicSupportOf(name) === state.classicCount);
  return isSupported ? errorCode.NONE : errorCode.INCONSISTENT_GROUP_PROTOCOL;
}

function changeOf(
  { state }: ConsumerGroupCore,
  { request, memberId, subscription, client }: {
    request: JoinGroupRequest;
    memberId: string;
    subscription: ConsumerSubscription;
    client: CoordinatorClient;
  },
): MemberChange | number {
  const { groupInstanceId } = request;
  const updatedMember = (member: Member): Member => ({
    ...member,
    instanceId: groupInstanceId ?? member.instanceId,
    rackId: subscription.rackId || member.rackId,
    rebalanceTimeoutMs: rebalanceTimeoutOf(request),
    topicNames: sortedNames(subscription.topics),
    topicRegex: "",
    clientId: client.clientId,
    clientHost: client.clientHost,
    classic: {
      sessionTimeoutMs: request.sessionTimeoutMs,
      supportedProtocols: request.protocols.map(({ name, metadata }) => ({ name, metadata })),
    },
  });
  const holder = state.staticMember(groupInstanceId);
  if (groupInstanceId === null || (holder === undefined && request.memberId === NO_MEMBER_ID)) {
    const before = state.members.get(memberId);
    return { before: before ?? null, after: updatedMember(before ?? newMember(memberId)), replaced: null };
  }
  if (holder === undefined) return errorCode.UNKNOWN_MEMBER_ID;
  if (request.memberId === NO_MEMBER_ID) {
    const taken = { ...holder, memberId, memberEpoch: JOIN_EPOCH, previousMemberEpoch: JOIN_EPOCH };
    return { before: holder, after: updatedMember(taken), replaced: holder };
  }
  if (holder.memberId !== memberId) return errorCode.FENCED_INSTANCE_ID;
  return { before: holder, after: updatedMember(holder), replaced: null };
}

/** Finds the classic member that a request names, and checks its generation. @returns the member, or Kafka's error code */
function classicMember(
  core: ConsumerGroupCore,
  { memberId, groupInstanceId, generationId }: {
    memberId: string;
    groupInstanceId: string | null;
    generationId: number;
  },
): Member | number {
  const { state } = core;
  const member = groupInstanceId === null ? state.members.get(memberId) : state.staticMember(groupInstanceId);
  if (member === undefined) return errorCode.UNKNOWN_MEMBER_ID;
  if (member.memberId !== memberId) return errorCode.FENCED_INSTANCE_ID;
  if (member.classic === null) return errorCode.UNKNOWN_MEMBER_ID;
  return member.memberEpoch === generationId ? member : errorCode.ILLEGAL_GENERATION;
}

function leavingMember(
  { state }: ConsumerGroupCore,
  memberId: string,
  groupInstanceId: string | null,
): Member | number {
  const member = groupInstanceId === null ? state.members.get(memberId) : state.staticMember(groupInstanceId);
  if (member === undefined) return errorCode.UNKNOWN_MEMBER_ID;
  // Administrators remove a static member by its instance id alone.
  return memberId === NO_MEMBER_ID || member.memberId === memberId ? member : errorCode.FENCED_INSTANCE_ID;
}

/** Starts the time that the member has to join again. @returns REBALANCE_IN_PROGRESS */
function mustJoin(core: ConsumerGroupCore, member: Member): number {
  const { join } = core.timersOf(member.memberId);
  if (!join.isSet) join.set(core.ports.nowMs() + Math.max(member.rebalanceTimeoutMs, 0));
  return errorCode.REBALANCE_IN_PROGRESS;
}

/** Returns whether other members still have partitions of a member's target. */
function awaitsPartitions({ state }: ConsumerGroupCore, { memberId, assigned }: Member): boolean {
  for (const [topicId, partitions] of state.targetOf(memberId)) {
    const had = assigned.get(topicId);
    for (const partition of partitions) {
      if (had?.has(partition) !== true && state.ownerOf(topicId, partition) !== undefined) return true;
    }
  }
  return false;
}

function reportedOf({ ports }: ConsumerGroupCore, { ownedPartitions }: ConsumerSubscription): ReportedPartitions[] {
  const reported: ReportedPartitions[] = [];
  for (const { topic, partitions } of ownedPartitions) {
    const topicId = ports.image.topic(topic)?.id;
    if (topicId !== undefined) reported.push({ topicId, partitions });
  }
  return reported;
}

/** JoinGroup v0 has no rebalance timeout: the session timeout replaces it. */
function rebalanceTimeoutOf({ rebalanceTimeoutMs, sessionTimeoutMs }: JoinGroupRequest): number {
  return rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs;
}
