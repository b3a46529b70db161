/**
 * AlterPartitionReassignments, API key 45 (KIP-455): has partitions move to other brokers, or have more or fewer replicas; null replicas
 * cancel. Any broker of a cluster does it, by a compare-and-set of each partition's row; the new replicas then follow the leader, whose next
 * change of the in-sync set completes the reassignment. The answer is sent when this broker knows the new rows.
 *
 * v0 flexible · v1 allowReplicationFactorChange (KIP-860). A broker without a cluster takes what changes nothing. Where the partitions of
 * one request exceed what the store takes in one transaction, some may be changed although others are not. (Kafka changes all or none.)
 *
 * Not done: throttles (`leader.replication.throttled.rate`).
 */
import { errorCode, errorMessage } from "../protocol/error_codes.ts";
import {
  type AlterPartitionReassignmentsRequest,
  alterPartitionReassignmentsRequest,
  type AlterPartitionReassignmentsResponse,
  alterPartitionReassignmentsResponse,
} from "../protocol/messages/45_alter_partition_reassignments.ts";
import { api } from "../requests/api.ts";
import { CLUSTER } from "../requests/authorization.ts";
import { askControl } from "../requests/control/control_question.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { isFailure } from "../shards/shard_messages.ts";

/** The row of AlterPartitionReassignments. */
export const alterPartitionReassignmentsApi = api({
  key: 45,
  name: "AlterPartitionReassignments",
  served: [0, 1],
  request: alterPartitionReassignmentsRequest,
  response: alterPartitionReassignmentsResponse,
  needs: {
    operation: "ALTER",
    resourceOf: () => CLUSTER,
    refuse: (request) => refuse(request, errorCode.CLUSTER_AUTHORIZATION_FAILED),
  },
  elementsMax: 1 << 14, // topics, partitions, replicas
  handle: handleAlterPartitionReassignments,
});

/** Handles AlterPartitionReassignments. */
export function handleAlterPartitionReassignments(
  request: AlterPartitionReassignmentsRequest,
  exchange: Exchange<AlterPartitionReassignmentsResponse>,
  { control }: ShardServices,
): void {
  // Kafka answers it before anything else, with the text that its message begins with.
  if (request.topics.length === 0) return exchange.respond({ errorMessage: "", responses: [] });
  askControl({ name: "alterReassignments", args: { request } }, { control, exchange }, (result) => {
    exchange.respond(
      isFailure(result) ? refuse(request, errorCode.UNKNOWN_SERVER_ERROR, result.failure) : result,
    );
  });
}

/** Refuses the request and every partition of it, as Kafka does. */
function refuse(
  { topics }: AlterPartitionReassignmentsRequest,
  code: number,
  message = errorMessage(code),
): AlterPartitionReassignmentsResponse {
  const refusal = { errorCode: code, errorMessage: message };
  const responses = topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, ...refusal })),
  }));
  return { ...refusal, responses };
}
