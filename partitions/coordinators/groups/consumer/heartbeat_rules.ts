/**
 * Refuses malformed ConsumerGroupHeartbeat requests, independently of the group. Pure; runs on shards.
 * Source: Kafka 4.3 GroupCoordinatorService.throwIfConsumerGroupHeartbeatRequestIsInvalid.
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse,
} from "../../../../net/protocol/messages/68_consumer_group_heartbeat.ts";
import { refuseConsumerHeartbeat } from "../group_refusals.ts";
import { assignors } from "./assignors/assignors.ts";
import { JOIN_EPOCH, LEAVE_EPOCH, STATIC_LEAVE_EPOCH } from "./consumer_member.ts";

/** From this version on members choose their own id (KIP-1082). */
const MEMBER_MAKES_ID_VERSION = 1;
/**
 * Most topics that a member may name. Kafka has no limit here: it refuses the member later, if its record does not fit into a batch. A
 * million names would take seconds of a shard until then. This many take 15 to 30 ms.
 */
export const TOPIC_NAMES_MAX = 10_000;
/** Most partitions that a member may report: more than a broker holds. */
const REPORTED_MAX = 100_000;

/**
 * Checks a request before its group is looked up.
 * @param allowed `group.consumer.assignors` @returns the answer to a malformed request, null for a well-formed one
 */
export function refuseMalformedHeartbeat(
  request: ConsumerGroupHeartbeatRequest,
  apiVersion: number,
  allowed: readonly string[],
): ConsumerGroupHeartbeatResponse | null {
  const problem = problemOf(request, apiVersion);
  if (problem !== null) return refuseConsumerHeartbeat(errorCode.INVALID_REQUEST, problem);
  const { serverAssignor } = request;
  if (serverAssignor === null || (allowed.includes(serverAssignor) && assignors.has(serverAssignor))) return null;
  const message = `ServerAssignor ${serverAssignor} is not supported. Supported assignors: ${allowed.join(", ")}.`;
  return refuseConsumerHeartbeat(errorCode.UNSUPPORTED_ASSIGNOR, message);
}

function problemOf(request: ConsumerGroupHeartbeatRequest, apiVersion: number): string | null {
  const { memberId, memberEpoch, groupId, instanceId, rackId } = request;
  const needsId = apiVersion >= MEMBER_MAKES_ID_VERSION || memberEpoch > JOIN_EPOCH || memberEpoch === LEAVE_EPOCH;
  if (needsId && isBlank(memberId)) return "MemberId can't be empty.";
  if (isBlank(groupId)) return "GroupId can't be empty.";
  if (isBlank(instanceId)) return "InstanceId can't be empty.";
  if (isBlank(rackId)) return "RackId can't be empty.";
  const { subscribedTopicNames } = request;
  if (subscribedTopicNames !== null && subscribedTopicNames.length > TOPIC_NAMES_MAX) {
    return `SubscribedTopicNames can't be more than ${TOPIC_NAMES_MAX}.`;
  }
  const reported = request.topicPartitions?.reduce((sum, { partitions }) => sum + 1 + partitions.length, 0) ?? 0;
  if (reported > REPORTED_MAX) return `TopicPartitions can't be more than ${REPORTED_MAX}.`;
  if (memberEpoch === JOIN_EPOCH) return joinProblemOf(request);
  if (memberEpoch === STATIC_LEAVE_EPOCH && instanceId === null) return "InstanceId can't be null.";
  return memberEpoch < STATIC_LEAVE_EPOCH ? "MemberEpoch is invalid." : null;
}

function joinProblemOf(request: ConsumerGroupHeartbeatRequest): string | null {
  const { rebalanceTimeoutMs, topicPartitions, subscribedTopicNames, subscribedTopicRegex } = request;
  if (rebalanceTimeoutMs === -1) return "RebalanceTimeoutMs must be provided in first request.";
  if (topicPartitions === null || topicPartitions.length > 0) return "TopicPartitions must be empty when (re-)joining.";
  // An empty list of names is a valid subscription to no topics.
  if (subscribedTopicNames === null && subscribedTopicRegex === null) {
    return "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.";
  }
  return null;
}

function isBlank(text: string | null): boolean {
  return text !== null && text.trim() === "";
}
