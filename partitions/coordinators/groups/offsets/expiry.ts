/**
 * The search for expired state in a partition of `__consumer_offsets`: first offsets that were not used for `offsets.retention.minutes`,
 * then empty groups without offsets, including those that never had an object. It works in slices, because 500,000 offsets that expire
 * together would take a quarter of a second. Runs on shards.
 *
 * Changes between two slices are harmless: a row of the table keeps its offset until the offset is removed, an offset that is committed
 * meanwhile is not old, and each group is checked when its turn comes.
 *
 * Source: Kafka's GroupCoordinatorShard.cleanupExpiredOffsets.
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { EmptiedGroups } from "../emptied_groups.ts";
import type { Group, KeptGroups } from "../kept_groups.ts";
import type { Offsets } from "./offsets.ts";
import type { GroupPorts } from "../group_ports.ts";
import type { GroupRecord } from "../records/group_record.ts";

/** How many groups a slice checks. Each takes a tenth of a microsecond. */
const GROUPS_PER_SLICE = 5000;
/** How many group records a slice removes. */
const RECORDS_PER_SLICE = 500;

/** The partition's state and the ways to change it. */
export interface ExpiryScene {
  readonly offsets: Offsets;
  readonly groups: KeptGroups;
  readonly emptied: EmptiedGroups;
  readonly ports: Pick<GroupPorts, "wallMs" | "settings">;
  /** Writes the gathered commits. Called before offsets are read. */
  writeGathered(): void;
  /** Appends and applies records. @returns Kafka's error code, 0 when they are written */
  append(records: readonly GroupRecord[]): number;
  /** Forgets a group that has no records in the log. */
  forget(group: Group): void;
}

/** Searches once, one slice per step. State whose removal the log refuses is left to the next search. */
export function* expireAll(scene: ExpiryScene): Generator<void, void> {
  yield* expireOffsets(scene);
  yield* expireGroups(scene);
  yield* expireEmptied(scene);
}

function* expireOffsets({ offsets, groups, ports, writeGathered, append }: ExpiryScene): Generator<void, void> {
  const unusedSince = (groupId: string, topic: string, commitTimestamp: number) => {
    const group = groups.get(groupId);
    return group === undefined ? commitTimestamp : group.unusedSince(topic, commitTimestamp);
  };
  for (let afterRow = -1;;) {
    writeGathered();
    const time = { nowMs: ports.wallMs(), retentionMs: ports.settings.offsetsRetentionMs };
    const { records, lastRow } = offsets.planExpiry(unusedSince, time, afterRow);
    if (append(records) !== errorCode.NONE || lastRow === null) return;
    afterRow = lastRow;
    yield;
  }
}

function* expireGroups({ offsets, groups, append, writeGathered, forget }: ExpiryScene): Generator<void, void> {
  let records: GroupRecord[] = [];
  let left = GROUPS_PER_SLICE;
  writeGathered();
  for (const group of groups.values()) {
    if (!offsets.has(group.groupId) && group.validateDelete() === errorCode.NONE) {
      if (group.isVacant) forget(group);
      else for (const record of group.tombstones()) records.push(record);
    }
    if (--left > 0 && records.length < RECORDS_PER_SLICE) continue;
    append(records);
    records = [];
    left = GROUPS_PER_SLICE;
    yield;
    writeGathered();
  }
  append(records);
}

function* expireEmptied({ offsets, groups, emptied, append, writeGathered }: ExpiryScene): Generator<void, void> {
  const ids = [...emptied];
  for (let start = 0; start < ids.length; start += RECORDS_PER_SLICE) {
    writeGathered();
    const slice = ids.slice(start, start + RECORDS_PER_SLICE);
    const gone = slice.filter((groupId) => emptied.has(groupId) && !groups.has(groupId) && !offsets.has(groupId));
    const records = gone.map((group): GroupRecord => ({ kind: "group-metadata", key: { group }, value: null }));
    if (append(records) !== errorCode.NONE) return;
    for (const groupId of slice) emptied.remove(groupId);
    yield;
  }
}
