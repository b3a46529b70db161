/**
 * Records that make the log forget a consumer group. Pure; runs on shards. Their order is that of Kafka, which refuses to load a log in
 * which a group is forgotten before its members. Source: Kafka's ConsumerGroup.createGroupTombstoneRecords.
 */
import type { GroupRecord } from "../records/group_record.ts";
import type { ConsumerState } from "./consumer_state.ts";

/** The records. */
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
