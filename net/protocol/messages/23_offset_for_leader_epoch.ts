/**
 * OffsetForLeaderEpoch, API key 23: where a leader epoch ends. Plain data. Source: Kafka 4.3 OffsetForLeaderEpochRequest.json,
 * OffsetForLeaderEpochResponse.json.
 *
 * v1 epoch in the answer (KIP-279) · v2 current leader epoch, throttle time (KIP-320) · v3 replica id (KIP-392) · v4 flexible (KIP-482).
 * Kafka 4 refuses v0 and v1 (KIP-896).
 */
import { array, type Encodable, field, type Infer, int16, int32, int64, message, string, struct } from "../schema.ts";

/** The request, in all its versions. */
export const offsetForLeaderEpochRequest = message({ apiKey: 23, versions: "2-4", flexible: "4+" }, {
  replicaId: field(int32, "3+", { default: -2, ignorable: true }), // -1 = a consumer, -2 = may read beyond the high watermark
  topics: field(
    array(struct({
      topic: field(string, "0+"),
      partitions: field(
        array(struct({
          partition: field(int32, "0+"),
          currentLeaderEpoch: field(int32, "2+", { default: -1, ignorable: true }),
          leaderEpoch: field(int32, "0+"),
        })),
        "0+",
      ),
    })),
    "0+",
  ),
});

const epochEndOffset = struct({
  errorCode: field(int16, "0+"),
  partition: field(int32, "0+"),
  leaderEpoch: field(int32, "1+", { default: -1, ignorable: true }),
  endOffset: field(int64, "0+", { default: -1 }),
});

/** The response, in all its versions. */
export const offsetForLeaderEpochResponse = message({ apiKey: 23, versions: "2-4", flexible: "4+" }, {
  throttleTimeMs: field(int32, "2+", { default: 0, ignorable: true }),
  topics: field(
    array(struct({
      topic: field(string, "0+"),
      partitions: field(array(epochEndOffset), "0+"),
    })),
    "0+",
  ),
});

/** What a consumer or follower asks. */
export type OffsetForLeaderEpochRequest = Infer<typeof offsetForLeaderEpochRequest>;
/** What the broker answers. */
export type OffsetForLeaderEpochResponse = Encodable<typeof offsetForLeaderEpochResponse>;
/** One partition's part of the answer. */
export type EpochEndOffset = Encodable<typeof epochEndOffset>;
