/**
 * Heartbeat, API key 12: keeps the session of a classic group's member alive.
 *
 * v1 throttle time (KIP-124) · v3 static members (KIP-345) · v4 flexible (KIP-482).
 */
import { api } from "../requests/api.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import { askGroup, groupPermission } from "../requests/group_questions.ts";
import type { ShardServices } from "../requests/handler.ts";
import { type HeartbeatRequest, heartbeatRequest, heartbeatResponse } from "../protocol/messages/12_heartbeat.ts";

/** The row of Heartbeat. */
export const heartbeatApi = api({
  key: 12,
  name: "Heartbeat",
  served: [0, 4],
  request: heartbeatRequest,
  response: heartbeatResponse,
  needs: groupPermission(12, "READ"),
  handle: handleHeartbeat,
});

/** Handles Heartbeat. */
export function handleHeartbeat(request: HeartbeatRequest, exchange: RequestExchange, services: ShardServices): void {
  askGroup({ apiKey: 12, groupId: request.groupId, request }, { exchange, services });
}
