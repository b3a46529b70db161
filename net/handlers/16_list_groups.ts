/**
 * ListGroups, API key 16: all groups of this broker, collected from its shards.
 *
 * v1 throttle time (KIP-124) · v3 flexible (KIP-482) · v4 states, also to filter by (KIP-518) · v5 types, also to filter by (KIP-848).
 *
 * While one shard still loads, the whole answer is COORDINATOR_LOAD_IN_PROGRESS, as in Kafka.
 */
import { api } from "../requests/api.ts";
import { authorize, CLUSTER } from "../requests/authorization.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import { askAllShards } from "../requests/group_questions.ts";
import type { ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import { type ListGroupsRequest, listGroupsRequest, listGroupsResponse } from "../protocol/messages/16_list_groups.ts";

/** The row of ListGroups. */
export const listGroupsApi = api({
  key: 16,
  name: "ListGroups",
  served: [0, 5],
  request: listGroupsRequest,
  response: listGroupsResponse,
  elementsMax: 1 << 10, // states and types
  isReadOnly: true,
  handle: handleListGroups,
});

/** Handles ListGroups. */
export function handleListGroups(
  request: ListGroupsRequest,
  exchange: RequestExchange,
  services: ShardServices,
): void {
  const { context } = exchange;
  const seesAll = authorize(context, "DESCRIBE", CLUSTER);
  askAllShards({ apiKey: 16, request }, { exchange, services }, (parts) => {
    const failed = parts.find((part) => part.errorCode !== errorCode.NONE);
    if (failed !== undefined) return { errorCode: failed.errorCode, groups: [] };
    const groups = parts.flatMap((part) => part.groups);
    const seen = seesAll
      ? groups
      : groups.filter(({ groupId }) => authorize(context, "DESCRIBE", { type: "GROUP", name: groupId }));
    return { errorCode: errorCode.NONE, groups: seen };
  });
}
