/**
 * JoinGroup, API key 11: enters a classic group and waits for the other members. Plain data. Source: Kafka 4.3
 * JoinGroupRequest.json, JoinGroupResponse.json.
 *
 * v1 rebalance timeout (KIP-62; before, the session timeout) · v2 throttle time (KIP-124) · v4 MEMBER_ID_REQUIRED (KIP-394) · v5 static
 * members (KIP-345) · v6 flexible (KIP-482) · v7 protocol type in the answer, null protocol (KIP-559) · v8 reason (KIP-800) · v9 the answer
 * may make the leader skip the assignment (KIP-814). A null `protocolName` cannot be written before v7; "" replaces it there.
 */
import {
  array,
  bool,
  bytes,
  type Encodable,
  field,
  type Infer,
  int16,
  int32,
  message,
  string,
  struct,
} from "../schema.ts";

const joinGroupRequestProtocol = struct({
  name: field(string, "0+"),
  metadata: field(bytes, "0+"),
});

/** The request, in all its versions. */
export const joinGroupRequest = message({ apiKey: 11, versions: "0-9", flexible: "6+" }, {
  groupId: field(string, "0+"),
  sessionTimeoutMs: field(int32, "0+"),
  rebalanceTimeoutMs: field(int32, "1+", { default: -1, ignorable: true }),
  memberId: field(string, "0+"),
  groupInstanceId: field(string, "5+", { nullable: "5+", default: null }),
  protocolType: field(string, "0+"),
  protocols: field(array(joinGroupRequestProtocol), "0+"),
  reason: field(string, "8+", { nullable: "8+", default: null, ignorable: true }),
});

const joinGroupResponseMember = struct({
  memberId: field(string, "0+"),
  groupInstanceId: field(string, "5+", { nullable: "5+", default: null, ignorable: true }),
  metadata: field(bytes, "0+"),
});

/** The response, in all its versions. */
export const joinGroupResponse = message({ apiKey: 11, versions: "0-9", flexible: "6+" }, {
  throttleTimeMs: field(int32, "2+", { default: 0, ignorable: true }),
  errorCode: field(int16, "0+"),
  generationId: field(int32, "0+", { default: -1 }),
  protocolType: field(string, "7+", { nullable: "7+", default: null, ignorable: true }),
  protocolName: field(string, "0+", { nullable: "7+" }),
  leader: field(string, "0+"),
  skipAssignment: field(bool, "9+", { default: false }),
  memberId: field(string, "0+"),
  members: field(array(joinGroupResponseMember), "0+"),
});

/** What a client asks. */
export type JoinGroupRequest = Infer<typeof joinGroupRequest>;
/** One protocol that the member supports, in order of preference. */
export type JoinGroupRequestProtocol = Infer<typeof joinGroupRequestProtocol>;
/** What the broker answers. */
export type JoinGroupResponse = Encodable<typeof joinGroupResponse>;
/** One member. Only the leader's answer has them. */
export type JoinGroupResponseMember = Encodable<typeof joinGroupResponseMember>;
