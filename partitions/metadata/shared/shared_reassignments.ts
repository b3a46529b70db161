/**
 * Begins, replaces and cancels reassignments of partitions in a store that several brokers share (KIP-455). Main isolate.
 *
 * A row is decided upon by cluster/reassignment.ts, and changed as shared_row_updates.ts says. The rest of a reassignment is the leader's: it
 * takes new replicas into the in-sync set, and the change that adds the last one completes it.
 */
import { type ClusterPartitionRow, storedRow } from "../../cluster/cluster_rows.ts";
import { changeRow, type PartitionRow } from "../../cluster/partition_row.ts";
import { isRefusal, reassignmentChange } from "../../cluster/reassignment.ts";
import type { BrokerConfig } from "../../config/broker/broker_config.ts";
import { isUncleanElectionEnabled, resolveMinInsyncReplicas } from "../../config/topics/topic_configs.ts";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import {
  type ReassignmentOutcomes,
  type ReassignmentResult,
  refusedReassignment,
  type WantedReassignment,
} from "../partition_reassignment.ts";
import type { StoreLimits } from "../store/store.ts";
import type { StoreFollower } from "../store/store_follower.ts";
import { replicaDirectories, type ReplicaDirectoriesParts } from "./replica_directories.ts";
import type { SharedCommits } from "./shared_commits.ts";
import { type ActiveBrokers, candidatesOf, type NextRow, updateRows } from "./shared_row_updates.ts";

/** What reassignments use. */
export interface SharedReassignmentsParts extends ReplicaDirectoriesParts {
  readonly config: BrokerConfig;
  readonly follower: StoreFollower;
  readonly commits: SharedCommits;
  readonly limits: StoreLimits;
}

/** The reassignments that one broker is asked for. */
export class SharedReassignments {
  readonly #parts: SharedReassignmentsParts;

  /** @param parts the store, and what is known of it */
  constructor(parts: SharedReassignmentsParts) {
    this.#parts = parts;
  }

  /** Changes the rows, as `Changes.reassign()` says. */
  reassign(wanted: readonly WantedReassignment[]): Promise<ReassignmentOutcomes> {
    return updateRows(wanted, (active) => {
      const by = { active, choose: replicaDirectories(this.#parts) };
      return (one, last) => last === undefined ? gone(one) : this.#change(one, last, by);
    }, this.#parts);
  }

  /** @returns null when there is nothing to change, or why it is refused */
  #change(
    wanted: WantedReassignment,
    last: ClusterPartitionRow,
    { active, choose }: {
      readonly active: ActiveBrokers;
      readonly choose: (replicas: readonly number[]) => readonly string[];
    },
  ): NextRow | ReassignmentResult | null {
    const { config } = this.#parts;
    const { configs } = wanted.topic;
    const rules = { ...wanted, isUncleanElectionEnabled: isUncleanElectionEnabled(configs, config) };
    const change = reassignmentChange(last, wanted.replicas, rules);
    if (isRefusal(change)) return refusedReassignment(change, wanted);
    const minIsr = resolveMinInsyncReplicas(configs, config);
    const next = changeRow(last, { ...change, minIsr }, candidatesOf(last, active));
    if (next === null) return null;
    const isElected = next.leaderEpoch !== last.leaderEpoch && active.states.has(next.leader);
    return { row: withDirectories(next, last, choose), chosen: isElected ? next.leader : null };
  }
}

/** The row to store: replicas that stay keep their log directories, new ones get one. */
function withDirectories(
  row: PartitionRow,
  last: ClusterPartitionRow,
  choose: (replicas: readonly number[]) => readonly string[],
): ClusterPartitionRow {
  const added = row.replicas.filter((broker) => !last.replicas.includes(broker));
  const [stored, chosen] = [storedRow(row, last), choose(added)];
  const directories = row.replicas.map((broker, index) => chosen[added.indexOf(broker)] ?? stored.directories[index]);
  return { ...stored, directories: directories as string[] };
}

function gone({ topic: { name }, partition }: WantedReassignment): ReassignmentResult {
  return {
    errorCode: errorCode.UNKNOWN_TOPIC_OR_PARTITION,
    errorMessage: `Unable to find partition ${name}:${partition}.`,
  };
}
