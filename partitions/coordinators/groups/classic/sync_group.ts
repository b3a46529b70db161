/**
 * SyncGroup of a classic group: members wait for the leader's SyncGroup, which contains the assignment. When the assignment is in the
 * log, all members are answered and the group is stable. Runs on shards.
 *
 * From v5 on, protocol type and name must be present and match (KIP-559).
 *
 * Source: Kafka's GroupMetadataManager (classicGroupSyncToClassicGroup, validateSyncGroup), KafkaApis.handleSyncGroupRequest.
 */
import { assert } from "../../../../storage/base/assert.ts";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type {
  SyncGroupRequest,
  SyncGroupRequestAssignment,
  SyncGroupResponse,
} from "../../../../net/protocol/messages/14_sync_group.ts";
import type { Reply } from "../../runtime/coordinator.ts";
import { refuseSync } from "./answers.ts";
import { type ClassicMemberFacts, NO_BYTES } from "./classic_member.ts";
import type { ClassicState } from "./classic_state.ts";
import type { Rebalance } from "./rebalance.ts";

const PROTOCOL_REQUIRED_VERSION = 5;

/** Handles a SyncGroup: sends a member its assignment, now or when the leader has sent it. */
export function syncGroup(
  group: Rebalance,
  { request, apiVersion }: { request: SyncGroupRequest; apiVersion: number },
  reply: Reply<SyncGroupResponse>,
): void {
  const { state } = group;
  const wrong = check(state, request, apiVersion);
  if (wrong !== errorCode.NONE) return reply(refuseSync(wrong));
  const member = state.members.get(request.memberId);
  assert(member !== undefined, "an identified member is in the group");
  group.takeSync(member);
  if (state.name === "Stable") {
    const { protocolType, protocolName } = state;
    return reply({ errorCode: errorCode.NONE, protocolType, protocolName, assignment: member.assignment });
  }
  state.members.parkSync(member, reply);
  if (state.leaderId === member.memberId) assign(group, request.assignments);
}

function check(state: ClassicState, request: SyncGroupRequest, apiVersion: number): number {
  const { memberId, groupInstanceId, generationId, protocolType, protocolName } = request;
  if (apiVersion >= PROTOCOL_REQUIRED_VERSION && (protocolType === null || protocolName === null)) {
    return errorCode.INCONSISTENT_GROUP_PROTOCOL;
  }
  if (state.name === "Dead") return errorCode.COORDINATOR_NOT_AVAILABLE;
  const unknown = state.identify(memberId, groupInstanceId);
  if (unknown !== errorCode.NONE) return unknown;
  if (generationId !== state.generation) return errorCode.ILLEGAL_GENERATION;
  if (isOther(protocolType, state.protocolType) || isOther(protocolName, state.protocolName)) {
    return errorCode.INCONSISTENT_GROUP_PROTOCOL;
  }
  return state.name === "PreparingRebalance" ? errorCode.REBALANCE_IN_PROGRESS : errorCode.NONE;
}

function isOther(given: string | null, known: string | null): boolean {
  return given !== null && known !== null && given !== known;
}

/** The most assignments that a leader may send in addition to those of the group's members. */
const STRANGERS_MAX = 1000;

/** Members that the leader omitted get an empty assignment. Assignments for unknown members are ignored. */
function assign(group: Rebalance, assignments: readonly SyncGroupRequestAssignment[]): void {
  const { state, ports } = group;
  const { members: present } = state;
  const refuse = (code: number) => {
    group.refuseSyncs(code);
    group.prepare();
  };
  if (assignments.length > present.count + STRANGERS_MAX) return refuse(errorCode.INVALID_REQUEST);
  const byMember = new Map(assignments.map(({ memberId, assignment }) => [memberId, assignment]));
  let growth = 0;
  for (const { memberId, assignment } of present.all()) {
    growth += (byMember.get(memberId)?.length ?? 0) - assignment.length;
  }
  if (!ports.memory.hasRoomFor(growth)) return refuse(errorCode.COORDINATOR_NOT_AVAILABLE);
  const assignmentOf = (memberId: string) => byMember.get(memberId) ?? NO_BYTES;
  const members = Array.from(state.members.all(), (member) => withAssignment(member, assignmentOf(member.memberId)));
  const refused = ports.log.append([state.toRecord(members)]);
  if (refused === errorCode.NONE) return group.stabilize(assignmentOf);
  refuse(refused);
}

function withAssignment(member: ClassicMemberFacts, assignment: Uint8Array): ClassicMemberFacts {
  const { memberId, groupInstanceId, clientId, clientHost, rebalanceTimeoutMs, sessionTimeoutMs, protocols } = member;
  return {
    memberId,
    groupInstanceId,
    clientId,
    clientHost,
    rebalanceTimeoutMs,
    sessionTimeoutMs,
    protocols,
    assignment,
  };
}
