/**
 * ElectLeaders, API key 43 (KIP-183, KIP-460): has partitions led by their preferred replicas again, or by replicas that may lack records, where
 * no others are left. Any broker of a cluster does it, by a compare-and-set of each partition's row. The answer is sent when this broker
 * knows the new rows.
 *
 * v1 unclean elections, an error of the whole answer · v2 flexible. Without topics all partitions are meant; those that need no election are left
 * out of the answer then, as in Kafka. Where the partitions of one request exceed what the store takes in one transaction, some may
 * be changed although others are not.
 */
import { errorCode, errorMessage } from "../protocol/error_codes.ts";
import {
  electionTypes,
  type ElectLeadersRequest,
  electLeadersRequest,
  type ElectLeadersResponse,
  electLeadersResponse,
} from "../protocol/messages/43_elect_leaders.ts";
import { api } from "../requests/api.ts";
import { CLUSTER } from "../requests/authorization.ts";
import { askControl } from "../requests/control/control_question.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { isFailure } from "../shards/shard_messages.ts";

/** The row of ElectLeaders. */
export const electLeadersApi = api({
  key: 43,
  name: "ElectLeaders",
  served: [0, 2],
  request: electLeadersRequest,
  response: electLeadersResponse,
  needs: {
    operation: "ALTER",
    resourceOf: () => CLUSTER,
    refuse: (request) => refuse(request, errorCode.CLUSTER_AUTHORIZATION_FAILED),
  },
  elementsMax: 1 << 14, // topics, partitions
  handle: handleElectLeaders,
});

const KNOWN_TYPES: readonly number[] = Object.values(electionTypes);

/** Handles ElectLeaders. */
export function handleElectLeaders(
  request: ElectLeadersRequest,
  exchange: Exchange<ElectLeadersResponse>,
  { control }: ShardServices,
): void {
  const { topicPartitions, electionType } = request;
  // Kafka answers it before anything else.
  if (topicPartitions?.length === 0) return exchange.respond({ replicaElectionResults: [] });
  if (!KNOWN_TYPES.includes(electionType)) {
    return exchange.respond(refuse(request, errorCode.INVALID_REQUEST, `Unknown election type ${electionType}`));
  }
  askControl({ name: "electLeaders", args: { request } }, { control, exchange }, (result) => {
    exchange.respond(isFailure(result) ? refuse(request, errorCode.UNKNOWN_SERVER_ERROR, result.failure) : result);
  });
}

/** Refuses the request and every partition that it names, as Kafka does. */
function refuse(
  { topicPartitions }: ElectLeadersRequest,
  code: number,
  message = errorMessage(code),
): ElectLeadersResponse {
  const replicaElectionResults = (topicPartitions ?? []).map(({ topic, partitions }) => ({
    topic,
    partitionResult: partitions.map((partitionId) => ({ partitionId, errorCode: code, errorMessage: message })),
  }));
  return { errorCode: code, replicaElectionResults };
}
