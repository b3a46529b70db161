/**
 * Checks commits and fetches of offsets of a consumer group. Pure; runs on shards.
 *
 * A commit names the member's epoch. An older epoch is valid for partitions that the member has had since then: commits of a partition
 * do not fail after a rebalance that did not move it (KIP-1251). Source: Kafka's ConsumerGroup.validateOffsetCommit, validateOffsetFetch.
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { Member } from "./consumer_member.ts";
import type { ConsumerState } from "./consumer_state.ts";

/** First version of OffsetCommit with member epochs. */
const CONSUMER_PROTOCOL_COMMIT_VERSION = 9;

/** The sender of a commit. */
export interface OffsetCommitter {
  readonly memberId: string;
  readonly generationIdOrMemberEpoch: number;
}

/** Checks a commit as a whole. @returns Kafka's error code, 0 when `checkPartitionCommit()` decides on partitions */
export function checkOffsetCommit(state: ConsumerState, committer: OffsetCommitter, apiVersion: number): number {
  const { memberId, generationIdOrMemberEpoch: memberEpoch } = committer;
  // Tools, and consumers that assign themselves, commit without an epoch while the group has no members.
  if (memberEpoch < 0 && state.members.size === 0) return errorCode.NONE;
  const member = state.members.get(memberId);
  if (member === undefined) return errorCode.UNKNOWN_MEMBER_ID;
  if (member.classic === null && apiVersion < CONSUMER_PROTOCOL_COMMIT_VERSION) return errorCode.UNSUPPORTED_VERSION;
  return memberEpoch > member.memberEpoch ? staleCode(member) : errorCode.NONE;
}

/** Checks one partition of an allowed commit. @returns Kafka's error code, 0 if allowed */
export function checkPartitionCommit(
  state: ConsumerState,
  { memberId, generationIdOrMemberEpoch: memberEpoch }: OffsetCommitter,
  { topicId, partition }: { topicId: string | undefined; partition: number },
): number {
  const member = state.members.get(memberId);
  if (member === undefined || memberEpoch === member.memberEpoch) return errorCode.NONE;
  if (topicId === undefined) return staleCode(member);
  const since = member.assigned.get(topicId)?.get(partition) ?? member.revoking.get(topicId)?.get(partition);
  return since === undefined || memberEpoch < since ? staleCode(member) : errorCode.NONE;
}

/** Checks a fetch of offsets. @param memberId null for tools, which are allowed to @returns Kafka's error code, 0 if allowed */
export function checkOffsetFetch(state: ConsumerState, memberId: string | null, memberEpoch: number): number {
  // An epoch without a member id is a null pointer in Kafka. The answer is the same here.
  if (memberId === null) return memberEpoch < 0 ? errorCode.NONE : errorCode.UNKNOWN_SERVER_ERROR;
  const member = state.members.get(memberId);
  if (member === undefined) return errorCode.UNKNOWN_MEMBER_ID;
  return memberEpoch === member.memberEpoch ? errorCode.NONE : staleCode(member);
}

function staleCode({ classic }: Member): number {
  return classic === null ? errorCode.STALE_MEMBER_EPOCH : errorCode.ILLEGAL_GENERATION;
}
