/**
 * An election that an administrator asks for (KIP-183, KIP-460): the next row, or why there is none. Pure; the main isolate.
 *
 * Source: Kafka's ReplicationControlManager.electLeader.
 */
import { type BrokerView, changeRow, NO_LEADER, type PartitionRow } from "./partition_row.ts";

/** Who shall lead: the preferred replica, or, in a partition without a leader, also one that may lack records. */
export type WantedLeader = "preferred" | "unclean";

/** Why nobody is elected. */
export type ElectionRefusal = "not-needed" | "no-preferred-leader" | "no-eligible-leader";

/** Decides about an election. @param brokers those that may lead if the row lets them @returns the next row */
export function wantedElection(
  row: PartitionRow,
  leader: WantedLeader,
  brokers: BrokerView,
): PartitionRow | ElectionRefusal {
  const isNeeded = leader === "preferred" ? row.leader !== row.replicas[0] : row.leader === NO_LEADER;
  if (!isNeeded) return "not-needed";
  const next = changeRow(row, { election: leader }, brokers);
  if (next !== null && next.leader !== NO_LEADER && next.leaderEpoch !== row.leaderEpoch) return next;
  return leader === "preferred" ? "no-preferred-leader" : "no-eligible-leader";
}
