/**
 * ConsumerGroupDescribe, API key 69: state and members of consumer groups (KIP-848).
 *
 * v1 member type (KIP-1099). A group with a topic that the client may not describe is refused with TOPIC_AUTHORIZATION_FAILED.
 */
import type { GroupResponse } from "../../partitions/coordinators/groups/group_apis.ts";
import { refuseConsumerDescription } from "../../partitions/mod.ts";
import { api } from "../requests/api.ts";
import { authorize, authorizedOperations } from "../requests/authorization.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import { askGroups } from "../requests/group_questions.ts";
import type { ConnectionContext } from "../requests/connection_context.ts";
import type { ShardServices } from "../requests/handler.ts";
import { errorCode, errorMessage } from "../protocol/error_codes.ts";
import {
  type ConsumerGroupDescribeRequest,
  consumerGroupDescribeRequest,
  consumerGroupDescribeResponse,
} from "../protocol/messages/69_consumer_group_describe.ts";

/** The row of ConsumerGroupDescribe. */
export const consumerGroupDescribeApi = api({
  key: 69,
  name: "ConsumerGroupDescribe",
  served: [0, 1],
  request: consumerGroupDescribeRequest,
  response: consumerGroupDescribeResponse,
  elementsMax: 1 << 13, // groups
  isReadOnly: true,
  handle: handleConsumerGroupDescribe,
});

type Described = GroupResponse<69>["groups"][number];

/** Kafka's sentence for a group with a topic that the client may not describe. */
const HIDDEN_TOPIC = "The group has described topic(s) that the client is not authorized to describe.";

/** Handles ConsumerGroupDescribe. */
export function handleConsumerGroupDescribe(
  request: ConsumerGroupDescribeRequest,
  exchange: RequestExchange,
  services: ShardServices,
): void {
  const { context } = exchange;
  const { includeAuthorizedOperations } = request;
  // As in DescribeGroups.
  const groupIds = [...new Set(request.groupIds)];
  if (!services.config.groupProtocols.includes("consumer")) {
    const code = errorCode.UNSUPPORTED_VERSION;
    const groups = groupIds.map((groupId) => refuseConsumerDescription(groupId, code, errorMessage(code)));
    return exchange.respond({ groups });
  }
  const question = {
    apiKey: 69 as const,
    items: groupIds,
    groupIdOf: (name: string) => name,
    operation: "DESCRIBE" as const,
    deny: (name: string) => refuseConsumerDescription(name, errorCode.GROUP_AUTHORIZATION_FAILED),
    requestFor: (groupIds: string[]) => ({ ...request, groupIds }),
    resultsOf: ({ groups }: GroupResponse<69>) => groups,
  };
  askGroups(question, { exchange, services }, (described) => ({
    groups: described.map((group) => {
      if (group.errorCode !== errorCode.NONE) return group;
      if (!seesTopics(group, context)) {
        return refuseConsumerDescription(group.groupId, errorCode.TOPIC_AUTHORIZATION_FAILED, HIDDEN_TOPIC);
      }
      if (!includeAuthorizedOperations) return group;
      const resource = { type: "GROUP", name: group.groupId } as const;
      return { ...group, authorizedOperations: authorizedOperations(context, resource) };
    }),
  }));
}

function seesTopics({ members }: Described, context: ConnectionContext): boolean {
  const names = new Set<string>();
  for (const { subscribedTopicNames, assignment, targetAssignment } of members) {
    for (const name of subscribedTopicNames) names.add(name);
    for (const { topicName } of assignment.topicPartitions) names.add(topicName);
    for (const { topicName } of targetAssignment.topicPartitions) names.add(topicName);
  }
  return [...names].every((name) => authorize(context, "DESCRIBE", { type: "TOPIC", name }));
}
