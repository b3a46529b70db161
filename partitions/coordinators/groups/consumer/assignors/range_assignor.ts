/**
 * The `range` assignor: every subscriber of a topic gets one contiguous range of its partitions. Pure; any isolate.
 *
 * The order of members is the same for all topics. Topics with equal partition counts are therefore co-partitioned: the member that has
 * partition n of one topic also has partition n of the other. Static members come first, ordered by instance id, which stays the same
 * after a restart. Dynamic members follow, ordered by member id. With P partitions and S subscribers each gets P / S partitions, and the
 * first P % S members get one more. Source: Kafka's RangeAssignor.
 */
import {
  type Assignment,
  type AssignorInput,
  type AssignorMember,
  compareText,
  sameAssignment,
  type Targets,
} from "./assignor.ts";

/** Assigns contiguous ranges of partitions. @returns the targets of all members */
export function assignRange({ members: unsorted, partitionsCountOf }: AssignorInput): Targets {
  const members = [...unsorted].sort(compareMembers);
  const found = members.map(() => new Map<string, number[]>());
  for (const [topicId, subscribersCount] of countSubscribers(members)) {
    const partitionsCount = partitionsCountOf(topicId);
    let next = 0;
    let subscribersLeft = subscribersCount;
    // Ends at the last partition: with many small topics, most members get nothing of each.
    for (let index = 0; next < partitionsCount; index++) {
      if (!members[index]!.topicIds.has(topicId)) continue;
      // Remaining partitions / remaining members, rounded up, gives the first P % S members one partition more.
      const size = Math.ceil((partitionsCount - next) / subscribersLeft--);
      const start = next;
      found[index]!.set(topicId, Array.from({ length: size }, (_, step) => start + step));
      next += size;
    }
  }
  const targets = new Map<string, Assignment>();
  members.forEach(({ memberId, assignment }, index) => {
    const target = found[index]!;
    targets.set(memberId, sameAssignment(target, assignment) ? assignment : target);
  });
  return targets;
}

function countSubscribers(members: readonly AssignorMember[]): Map<string, number> {
  const membersCounts = new Map<ReadonlySet<string>, number>();
  for (const { topicIds } of members) membersCounts.set(topicIds, (membersCounts.get(topicIds) ?? 0) + 1);
  const counts = new Map<string, number>();
  for (const [topicIds, membersCount] of membersCounts) {
    for (const topicId of topicIds) counts.set(topicId, (counts.get(topicId) ?? 0) + membersCount);
  }
  return counts;
}

function compareMembers(one: AssignorMember, other: AssignorMember): number {
  if (one.instanceId !== null && other.instanceId !== null) return compareText(one.instanceId, other.instanceId);
  if (one.instanceId !== null) return -1;
  if (other.instanceId !== null) return 1;
  return compareText(one.memberId, other.memberId);
}
