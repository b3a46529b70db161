/**
 * CreateTopics, API key 19: checks who may create; the control plane creates.
 *
 * v2 · v4 -1 means the broker's default (KIP-464; accepted in all versions, as in Kafka) · v5 flexible, partitions,
 * replication factor and configs in the answer (KIP-525) · v6 THROTTLING_QUOTA_EXCEEDED (KIP-599) · v7 topic ids. The answer is
 * sent when every shard knows the topics, so that a produce right after it succeeds.
 *
 * Not done: policies (`create.topic.policy.class.name`).
 */
import { api } from "../requests/api.ts";
import { authorize, CLUSTER, splitAllowed } from "../requests/authorization.ts";
import { askControl } from "../requests/control/control_question.ts";
import { mutationClient } from "../requests/control/mutation_client.ts";
import type { ConnectionContext } from "../requests/connection_context.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type CreatableTopicResult,
  type CreateTopicsRequest,
  createTopicsRequest,
  type CreateTopicsResponse,
  createTopicsResponse,
} from "../protocol/messages/19_create_topics.ts";
import { isFailure } from "../shards/shard_messages.ts";

/** The row of CreateTopics. */
export const createTopicsApi = api({
  key: 19,
  name: "CreateTopics",
  served: [2, 7],
  request: createTopicsRequest,
  response: createTopicsResponse,
  elementsMax: 1 << 13, // topics, assignments, configs
  handle: handleCreateTopics,
});

/** First version whose topics are refused above the client's quota. */
const STRICT_VERSION_MIN = 6;

/** Handles CreateTopics. */
export function handleCreateTopics(
  request: CreateTopicsRequest,
  exchange: Exchange<CreateTopicsResponse>,
  services: ShardServices,
): void {
  const { context, apiVersion } = exchange;
  const isAllowed = (name: string) =>
    authorize(context, "CREATE", CLUSTER) || authorize(context, "CREATE", { type: "TOPIC", name });
  const { allowed: topics, denied } = splitAllowed(request.topics, ({ name }) => isAllowed(name));
  const client = mutationClient(exchange, STRICT_VERSION_MIN);
  askControl({ name: "createTopics", args: { request: { ...request, topics }, apiVersion, client } }, {
    control: services.control,
    exchange,
  }, (result) => {
    const results = isFailure(result)
      ? topics.map(({ name }) => refused(name, errorCode.UNKNOWN_SERVER_ERROR, result.failure))
      : result.topics.map((topic) => withoutHidden(topic, context));
    exchange.throttle(isFailure(result) ? 0 : result.throttleTimeMs ?? 0);
    exchange.respond({
      topics: [
        ...results,
        ...denied.map(({ name }) => refused(name, errorCode.TOPIC_AUTHORIZATION_FAILED, "Authorization failed.")),
      ],
    });
  });
}

/** Removes what the client may not see of a topic that it may create. */
function withoutHidden(topic: CreatableTopicResult, context: ConnectionContext): CreatableTopicResult {
  if (topic.errorCode !== errorCode.NONE) return topic;
  if (authorize(context, "DESCRIBE_CONFIGS", { type: "TOPIC", name: topic.name })) return topic;
  const { name, topicId, errorCode: code } = topic;
  return {
    name,
    topicId,
    errorCode: code,
    topicConfigErrorCode: errorCode.TOPIC_AUTHORIZATION_FAILED,
    numPartitions: -1,
    replicationFactor: -1,
    configs: [],
  };
}

function refused(name: string, code: number, message: string): CreatableTopicResult {
  return { name, errorCode: code, errorMessage: message, numPartitions: -1, replicationFactor: -1, configs: [] };
}
