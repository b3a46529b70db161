/**
 * LeaveGroup, API key 13: removes members from a classic group.
 *
 * v1 throttle time (KIP-124) · v3 several members, static ones by their instance id (KIP-345) · v4 flexible (KIP-482) · v5 reason
 * (KIP-800).
 */
import { api } from "../requests/api.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import { askGroup, groupPermission } from "../requests/group_questions.ts";
import type { ShardServices } from "../requests/handler.ts";
import { type LeaveGroupRequest, leaveGroupRequest, leaveGroupResponse } from "../protocol/messages/13_leave_group.ts";

/** The row of LeaveGroup. */
export const leaveGroupApi = api({
  key: 13,
  name: "LeaveGroup",
  served: [0, 5],
  request: leaveGroupRequest,
  response: leaveGroupResponse,
  needs: groupPermission(13, "READ"),
  elementsMax: 1 << 12, // members
  handle: handleLeaveGroup,
});

/** Handles LeaveGroup. */
export function handleLeaveGroup(request: LeaveGroupRequest, exchange: RequestExchange, services: ShardServices): void {
  askGroup({ apiKey: 13, groupId: request.groupId, request }, { exchange, services });
}
