/**
 * Moves a member step by step from its current assignment to its target. Pure; runs on shards.
 *
 *                    newer target, nothing to give up
 *        ┌─────────┐ ───────────────────────────────► the target's epoch: free partitions at once,
 *        │ STABLE  │                                   ┌───────────────────────┐ and the others, still with
 *        └─────────┘ ◄──── all of the target is there ─│ UNRELEASED_PARTITIONS │ their members, as they
 *             │      newer target, some to give up     └───────────────────────┘ become free
 *             ▼                                                   │ newer target
 *        ┌──────────────────────┐ ◄──────────────────────────────┘
 *        │ UNREVOKED_PARTITIONS │  the old epoch, until a heartbeat no longer names what is to be given up
 *        └──────────────────────┘
 *
 * What must always hold: a member gets a partition only when no member has it. A partition to be given up belongs to its member until
 * that member no longer reports it as owned. So no partition ever has two members. Source: KIP-848, Kafka's CurrentAssignmentBuilder.
 */
import type { Assignment } from "./assignors/assignor.ts";
import {
  type CurrentAssignment,
  memberState,
  type OwnedPartitions,
  owns,
  OWNS_NOTHING,
  sameOwned,
} from "./consumer_member.ts";

/** Partitions of a topic that a member reports as owned. */
export interface ReportedPartitions {
  readonly topicId: string;
  readonly partitions: readonly number[];
}

/** Everything that determines a member's next step. */
export interface ReconcileInput {
  readonly current: CurrentAssignment;
  readonly target: Assignment;
  /** Epoch of the target. */
  readonly targetEpoch: number;
  /** Returns whether the member subscribes to a topic. */
  readonly isSubscribed: (topicId: string) => boolean;
  /** Returns whether no other member has a partition. */
  readonly isFree: (topicId: string, partition: number) => boolean;
  /** Partitions that the member reports as owned, null if it reports nothing. */
  readonly reported: readonly ReportedPartitions[] | null;
  /** Whether its subscription has just changed: it then gives up topics that it left, even without a new target. */
  readonly subscriptionChanged: boolean;
}

/** A later Kafka wrote the member's state, and the member owns partitions: it has to give up all of them and join again. */
export const MUST_REJOIN = "must-rejoin";

/** Makes the next step. @returns the same object if there is none */
export function reconcile(input: ReconcileInput): CurrentAssignment | typeof MUST_REJOIN {
  const { current, targetEpoch, reported, subscriptionChanged } = input;
  switch (current.state) {
    case memberState.STABLE:
      if (current.memberEpoch !== targetEpoch) return advance(input);
      return subscriptionChanged ? dropUnsubscribed(input) : current;
    case memberState.UNREVOKED_PARTITIONS:
      if (!stillOwns(reported, current.revoking)) return advance(input);
      return subscriptionChanged ? dropUnsubscribed(input) : current;
    case memberState.UNRELEASED_PARTITIONS:
      return advance(input);
    default:
      if (reported === null || reported.length > 0) return MUST_REJOIN;
      return advance(input);
  }
}

/** Returns whether a member still owns any of some partitions; true if it reports nothing. */
export function stillOwns(reported: readonly ReportedPartitions[] | null, partitions: OwnedPartitions): boolean {
  if (reported === null) return true;
  return reported.some((topic) => topic.partitions.some((partition) => owns(partitions, topic.topicId, partition)));
}

/** Returns whether a member owns only some partitions; false if it reports nothing. */
export function ownsOnly(reported: readonly ReportedPartitions[] | null, partitions: OwnedPartitions): boolean {
  if (reported === null) return false;
  return reported.every((topic) => topic.partitions.every((partition) => owns(partitions, topic.topicId, partition)));
}

function advance(input: ReconcileInput): CurrentAssignment {
  const { current, target, targetEpoch, isSubscribed, isFree, reported } = input;
  const assigned = new Map<string, ReadonlyMap<number, number>>();
  const revoking = new Map<string, ReadonlyMap<number, number>>();
  for (const [topicId, partitions] of current.assigned) {
    const wanted = isSubscribed(topicId) ? new Set(target.get(topicId)) : new Set<number>();
    const [kept, dropped] = split(partitions, (partition) => wanted.has(partition));
    if (kept.size > 0) assigned.set(topicId, kept);
    if (dropped.size > 0) revoking.set(topicId, dropped);
  }
  if (revoking.size > 0 && stillOwns(reported, revoking)) {
    const { memberEpoch } = current;
    return changed(current, { memberEpoch, state: memberState.UNREVOKED_PARTITIONS, assigned, revoking });
  }
  let unreleased = false;
  for (const [topicId, partitions] of target) {
    if (!isSubscribed(topicId)) continue;
    const had = assigned.get(topicId);
    const missing = had === undefined ? partitions : partitions.filter((partition) => !had.has(partition));
    const free = missing.filter((partition) => isFree(topicId, partition));
    if (free.length < missing.length) unreleased = true;
    if (free.length > 0) {
      assigned.set(topicId, new Map([...had ?? [], ...free.map((partition) => [partition, targetEpoch] as const)]));
    }
  }
  const state = unreleased ? memberState.UNRELEASED_PARTITIONS : memberState.STABLE;
  return changed(current, { memberEpoch: targetEpoch, state, assigned, revoking: OWNS_NOTHING });
}

/** Gives up the topics that the member does not subscribe to any more, without looking at the target. */
function dropUnsubscribed({ current, isSubscribed, reported }: ReconcileInput): CurrentAssignment {
  const assigned = new Map<string, ReadonlyMap<number, number>>();
  const revoking = new Map(current.revoking);
  for (const [topicId, partitions] of current.assigned) {
    if (isSubscribed(topicId)) assigned.set(topicId, partitions);
    else revoking.set(topicId, new Map([...revoking.get(topicId) ?? [], ...partitions]));
  }
  if (assigned.size === current.assigned.size) return current;
  const { memberEpoch } = current;
  return stillOwns(reported, revoking)
    ? changed(current, { memberEpoch, state: memberState.UNREVOKED_PARTITIONS, assigned, revoking })
    : changed(current, { memberEpoch, state: current.state, assigned, revoking: current.revoking });
}

function split(
  partitions: ReadonlyMap<number, number>,
  isKept: (partition: number) => boolean,
): [ReadonlyMap<number, number>, ReadonlyMap<number, number>] {
  const kept = new Map<number, number>();
  const dropped = new Map<number, number>();
  for (const [partition, epoch] of partitions) (isKept(partition) ? kept : dropped).set(partition, epoch);
  return dropped.size === 0 ? [partitions, dropped] : [kept, dropped];
}

function changed(current: CurrentAssignment, next: Omit<CurrentAssignment, "previousMemberEpoch">): CurrentAssignment {
  if (
    next.memberEpoch === current.memberEpoch && next.state === current.state &&
    sameOwned(next.assigned, current.assigned) && sameOwned(next.revoking, current.revoking)
  ) return current;
  return { ...next, previousMemberEpoch: current.memberEpoch };
}
