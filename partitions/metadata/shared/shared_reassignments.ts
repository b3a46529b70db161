/**
 * Begins, replaces and cancels reassignments of partitions in a store that several brokers share (KIP-455). Main isolate.
 *
 *   row as the store has it ──► decision (cluster/reassignment.ts) ──► next row ──► compare-and-set ──► applied here ──► answered
 *        ▲                                                                               │ conflict: its leader, the controller, or another
 *        └── what was in the way has arrived ◄───────────────────────────────────────────┘ administrator has changed it
 *
 * Always: a row is decided upon and compared as a whole, and a broker that is to lead from now on is active, as the transaction compares. The
 * rest of a reassignment is the leader's: it takes new replicas into the in-sync set, and the change that adds the last one completes it.
 */
import { type ClusterPartitionRow, partitionRowOf } from "../../cluster/cluster_rows.ts";
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
import { partitionRowKey } from "../records.ts";
import type { StoreLimits } from "../store/store.ts";
import type { StoreFollower } from "../store/store_follower.ts";
import { replicaDirectories, type ReplicaDirectoriesParts } from "./replica_directories.ts";
import { ARRIVES_LATE, type SharedCommits } from "./shared_commits.ts";
import { packReassignments, type ReassignedPartition } from "./shared_transactions.ts";

/** How often a partition is tried anew, because others have changed its row: it may be in the middle of an election. */
const TRIES_MAX = 20;

const ALWAYS_CHANGES: ReassignmentResult = {
  errorCode: errorCode.REQUEST_TIMED_OUT,
  errorMessage: "Other brokers change the partition all the time; nothing was changed.",
};

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
  async reassign(wanted: readonly WantedReassignment[]): Promise<ReassignmentOutcomes> {
    const { commits } = this.#parts;
    const outcomes = new Map<WantedReassignment, ReassignmentResult | null>();
    let version = 0;
    let left = wanted;
    for (let tries = 0; tries < TRIES_MAX && left.length > 0; tries++) {
      version = Math.max(version, await this.#try(left, outcomes));
      left = left.filter((one) => !outcomes.has(one));
    }
    for (const one of left) outcomes.set(one, ALWAYS_CHANGES);
    if (version === 0 || await commits.applied(version)) return outcomes;
    return new Map([...outcomes].map(([one, refusal]) => [one, refusal ?? ARRIVES_LATE]));
  }

  /** Changes as many rows as possible. @param outcomes gets what became of them @returns the version of the last commit, 0 without one */
  async #try(
    wanted: readonly WantedReassignment[],
    outcomes: Map<WantedReassignment, ReassignmentResult | null>,
  ): Promise<number> {
    const { commits, limits, brokers } = this.#parts;
    const states = brokers.activeVersions();
    const changes = this.#changes(wanted, states, outcomes);
    let left: readonly ReassignedPartition[] = changes;
    let version = 0;
    while (left.length > 0) {
      const { changes: some, transaction } = packReassignments(left, { states, limits });
      left = left.slice(some.length);
      const result = await commits.commit(transaction);
      if (result.outcome === "committed") {
        version = result.version;
        for (const one of some) outcomes.set(one.wanted, null);
      } else if (result.outcome === "refused") {
        for (const one of some) outcomes.set(one.wanted, result.refusal);
      } else if (!await commits.caughtUp(transaction, result.keys)) {
        for (const one of some) outcomes.set(one.wanted, ARRIVES_LATE);
      }
    }
    return version;
  }

  /** The rows to write: of a partition that is named twice, the later one comes in the next try. */
  #changes(
    wanted: readonly WantedReassignment[],
    states: ReadonlyMap<number, number>,
    outcomes: Map<WantedReassignment, ReassignmentResult | null>,
  ): ReassignedPartition[] {
    const directories = replicaDirectories(this.#parts);
    const changes = new Map<string, ReassignedPartition>();
    for (const one of wanted) {
      const key = partitionRowKey(one.topic.id, one.partition);
      if (changes.has(key)) continue;
      const change = this.#change(one, key, { states, directories });
      if (change === null || "errorCode" in change) outcomes.set(one, change);
      else changes.set(key, change);
    }
    return [...changes.values()];
  }

  /** @returns null when there is nothing to change, or why it is refused */
  #change(
    wanted: WantedReassignment,
    key: string,
    by: {
      readonly states: ReadonlyMap<number, number>;
      readonly directories: (replicas: readonly number[]) => readonly string[];
    },
  ): ReassignedPartition | ReassignmentResult | null {
    const { config, follower } = this.#parts;
    const { configs } = wanted.topic;
    const entry = follower.rows.get(key);
    if (entry === undefined) return gone(wanted);
    const last = partitionRowOf(entry);
    const rules = { ...wanted, isUncleanElectionEnabled: isUncleanElectionEnabled(configs, config) };
    const change = reassignmentChange(last, wanted.replicas, rules);
    if (isRefusal(change)) return refusedReassignment(change, wanted);
    const minIsr = resolveMinInsyncReplicas(configs, config);
    const brokers = { isActive: (broker: number) => by.states.has(broker) };
    const next = changeRow(last, { ...change, minIsr }, brokers);
    if (next === null) return null;
    const isElected = next.leaderEpoch !== last.leaderEpoch && by.states.has(next.leader);
    return {
      wanted,
      key,
      version: entry.version,
      row: withDirectories(next, last, by.directories),
      chosen: isElected ? next.leader : null,
    };
  }
}

/** The row to store: replicas that stay keep their log directories, new ones get one. */
function withDirectories(
  row: PartitionRow,
  last: ClusterPartitionRow,
  choose: (replicas: readonly number[]) => readonly string[],
): ClusterPartitionRow {
  const added = row.replicas.filter((broker) => !last.replicas.includes(broker));
  const chosen = choose(added);
  const directories = row.replicas.map((broker) => {
    const index = last.replicas.indexOf(broker);
    return (index < 0 ? chosen[added.indexOf(broker)] : last.directories[index]) as string;
  });
  return { ...last, ...row, directories };
}

function gone({ topic: { name }, partition }: WantedReassignment): ReassignmentResult {
  return {
    errorCode: errorCode.UNKNOWN_TOPIC_OR_PARTITION,
    errorMessage: `Unable to find partition ${name}:${partition}.`,
  };
}
