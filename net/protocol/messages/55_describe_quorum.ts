/**
 * DescribeQuorum, API key 55: the voters of the metadata. Plain data. Source: Kafka 4.3 DescribeQuorumRequest.json,
 * DescribeQuorumResponse.json.
 *
 * v0 flexible (KIP-595) · v1 times of fetching (KIP-836) · v2 messages, directories, nodes (KIP-853).
 */
import {
  array,
  type Encodable,
  field,
  type Infer,
  int16,
  int32,
  int64,
  message,
  string,
  struct,
  uint16,
  uuid,
} from "../schema.ts";

/** The request, in all its versions. */
export const describeQuorumRequest = message({ apiKey: 55, versions: "0-2", flexible: "0+" }, {
  topics: field(
    array(struct({
      topicName: field(string, "0+"),
      partitions: field(array(struct({ partitionIndex: field(int32, "0+") })), "0+"),
    })),
    "0+",
  ),
});

const replicaState = struct({
  replicaId: field(int32, "0+"),
  replicaDirectoryId: field(uuid, "2+", { ignorable: true }),
  logEndOffset: field(int64, "0+"),
  lastFetchTimestamp: field(int64, "1+", { default: -1, ignorable: true }), // ms since 1970, -1: unknown
  lastCaughtUpTimestamp: field(int64, "1+", { default: -1, ignorable: true }), // ms since 1970, -1: unknown
});

/** The response, in all its versions. */
export const describeQuorumResponse = message({ apiKey: 55, versions: "0-2", flexible: "0+" }, {
  errorCode: field(int16, "0+", { default: 0 }),
  errorMessage: field(string, "2+", { nullable: "2+", default: "", ignorable: true }),
  topics: field(
    array(struct({
      topicName: field(string, "0+"),
      partitions: field(
        array(struct({
          partitionIndex: field(int32, "0+"),
          errorCode: field(int16, "0+", { default: 0 }),
          errorMessage: field(string, "2+", { nullable: "2+", default: "", ignorable: true }),
          leaderId: field(int32, "0+", { default: 0 }),
          leaderEpoch: field(int32, "0+", { default: 0 }),
          highWatermark: field(int64, "0+", { default: 0 }),
          currentVoters: field(array(replicaState), "0+", { default: [] }),
          observers: field(array(replicaState), "0+", { default: [] }),
        })),
        "0+",
      ),
    })),
    "0+",
  ),
  nodes: field(
    array(struct({
      nodeId: field(int32, "2+"),
      listeners: field(
        array(struct({ name: field(string, "2+"), host: field(string, "2+"), port: field(uint16, "2+") })),
        "2+",
      ),
    })),
    "2+",
    { default: [], ignorable: true },
  ),
});

/** A decoded request. */
export type DescribeQuorumRequest = Infer<typeof describeQuorumRequest>;
/** A response to be encoded. */
export type DescribeQuorumResponse = Encodable<typeof describeQuorumResponse>;
