/**
 * Values of `__consumer_offsets` that the classic protocol writes: committed offsets and classic groups. Plain data, any isolate.
 * Each value follows its version. Source: Kafka 4.3 OffsetCommitValue.json, LegacyOffsetCommitValue.json,
 * GroupMetadataValue.json (group-coordinator/src/main/resources/common/message).
 *
 * OffsetCommitValue: v1 expiry time (until KIP-211) · v3 leader epoch (KIP-320) · v4 flexible, topic id (KIP-848).
 * GroupMetadataValue: v1 rebalance timeout (KIP-62) · v2 state timestamp (KIP-211) · v3 static members (KIP-345) · v4 flexible.
 */
import {
  array,
  bytes,
  field,
  type Infer,
  int32,
  int64,
  message,
  string,
  struct,
  uuid,
} from "../../../../net/protocol/schema.ts";
import { ZERO_UUID } from "../../../../net/protocol/text_cache.ts";

/** Of key types 0 (before Kafka 0.9) and 1. */
export const offsetCommitValue = message({ apiKey: 1, versions: "0-4", flexible: "4+" }, {
  offset: field(int64, "0+"),
  leaderEpoch: field(int32, "3+", { default: -1, ignorable: true }),
  metadata: field(string, "0+"),
  commitTimestamp: field(int64, "0+"),
  expireTimestamp: field(int64, "1", { default: -1, ignorable: true }), // -1 = the broker's retention decides
  topicId: field(uuid, "4+", { default: ZERO_UUID, tag: 0, taggedVersions: "4+", ignorable: true }),
});

const groupMetadataMember = struct({
  memberId: field(string, "0+"),
  groupInstanceId: field(string, "3+", { nullable: "3+", default: null, ignorable: true }),
  clientId: field(string, "0+"),
  clientHost: field(string, "0+"),
  rebalanceTimeout: field(int32, "1+", { default: -1, ignorable: true }), // -1 = the session timeout
  sessionTimeout: field(int32, "0+"),
  subscription: field(bytes, "0+"),
  assignment: field(bytes, "0+"),
});

/** Of key type 2. */
export const groupMetadataValue = message({ apiKey: 2, versions: "0-4", flexible: "4+" }, {
  protocolType: field(string, "0+"),
  generation: field(int32, "0+"),
  protocol: field(string, "0+", { nullable: "0+" }),
  leader: field(string, "0+", { nullable: "0+" }),
  currentStateTimestamp: field(int64, "2+", { default: -1, ignorable: true }),
  members: field(array(groupMetadataMember), "0+"),
});

/** A committed offset. */
export type OffsetCommitValue = Infer<typeof offsetCommitValue>;
/** A classic group with the assignment of its generation. */
export type GroupMetadataValue = Infer<typeof groupMetadataValue>;
/** One member of a classic group. */
export type GroupMetadataMember = Infer<typeof groupMetadataMember>;
