/**
 * DeleteGroups, API key 42 (KIP-229): removes groups without members, with their offsets.
 *
 * v1 throttle time · v2 flexible (KIP-482).
 */
import { api } from "../requests/api.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import { askGroups } from "../requests/group_questions.ts";
import type { ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type DeletableGroupResult,
  type DeleteGroupsRequest,
  deleteGroupsRequest,
  deleteGroupsResponse,
} from "../protocol/messages/42_delete_groups.ts";

/** The row of DeleteGroups. */
export const deleteGroupsApi = api({
  key: 42,
  name: "DeleteGroups",
  served: [0, 2],
  request: deleteGroupsRequest,
  response: deleteGroupsResponse,
  elementsMax: 1 << 12, // groups
  handle: handleDeleteGroups,
});

/** Handles DeleteGroups. */
export function handleDeleteGroups(
  request: DeleteGroupsRequest,
  exchange: RequestExchange,
  services: ShardServices,
): void {
  const question = {
    apiKey: 42 as const,
    // As in Kafka, a group that is named twice counts once.
    items: [...new Set(request.groupsNames)],
    groupIdOf: (name: string) => name,
    operation: "DELETE" as const,
    deny: (groupId: string) => ({ groupId, errorCode: errorCode.GROUP_AUTHORIZATION_FAILED }),
    requestFor: (groupsNames: string[]) => ({ groupsNames }),
    resultsOf: ({ results }: { results: readonly DeletableGroupResult[] }) => results,
  };
  askGroups(question, { exchange, services }, (results) => ({ results: [...results] }));
}
