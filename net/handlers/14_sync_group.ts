/**
 * SyncGroup, API key 14: the leader sends the assignment, and every member receives its part. The coordinator answers when the leader
 * has sent it. Requests that follow it on the connection wait, as in Kafka.
 *
 * v1 throttle time (KIP-124) · v3 static members (KIP-345) · v4 flexible (KIP-482) · v5 protocol type and name are checked (KIP-559).
 */
import { refuseGroupRequest } from "../../partitions/mod.ts";
import { api } from "../requests/api.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import { askGroup, groupPermission } from "../requests/group_questions.ts";
import type { ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import { type SyncGroupRequest, syncGroupRequest, syncGroupResponse } from "../protocol/messages/14_sync_group.ts";

/** The row of SyncGroup. */
export const syncGroupApi = api({
  key: 14,
  name: "SyncGroup",
  served: [0, 5],
  request: syncGroupRequest,
  response: syncGroupResponse,
  needs: groupPermission(14, "READ"),
  elementsMax: 1 << 12, // members
  handle: handleSyncGroup,
});

const API_KEY = 14;
/** From this version on a client must name the protocol that it follows (SyncGroupRequest.areMandatoryProtocolTypeAndNamePresent). */
const PROTOCOL_VERSION = 5;

/** Handles SyncGroup. */
export function handleSyncGroup(request: SyncGroupRequest, exchange: RequestExchange, services: ShardServices): void {
  const { apiVersion } = exchange;
  if (apiVersion >= PROTOCOL_VERSION && (request.protocolType === null || request.protocolName === null)) {
    const code = errorCode.INCONSISTENT_GROUP_PROTOCOL;
    return exchange.respond(refuseGroupRequest(API_KEY, request, code, apiVersion));
  }
  exchange.holdFollowers();
  askGroup({ apiKey: API_KEY, groupId: request.groupId, request }, { exchange, services });
}
