/** Lists the groups of a partition for ListGroups, in steps, because there may be very many. Runs on shards. */
import type { ListedGroup } from "../../../net/protocol/messages/16_list_groups.ts";
import type { EmptiedGroups } from "./emptied_groups.ts";
import type { Group, KeptGroups } from "./kept_groups.ts";
import type { Offsets } from "./offsets/offsets.ts";

/** How many groups a step lists. Each takes up to a microsecond. */
const GROUPS_PER_STEP = 500;

/** The listing of a group without an object, which has only offsets, or had. */
const SIMPLE_OVERVIEW = { protocolType: "", groupState: "Empty", groupType: "classic" };

/** Which groups ListGroups is to list; null for all. Lower case. */
export interface GroupFilter {
  readonly states: ReadonlySet<string> | null;
  readonly types: ReadonlySet<string> | null;
}

/** The sources of the groups. */
export interface ListedScene {
  readonly groups: KeptGroups;
  readonly offsets: Offsets;
  readonly emptied: EmptiedGroups;
}

/** Lists the groups. @param listed receives them */
export function* listGroups(
  { groups, offsets, emptied }: ListedScene,
  { states, types }: GroupFilter,
  listed: ListedGroup[],
): Generator<void, void> {
  let count = 0;
  const add = (overview: ReturnType<Group["overview"]>) => {
    count++;
    if (states !== null && !states.has(overview.groupState.toLowerCase())) return;
    if (types !== null && !types.has(overview.groupType.toLowerCase())) return;
    listed.push(overview);
  };
  // A group may change its kind while others are listed. It is then listed with its old kind.
  const added = new Set<string>();
  for (const group of groups.values()) {
    if (added.has(group.groupId)) continue;
    added.add(group.groupId);
    add(group.overview());
    if (count % GROUPS_PER_STEP === 0) yield;
  }
  for (const groupId of offsets.groupIds()) {
    if (added.has(groupId)) continue;
    add({ groupId, ...SIMPLE_OVERVIEW });
    if (count % GROUPS_PER_STEP === 0) yield;
  }
  for (const groupId of emptied) {
    if (added.has(groupId) || offsets.has(groupId)) continue;
    add({ groupId, ...SIMPLE_OVERVIEW });
    if (count % GROUPS_PER_STEP === 0) yield;
  }
}
