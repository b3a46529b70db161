/**
 * DescribeGroups, API key 15: state and members of classic groups. Plain data. Source: Kafka 4.3
 * DescribeGroupsRequest.json, DescribeGroupsResponse.json.
 *
 * v1 throttle time (KIP-124) · v3 authorized operations (KIP-430) · v4 static members (KIP-345) · v5 flexible (KIP-482) · v6 error message,
 * GROUP_ID_NOT_FOUND instead of a group in state Dead (KIP-1043).
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
import { OPERATIONS_NOT_REQUESTED } from "./03_metadata.ts";

/** The request, in all its versions. */
export const describeGroupsRequest = message({ apiKey: 15, versions: "0-6", flexible: "5+" }, {
  groups: field(array(string), "0+"),
  includeAuthorizedOperations: field(bool, "3+", { default: false }),
});

const describedGroupMember = struct({
  memberId: field(string, "0+"),
  groupInstanceId: field(string, "4+", { nullable: "4+", default: null, ignorable: true }),
  clientId: field(string, "0+"),
  clientHost: field(string, "0+"),
  memberMetadata: field(bytes, "0+"),
  memberAssignment: field(bytes, "0+"),
});

const describedGroup = struct({
  errorCode: field(int16, "0+"),
  errorMessage: field(string, "6+", { nullable: "6+", default: null }),
  groupId: field(string, "0+"),
  groupState: field(string, "0+"),
  protocolType: field(string, "0+"),
  protocolData: field(string, "0+"),
  members: field(array(describedGroupMember), "0+"),
  authorizedOperations: field(int32, "3+", { default: OPERATIONS_NOT_REQUESTED }),
});

/** The response, in all its versions. */
export const describeGroupsResponse = message({ apiKey: 15, versions: "0-6", flexible: "5+" }, {
  throttleTimeMs: field(int32, "1+", { default: 0, ignorable: true }),
  groups: field(array(describedGroup), "0+"),
});

/** What a client asks. */
export type DescribeGroupsRequest = Infer<typeof describeGroupsRequest>;
/** What the broker answers. */
export type DescribeGroupsResponse = Encodable<typeof describeGroupsResponse>;
/** One group's part of the answer. */
export type DescribedGroup = Encodable<typeof describedGroup>;
/** One member of it. */
export type DescribedGroupMember = Encodable<typeof describedGroupMember>;
