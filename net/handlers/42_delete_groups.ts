/**
 * DeleteGroups, API key 42 (KIP-229): removes groups without members, with their offsets.
 *
 * v1 throttle time · v2 flexible (KIP-482).
 */
import { authorize } from "../authorization.ts";
import type { RequestExchange } from "../exchange.ts";
import { askGroups } from "../group_exchange.ts";
import type { ShardServices } from "../handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import type { DeletableGroupResult, DeleteGroupsRequest } from "../protocol/messages/42_delete_groups.ts";

/** Handles DeleteGroups. */
export function handleDeleteGroups(
  request: DeleteGroupsRequest,
  exchange: RequestExchange,
  services: ShardServices,
): void {
  const { context } = exchange;
  const isAllowed = (name: string) => authorize(context, "DELETE", { type: "GROUP", name });
  // Kafka takes a group that is named twice for one.
  const names = [...new Set(request.groupsNames)];
  const denied = names.filter((name) => !isAllowed(name));
  const question = {
    apiKey: 42 as const,
    items: names.filter(isAllowed),
    groupIdOf: (name: string) => name,
    requestFor: (groupsNames: readonly string[]) => ({ groupsNames: [...groupsNames] }),
    resultsOf: ({ results }: { results: readonly DeletableGroupResult[] }) => results,
  };
  askGroups(question, { exchange, services }, (results) => ({
    throttleTimeMs: 0,
    results: [
      ...denied.map((groupId) => ({ groupId, errorCode: errorCode.GROUP_AUTHORIZATION_FAILED })),
      ...results,
    ],
  }));
}
