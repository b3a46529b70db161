/**
 * CreatePartitions, API key 37 (KIP-195): checks who may add partitions; the control plane adds them.
 *
 * v2 flexible · v3 THROTTLING_QUOTA_EXCEEDED (KIP-599). The answer is sent when every shard knows the partitions, so that a produce
 * right after it succeeds on any connection.
 */
import { api } from "../requests/api.ts";
import { authorize, splitAllowed } from "../requests/authorization.ts";
import { askControl } from "../requests/control/control_question.ts";
import { mutationClient } from "../requests/control/mutation_client.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type CreatePartitionsRequest,
  createPartitionsRequest,
  type CreatePartitionsResponse,
  createPartitionsResponse,
  type CreatePartitionsTopicResult,
} from "../protocol/messages/37_create_partitions.ts";
import { isFailure } from "../shards/shard_messages.ts";

/** The row of CreatePartitions. */
export const createPartitionsApi = api({
  key: 37,
  name: "CreatePartitions",
  served: [0, 3],
  request: createPartitionsRequest,
  response: createPartitionsResponse,
  elementsMax: 1 << 13, // topics, assignments
  handle: handleCreatePartitions,
});

/** First version whose topics are refused above the client's quota. */
const STRICT_VERSION_MIN = 3;

/** Handles CreatePartitions. */
export function handleCreatePartitions(
  request: CreatePartitionsRequest,
  exchange: Exchange<CreatePartitionsResponse>,
  { control }: ShardServices,
): void {
  const { context } = exchange;
  const { allowed: topics, denied } = splitAllowed(
    request.topics,
    ({ name }) => authorize(context, "ALTER", { type: "TOPIC", name }),
  );
  const deniedNames = new Set(denied.map(({ name }) => name));
  askControl(
    {
      name: "createPartitions",
      args: { request: { ...request, topics }, client: mutationClient(exchange, STRICT_VERSION_MIN) },
    },
    { control, exchange },
    (result) => {
      const results = isFailure(result)
        ? Array.from(
          new Set(topics.map(({ name }) => name)),
          (name) => refused(name, errorCode.UNKNOWN_SERVER_ERROR, result.failure),
        )
        : result.results;
      exchange.throttle(isFailure(result) ? 0 : result.throttleTimeMs ?? 0);
      exchange.respond({
        results: [
          ...results,
          ...Array.from(deniedNames, (name) => refused(name, errorCode.TOPIC_AUTHORIZATION_FAILED, null)),
        ],
      });
    },
  );
}

function refused(name: string, code: number, message: string | null): CreatePartitionsTopicResult {
  return { name, errorCode: code, errorMessage: message };
}
