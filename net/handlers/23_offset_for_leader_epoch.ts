/**
 * OffsetForLeaderEpoch, API key 23: returns the end of a leader epoch, so that a client notices a truncated log.
 *
 * v2 current leader epoch (KIP-320), throttle time · v3 replica id, which changes nothing in the answer of a leader, as in Kafka · v4 flexible.
 * Unknown epochs answer (-1, -1) (KIP-101, KIP-279).
 */
import { epochEnd } from "../../partitions/questions/epoch_end.ts";
import {
  type OffsetForLeaderEpochRequest,
  offsetForLeaderEpochRequest,
  type OffsetForLeaderEpochResponse,
  offsetForLeaderEpochResponse,
} from "../protocol/messages/23_offset_for_leader_epoch.ts";
import { api } from "../requests/api.ts";
import { gather, namedTopic } from "../requests/gather.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";

/** The row of OffsetForLeaderEpoch. */
export const offsetForLeaderEpochApi = api({
  key: 23,
  name: "OffsetForLeaderEpoch",
  served: [2, 4],
  request: offsetForLeaderEpochRequest,
  response: offsetForLeaderEpochResponse,
  isReadOnly: true,
  handle: handleOffsetForLeaderEpoch,
});

/** Handles OffsetForLeaderEpoch. */
export function handleOffsetForLeaderEpoch(
  request: OffsetForLeaderEpochRequest,
  exchange: Exchange<OffsetForLeaderEpochResponse>,
  services: ShardServices,
): void {
  gather(
    {
      question: epochEnd,
      topics: request.topics.map(({ topic, partitions }) => namedTopic(topic, partitions)),
      repeated: "each",
      operation: "DESCRIBE",
      indexOf: ({ partition }) => partition,
      ask: (asked) => asked,
      leaderEpochOf: ({ currentLeaderEpoch }) => currentLeaderEpoch,
      part: ({ partition }, errorCode, { leaderEpoch, endOffset }) => ({
        errorCode,
        partition,
        leaderEpoch,
        endOffset,
      }),
      respond: (answered) => {
        const topics = answered.map(({ name, partitions }) => ({ topic: name, partitions: partitions.asArray }));
        exchange.respond({ topics: topics.asArray });
      },
    },
    exchange,
    services,
  );
}
