/**
 * Whether a classic group allows what concerns its offsets and its end. Pure but for the session that a commit keeps; runs on shards.
 *
 * Source: Kafka's ClassicGroup (validateOffsetCommit, validateOffsetDelete, validateDeleteGroup, offsetExpirationCondition),
 * OffsetMetadataManager.validateOffsetCommit.
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { ClassicState } from "./classic_state.ts";
import type { Rebalance } from "./rebalance.ts";

/** Who commits, as OffsetCommit says it. */
export interface OffsetCommitter {
  readonly memberId: string;
  /** -1 for an administrator, or a consumer that assigns its partitions itself. */
  readonly generationIdOrMemberEpoch: number;
  readonly groupInstanceId: string | null;
}

/** Whether somebody may commit; a member that may has been heard of. @returns Kafka's error code, 0 when it may */
export function checkOffsetCommit(group: Rebalance, committer: OffsetCommitter): number {
  const { state } = group;
  const { memberId, generationIdOrMemberEpoch: generation, groupInstanceId } = committer;
  if (state.name === "Dead") return errorCode.COORDINATOR_NOT_AVAILABLE;
  if (generation < 0) {
    if (state.name === "Empty") return errorCode.NONE;
    if (memberId === "" && groupInstanceId === null) return errorCode.UNKNOWN_MEMBER_ID;
  }
  const unknown = state.identify(memberId, groupInstanceId);
  if (unknown !== errorCode.NONE) return unknown;
  if (generation !== state.generation) return errorCode.ILLEGAL_GENERATION;
  // It has the answer to JoinGroup and not yet its partitions: those that it commits are the generation's before.
  if (state.name === "CompletingRebalance") return errorCode.REBALANCE_IN_PROGRESS;
  const member = state.members.get(memberId);
  if (member !== undefined) group.keepAlive(member);
  return errorCode.NONE;
}

/** Whether offsets of the group may be deleted: a consumer group says by topic what it still needs. */
export function checkOffsetDelete(state: ClassicState): number {
  if (state.name === "Dead") return errorCode.GROUP_ID_NOT_FOUND;
  return state.name === "Empty" || state.isOfConsumers ? errorCode.NONE : errorCode.NON_EMPTY_GROUP;
}

/** Whether the group may be deleted. */
export function checkDelete(state: ClassicState): number {
  if (state.name === "Dead") return errorCode.GROUP_ID_NOT_FOUND;
  return state.name === "Empty" ? errorCode.NONE : errorCode.NON_EMPTY_GROUP;
}

/** Whether members read a topic. */
export function isSubscribedTo(state: ClassicState, topic: string): boolean {
  const { subscribedTopics } = state;
  return subscribedTopics === undefined ? state.isOfConsumers : subscribedTopics.has(topic);
}

/**
 * Since when an offset counts as not used: since the group has been empty (KIP-211), or since its commit where the group had no
 * members ever, or does not read the topic.
 * @param commitTimestamp of the offset, wall-clock ms @returns wall-clock ms; null while it is kept whatever its age
 */
export function offsetUnusedSince(state: ClassicState, topic: string, commitTimestamp: number): number | null {
  if (isSubscribedTo(state, topic)) return null;
  if (state.protocolType === null) return commitTimestamp;
  if (state.name === "Empty") return state.sinceMs ?? commitTimestamp;
  return state.name === "Stable" && state.subscribedTopics !== undefined ? commitTimestamp : null;
}
