/**
 * ConsumerGroupHeartbeat, API key 68: joins, heartbeats and leaves of a consumer group's member (KIP-848). Plain data. Source: Kafka 4.3
 * ConsumerGroupHeartbeatRequest.json, ConsumerGroupHeartbeatResponse.json.
 *
 * v1 regular expression; members make their own id (KIP-1082). Null in a request means "as before", and so does a null
 * assignment in the answer.
 */
import { array, type Encodable, field, type Infer, int16, int32, message, string, struct, uuid } from "../schema.ts";

const topicPartitions = struct({
  topicId: field(uuid, "0+"),
  partitions: field(array(int32), "0+"),
});

/** The request, in all its versions. */
export const consumerGroupHeartbeatRequest = message({ apiKey: 68, versions: "0-1", flexible: "0+" }, {
  groupId: field(string, "0+"),
  memberId: field(string, "0+"),
  memberEpoch: field(int32, "0+"),
  instanceId: field(string, "0+", { nullable: "0+", default: null }),
  rackId: field(string, "0+", { nullable: "0+", default: null }),
  rebalanceTimeoutMs: field(int32, "0+", { default: -1 }),
  subscribedTopicNames: field(array(string), "0+", { nullable: "0+", default: null }),
  subscribedTopicRegex: field(string, "1+", { nullable: "1+", default: null }),
  serverAssignor: field(string, "0+", { nullable: "0+", default: null }),
  topicPartitions: field(array(topicPartitions), "0+", { nullable: "0+", default: null }),
});

const assignment = struct({
  topicPartitions: field(array(topicPartitions), "0+"),
});

/** The response, in all its versions. */
export const consumerGroupHeartbeatResponse = message({ apiKey: 68, versions: "0-1", flexible: "0+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  errorCode: field(int16, "0+"),
  errorMessage: field(string, "0+", { nullable: "0+", default: null }),
  memberId: field(string, "0+", { nullable: "0+", default: null }),
  memberEpoch: field(int32, "0+"),
  heartbeatIntervalMs: field(int32, "0+"),
  assignment: field(assignment, "0+", { nullable: "0+", default: null }),
});

/** What a client asks. */
export type ConsumerGroupHeartbeatRequest = Infer<typeof consumerGroupHeartbeatRequest>;
/** Partitions of one topic, owned or assigned. */
export type TopicPartitions = Infer<typeof topicPartitions>;
/** What the broker answers. */
export type ConsumerGroupHeartbeatResponse = Encodable<typeof consumerGroupHeartbeatResponse>;
/** All partitions that the member may use. */
export type Assignment = Encodable<typeof assignment>;
