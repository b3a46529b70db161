/**
 * Heartbeat, API key 12: keeps a session of a classic group.
 *
 * v1 throttle time (KIP-124) · v3 static members (KIP-345) · v4 flexible (KIP-482).
 */
import { api } from "../requests/api.ts";
import { authorize } from "../requests/authorization.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import { answerGroup, askGroup } from "../requests/group_questions.ts";
import type { ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import { type HeartbeatRequest, heartbeatRequest, heartbeatResponse } from "../protocol/messages/12_heartbeat.ts";

/** The row of Heartbeat. */
export const heartbeatApi = api({
  key: 12,
  name: "Heartbeat",
  served: [0, 4],
  request: heartbeatRequest,
  response: heartbeatResponse,
  handle: handleHeartbeat,
});

/** Handles Heartbeat. */
export function handleHeartbeat(request: HeartbeatRequest, exchange: RequestExchange, services: ShardServices): void {
  const { groupId } = request;
  if (!authorize(exchange.context, "READ", { type: "GROUP", name: groupId })) {
    return answerGroup(exchange, { errorCode: errorCode.GROUP_AUTHORIZATION_FAILED });
  }
  askGroup({ apiKey: 12, groupId, request }, { exchange, services });
}
