/**
 * AlterReplicaLogDirs, API key 34 (KIP-113): moves replicas of this broker to other log directories. The control plane copies the logs; the
 * answer is sent when the moves are accepted, and DescribeLogDirs shows how far they are.
 *
 * v1 · v2 flexible. A partition that is named for the directory it lies in stays there, and a move of it that is under way ends. Refused
 * are unknown directories (LOG_DIR_NOT_FOUND), directories and partitions that are offline (KAFKA_STORAGE_ERROR), partitions that do not
 * exist (REPLICA_NOT_AVAILABLE: Kafka then creates them there later), and `__consumer_offsets` (INVALID_TOPIC_EXCEPTION), because its
 * groups are coordinated where its partitions are open: stop the broker, move the directory by hand, and start it.
 *
 * Not done: partitions that do not exist yet; replica.alter.log.dirs.io.max.bytes.per.second.
 */
import { errorCode } from "../protocol/error_codes.ts";
import {
  type AlterReplicaLogDirsRequest,
  alterReplicaLogDirsRequest,
  type AlterReplicaLogDirsResponse,
  alterReplicaLogDirsResponse,
} from "../protocol/messages/34_alter_replica_log_dirs.ts";
import { api } from "../requests/api.ts";
import { CLUSTER } from "../requests/authorization.ts";
import { askControl } from "../requests/control/control_question.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { isFailure } from "../shards/shard_messages.ts";

/** The row of AlterReplicaLogDirs. */
export const alterReplicaLogDirsApi = api({
  key: 34,
  name: "AlterReplicaLogDirs",
  served: [1, 2],
  request: alterReplicaLogDirsRequest,
  response: alterReplicaLogDirsResponse,
  needs: {
    operation: "ALTER",
    resourceOf: () => CLUSTER,
    refuse: (request) => answer(request, () => errorCode.CLUSTER_AUTHORIZATION_FAILED),
  },
  elementsMax: 1 << 13, // directories, topics, partitions
  handle: handleAlterReplicaLogDirs,
});

/** Handles AlterReplicaLogDirs. */
export function handleAlterReplicaLogDirs(
  request: AlterReplicaLogDirsRequest,
  exchange: Exchange<AlterReplicaLogDirsResponse>,
  { control }: ShardServices,
): void {
  const moves = request.dirs.flatMap(({ path, topics }) =>
    topics.flatMap(({ name, partitions }) => partitions.map((partition) => ({ topic: name, partition, path })))
  );
  askControl({ name: "moveReplicas", args: { moves } }, { control, exchange }, (result) => {
    const codes = isFailure(result) ? [] : result.errorCodes;
    let next = 0;
    exchange.respond(answer(request, () => codes[next++] ?? errorCode.UNKNOWN_SERVER_ERROR));
  });
}

/** Answers every partition of a request, in its order. */
function answer({ dirs }: AlterReplicaLogDirsRequest, code: () => number): AlterReplicaLogDirsResponse {
  return {
    results: dirs.flatMap(({ topics }) =>
      topics.map(({ name, partitions }) => ({
        topicName: name,
        partitions: partitions.map((partitionIndex) => ({ partitionIndex, errorCode: code() })),
      }))
    ),
  };
}
