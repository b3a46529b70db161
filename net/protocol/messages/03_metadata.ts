/**
 * Metadata, API key 3: brokers, topics, leaders. Plain data. Source: Kafka 4.3 MetadataRequest.json, MetadataResponse.json.
 *
 * v0 no topics named = all · v1 null = all, none = none; rack, controller, internal (KIP-4) · v2 cluster id (KIP-78) · v3 throttle time
 * (KIP-124) · v4 auto-creation can be declined (KIP-204) · v5 offline replicas (KIP-112) · v7 leader epoch (KIP-320) · v8 authorized
 * operations (KIP-430) · v9 flexible (KIP-482) · v10 topic ids (KIP-516; ids in a request count from v12) · v11 cluster operations go to
 * DescribeCluster (KIP-700) · v12 lookup by topic id · v13 error of the whole answer (KIP-1102).
 */
import {
  array,
  bool,
  type Encodable,
  field,
  type Infer,
  int16,
  int32,
  message,
  string,
  struct,
  uuid,
} from "../schema.ts";
import { ZERO_UUID } from "../text_cache.ts";

/** Authorized operations when the client did not request them (Integer.MIN_VALUE in Kafka). */
export const OPERATIONS_NOT_REQUESTED = -2147483648;

/** The request, in all its versions. */
export const metadataRequest = message({ apiKey: 3, versions: "0-13", flexible: "9+" }, {
  topics: field(
    array(struct({
      topicId: field(uuid, "10+", { default: ZERO_UUID, ignorable: true }),
      name: field(string, "0+", { nullable: "10+" }),
    })),
    "0+",
    { nullable: "1+" },
  ),
  allowAutoTopicCreation: field(bool, "4+", { default: true }),
  includeClusterAuthorizedOperations: field(bool, "8-10", { default: false }),
  includeTopicAuthorizedOperations: field(bool, "8+", { default: false }),
});

const metadataResponsePartition = struct({
  errorCode: field(int16, "0+"),
  partitionIndex: field(int32, "0+"),
  leaderId: field(int32, "0+"),
  leaderEpoch: field(int32, "7+", { default: -1, ignorable: true }),
  replicaNodes: field(array(int32), "0+"),
  isrNodes: field(array(int32), "0+"),
  offlineReplicas: field(array(int32), "5+", { default: [], ignorable: true }),
});

const metadataResponseTopicFields = {
  errorCode: field(int16, "0+"),
  name: field(string, "0+", { nullable: "12+" }),
  topicId: field(uuid, "10+", { default: ZERO_UUID, ignorable: true }),
  isInternal: field(bool, "1+", { default: false, ignorable: true }),
  partitions: field(array(metadataResponsePartition), "0+"),
  topicAuthorizedOperations: field(int32, "8+", { default: OPERATIONS_NOT_REQUESTED }),
};
const metadataResponseTopic = struct(metadataResponseTopicFields);

/** One topic's part of the response, for an answer that is encoded one topic at a time. */
export const metadataTopicElement = message(
  { apiKey: 3, versions: "0-13", flexible: "9+" },
  metadataResponseTopicFields,
);

/** The response, in all its versions. */
export const metadataResponse = message({ apiKey: 3, versions: "0-13", flexible: "9+" }, {
  throttleTimeMs: field(int32, "3+", { default: 0, ignorable: true }),
  brokers: field(
    array(struct({
      nodeId: field(int32, "0+"),
      host: field(string, "0+"),
      port: field(int32, "0+"),
      rack: field(string, "1+", { nullable: "1+", default: null, ignorable: true }),
    })),
    "0+",
  ),
  clusterId: field(string, "2+", { nullable: "2+", default: null, ignorable: true }),
  controllerId: field(int32, "1+", { default: -1, ignorable: true }),
  topics: field(array(metadataResponseTopic), "0+"),
  clusterAuthorizedOperations: field(int32, "8-10", { default: OPERATIONS_NOT_REQUESTED }),
  errorCode: field(int16, "13+", { default: 0, ignorable: true }),
});

/** What a client asks. */
export type MetadataRequest = Infer<typeof metadataRequest>;
/** What the broker answers. */
export type MetadataResponse = Encodable<typeof metadataResponse>;
/** One topic's part of the answer. */
export type MetadataResponseTopic = Encodable<typeof metadataResponseTopic>;
/** One partition's part of it. */
export type MetadataResponsePartition = Encodable<typeof metadataResponsePartition>;
