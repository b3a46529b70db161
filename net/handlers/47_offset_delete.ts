/**
 * OffsetDelete, API key 47 (KIP-496): forgets committed offsets of topics that nobody in the group reads. One version.
 */
import { api } from "../requests/api.ts";
import { authorize } from "../requests/authorization.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import { answerGroup, askGroup } from "../requests/group_questions.ts";
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
  if (!authorize(context, "DELETE", { type: "GROUP", name: groupId })) {
    return answerGroup(exchange, { errorCode: errorCode.GROUP_AUTHORIZATION_FAILED, topics: [] });
  }
  const isAllowed = ({ name }: { name: string }) => authorize(context, "READ", { type: "TOPIC", name });
  const denied = request.topics.filter((topic) => !isAllowed(topic)).map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({
      partitionIndex,
      errorCode: errorCode.TOPIC_AUTHORIZATION_FAILED,
    })),
  }));
  const asked = { ...request, topics: request.topics.filter(isAllowed) };
  askGroup(
    { apiKey: 47, groupId, request: asked },
    { exchange, services },
    (response) =>
      response.errorCode === errorCode.NONE ? { ...response, topics: [...denied, ...response.topics] } : response,
  );
}
