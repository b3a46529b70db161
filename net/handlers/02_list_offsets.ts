/**
 * ListOffsets, API key 2: finds the offset for a timestamp, or for one of the special timestamps (listTimestamp).
 *
 * v1 one offset a partition · v2 isolation level (KIP-98) · v4 leader epochs (KIP-320) · v5 OFFSET_NOT_AVAILABLE (KIP-207) ·
 * v6 flexible · v7 max timestamp (KIP-734) ·
 * v8 earliest local (KIP-405) · v9 latest tiered (KIP-1005) · v10 timeout (KIP-1075) · v11 earliest pending upload (KIP-1023).
 *
 * The replica id is not looked at: whoever names one sees what a consumer sees, where Kafka shows a replica the log end.
 *
 * Until a new leader knows what is committed, latest offsets are answered with OFFSET_NOT_AVAILABLE (KIP-207). A follower gets those of the
 * whole log.
 *
 * Not done: tiered storage, so the tiered timestamps find nothing (-1) and the timeout, which only remote lookups need, is unused.
 */
import { listTimestamp } from "../../partitions/mod.ts";
import { listOffsets } from "../../partitions/questions/list_offsets.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type ListOffsetsRequest,
  listOffsetsRequest,
  type ListOffsetsResponse,
  listOffsetsResponse,
} from "../protocol/messages/02_list_offsets.ts";
import { api } from "../requests/api.ts";
import { answeredTopics, gather } from "../requests/gather.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";

/** The row of ListOffsets. */
export const listOffsetsApi = api({
  key: 2,
  name: "ListOffsets",
  served: [1, 11],
  request: listOffsetsRequest,
  response: listOffsetsResponse,
  isReadOnly: true,
  handle: handleListOffsets,
});

const READ_COMMITTED = 1;
/** First version whose clients know OFFSET_NOT_AVAILABLE. It and the older code both make clients ask again. */
const OFFSET_NOT_AVAILABLE_VERSION_MIN = 5;

/** The version that introduced each special timestamp. Earlier versions are answered with UNSUPPORTED_VERSION. */
const versionOf: ReadonlyMap<number, number> = new Map([
  [listTimestamp.maxTimestamp, 7],
  [listTimestamp.earliestLocal, 8],
  [listTimestamp.latestTiered, 9],
  [listTimestamp.earliestPendingUpload, 11],
]);

/** Handles ListOffsets. */
export function handleListOffsets(
  request: ListOffsetsRequest,
  exchange: Exchange<ListOffsetsResponse>,
  services: ShardServices,
): void {
  const { apiVersion } = exchange;
  // A broker of the cluster that follows the partition: its connection has proved who it is.
  const toLogEnd = request.replicaId >= 0 && request.replicaId === exchange.context.brokerId;
  const committedOnly = request.isolationLevel === READ_COMMITTED;
  gather(
    {
      question: listOffsets,
      topics: request.topics,
      repeated: "refused",
      operation: "DESCRIBE",
      indexOf: ({ partitionIndex }) => partitionIndex,
      ask: ({ timestamp, currentLeaderEpoch }) => {
        if (apiVersion < (versionOf.get(timestamp) ?? 0)) return errorCode.UNSUPPORTED_VERSION;
        return { timestamp, currentLeaderEpoch, committedOnly, toLogEnd };
      },
      leaderEpochOf: ({ currentLeaderEpoch }) => currentLeaderEpoch,
      part: ({ partitionIndex }, code, { offset, timestamp, leaderEpoch }) => {
        return { partitionIndex, errorCode: codeFor(apiVersion, code), offset, timestamp, leaderEpoch };
      },
      respond: (topics) => exchange.respond({ topics: answeredTopics(topics) }),
    },
    exchange,
    services,
  );
}

/** The error code that clients of a version know. */
function codeFor(apiVersion: number, code: number): number {
  const isOld = apiVersion < OFFSET_NOT_AVAILABLE_VERSION_MIN;
  return isOld && code === errorCode.OFFSET_NOT_AVAILABLE ? errorCode.LEADER_NOT_AVAILABLE : code;
}
