/**
 * OffsetCommit, API key 8: stores the offsets up to which a group has read. Plain data. Source: Kafka 4.3
 * OffsetCommitRequest.json, OffsetCommitResponse.json.
 *
 * v2 retention time · v3 throttle time (KIP-124) · v5 retention is the broker's alone (KIP-211) · v6 leader epoch (KIP-320) · v7 static
 * members (KIP-345) · v8 flexible (KIP-482) · v9 member epoch, STALE_MEMBER_EPOCH, GROUP_ID_NOT_FOUND (KIP-848) · v10 topic ids
 * instead of names. Kafka 4 refuses v0 and v1 (KIP-896).
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
  uuid,
} from "../schema.ts";
import { ZERO_UUID } from "../text_cache.ts";

const offsetCommitRequestPartition = struct({
  partitionIndex: field(int32, "0+"),
  committedOffset: field(int64, "0+"),
  committedLeaderEpoch: field(int32, "6+", { default: -1, ignorable: true }),
  committedMetadata: field(string, "0+", { nullable: "0+" }),
});

const offsetCommitRequestTopic = struct({
  name: field(string, "0-9", { default: "", ignorable: true }),
  topicId: field(uuid, "10+", { default: ZERO_UUID, ignorable: true }),
  partitions: field(array(offsetCommitRequestPartition), "0+"),
});

/** The request, in all its versions. */
export const offsetCommitRequest = message({ apiKey: 8, versions: "2-10", flexible: "8+" }, {
  groupId: field(string, "0+"),
  generationIdOrMemberEpoch: field(int32, "1+", { default: -1, ignorable: true }),
  memberId: field(string, "1+", { default: "", ignorable: true }),
  groupInstanceId: field(string, "7+", { nullable: "7+", default: null }),
  retentionTimeMs: field(int64, "2-4", { default: -1, ignorable: true }),
  topics: field(array(offsetCommitRequestTopic), "0+"),
});

const offsetCommitResponsePartition = struct({
  partitionIndex: field(int32, "0+"),
  errorCode: field(int16, "0+"),
});

const offsetCommitResponseTopic = struct({
  name: field(string, "0-9", { default: "", ignorable: true }),
  topicId: field(uuid, "10+", { default: ZERO_UUID, ignorable: true }),
  partitions: field(array(offsetCommitResponsePartition), "0+"),
});

/** The response, in all its versions. */
export const offsetCommitResponse = message({ apiKey: 8, versions: "2-10", flexible: "8+" }, {
  throttleTimeMs: field(int32, "3+", { default: 0, ignorable: true }),
  topics: field(array(offsetCommitResponseTopic), "0+"),
});

/** What a client asks. */
export type OffsetCommitRequest = Infer<typeof offsetCommitRequest>;
/** One topic of it. */
export type OffsetCommitRequestTopic = Infer<typeof offsetCommitRequestTopic>;
/** One partition of that. */
export type OffsetCommitRequestPartition = Infer<typeof offsetCommitRequestPartition>;
/** What the broker answers. */
export type OffsetCommitResponse = Encodable<typeof offsetCommitResponse>;
/** One topic's part of the answer. */
export type OffsetCommitResponseTopic = Encodable<typeof offsetCommitResponseTopic>;
/** One partition's part of it. */
export type OffsetCommitResponsePartition = Encodable<typeof offsetCommitResponsePartition>;
