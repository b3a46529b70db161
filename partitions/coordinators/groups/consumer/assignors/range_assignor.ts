/**
 * The `range` assignor: of each topic, every subscriber gets one stretch of neighbouring partitions. Pure; any isolate.
 *
 * Members are taken in the same order for all topics, so topics with equal counts are co-partitioned: who has partition n of one has
 * partition n of the other. Static members come first, by instance id, which outlives a restart; the others by member id.
 * With P partitions and S subscribers each gets P / S, and the first P % S of them one more. Source: Kafka's RangeAssignor.
 */
import {
  type Assignment,
  type AssignorInput,
  type AssignorMember,
  compareText,
  sameAssignment,
  type Targets,
} from "./assignor.ts";

/** Assigns stretches of partitions. */
export function assignRange({ members: unsorted, partitionsCountOf }: AssignorInput): Targets {
  const members = [...unsorted].sort(compareMembers);
  const found = members.map(() => new Map<string, number[]>());
  for (const [topicId, subscribersCount] of countSubscribers(members)) {
    const partitionsCount = partitionsCountOf(topicId);
    let next = 0;
    let subscribersLeft = subscribersCount;
    // Ends with the last partition: of many small topics, few members get anything.
    for (let index = 0; next < partitionsCount; index++) {
      if (!members[index]!.topicIds.has(topicId)) continue;
      // Rounding up what is left over who is left gives the first P % S members one partition more.
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
