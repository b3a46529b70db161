/**
 * ListOffsets, API key 2: finds offsets by timestamp. Plain data. Source: Kafka 4.3 ListOffsetsRequest.json, ListOffsetsResponse.json.
 *
 * v1 one offset and its timestamp (KIP-79) · v2 isolation level (KIP-98) · v4 leader epoch (KIP-320) · v5 OFFSET_NOT_AVAILABLE (KIP-207) ·
 * v6 flexible (KIP-482) · v7 -3 = largest timestamp (KIP-734) · v8 -4 = local log start (KIP-405) · v9 -5 = last tiered (KIP-1005) ·
 * v10 timeout (KIP-1075) · v11 -6 = earliest not yet uploaded (KIP-1023). In all: -1 = end, -2 = start. Kafka 4 refuses v0 (KIP-896).
 */
import {
  array,
  type Encodable,
  field,
  type Infer,
  int16,
  int32,
  int64,
  int8,
  message,
  string,
  struct,
} from "../schema.ts";

/** The request, in all its versions. */
export const listOffsetsRequest = message({ apiKey: 2, versions: "1-11", flexible: "6+" }, {
  replicaId: field(int32, "0+"), // -1 = a consumer
  isolationLevel: field(int8, "2+", { default: 0 }),
  topics: field(
    array(struct({
      name: field(string, "0+"),
      partitions: field(
        array(struct({
          partitionIndex: field(int32, "0+"),
          currentLeaderEpoch: field(int32, "4+", { default: -1, ignorable: true }),
          timestamp: field(int64, "0+"),
        })),
        "0+",
      ),
    })),
    "0+",
  ),
  timeoutMs: field(int32, "10+", { default: 0, ignorable: true }),
});

const listOffsetsPartitionResponse = struct({
  partitionIndex: field(int32, "0+"),
  errorCode: field(int16, "0+"),
  timestamp: field(int64, "1+", { default: -1 }),
  offset: field(int64, "1+", { default: -1 }),
  // Not ignorable in Kafka, whose handler knows the version. Here a handler may set it in every version.
  leaderEpoch: field(int32, "4+", { default: -1, ignorable: true }),
});

/** The response, in all its versions. */
export const listOffsetsResponse = message({ apiKey: 2, versions: "1-11", flexible: "6+" }, {
  throttleTimeMs: field(int32, "2+", { default: 0, ignorable: true }),
  topics: field(
    array(struct({
      name: field(string, "0+"),
      partitions: field(array(listOffsetsPartitionResponse), "0+"),
    })),
    "0+",
  ),
});

/** What a client asks. */
export type ListOffsetsRequest = Infer<typeof listOffsetsRequest>;
/** What the broker answers. */
export type ListOffsetsResponse = Encodable<typeof listOffsetsResponse>;
/** One partition's part of the answer. */
export type ListOffsetsPartitionResponse = Encodable<typeof listOffsetsPartitionResponse>;
