/**
 * JoinGroup of a classic group: who may join, and what that changes. The answer is sent when all members have joined. Runs on shards.
 *
 * v0 has no rebalance timeout and uses the session timeout · v4 a dynamic member joins in two steps: it gets an id, then joins with it
 * (MEMBER_ID_REQUIRED, KIP-394); a client that gives up leaves no member behind · v5 static members: static_members.ts.
 *
 * Source: Kafka's GroupMetadataManager (classicGroupJoin…, acceptJoiningMember), JoinGroupRequest.
 */
import { assert } from "../../../../storage/base/assert.ts";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { JoinGroupRequest, JoinGroupResponse } from "../../../../net/protocol/messages/11_join_group.ts";
import { GROUP_BYTES, MEMBER_BYTES } from "../group_memory.ts";
import type { GroupSettings } from "../group_ports.ts";
import type { CoordinatorClient, Reply } from "../../runtime/coordinator.ts";
import { refuseJoin } from "./answers.ts";
import { bytesOf, NO_BYTES } from "./classic_member.ts";
import type { Joining } from "./joining.ts";
import type { Rebalance } from "./rebalance.ts";
import { replaceStaticMember } from "./static_members.ts";

/** After this time a member that was never answered is removed: five minutes, as in Kafka. */
export const NEW_MEMBER_JOIN_MS_MAX = 300_000;
/** The most bytes of data that the members of a group may send; a record with all of it must stay writable. */
export const GROUP_BYTES_MAX = 1 << 26;
/** The most protocols of a member; real members have one to four. */
const PROTOCOLS_MAX = 1000;
/** The longest prefix of a member id; ids are sent in strings of at most 32767 bytes. */
const MEMBER_ID_PREFIX_MAX = 255;

const NO_MEMBER_ID = "";
const MEMBER_ID_REQUIRED_VERSION = 4;
const NO_REBALANCE_TIMEOUT_VERSION = 0;

/** Checks a JoinGroup by itself, without the group. @returns Kafka's error code, 0 if it is valid */
export function checkJoin({ sessionTimeoutMs }: JoinGroupRequest, settings: GroupSettings): number {
  const isAllowed = sessionTimeoutMs >= settings.minSessionTimeoutMs &&
    sessionTimeoutMs <= settings.maxSessionTimeoutMs;
  return isAllowed ? errorCode.NONE : errorCode.INVALID_SESSION_TIMEOUT;
}

/** Handles a JoinGroup. */
export function joinGroup(
  group: Rebalance,
  { request, client }: { request: JoinGroupRequest; client: CoordinatorClient },
  reply: Reply<JoinGroupResponse>,
): void {
  const { state, ports } = group;
  const { memberId } = request;
  if (request.protocols.length > PROTOCOLS_MAX) {
    return reply(refuseJoin(memberId, errorCode.INCONSISTENT_GROUP_PROTOCOL));
  }
  const wrong = checkJoin(request, ports.settings);
  if (wrong !== errorCode.NONE) return reply(refuseJoin(memberId, wrong));
  if (state.name === "Dead") return reply(refuseJoin(memberId, errorCode.COORDINATOR_NOT_AVAILABLE));
  if (!hasRoom(group, request)) return reply(refuseJoin(memberId, errorCode.COORDINATOR_LOAD_IN_PROGRESS));
  if (!state.isLogged) {
    if (memberId !== NO_MEMBER_ID) return reply(refuseJoin(memberId, errorCode.UNKNOWN_MEMBER_ID));
    const refused = ports.log.append([state.toRecord([])]);
    if (refused !== errorCode.NONE) return reply(refuseJoin(NO_MEMBER_ID, refused));
    state.isLogged = true;
  }
  if (!accepts(group, request)) {
    reply(refuseJoin(NO_MEMBER_ID, errorCode.GROUP_MAX_SIZE_REACHED));
    return turnAway(group, memberId);
  }
  const rebalanceTimeoutMs = client.apiVersion === NO_REBALANCE_TIMEOUT_VERSION
    ? request.sessionTimeoutMs
    : request.rebalanceTimeoutMs;
  const joining = { request, client, rebalanceTimeoutMs, reply };
  if (!state.supports(request.protocolType, request.protocols)) {
    reply(refuseJoin(memberId, errorCode.INCONSISTENT_GROUP_PROTOCOL));
  } else if (memberId === NO_MEMBER_ID) joinNew(group, joining);
  else joinKnown(group, joining);
}

/** Whether the shard has memory for the additional data. A member that sends the same data as before, or less, needs none. */
function hasRoom({ state, ports: { memory } }: Rebalance, { memberId, protocols }: JoinGroupRequest): boolean {
  const member = state.members.get(memberId);
  if (member?.matches(protocols) === true) return true;
  const cost = memory.costOf(protocols);
  const growth = member === undefined ? cost + MEMBER_BYTES : cost - memory.costOf(member.protocols);
  return memory.hasRoomFor(growth + (state.isLogged ? 0 : GROUP_BYTES.classic));
}

/** While a rebalance is prepared, `group.max.size` limits the members that have joined, so the last ones of a too large group are refused. */
function accepts(group: Rebalance, { memberId, protocols }: JoinGroupRequest): boolean {
  const { state, ports: { settings: { maxSize } } } = group;
  const { members } = state;
  const member = members.get(memberId);
  const ownBytes = member?.byteLength ?? 0;
  if (members.byteLength - ownBytes + bytesOf(protocols) > GROUP_BYTES_MAX) return false;
  switch (state.name) {
    case "Empty":
    case "Dead":
      return true;
    case "PreparingRebalance":
      return (member !== undefined && member.joinReply !== null) || members.joiningCount < maxSize;
    case "CompletingRebalance":
    case "Stable":
      return member !== undefined || members.count < maxSize;
  }
}

/** Removes a member that has no place in the group. The others continue without it (in Kafka they wait for the rebalance timeout). */
function turnAway(group: Rebalance, memberId: string): void {
  const { state } = group;
  const member = state.members.get(memberId);
  if (member !== undefined) state.remove(member);
  if (group.dropPending(memberId) || member !== undefined) group.membersLeft();
}

function joinNew(group: Rebalance, joining: Joining): void {
  const { request: { groupInstanceId, sessionTimeoutMs }, client, reply } = joining;
  const memberId = `${prefixOf(groupInstanceId ?? client.clientId)}-${group.ports.newId()}`;
  if (groupInstanceId === null && client.apiVersion >= MEMBER_ID_REQUIRED_VERSION) {
    group.expect(memberId, sessionTimeoutMs);
    return reply(refuseJoin(memberId, errorCode.MEMBER_ID_REQUIRED));
  }
  const old = groupInstanceId === null ? undefined : group.state.members.ofInstance(groupInstanceId);
  if (old === undefined) addMember(group, memberId, joining);
  else replaceStaticMember(group, { old, memberId }, joining);
}

function joinKnown(group: Rebalance, joining: Joining): void {
  const { state } = group;
  const { request: { memberId, groupInstanceId, protocols, sessionTimeoutMs }, rebalanceTimeoutMs, reply } = joining;
  if (state.members.isPending(memberId)) {
    // The id was issued to a dynamic member: Kafka refuses this too.
    if (groupInstanceId !== null) return reply(refuseJoin(NO_MEMBER_ID, errorCode.UNKNOWN_SERVER_ERROR));
    return addMember(group, memberId, joining);
  }
  const unknown = state.identify(memberId, groupInstanceId);
  if (unknown !== errorCode.NONE) return reply(refuseJoin(memberId, unknown));
  const member = state.members.get(memberId);
  assert(member !== undefined && state.name !== "Empty", "an Empty group has no members");
  // The leader of a stable group joins again to get a new assignment, because its topics changed. Other members that join again with
  // the same protocols missed their answer.
  const isRequest = state.name === "PreparingRebalance" || !member.matches(protocols) ||
    (state.name === "Stable" && state.leaderId === memberId);
  if (!isRequest) return reply(group.joinedAnswer(member));
  state.members.update(member, { protocols, sessionTimeoutMs, rebalanceTimeoutMs });
  state.members.parkJoin(member, reply);
  group.rebalance();
}

function addMember(group: Rebalance, memberId: string, joining: Joining): void {
  const { request, client, rebalanceTimeoutMs, reply } = joining;
  const { groupInstanceId, sessionTimeoutMs, protocols } = request;
  const { clientId, clientHost } = client;
  const { state } = group;
  const fields = {
    memberId,
    groupInstanceId,
    clientId,
    clientHost,
    rebalanceTimeoutMs,
    sessionTimeoutMs,
    protocols,
  };
  const member = group.newMember({ ...fields, assignment: NO_BYTES });
  member.isNew = true;
  if (state.isFirstRebalance) group.extendFirstDelay();
  state.add(member, request.protocolType);
  state.members.parkJoin(member, reply);
  group.keepAlive(member, NEW_MEMBER_JOIN_MS_MAX);
  group.rebalance();
}

/** Cuts a text at a whole character: the client would not send half of a surrogate pair back unchanged. */
function prefixOf(text: string): string {
  if (text.length <= MEMBER_ID_PREFIX_MAX) return text;
  return text.slice(0, MEMBER_ID_PREFIX_MAX).replace(/[\ud800-\udbff]$/, "");
}
