/**
 * Decides about a reassignment of a partition's replicas by its row (KIP-455): what it changes, or why it is refused. changeRow()
 * (partition_row.ts) carries it out, and ends it when the new replicas are in sync. Pure; the main isolate of the broker that was asked.
 *
 *   [1,2,3] --to [4,2,3]--> [4,2,3,1] adding 4, removing 1 --4 enters the ISR--> [4,2,3]
 *                               │ to [2,3,5]: 4 leaves at once ──► [2,3,5,1] adding 5, removing 1
 *                               └ cancel: 4 leaves at once ──► [2,3,1]
 *
 * Must always hold: a replica that leaves at once is none of the last that have the records.
 * Source: ReplicationControlManager (changePartitionReassignment, cancelPartitionReassignment), PartitionReassignmentRevert. Two
 * differences: Kafka keeps what an earlier reassignment was adding when another one replaces it, and forgets that it was added; and it
 * takes no eligible leader replica for one that has the records.
 */
import { isReassigning, originalReplicas, type PartitionRow, type RowChange } from "./partition_row.ts";

/**
 * Why a reassignment is refused: there is none that could be cancelled, the number of replicas would be another one although it must not,
 * or only replicas that would leave have the records.
 */
export type ReassignmentRefusal =
  | "none-in-progress"
  | { readonly kind: "factor-changes"; readonly from: number; readonly to: number }
  | "would-be-unclean";

/** What the decision depends on. */
export type ReassignedRow = Pick<
  PartitionRow,
  "replicas" | "adding" | "removing" | "isr" | "elr" | "lastKnownElr"
>;

/** What a reassignment may do. */
export interface ReassignmentRules {
  /** Whether the number of replicas may change (KIP-860). */
  readonly mayChangeFactor: boolean;
  /** `unclean.leader.election.enable` of the topic. */
  readonly isUncleanElectionEnabled: boolean;
}

/**
 * The change of a row that begins, replaces or cancels a reassignment.
 * @param replicas to reach, the preferred leader first; null cancels
 */
export function reassignmentChange(
  row: ReassignedRow,
  replicas: readonly number[] | null,
  { mayChangeFactor, isUncleanElectionEnabled }: ReassignmentRules,
): RowChange | ReassignmentRefusal {
  if (replicas === null && !isReassigning(row)) return "none-in-progress";
  const [from, to] = [row.replicas.length - row.removing.length, replicas?.length];
  if (to !== undefined && to !== from && !mayChangeFactor) return { kind: "factor-changes", from, to };
  const target = replicas ?? originalReplicas(row);
  if (!losesRecords(row, target)) return { target, election: "none" };
  return isUncleanElectionEnabled ? { target, election: "unclean" } : "would-be-unclean";
}

/** Whether a reassignment is refused. */
export function isRefusal(outcome: RowChange | ReassignmentRefusal): outcome is ReassignmentRefusal {
  return typeof outcome === "string" || "kind" in outcome;
}

/** Whether every replica that may lead is one that leaves at once. */
function losesRecords(row: ReassignedRow, target: readonly number[]): boolean {
  const stays = (broker: number) => target.includes(broker) || originalReplicas(row).includes(broker);
  const sound = row.isr.length + row.elr.length > 0 ? [...row.isr, ...row.elr] : row.lastKnownElr;
  return sound.length > 0 && !sound.some(stays);
}
