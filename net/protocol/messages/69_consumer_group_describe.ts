/**
 * ConsumerGroupDescribe, API key 69: state and members of consumer groups (KIP-848). Plain data. Source: Kafka 4.3
 * ConsumerGroupDescribeRequest.json, ConsumerGroupDescribeResponse.json.
 *
 * v1 member type (KIP-1099).
 */
import {
  array,
  bool,
  type Encodable,
  field,
  type Infer,
  int16,
  int32,
  int8,
  message,
  string,
  struct,
  uuid,
} from "../schema.ts";
import { OPERATIONS_NOT_REQUESTED } from "./03_metadata.ts";

/** The request, in all its versions. */
export const consumerGroupDescribeRequest = message({ apiKey: 69, versions: "0-1", flexible: "0+" }, {
  groupIds: field(array(string), "0+"),
  includeAuthorizedOperations: field(bool, "0+"),
});

const topicPartitions = struct({
  topicId: field(uuid, "0+"),
  topicName: field(string, "0+"),
  partitions: field(array(int32), "0+"),
});

const assignment = struct({
  topicPartitions: field(array(topicPartitions), "0+"),
});

const member = struct({
  memberId: field(string, "0+"),
  instanceId: field(string, "0+", { nullable: "0+", default: null }),
  rackId: field(string, "0+", { nullable: "0+", default: null }),
  memberEpoch: field(int32, "0+"),
  clientId: field(string, "0+"),
  clientHost: field(string, "0+"),
  subscribedTopicNames: field(array(string), "0+"),
  subscribedTopicRegex: field(string, "0+", { nullable: "0+", default: null }),
  assignment: field(assignment, "0+"),
  targetAssignment: field(assignment, "0+"),
  memberType: field(int8, "1+", { default: -1, ignorable: true }),
});

const describedGroup = struct({
  errorCode: field(int16, "0+"),
  errorMessage: field(string, "0+", { nullable: "0+", default: null }),
  groupId: field(string, "0+"),
  groupState: field(string, "0+"),
  groupEpoch: field(int32, "0+"),
  assignmentEpoch: field(int32, "0+"),
  assignorName: field(string, "0+"),
  members: field(array(member), "0+"),
  authorizedOperations: field(int32, "0+", { default: OPERATIONS_NOT_REQUESTED }),
});

/** The response, in all its versions. */
export const consumerGroupDescribeResponse = message({ apiKey: 69, versions: "0-1", flexible: "0+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  groups: field(array(describedGroup), "0+"),
});

/** What a client asks. */
export type ConsumerGroupDescribeRequest = Infer<typeof consumerGroupDescribeRequest>;
/** What the broker answers. */
export type ConsumerGroupDescribeResponse = Encodable<typeof consumerGroupDescribeResponse>;
/** One group's part of the answer. */
export type DescribedGroup = Encodable<typeof describedGroup>;
/** One member of it. */
export type Member = Encodable<typeof member>;
/** The current or the target assignment of a member. */
export type Assignment = Encodable<typeof assignment>;
/** Partitions of one topic of it. */
export type TopicPartitions = Encodable<typeof topicPartitions>;
