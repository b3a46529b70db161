/**
 * Checks whether a classic group allows commits, the deletion of offsets and its own deletion. Pure, except that a commit renews the
 * member's session; runs on shards.
 *
 * Source: Kafka's ClassicGroup (validateOffsetCommit, validateOffsetDelete, validateDeleteGroup, offsetExpirationCondition),
 * OffsetMetadataManager.validateOffsetCommit.
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { ClassicState } from "./classic_state.ts";
import type { Rebalance } from "./rebalance.ts";

/** The committing client, as given in OffsetCommit. */
export interface OffsetCommitter {
  readonly memberId: string;
  /** -1 for an administrator, or a consumer that assigns its partitions itself. */
  readonly generationIdOrMemberEpoch: number;
  readonly groupInstanceId: string | null;
}

/** Checks whether a client may commit. An accepted commit renews the member's session. @returns Kafka's error code, 0 when it may */
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
  // The member has the answer to JoinGroup but no partitions yet: it commits partitions of the previous generation.
  if (state.name === "CompletingRebalance") return errorCode.REBALANCE_IN_PROGRESS;
  const member = state.members.get(memberId);
  if (member !== undefined) group.keepAlive(member);
  return errorCode.NONE;
}

/** Checks whether offsets of the group may be deleted. For groups of consumers the subscribed topics are checked separately. */
export function checkOffsetDelete(state: ClassicState): number {
  if (state.name === "Dead") return errorCode.GROUP_ID_NOT_FOUND;
  return state.name === "Empty" || state.isOfConsumers ? errorCode.NONE : errorCode.NON_EMPTY_GROUP;
}

/** Checks whether the group may be deleted. */
export function checkDelete(state: ClassicState): number {
  if (state.name === "Dead") return errorCode.GROUP_ID_NOT_FOUND;
  return state.name === "Empty" ? errorCode.NONE : errorCode.NON_EMPTY_GROUP;
}

/** Whether the members subscribe to a topic. */
export function isSubscribedTo(state: ClassicState, topic: string): boolean {
  const { subscribedTopics } = state;
  return subscribedTopics === undefined ? state.isOfConsumers : subscribedTopics.has(topic);
}

/**
 * Finds since when an offset counts as unused: since the group became Empty (KIP-211), or since its commit if the group never had
 * members or does not subscribe to the topic.
 * @param commitTimestamp of the offset, wall-clock ms @returns wall-clock ms; null while it never expires
 */
export function offsetUnusedSince(state: ClassicState, topic: string, commitTimestamp: number): number | null {
  if (isSubscribedTo(state, topic)) return null;
  if (state.protocolType === null) return commitTimestamp;
  if (state.name === "Empty") return state.sinceMs ?? commitTimestamp;
  return state.name === "Stable" && state.subscribedTopics !== undefined ? commitTimestamp : null;
}
