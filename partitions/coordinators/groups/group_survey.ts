/**
 * What the metrics say of the groups of a shard: how many there are by state, how many members each has, and what was committed. In steps,
 * because there may be very many; what changes between two steps is seen or not. Runs on shards.
 */
import type { GroupOffsets } from "./offsets/group_offsets.ts";
import { SURVEYED_GROUPS_MAX, SURVEYED_OFFSETS_MAX, type SurveyedGroups } from "../../requests/surveyed_groups.ts";
import type { KeptGroups } from "./kept_groups.ts";

/** Groups of a step. Each takes up to a microsecond. */
const GROUPS_PER_STEP = 500;
/** A group without an object, which has only offsets, or had. */
const SIMPLE = { type: "classic", state: "Empty" } as const;

/** Adds the groups of one partition of `__consumer_offsets`. */
export function* surveyPartition(
  { groups, offsets: { committed, emptied } }: { groups: KeptGroups; offsets: GroupOffsets },
  into: SurveyedGroups,
): Generator<void, void> {
  let count = 0;
  for (const group of groups.values()) {
    const { groupId, groupState, groupType } = group.overview();
    countGroup(into, groupType, groupState);
    if (group.memberCount > 0 && into.members.length < SURVEYED_GROUPS_MAX) {
      into.members.push([groupId, group.memberCount]);
    }
    if (++count % GROUPS_PER_STEP === 0) yield;
  }
  for (const ids of [committed.groupIds(), emptied]) {
    for (const groupId of ids) {
      const isCounted = groups.has(groupId) || (ids === emptied && committed.has(groupId));
      if (!isCounted) countGroup(into, SIMPLE.type, SIMPLE.state);
      if (++count % GROUPS_PER_STEP === 0) yield;
    }
  }
  into.offsetsCount += committed.count;
  const { offsets } = into;
  for (const row of committed.rows()) {
    if (row === null) yield;
    else if (offsets.groups.length === SURVEYED_OFFSETS_MAX) return;
    else {
      offsets.groups.push(row.group);
      offsets.topics.push(row.topic);
      offsets.partitions.push(row.partition);
      offsets.committed.push(row.offset);
    }
  }
}

function countGroup({ states }: SurveyedGroups, type: string, state: string): void {
  const key = `${type} ${state}`;
  states[key] = (states[key] ?? 0) + 1;
}
