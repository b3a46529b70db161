/**
 * Who may commit and fetch offsets of a consumer group. Pure; runs on shards.
 *
 * A commit names the member's epoch. An older one is good for partitions that the member has had since then: a rebalance that did not
 * touch a partition does not make commits of it fail (KIP-1251). Source: Kafka's ConsumerGroup.validateOffsetCommit, validateOffsetFetch.
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { Member } from "./consumer_member.ts";
import type { ConsumerState } from "./consumer_state.ts";

/** First OffsetCommit that knows of member epochs. */
const CONSUMER_PROTOCOL_COMMIT_VERSION = 9;

/** Who commits. */
export interface OffsetCommitter {
  readonly memberId: string;
  readonly generationIdOrMemberEpoch: number;
}

/** Whether a member may commit at all. @returns Kafka's error code, 0 when `checkPartitionCommit()` decides on partitions */
export function checkOffsetCommit(state: ConsumerState, committer: OffsetCommitter, apiVersion: number): number {
  const { memberId, generationIdOrMemberEpoch: memberEpoch } = committer;
  // Tools, and consumers that assign themselves, commit without an epoch while nobody is in the group.
  if (memberEpoch < 0 && state.members.size === 0) return errorCode.NONE;
  const member = state.members.get(memberId);
  if (member === undefined) return errorCode.UNKNOWN_MEMBER_ID;
  if (member.classic === null && apiVersion < CONSUMER_PROTOCOL_COMMIT_VERSION) return errorCode.UNSUPPORTED_VERSION;
  return memberEpoch > member.memberEpoch ? staleCode(member) : errorCode.NONE;
}

/** Whether a member that may commit may do it for a partition. @returns Kafka's error code, 0 when it may */
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

/** Whether offsets may be fetched. @param memberId null for tools, which may @returns Kafka's error code, 0 when they may */
export function checkOffsetFetch(state: ConsumerState, memberId: string | null, memberEpoch: number): number {
  // An epoch of nobody is Kafka's null pointer; its answer is kept.
  if (memberId === null) return memberEpoch < 0 ? errorCode.NONE : errorCode.UNKNOWN_SERVER_ERROR;
  const member = state.members.get(memberId);
  if (member === undefined) return errorCode.UNKNOWN_MEMBER_ID;
  return memberEpoch === member.memberEpoch ? errorCode.NONE : staleCode(member);
}

function staleCode({ classic }: Member): number {
  return classic === null ? errorCode.STALE_MEMBER_EPOCH : errorCode.ILLEGAL_GENERATION;
}
