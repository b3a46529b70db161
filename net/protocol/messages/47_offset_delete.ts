/**
 * OffsetDelete, API key 47: deletes committed offsets (KIP-496). Plain data. Source: Kafka 4.3
 * OffsetDeleteRequest.json, OffsetDeleteResponse.json.
 *
 * One version, never flexible.
 */
import { array, type Encodable, field, type Infer, int16, int32, message, string, struct } from "../schema.ts";

const offsetDeleteRequestPartition = struct({
  partitionIndex: field(int32, "0+"),
});

const offsetDeleteRequestTopic = struct({
  name: field(string, "0+"),
  partitions: field(array(offsetDeleteRequestPartition), "0+"),
});

/** The request, in all its versions. */
export const offsetDeleteRequest = message({ apiKey: 47, versions: "0", flexible: "none" }, {
  groupId: field(string, "0+"),
  topics: field(array(offsetDeleteRequestTopic), "0+"),
});

const offsetDeleteResponsePartition = struct({
  partitionIndex: field(int32, "0+"),
  errorCode: field(int16, "0+"),
});

const offsetDeleteResponseTopic = struct({
  name: field(string, "0+"),
  partitions: field(array(offsetDeleteResponsePartition), "0+"),
});

/** The response, in all its versions. */
export const offsetDeleteResponse = message({ apiKey: 47, versions: "0", flexible: "none" }, {
  errorCode: field(int16, "0+"),
  throttleTimeMs: field(int32, "0+", { default: 0, ignorable: true }),
  topics: field(array(offsetDeleteResponseTopic), "0+"),
});

/** What a client asks. */
export type OffsetDeleteRequest = Infer<typeof offsetDeleteRequest>;
/** One topic of it. */
export type OffsetDeleteRequestTopic = Infer<typeof offsetDeleteRequestTopic>;
/** One partition of that. */
export type OffsetDeleteRequestPartition = Infer<typeof offsetDeleteRequestPartition>;
/** What the broker answers. */
export type OffsetDeleteResponse = Encodable<typeof offsetDeleteResponse>;
/** One topic's part of the answer. */
export type OffsetDeleteResponseTopic = Encodable<typeof offsetDeleteResponseTopic>;
/** One partition's part of it. */
export type OffsetDeleteResponsePartition = Encodable<typeof offsetDeleteResponsePartition>;
