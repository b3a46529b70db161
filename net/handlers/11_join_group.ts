/**
 * JoinGroup, API key 11: enters a classic group. The coordinator answers when all members have joined, which may take minutes.
 * Requests that follow it on the connection wait, as in Kafka.
 *
 * v1 rebalance timeout (KIP-62) · v2 throttle time (KIP-124) · v4 MEMBER_ID_REQUIRED (KIP-394) · v5 static members (KIP-345) · v6 flexible
 * (KIP-482) · v7 protocol type and name may be null (KIP-559) · v8 reason (KIP-800) · v9 SkipAssignment (KIP-814).
 */
import { api } from "../requests/api.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import { askGroup, groupPermission } from "../requests/group_questions.ts";
import type { ShardServices } from "../requests/handler.ts";
import { type JoinGroupRequest, joinGroupRequest, joinGroupResponse } from "../protocol/messages/11_join_group.ts";

/** The row of JoinGroup. */
export const joinGroupApi = api({
  key: 11,
  name: "JoinGroup",
  served: [0, 9],
  request: joinGroupRequest,
  response: joinGroupResponse,
  needs: groupPermission(11, "READ"),
  elementsMax: 1 << 10, // protocols
  handle: handleJoinGroup,
});

const API_KEY = 11;

/** Handles JoinGroup. */
export function handleJoinGroup(request: JoinGroupRequest, exchange: RequestExchange, services: ShardServices): void {
  exchange.holdFollowers();
  askGroup({ apiKey: API_KEY, groupId: request.groupId, request }, { exchange, services });
}
