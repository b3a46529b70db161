/**
 * A static member's new process replaces the old one (KIP-345). In a stable group it gets the old one's assignment at once, without a
 * rebalance. The old process is fenced. Runs on shards.
 *
 * The new member id is in the log before the member gets it, because the group must know it after a restart. From v9 on a leader gets
 * all members, and is told not to assign (KIP-814). Before v9 it is told that another member leads.
 *
 * Source: Kafka's GroupMetadataManager.updateStaticMemberThenRebalanceOrCompleteJoin.
 */
import { assert } from "../../../../storage/base/assert.ts";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { JoinGroupResponse } from "../../../../net/protocol/messages/11_join_group.ts";
import { refuseJoin } from "./answers.ts";
import type { ClassicMember } from "./classic_member.ts";
import type { Joining } from "./joining.ts";
import { selectProtocol } from "./protocol_votes.ts";
import type { Rebalance } from "./rebalance.ts";

const SKIP_ASSIGNMENT_VERSION = 9;
const NO_MEMBER_ID = "";

/** Replaces the old process by the new one. @param who the old process and the new one's id */
export function replaceStaticMember(
  group: Rebalance,
  { old, memberId }: { old: ClassicMember; memberId: string },
  joining: Joining,
): void {
  const { state } = group;
  const { request: { protocols, sessionTimeoutMs }, rebalanceTimeoutMs, reply } = joining;
  const { groupInstanceId, clientId, clientHost, assignment } = old;
  const fields = { protocols, sessionTimeoutMs, rebalanceTimeoutMs };
  const member = group.newMember({ memberId, groupInstanceId, clientId, clientHost, assignment, ...fields });
  const members = Array.from(state.members.all(), (one) => one === old ? member : one);
  const isLeader = state.leaderId === old.memberId;
  const oldLeaderId = state.leaderId;
  const leaderId = isLeader ? memberId : oldLeaderId;
  const isAnsweredAtOnce = state.name === "Stable" && selectProtocol(members) === state.protocolName;
  if (isAnsweredAtOnce) {
    const refused = group.ports.log.append([state.toRecord(members, leaderId)]);
    if (refused !== errorCode.NONE) return reply(refuseJoin(NO_MEMBER_ID, refused));
  }
  const owedSync = old.owesSync;
  state.members.replace(old, member);
  state.leaderId = leaderId;
  group.keepAlive(member);
  if (isAnsweredAtOnce) {
    state.members.setOwesSync(member, owedSync);
    return reply(answerAtOnce(group, member, { oldLeaderId, apiVersion: joining.client.apiVersion }));
  }
  state.members.parkJoin(member, reply);
  assert(state.name !== "Empty" && state.name !== "Dead", "a group with a member is neither Empty nor Dead");
  group.rebalance();
}

function answerAtOnce(
  group: Rebalance,
  member: ClassicMember,
  { oldLeaderId, apiVersion }: { oldLeaderId: string | null; apiVersion: number },
): JoinGroupResponse {
  const answer = group.joinedAnswer(member);
  if (apiVersion < SKIP_ASSIGNMENT_VERSION) return { ...answer, leader: oldLeaderId ?? "", members: [] };
  return { ...answer, skipAssignment: answer.leader === member.memberId };
}
