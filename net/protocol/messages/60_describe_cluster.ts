/**
 * DescribeCluster, API key 60. Plain data. Source: Kafka 4.3 DescribeClusterRequest.json, DescribeClusterResponse.json.
 *
 * v0 flexible from the start (KIP-700) · v1 endpoint type (KIP-919) · v2 fenced brokers (KIP-1073).
 */
import {
  array,
  bool,
  type Encodable,
  field,
  type Infer,
  int16,
  int32,
  int8,
  message,
  string,
  struct,
} from "../schema.ts";
import { OPERATIONS_NOT_REQUESTED } from "./03_metadata.ts";

/** The request, in all its versions. */
export const describeClusterRequest = message({ apiKey: 60, versions: "0-2", flexible: "0+" }, {
  includeClusterAuthorizedOperations: field(bool, "0+"),
  endpointType: field(int8, "1+", { default: 1 }), // 1 = brokers, 2 = controllers
  includeFencedBrokers: field(bool, "2+", { default: false }),
});

/** The response, in all its versions. */
export const describeClusterResponse = message({ apiKey: 60, versions: "0-2", flexible: "0+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  errorCode: field(int16, "0+"),
  errorMessage: field(string, "0+", { nullable: "0+", default: null }),
  endpointType: field(int8, "1+", { default: 1 }),
  clusterId: field(string, "0+"),
  controllerId: field(int32, "0+", { default: -1 }),
  brokers: field(
    array(struct({
      brokerId: field(int32, "0+"),
      host: field(string, "0+"),
      port: field(int32, "0+"),
      rack: field(string, "0+", { nullable: "0+", default: null }),
      isFenced: field(bool, "2+", { default: false }),
    })),
    "0+",
  ),
  clusterAuthorizedOperations: field(int32, "0+", { default: OPERATIONS_NOT_REQUESTED }),
});

/** What a client asks. */
export type DescribeClusterRequest = Infer<typeof describeClusterRequest>;
/** What the broker answers. */
export type DescribeClusterResponse = Encodable<typeof describeClusterResponse>;
