/**
 * Elections that an administrator asks for in a store that several brokers share: decided by cluster/wanted_election.ts, made as
 * shared_row_updates.ts says. Main isolate.
 *
 * A replica is no candidate whose log directory, as the row names it, its broker has not registered (cluster/repairs.ts).
 */
import { type ClusterPartitionRow, storedRow } from "../../cluster/cluster_rows.ts";
import { wantedElection } from "../../cluster/wanted_election.ts";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { type ElectionOutcomes, refusedElection, type WantedElection } from "../leader_election.ts";
import {
  type ActiveBrokers,
  candidatesOf,
  type NextRow,
  type RowRefusal,
  type SharedRowUpdatesParts,
  updateRows,
} from "./shared_row_updates.ts";

/** Makes elections, as `Changes.elect()` says. */
export function electShared(
  wanted: readonly WantedElection[],
  parts: SharedRowUpdatesParts,
): Promise<ElectionOutcomes> {
  const decisions = (active: ActiveBrokers) => (one: WantedElection, last: ClusterPartitionRow | undefined) =>
    last === undefined ? gone(one) : elect(one, last, active);
  return updateRows(wanted, decisions, parts);
}

function elect({ leader }: WantedElection, last: ClusterPartitionRow, active: ActiveBrokers): NextRow | RowRefusal {
  const next = wantedElection(last, leader, candidatesOf(last, active));
  if (typeof next === "string") return refusedElection(next);
  return { row: storedRow(next, last), chosen: next.leader };
}

function gone({ topic: { name }, partition }: WantedElection): RowRefusal {
  return {
    errorCode: errorCode.UNKNOWN_TOPIC_OR_PARTITION,
    errorMessage: `No such partition as ${name}-${partition}`,
  };
}
