/**
 * Changes rows of partitions in a store that several brokers share, as an administrator asks for it. Main isolate.
 *
 *   row as the store has it ──► decision ──► next row ──► compare-and-set ──► applied here ──► answered
 *        ▲                                                     │ conflict: its leader, the controller, or another administrator has changed it
 *        └── what was in the way has arrived ◄─────────────────┘
 *
 * Always: a row is decided upon and compared as a whole, and a broker that is to lead from now on is active, as the transaction compares.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { type ClusterPartitionRow, partitionRowOf } from "../../cluster/cluster_rows.ts";
import type { BrokerView } from "../../cluster/partition_row.ts";
import { directoryOf } from "../found_directories.ts";
import { partitionRowKey, SOME_DIRECTORY } from "../records.ts";
import { ABSENT, type StoreLimits } from "../store/store.ts";
import type { StoreFollower } from "../store/store_follower.ts";
import type { SharedBrokers } from "./shared_brokers.ts";
import { ARRIVES_LATE, type SharedCommits } from "./shared_commits.ts";
import { packRowUpdates, type RowUpdate, type StateVersions } from "./shared_transactions.ts";

/** How often a partition is tried anew, because others have changed its row: it may be in the middle of an election. */
const TRIES_MAX = 20;

/** Why a row is not changed: a code, and a sentence where there is one. */
export interface RowRefusal {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

const ALWAYS_CHANGES: RowRefusal = {
  errorCode: errorCode.REQUEST_TIMED_OUT,
  errorMessage: "Other brokers change the partition all the time; nothing was changed.",
};

/** What updates use. */
export interface SharedRowUpdatesParts {
  readonly brokers: SharedBrokers;
  readonly follower: Pick<StoreFollower, "rows">;
  readonly commits: SharedCommits;
  readonly limits: StoreLimits;
}

/** What is wanted of one partition. */
export interface AboutPartition {
  readonly topic: { readonly id: string };
  readonly partition: number;
}

/** Decides about a row as the store has it, undefined for one that is gone. @returns its next one, null when it stays, or why it is refused */
export type RowDecision<Wanted> = (
  wanted: Wanted,
  last: ClusterPartitionRow | undefined,
) => NextRow | RowRefusal | null;

/** The next row of a partition. */
export type NextRow = Pick<RowUpdate, "row" | "chosen">;

/** Which brokers are active in this try, and the log directories that each has registered. */
export interface ActiveBrokers {
  readonly states: StateVersions;
  readonly directories: ReadonlyMap<number, readonly string[]>;
}

/** The brokers that may lead a partition, if its row lets them: active ones that have registered the directory that it names. */
export function candidatesOf(row: ClusterPartitionRow, { states, directories }: ActiveBrokers): BrokerView {
  const hasLog = (broker: number, directory = directoryOf(row, broker) ?? SOME_DIRECTORY) =>
    directory === SOME_DIRECTORY || directories.get(broker)?.includes(directory) === true;
  return { isActive: (broker) => states.has(broker) && hasLog(broker) };
}

type Wants<Wanted> = RowUpdate & { readonly wanted: Wanted };
type Outcomes<Wanted> = Map<Wanted, RowRefusal | null>;

/**
 * Changes rows.
 * @param wanted each about one partition @param decisions begins a try, with the brokers that are active then
 * @returns what became of each: null for what is done, or needed nothing
 */
export async function updateRows<Wanted extends AboutPartition>(
  wanted: readonly Wanted[],
  decisions: (active: ActiveBrokers) => RowDecision<Wanted>,
  parts: SharedRowUpdatesParts,
): Promise<ReadonlyMap<Wanted, RowRefusal | null>> {
  const outcomes: Outcomes<Wanted> = new Map();
  let version = 0;
  let left = wanted;
  for (let tries = 0; tries < TRIES_MAX && left.length > 0; tries++) {
    const states = parts.brokers.activeVersions();
    const directories = new Map(parts.brokers.images().map((broker) => [broker.nodeId, broker.directories]));
    const updates = decideAll(left, { ...parts, decide: decisions({ states, directories }), outcomes });
    version = Math.max(version, await commitAll(updates, { ...parts, states, outcomes }));
    left = left.filter((one) => !outcomes.has(one));
  }
  for (const one of left) outcomes.set(one, ALWAYS_CHANGES);
  if (version === 0 || await parts.commits.applied(version)) return outcomes;
  return new Map([...outcomes].map(([one, refusal]) => [one, refusal ?? ARRIVES_LATE]));
}

/** The rows to write: of a partition that is named twice, the later one comes in the next try. */
function decideAll<Wanted extends AboutPartition>(
  wanted: readonly Wanted[],
  { follower, decide, outcomes }: SharedRowUpdatesParts & { decide: RowDecision<Wanted>; outcomes: Outcomes<Wanted> },
): Wants<Wanted>[] {
  const updates = new Map<string, Wants<Wanted>>();
  for (const one of wanted) {
    const key = partitionRowKey(one.topic.id, one.partition);
    if (updates.has(key)) continue;
    const entry = follower.rows.get(key);
    const next = decide(one, entry && partitionRowOf(entry));
    if (next === null || "errorCode" in next) outcomes.set(one, next);
    else updates.set(key, { ...next, wanted: one, key, version: entry?.version ?? ABSENT });
  }
  return [...updates.values()];
}

/** Changes as many rows as possible. @returns the version of the last commit, 0 without one */
async function commitAll<Wanted>(
  updates: readonly Wants<Wanted>[],
  { commits, limits, states, outcomes }: SharedRowUpdatesParts & { states: StateVersions; outcomes: Outcomes<Wanted> },
): Promise<number> {
  let left = updates;
  let version = 0;
  while (left.length > 0) {
    const { changes: some, transaction } = packRowUpdates(left, { states, limits });
    left = left.slice(some.length);
    const result = await commits.commit(transaction);
    if (result.outcome === "committed") {
      version = result.version;
      for (const { wanted } of some) outcomes.set(wanted, null);
    } else if (result.outcome === "refused") {
      for (const { wanted } of some) outcomes.set(wanted, result.refusal);
    } else if (!await commits.caughtUp(transaction, result.keys)) {
      for (const { wanted } of some) outcomes.set(wanted, ARRIVES_LATE);
    }
  }
  return version;
}
