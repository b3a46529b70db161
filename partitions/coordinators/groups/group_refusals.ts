/**
 * The answers of a group coordinator that contain only an error, by API key. Pure; any isolate.
 *
 * Source: Kafka's getErrorResponse of each request, and GroupCoordinatorService.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import type {
  OffsetFetchResponseGroup,
  OffsetFetchResponsePartition,
} from "../../../net/protocol/messages/09_offset_fetch.ts";
import { plainConstructor } from "../../../net/protocol/plain_constructor.ts";
import type { GroupApiKey, GroupRequest, GroupResponse } from "./group_apis.ts";

type Refuse<Key extends GroupApiKey> = (
  request: GroupRequest<Key>,
  code: number,
  apiVersion: number,
) => GroupResponse<Key>;

/** The first version of JoinGroup in which the protocol may be null. Before, "" stands for no protocol. */
const NULL_PROTOCOL_VERSION = 7;

/** The most partitions of a commit. More records, at 50 bytes or more each, do not fit a batch of the default size (Kafka then refuses). */
const COMMIT_PARTITIONS_MAX = 20_000;

/** One for each group or partition of a request, so they are not made by literals (plain_constructor.ts). */
export const FetchedPartition = plainConstructor<OffsetFetchResponsePartition>()(
  "partitionIndex",
  "committedOffset",
  "committedLeaderEpoch",
  "metadata",
  "errorCode",
);
/** The code of one partition in a response. */
export const PartitionCode = plainConstructor<{ partitionIndex: number; errorCode: number }>()(
  "partitionIndex",
  "errorCode",
);
/** A result of DeleteGroups. */
export const DeletionResult = plainConstructor<{ groupId: string; errorCode: number }>()("groupId", "errorCode");
const FetchedGroup = plainConstructor<OffsetFetchResponseGroup>()("groupId", "errorCode", "topics");
const DescribedGroup = plainConstructor<GroupResponse<15>["groups"][number]>()(
  "errorCode",
  "errorMessage",
  "groupId",
  "groupState",
  "protocolType",
  "protocolData",
  "members",
);
const DescribedConsumerGroup = plainConstructor<GroupResponse<69>["groups"][number]>()(
  "errorCode",
  "errorMessage",
  "groupId",
  "groupState",
  "groupEpoch",
  "assignmentEpoch",
  "assignorName",
  "members",
);
const NOTHING = Object.freeze([]);

/** Converts the answer to a JoinGroup to what its version can carry. */
export function joinResponseFor(apiVersion: number, response: GroupResponse<11>): GroupResponse<11> {
  if (apiVersion >= NULL_PROTOCOL_VERSION || response.protocolName !== null) return response;
  return { ...response, protocolName: "" };
}

/** Most APIs have one code for the whole answer; those about several groups or partitions repeat it for each. */
const refusals: { readonly [Key in GroupApiKey]: Refuse<Key> } = {
  8: ({ topics }, code) => ({
    topics: topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ partitionIndex }) => new PartitionCode(partitionIndex, code)),
    })),
  }),
  9: (request, code, apiVersion) => ({
    errorCode: code,
    // From version 2 on the whole answer has a code.
    topics: apiVersion > 1 ? [] : (request.topics ?? []).map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((partitionIndex) => absentOffset(partitionIndex, code)),
    })),
    groups: request.groups.map(({ groupId }) => refuseFetch(groupId, code)),
  }),
  11: ({ memberId }, code, apiVersion) => ({
    errorCode: code,
    generationId: -1,
    protocolType: null,
    protocolName: apiVersion < NULL_PROTOCOL_VERSION ? "" : null,
    leader: "",
    memberId: code === errorCode.INVALID_GROUP_ID ? memberId : "",
    members: [],
  }),
  12: (_, code) => ({ errorCode: code }),
  13: (_, code) => ({ errorCode: code, members: [] }),
  14: (_, code) => ({ errorCode: code, protocolType: null, protocolName: null, assignment: new Uint8Array(0) }),
  15: ({ groups }, code) => ({ groups: groups.map((groupId) => refuseDescription(groupId, code)) }),
  16: (_, code) => ({ errorCode: code, groups: [] }),
  42: ({ groupsNames }, code) => ({
    throttleTimeMs: 0,
    results: groupsNames.map((groupId) => new DeletionResult(groupId, code)),
  }),
  47: (_, code) => ({ errorCode: code, topics: [] }),
  68: (_, code) => refuseConsumerHeartbeat(code, null),
  69: ({ groupIds }, code) => ({
    throttleTimeMs: 0,
    groups: groupIds.map((groupId) =>
      refuseConsumerDescription(groupId, groupId === "" ? errorCode.INVALID_GROUP_ID : code)
    ),
  }),
};

/**
 * Checks a request about one group. @returns Kafka's code for why every coordinator refuses it, 0 if none has to. Commits without a
 * group may have no group id, and a consumer's heartbeat is checked as a whole (Kafka's GroupCoordinatorService).
 */
export function refusalOf<Key extends GroupApiKey>(apiKey: Key, request: GroupRequest<Key>): number {
  switch (apiKey) {
    case 8:
      return isTooLarge(request as GroupRequest<8>) ? errorCode.INVALID_COMMIT_OFFSET_SIZE : errorCode.NONE;
    case 47:
      if (isTooLarge(request as GroupRequest<47>)) return errorCode.INVALID_REQUEST;
  }
  const needsGroupId = apiKey === 11 || apiKey === 12 || apiKey === 13 || apiKey === 14 || apiKey === 47;
  const hasNone = needsGroupId && (request as GroupRequest<12>).groupId === "";
  return hasNone ? errorCode.INVALID_GROUP_ID : errorCode.NONE;
}

function isTooLarge({ topics }: GroupRequest<8 | 47>): boolean {
  let partitionsCount = 0;
  for (const { partitions } of topics) partitionsCount += partitions.length;
  return partitionsCount > COMMIT_PARTITIONS_MAX;
}

/** Makes the answer that contains only an error. @param apiVersion of the request: OffsetFetch has two forms */
export function refuseGroupRequest<Key extends GroupApiKey>(
  apiKey: Key,
  request: GroupRequest<Key>,
  code: number,
  apiVersion = Infinity,
): GroupResponse<Key> {
  return (refusals[apiKey] as Refuse<Key>)(request, code, apiVersion);
}

/** An offset that does not exist, or cannot be read. */
export function absentOffset(partitionIndex: number, code: number): OffsetFetchResponsePartition {
  return new FetchedPartition(partitionIndex, -1, -1, "", code);
}

/** One group in an OffsetFetch answer, with only an error. */
export function refuseFetch(groupId: string, code: number): OffsetFetchResponseGroup {
  return new FetchedGroup(groupId, code, NOTHING);
}

/** One group in a DescribeGroups answer, with only an error. */
export function refuseDescription(
  groupId: string,
  code: number,
  errorMessage: string | null = null,
): GroupResponse<15>["groups"][number] {
  return new DescribedGroup(code, errorMessage, groupId, "", "", "", NOTHING);
}

/** One group in a ConsumerGroupDescribe answer, with only an error. */
export function refuseConsumerDescription(
  groupId: string,
  code: number,
  errorMessage: string | null = null,
): GroupResponse<69>["groups"][number] {
  return new DescribedConsumerGroup(code, errorMessage, groupId, "", 0, 0, "", NOTHING);
}

/** The answer to a ConsumerGroupHeartbeat, with only an error. */
export function refuseConsumerHeartbeat(code: number, errorMessage: string | null): GroupResponse<68> {
  return {
    throttleTimeMs: 0,
    errorCode: code,
    errorMessage,
    memberId: null,
    memberEpoch: 0,
    heartbeatIntervalMs: 0,
    assignment: null,
  };
}
