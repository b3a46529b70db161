/**
 * ConsumerGroupHeartbeat, API key 68: joins, heartbeats and leaves of a consumer group's member (KIP-848).
 *
 * v1 regular expression; members make their own id (KIP-1082). UNSUPPORTED_VERSION when `group.coordinator.rebalance.protocols`
 * omits the consumer protocol.
 */
import { refuseConsumerHeartbeat } from "../../partitions/mod.ts";
import { api } from "../requests/api.ts";
import { authorize } from "../requests/authorization.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import { askGroup } from "../requests/group_questions.ts";
import type { ShardServices } from "../requests/handler.ts";
import { errorCode, errorMessage } from "../protocol/error_codes.ts";
import {
  type ConsumerGroupHeartbeatRequest,
  consumerGroupHeartbeatRequest,
  consumerGroupHeartbeatResponse,
} from "../protocol/messages/68_consumer_group_heartbeat.ts";

/** The row of ConsumerGroupHeartbeat. */
export const consumerGroupHeartbeatApi = api({
  key: 68,
  name: "ConsumerGroupHeartbeat",
  served: [0, 1],
  request: consumerGroupHeartbeatRequest,
  response: consumerGroupHeartbeatResponse,
  elementsMax: 1 << 13, // topics, partitions
  handle: handleConsumerGroupHeartbeat,
});

/** Handles ConsumerGroupHeartbeat. */
export function handleConsumerGroupHeartbeat(
  request: ConsumerGroupHeartbeatRequest,
  exchange: RequestExchange,
  services: ShardServices,
): void {
  const refusal = refuse(request, exchange, services);
  if (refusal !== errorCode.NONE) {
    return exchange.respond(refuseConsumerHeartbeat(refusal, errorMessage(refusal)));
  }
  askGroup({ apiKey: 68, groupId: request.groupId, request }, { exchange, services });
}

function refuse(
  { groupId, subscribedTopicNames }: ConsumerGroupHeartbeatRequest,
  { context }: RequestExchange,
  { config }: ShardServices,
): number {
  if (!config.groupProtocols.includes("consumer")) return errorCode.UNSUPPORTED_VERSION;
  if (!authorize(context, "READ", { type: "GROUP", name: groupId })) return errorCode.GROUP_AUTHORIZATION_FAILED;
  const isAllowed = (name: string) => authorize(context, "DESCRIBE", { type: "TOPIC", name });
  return (subscribedTopicNames ?? []).every(isAllowed) ? errorCode.NONE : errorCode.TOPIC_AUTHORIZATION_FAILED;
}
