/**
 * OffsetDelete, API key 47 (KIP-496): deletes committed offsets of topics that no member of the group reads. One version.
 */
import { api } from "../requests/api.ts";
import { authorize, splitAllowed } from "../requests/authorization.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import { askGroup, groupPermission } from "../requests/group_questions.ts";
import type { ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type OffsetDeleteRequest,
  offsetDeleteRequest,
  offsetDeleteResponse,
} from "../protocol/messages/47_offset_delete.ts";

/** The row of OffsetDelete. */
export const offsetDeleteApi = api({
  key: 47,
  name: "OffsetDelete",
  served: [0, 0],
  request: offsetDeleteRequest,
  response: offsetDeleteResponse,
  needs: groupPermission(47, "DELETE"),
  elementsMax: 1 << 13, // topics, partitions
  handle: handleOffsetDelete,
});

/** Handles OffsetDelete. */
export function handleOffsetDelete(
  request: OffsetDeleteRequest,
  exchange: RequestExchange,
  services: ShardServices,
): void {
  const { context } = exchange;
  const { groupId } = request;
  const { allowed, denied } = splitAllowed(
    request.topics,
    ({ name }) => authorize(context, "READ", { type: "TOPIC", name }),
  );
  const refused = denied.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({
      partitionIndex,
      errorCode: errorCode.TOPIC_AUTHORIZATION_FAILED,
    })),
  }));
  const asked = { ...request, topics: allowed };
  askGroup(
    { apiKey: 47, groupId, request: asked },
    { exchange, services },
    (response) =>
      response.errorCode === errorCode.NONE ? { ...response, topics: [...refused, ...response.topics] } : response,
  );
}
