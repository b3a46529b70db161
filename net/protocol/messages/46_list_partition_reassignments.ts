/**
 * ListPartitionReassignments, API key 46: reassignments that are under way (KIP-455). Plain data. Source: Kafka 4.3
 * ListPartitionReassignmentsRequest.json, ListPartitionReassignmentsResponse.json.
 *
 * v0 flexible.
 */
import { array, type Encodable, field, type Infer, int16, int32, message, string, struct } from "../schema.ts";

const listedTopic = struct({
  name: field(string, "0+"),
  partitionIndexes: field(array(int32), "0+"),
});

/** The request. */
export const listPartitionReassignmentsRequest = message({ apiKey: 46, versions: "0", flexible: "0+" }, {
  timeoutMs: field(int32, "0+", { default: 60_000 }),
  topics: field(array(listedTopic), "0+", { nullable: "0+", default: null }), // null: all
});

const ongoingPartitionReassignment = struct({
  partitionIndex: field(int32, "0+"),
  replicas: field(array(int32), "0+"),
  addingReplicas: field(array(int32), "0+"),
  removingReplicas: field(array(int32), "0+"),
});

const ongoingTopicReassignment = struct({
  name: field(string, "0+"),
  partitions: field(array(ongoingPartitionReassignment), "0+"),
});

/** The response. */
export const listPartitionReassignmentsResponse = message({ apiKey: 46, versions: "0", flexible: "0+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  errorCode: field(int16, "0+", { default: 0 }),
  errorMessage: field(string, "0+", { nullable: "0+", default: null }),
  topics: field(array(ongoingTopicReassignment), "0+"),
});

/** A decoded request. */
export type ListPartitionReassignmentsRequest = Infer<typeof listPartitionReassignmentsRequest>;
/** A response to be encoded. */
export type ListPartitionReassignmentsResponse = Encodable<typeof listPartitionReassignmentsResponse>;
/** One topic of it. */
export type OngoingTopicReassignment = Encodable<typeof ongoingTopicReassignment>;
/** One partition of a topic. */
export type OngoingPartitionReassignment = Encodable<typeof ongoingPartitionReassignment>;
