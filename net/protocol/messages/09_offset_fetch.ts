/**
 * OffsetFetch, API key 9: what a group has committed. Plain data. Source: Kafka 4.3
 * OffsetFetchRequest.json, OffsetFetchResponse.json.
 *
 * v1 offsets in Kafka · v2 null topics = all, error of the whole answer (KIP-88) · v3 throttle time (KIP-124) · v5 leader epoch (KIP-320) ·
 * v6 flexible (KIP-482) · v7 require stable (KIP-447) · v8 several groups (KIP-709) · v9 member id and epoch (KIP-848) · v10 topic ids
 * instead of names. Kafka 4 refuses v0 (KIP-896). v0-7 use `groupId` and `topics`, v8 and later use `groups`.
 */
import {
  array,
  bool,
  type Encodable,
  field,
  type Infer,
  int16,
  int32,
  int64,
  message,
  string,
  struct,
  uuid,
} from "../schema.ts";
import { ZERO_UUID } from "../text_cache.ts";

const offsetFetchRequestTopic = struct({
  name: field(string, "0-9", { default: "", ignorable: true }),
  topicId: field(uuid, "10+", { default: ZERO_UUID, ignorable: true }),
  partitionIndexes: field(array(int32), "0+"),
});

const offsetFetchRequestGroup = struct({
  groupId: field(string, "8+"),
  memberId: field(string, "9+", { nullable: "9+", default: null, ignorable: true }),
  memberEpoch: field(int32, "9+", { default: -1, ignorable: true }),
  topics: field(array(offsetFetchRequestTopic), "8+", { nullable: "8+" }),
});

/** The request, in all its versions. */
export const offsetFetchRequest = message({ apiKey: 9, versions: "1-10", flexible: "6+" }, {
  groupId: field(string, "0-7", { default: "" }),
  topics: field(array(offsetFetchRequestTopic), "0-7", { nullable: "2-7", default: [] }),
  groups: field(array(offsetFetchRequestGroup), "8+", { default: [] }),
  requireStable: field(bool, "7+", { default: false }),
});

const offsetFetchResponsePartition = struct({
  partitionIndex: field(int32, "0+"),
  committedOffset: field(int64, "0+"),
  committedLeaderEpoch: field(int32, "5+", { default: -1, ignorable: true }),
  metadata: field(string, "0+", { nullable: "0+" }),
  errorCode: field(int16, "0+"),
});

const offsetFetchResponseTopic = struct({
  name: field(string, "0-9", { default: "", ignorable: true }),
  topicId: field(uuid, "10+", { default: ZERO_UUID, ignorable: true }),
  partitions: field(array(offsetFetchResponsePartition), "0+"),
});

const offsetFetchResponseGroup = struct({
  groupId: field(string, "8+"),
  topics: field(array(offsetFetchResponseTopic), "8+"),
  errorCode: field(int16, "8+", { default: 0 }),
});

/** The response, in all its versions. */
export const offsetFetchResponse = message({ apiKey: 9, versions: "1-10", flexible: "6+" }, {
  throttleTimeMs: field(int32, "3+", { default: 0, ignorable: true }),
  topics: field(array(offsetFetchResponseTopic), "0-7", { default: [] }),
  errorCode: field(int16, "2-7", { default: 0, ignorable: true }),
  groups: field(array(offsetFetchResponseGroup), "8+", { default: [] }),
});

/** What a client asks. */
export type OffsetFetchRequest = Infer<typeof offsetFetchRequest>;
/** One group, from v8 on. */
export type OffsetFetchRequestGroup = Infer<typeof offsetFetchRequestGroup>;
/** One topic, of the request or of a group. */
export type OffsetFetchRequestTopic = Infer<typeof offsetFetchRequestTopic>;
/** What the broker answers. */
export type OffsetFetchResponse = Encodable<typeof offsetFetchResponse>;
/** One group's part of the answer, from v8 on. */
export type OffsetFetchResponseGroup = Encodable<typeof offsetFetchResponseGroup>;
/** One topic's part, of the answer or of a group. */
export type OffsetFetchResponseTopic = Encodable<typeof offsetFetchResponseTopic>;
/** One partition's part of it. */
export type OffsetFetchResponsePartition = Encodable<typeof offsetFetchResponsePartition>;
