/**
 * The tombstones of all records of a consumer group. Pure; runs on shards. Their order is Kafka's: Kafka refuses to load a log in which
 * the tombstone of a group comes before those of its members. Source: Kafka's ConsumerGroup.createGroupTombstoneRecords.
 */
import type { GroupRecord } from "../records/group_record.ts";
import type { ConsumerState } from "./consumer_state.ts";

/** Makes the tombstones of a group. @returns them in the order for the log */
export function groupTombstones(state: ConsumerState): GroupRecord[] {
  const { groupId } = state;
  const memberKeys = Array.from(state.members.keys(), (memberId) => ({ groupId, memberId }));
  const targetIds = new Set([...state.members.keys(), ...state.targetIds]);
  const key = { groupId };
  return [
    ...memberKeys.map((key) => tombstone("consumer-group-current-member-assignment", key)),
    ...Array.from(targetIds, (memberId) => tombstone("consumer-group-target-assignment-member", { groupId, memberId })),
    { kind: "consumer-group-target-assignment-metadata", key, value: null },
    ...memberKeys.map((key) => tombstone("consumer-group-member-metadata", key)),
    ...Array.from(
      state.subscriptions.resolved.keys(),
      (regularExpression): GroupRecord => ({
        kind: "consumer-group-regular-expression",
        key: { groupId, regularExpression },
        value: null,
      }),
    ),
    { kind: "consumer-group-partition-metadata", key, value: null },
    { kind: "consumer-group-metadata", key, value: null },
  ];
}

function tombstone(
  kind:
    | "consumer-group-current-member-assignment"
    | "consumer-group-target-assignment-member"
    | "consumer-group-member-metadata",
  key: { readonly groupId: string; readonly memberId: string },
): GroupRecord {
  return { kind, key, value: null };
}
