/**
 * Elections that an administrator asks for in a store that several brokers share: decided by cluster/wanted_election.ts, made as
 * shared_row_updates.ts says. Main isolate.
 *
 * A replica is no candidate whose log directory, as the row names it, its broker has not registered (cluster/repairs.ts).
 */
import { type ClusterPartitionRow, storedRow } from "../../cluster/cluster_rows.ts";
import { wantedElection } from "../../cluster/wanted_election.ts";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { directoryOf } from "../found_directories.ts";
import { type ElectionOutcomes, refusedElection, type WantedElection } from "../leader_election.ts";
import { SOME_DIRECTORY } from "../records.ts";
import { type NextRow, type RowRefusal, type SharedRowUpdatesParts, updateRows } from "./shared_row_updates.ts";
import type { StateVersions } from "./shared_transactions.ts";

/** Makes elections, as `Changes.elect()` says. */
export function electShared(
  wanted: readonly WantedElection[],
  parts: SharedRowUpdatesParts,
): Promise<ElectionOutcomes> {
  return updateRows(wanted, (states) => {
    const directories = new Map(parts.brokers.images().map(({ nodeId, directories }) => [nodeId, directories]));
    return (one, last) => last === undefined ? gone(one) : elect(one, last, { states, directories });
  }, parts);
}

interface Brokers {
  readonly states: StateVersions;
  readonly directories: ReadonlyMap<number, readonly string[]>;
}

function elect({ leader }: WantedElection, last: ClusterPartitionRow, by: Brokers): NextRow | RowRefusal {
  const isActive = (broker: number) => {
    const directory = directoryOf(last, broker) ?? SOME_DIRECTORY;
    return by.states.has(broker) &&
      (directory === SOME_DIRECTORY || by.directories.get(broker)?.includes(directory) === true);
  };
  const next = wantedElection(last, leader, { isActive });
  if (typeof next === "string") return refusedElection(next);
  return { row: storedRow(next, last), chosen: next.leader };
}

function gone({ topic: { name }, partition }: WantedElection): RowRefusal {
  return {
    errorCode: errorCode.UNKNOWN_TOPIC_OR_PARTITION,
    errorMessage: `No such partition as ${name}-${partition}`,
  };
}
