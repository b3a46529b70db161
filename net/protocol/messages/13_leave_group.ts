/**
 * LeaveGroup, API key 13: removes members from a classic group. Plain data. Source: Kafka 4.3
 * LeaveGroupRequest.json, LeaveGroupResponse.json.
 *
 * v1 throttle time (KIP-124) · v3 several members, static ones by their instance id (KIP-345) · v4 flexible (KIP-482) · v5 reason
 * (KIP-800). v0-2 use `memberId`; v3 and later use `members`, with errors in `errorCode` and in each member.
 */
import { array, type Encodable, field, type Infer, int16, int32, message, string, struct } from "../schema.ts";

const memberIdentity = struct({
  memberId: field(string, "3+"),
  groupInstanceId: field(string, "3+", { nullable: "3+", default: null }),
  reason: field(string, "5+", { nullable: "5+", default: null, ignorable: true }),
});

/** The request, in all its versions. */
export const leaveGroupRequest = message({ apiKey: 13, versions: "0-5", flexible: "4+" }, {
  groupId: field(string, "0+"),
  memberId: field(string, "0-2", { default: "" }),
  members: field(array(memberIdentity), "3+", { default: [] }),
});

const memberResponse = struct({
  memberId: field(string, "3+"),
  groupInstanceId: field(string, "3+", { nullable: "3+" }),
  errorCode: field(int16, "3+"),
});

/** The response, in all its versions. */
export const leaveGroupResponse = message({ apiKey: 13, versions: "0-5", flexible: "4+" }, {
  throttleTimeMs: field(int32, "1+", { default: 0, ignorable: true }),
  errorCode: field(int16, "0+"),
  members: field(array(memberResponse), "3+", { default: [] }),
});

/** What a client asks. */
export type LeaveGroupRequest = Infer<typeof leaveGroupRequest>;
/** One member that leaves. */
export type MemberIdentity = Infer<typeof memberIdentity>;
/** What the broker answers. */
export type LeaveGroupResponse = Encodable<typeof leaveGroupResponse>;
/** One member's part of the answer. */
export type MemberResponse = Encodable<typeof memberResponse>;
