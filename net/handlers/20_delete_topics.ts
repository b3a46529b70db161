/**
 * DeleteTopics, API key 20: checks who may delete; the control plane deletes.
 *
 * v1 · v3 TOPIC_DELETION_DISABLED (KIP-322; INVALID_REQUEST before) · v4 flexible · v5 messages, THROTTLING_QUOTA_EXCEEDED
 * (KIP-599) · v6 by name or by topic id (KIP-516).
 */
import { api } from "../requests/api.ts";
import { authorize, CLUSTER, splitAllowed } from "../requests/authorization.ts";
import { askControl } from "../requests/control/control_question.ts";
import { mutationClient } from "../requests/control/mutation_client.ts";
import type { ConnectionContext } from "../requests/connection_context.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { errorCode, errorMessage } from "../protocol/error_codes.ts";
import {
  type DeletableTopicResult,
  type DeleteTopicsRequest,
  deleteTopicsRequest,
  type DeleteTopicsResponse,
  deleteTopicsResponse,
} from "../protocol/messages/20_delete_topics.ts";
import { ZERO_UUID } from "../protocol/text_cache.ts";
import { isFailure } from "../shards/shard_messages.ts";

/** The row of DeleteTopics. */
export const deleteTopicsApi = api({
  key: 20,
  name: "DeleteTopics",
  served: [1, 6],
  request: deleteTopicsRequest,
  response: deleteTopicsResponse,
  elementsMax: 1 << 13,
  handle: handleDeleteTopics,
});

/** First version whose topics are refused above the client's quota. */
const STRICT_VERSION_MIN = 5;

/** One topic as a request names it. */
interface Named {
  readonly name: string | null;
  readonly topicId: string;
}

/** Handles DeleteTopics. */
export function handleDeleteTopics(
  request: DeleteTopicsRequest,
  exchange: Exchange<DeleteTopicsResponse>,
  services: ShardServices,
): void {
  const { context, apiVersion } = exchange;
  const isAllowed = ({ name, topicId }: Named) => {
    const found = name ?? services.image.topicById(topicId)?.name;
    return found === undefined || isDeletable(found, context);
  };
  const named: Named[] = [...request.topicNames.map((name) => ({ name, topicId: ZERO_UUID })), ...request.topics];
  const { allowed, denied } = splitAllowed(named, isAllowed);
  const refused = denied.map((topic) => refuse(topic, context));
  const asked: DeleteTopicsRequest = { ...request, topicNames: [], topics: allowed };
  askControl(
    {
      name: "deleteTopics",
      args: { request: asked, apiVersion, client: mutationClient(exchange, STRICT_VERSION_MIN) },
    },
    { control: services.control, exchange },
    (result) => {
      const responses = isFailure(result)
        ? allowed.map(({ name, topicId }) => failed({ name, topicId }, errorCode.UNKNOWN_SERVER_ERROR, result.failure))
        : result.responses;
      exchange.throttle(isFailure(result) ? 0 : result.throttleTimeMs ?? 0);
      exchange.respond({ responses: [...responses, ...refused] });
    },
  );
}

function isDeletable(name: string, context: ConnectionContext): boolean {
  return authorize(context, "DELETE", CLUSTER) || authorize(context, "DELETE", { type: "TOPIC", name });
}

/** Refuses a topic. One that was named by its id stays without its name unless the client may describe it. */
function refuse({ name, topicId }: Named, context: ConnectionContext): DeletableTopicResult {
  const shown = name !== null && authorize(context, "DESCRIBE", { type: "TOPIC", name }) ? name : null;
  const code = errorCode.TOPIC_AUTHORIZATION_FAILED;
  return failed({ name: topicId === ZERO_UUID ? name : shown, topicId }, code, errorMessage(code));
}

function failed({ name, topicId }: Named, code: number, message: string): DeletableTopicResult {
  return { name, topicId, errorCode: code, errorMessage: message };
}
