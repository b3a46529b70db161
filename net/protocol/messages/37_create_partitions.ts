/**
 * CreatePartitions, API key 37: adds partitions to topics (KIP-195). Plain data. Source: Kafka 4.3
 * CreatePartitionsRequest.json, CreatePartitionsResponse.json.
 *
 * v2 flexible (KIP-482) · v3 THROTTLING_QUOTA_EXCEEDED (KIP-599).
 */
import { array, bool, type Encodable, field, type Infer, int16, int32, message, string, struct } from "../schema.ts";

const createPartitionsAssignment = struct({
  brokerIds: field(array(int32), "0+"),
});

const createPartitionsTopic = struct({
  name: field(string, "0+"),
  count: field(int32, "0+"),
  assignments: field(array(createPartitionsAssignment), "0+", { nullable: "0+" }),
});

/** The request, in all its versions. */
export const createPartitionsRequest = message({ apiKey: 37, versions: "0-3", flexible: "2+" }, {
  topics: field(array(createPartitionsTopic), "0+"),
  timeoutMs: field(int32, "0+"),
  validateOnly: field(bool, "0+"),
});

const createPartitionsTopicResult = struct({
  name: field(string, "0+"),
  errorCode: field(int16, "0+"),
  errorMessage: field(string, "0+", { nullable: "0+", default: null }),
});

/** The response, in all its versions. */
export const createPartitionsResponse = message({ apiKey: 37, versions: "0-3", flexible: "2+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  results: field(array(createPartitionsTopicResult), "0+"),
});

/** What a client asks. */
export type CreatePartitionsRequest = Infer<typeof createPartitionsRequest>;
/** One topic of it. */
export type CreatePartitionsTopic = Infer<typeof createPartitionsTopic>;
/** Replicas of one new partition. */
export type CreatePartitionsAssignment = Infer<typeof createPartitionsAssignment>;
/** What the broker answers. */
export type CreatePartitionsResponse = Encodable<typeof createPartitionsResponse>;
/** One topic's part of the answer. */
export type CreatePartitionsTopicResult = Encodable<typeof createPartitionsTopicResult>;
