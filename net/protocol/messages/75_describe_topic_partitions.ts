/**
 * DescribeTopicPartitions, API key 75: topics in pages of a limited number of partitions (KIP-966). Plain data. Source: Kafka 4.3
 * DescribeTopicPartitionsRequest.json, DescribeTopicPartitionsResponse.json.
 *
 * One version, flexible from the start.
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
import { OPERATIONS_NOT_REQUESTED } from "./03_metadata.ts";

const topicRequest = struct({
  name: field(string, "0+"),
});

const cursor = struct({
  topicName: field(string, "0+"),
  partitionIndex: field(int32, "0+"),
});

/** The request, in all its versions. */
export const describeTopicPartitionsRequest = message({ apiKey: 75, versions: "0", flexible: "0+" }, {
  topics: field(array(topicRequest), "0+"),
  responsePartitionLimit: field(int32, "0+", { default: 2000 }),
  cursor: field(cursor, "0+", { nullable: "0+", default: null }),
});

const describeTopicPartitionsResponsePartition = struct({
  errorCode: field(int16, "0+"),
  partitionIndex: field(int32, "0+"),
  leaderId: field(int32, "0+"),
  leaderEpoch: field(int32, "0+", { default: -1, ignorable: true }),
  replicaNodes: field(array(int32), "0+"),
  isrNodes: field(array(int32), "0+"),
  eligibleLeaderReplicas: field(array(int32), "0+", { nullable: "0+", default: null }),
  lastKnownElr: field(array(int32), "0+", { nullable: "0+", default: null }),
  offlineReplicas: field(array(int32), "0+", { default: [], ignorable: true }),
});

const describeTopicPartitionsResponseTopic = struct({
  errorCode: field(int16, "0+"),
  name: field(string, "0+", { nullable: "0+" }),
  topicId: field(uuid, "0+", { default: ZERO_UUID, ignorable: true }),
  isInternal: field(bool, "0+", { default: false, ignorable: true }),
  partitions: field(array(describeTopicPartitionsResponsePartition), "0+"),
  topicAuthorizedOperations: field(int32, "0+", { default: OPERATIONS_NOT_REQUESTED }),
});

/** The response, in all its versions. */
export const describeTopicPartitionsResponse = message({ apiKey: 75, versions: "0", flexible: "0+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0, ignorable: true }),
  topics: field(array(describeTopicPartitionsResponseTopic), "0+"),
  nextCursor: field(cursor, "0+", { nullable: "0+", default: null }),
});

/** What a client asks. */
export type DescribeTopicPartitionsRequest = Infer<typeof describeTopicPartitionsRequest>;
/** Where a page begins. */
export type Cursor = Infer<typeof cursor>;
/** One topic of it. */
export type TopicRequest = Infer<typeof topicRequest>;
/** What the broker answers. */
export type DescribeTopicPartitionsResponse = Encodable<typeof describeTopicPartitionsResponse>;
/** One topic's part of the answer. */
export type DescribeTopicPartitionsResponseTopic = Encodable<typeof describeTopicPartitionsResponseTopic>;
/** One partition's part of it. */
export type DescribeTopicPartitionsResponsePartition = Encodable<typeof describeTopicPartitionsResponsePartition>;
