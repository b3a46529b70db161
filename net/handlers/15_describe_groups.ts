/**
 * DescribeGroups, API key 15: state and members of classic groups.
 *
 * v1 throttle time (KIP-124) · v3 authorized operations (KIP-430) · v4 static members (KIP-345) · v5 flexible (KIP-482) · v6 error message,
 * GROUP_ID_NOT_FOUND instead of a group in state Dead (KIP-1043).
 */
import { refuseDescription } from "../../partitions/mod.ts";
import { api } from "../requests/api.ts";
import { authorizedOperations } from "../requests/authorization.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import { askGroups } from "../requests/group_questions.ts";
import type { ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type DescribeGroupsRequest,
  describeGroupsRequest,
  describeGroupsResponse,
} from "../protocol/messages/15_describe_groups.ts";

/** The row of DescribeGroups. */
export const describeGroupsApi = api({
  key: 15,
  name: "DescribeGroups",
  served: [0, 6],
  request: describeGroupsRequest,
  response: describeGroupsResponse,
  elementsMax: 1 << 13, // groups
  isReadOnly: true,
  handle: handleDescribeGroups,
});

/** Handles DescribeGroups. */
export function handleDescribeGroups(
  request: DescribeGroupsRequest,
  exchange: RequestExchange,
  services: ShardServices,
): void {
  const { context } = exchange;
  const { groups, includeAuthorizedOperations } = request;
  const question = {
    apiKey: 15 as const,
    // Kafka describes a group as often as it is named. Here it is described once, because clients look it up by its name.
    items: [...new Set(groups)],
    groupIdOf: (name: string) => name,
    operation: "DESCRIBE" as const,
    deny: (name: string) => refuseDescription(name, errorCode.GROUP_AUTHORIZATION_FAILED),
    requestFor: (groups: string[]) => ({ ...request, groups }),
    resultsOf: ({ groups }: { groups: readonly ReturnType<typeof refuseDescription>[] }) => groups,
  };
  askGroups(question, { exchange, services }, (described) => ({
    groups: described.map((group) => {
      if (!includeAuthorizedOperations || group.errorCode !== errorCode.NONE) return group;
      const resource = { type: "GROUP", name: group.groupId } as const;
      return { ...group, authorizedOperations: authorizedOperations(context, resource) };
    }),
  }));
}
