/**
 * SyncGroup, API key 14: the leader sends the assignment, and every member receives its part. Plain data. Source: Kafka 4.3
 * SyncGroupRequest.json, SyncGroupResponse.json.
 *
 * v1 throttle time (KIP-124) · v3 static members (KIP-345) · v4 flexible (KIP-482) · v5 protocol type and name are checked (KIP-559).
 */
import { array, bytes, type Encodable, field, type Infer, int16, int32, message, string, struct } from "../schema.ts";

const syncGroupRequestAssignment = struct({
  memberId: field(string, "0+"),
  assignment: field(bytes, "0+"),
});

/** The request, in all its versions. */
export const syncGroupRequest = message({ apiKey: 14, versions: "0-5", flexible: "4+" }, {
  groupId: field(string, "0+"),
  generationId: field(int32, "0+"),
  memberId: field(string, "0+"),
  groupInstanceId: field(string, "3+", { nullable: "3+", default: null }),
  protocolType: field(string, "5+", { nullable: "5+", default: null, ignorable: true }),
  protocolName: field(string, "5+", { nullable: "5+", default: null, ignorable: true }),
  assignments: field(array(syncGroupRequestAssignment), "0+"),
});

/** The response, in all its versions. */
export const syncGroupResponse = message({ apiKey: 14, versions: "0-5", flexible: "4+" }, {
  throttleTimeMs: field(int32, "1+", { default: 0, ignorable: true }),
  errorCode: field(int16, "0+"),
  protocolType: field(string, "5+", { nullable: "5+", default: null, ignorable: true }),
  protocolName: field(string, "5+", { nullable: "5+", default: null, ignorable: true }),
  assignment: field(bytes, "0+"),
});

/** What a client asks. */
export type SyncGroupRequest = Infer<typeof syncGroupRequest>;
/** The leader's assignment for one member. */
export type SyncGroupRequestAssignment = Infer<typeof syncGroupRequestAssignment>;
/** What the broker answers. */
export type SyncGroupResponse = Encodable<typeof syncGroupResponse>;
