/**
 * Creates topics and partitions in a store that several brokers share. Main isolate.
 *
 * Always: the row that makes new partitions visible is written while the brokers in their rows are active, as the transaction compares: no
 * partition begins with a leader that was fenced before. A name is taken by whoever creates its row first.
 */
import type { ClusterPartitionRow } from "../../cluster/cluster_rows.ts";
import { createRow } from "../../cluster/partition_row.ts";
import { resolveMinInsyncReplicas } from "../../config/topics/topic_configs.ts";
import type { BrokerConfig } from "../../config/broker/broker_config.ts";
import type { Creation, Outcomes } from "../changes/changes.ts";
import type { GrowthPlan } from "../partition_creation.ts";
import { partitionRowKey, topicKey } from "../records.ts";
import type { StoreLimits, Transaction } from "../store/store.ts";
import type { StoreFollower } from "../store/store_follower.ts";
import type { CreationRefusal, TopicPlan } from "../topic_creation.ts";
import type { TopicTable } from "../topic_table.ts";
import { replicaDirectories } from "./replica_directories.ts";
import type { SharedBrokers } from "./shared_brokers.ts";
import { ARRIVES_LATE, type CommitOutcome, type SharedCommits } from "./shared_commits.ts";
import { topicRowOf } from "./shared_rows.ts";
import {
  type GrownTopic,
  type NewTopic,
  packCreation,
  type PackedCreation,
  packGrowth,
  rowDeletions,
  type StateVersions,
} from "./shared_transactions.ts";

/** Transactions of one creation in flight: etcd answers a few side by side sooner than one after the other. */
const IN_FLIGHT_MAX = 4;

/** What creations use. */
export interface SharedCreationsParts {
  readonly nodeId: number;
  readonly config: BrokerConfig;
  readonly table: TopicTable;
  readonly follower: StoreFollower;
  readonly commits: SharedCommits;
  readonly limits: StoreLimits;
  readonly brokers: SharedBrokers;
  readonly newTopicId: () => string;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** What new rows are made from, at one moment. */
interface Brokers {
  /** Versions of the states of those that are active. */
  readonly states: StateVersions;
  /** Chooses the log directories of a partition's replicas. */
  readonly directories: (replicas: readonly number[]) => readonly string[];
}

/** A transaction of a creation, and how it ended. */
interface Commit {
  /** Topics that it makes visible. */
  readonly changes: readonly NewTopic[];
  /** Transactions that came before it. */
  readonly before: readonly Transaction[];
  /** The one that was committed last, or was not. */
  readonly transaction: Transaction;
  readonly result: CommitOutcome;
}

/** The creations of one broker. */
export class SharedCreations {
  readonly #parts: SharedCreationsParts;

  /** @param parts the store, and what is known of it */
  constructor(parts: SharedCreationsParts) {
    this.#parts = parts;
  }

  /** Creates topics, as `Changes.create()` says. */
  async create(plans: readonly TopicPlan[]): Promise<ReadonlyMap<string, Creation>> {
    if (plans.length === 0) return new Map();
    const { commits, limits, newTopicId } = this.#parts;
    const outcomes = new Map<string, Creation>();
    const brokers = this.#brokers();
    let left = plans.map(({ name, configs, replicas }): NewTopic => {
      return { name, id: newTopicId(), configs, rows: this.#rows(replicas, configs, brokers) };
    });
    let version = 0;
    while (left.length > 0) {
      const flights: Promise<Commit>[] = [];
      const again: NewTopic[] = [];
      let isStale = false;
      while (flights.length < IN_FLIGHT_MAX && left.length > 0) {
        const packed = packCreation(left, { ...brokers, limits });
        left = left.slice(packed.changes.length);
        flights.push(this.#commitAll(packed));
      }
      for (const { result, transaction, changes, before } of await Promise.all(flights)) {
        if (result.outcome === "committed") {
          version = Math.max(version, result.version);
          for (const { name, id } of changes) outcomes.set(name, id);
        } else if (result.outcome === "refused") {
          for (const { name } of changes) outcomes.set(name, result.refusal);
        } else {
          for (const { id, rows } of before.length > 0 ? changes : []) await this.#undo(id, rows.length);
          if (!await commits.caughtUp(transaction, result.keys)) {
            for (const { name } of changes) outcomes.set(name, ARRIVES_LATE);
          } else {
            // Whose name is taken has to be planned anew. When a broker is not what it was, all of them have.
            const free = changes.filter(({ name }) => !result.keys.includes(topicKey(name)));
            const isTaken = result.keys.length === changes.length - free.length;
            isStale ||= !isTaken;
            if (isTaken) { for (const topic of free) again.push(topic); }
          }
        }
      }
      left = isStale ? [] : [...again, ...left];
    }
    if (version === 0 || await commits.applied(version)) return outcomes;
    return new Map([...outcomes].map(([name, made]) => [name, typeof made === "string" ? ARRIVES_LATE : made]));
  }

  /** Adds partitions, as `Changes.grow()` says. */
  async grow(plans: readonly GrowthPlan[]): Promise<Outcomes<string>> {
    const { commits } = this.#parts;
    const outcomes = new Map<string, CreationRefusal | null>();
    const brokers = this.#brokers();
    const grown = plans.flatMap((plan) => this.#grownTopic(plan, brokers) ?? []);
    let last = 0;
    for (const topic of grown) {
      const { refusal, version } = await this.#growTopic(topic, brokers);
      last = Math.max(last, version);
      if (refusal !== undefined) outcomes.set(topic.name, refusal);
    }
    if (last === 0 || await commits.applied(last)) return outcomes;
    return new Map([...outcomes].map(([name, refusal]) => [name, refusal ?? ARRIVES_LATE]));
  }

  /** @returns null, a refusal, or nothing when it has to be planned anew; and the version of the last commit */
  async #growTopic(
    topic: GrownTopic,
    { states }: Brokers,
  ): Promise<{ refusal?: CreationRefusal | null; version: number }> {
    const { commits, limits } = this.#parts;
    let left = topic;
    let version = 0;
    while (left.rows.length > 0) {
      const { count, transaction } = packGrowth(left, { states, limits });
      const result = await commits.commit(transaction);
      if (result.outcome === "refused") return { refusal: result.refusal, version };
      if (result.outcome === "conflict") {
        const isCurrent = await commits.caughtUp(transaction, result.keys);
        return isCurrent ? { version } : { refusal: ARRIVES_LATE, version };
      }
      version = result.version;
      left = { ...left, version, first: left.first + count, rows: left.rows.slice(count) };
    }
    return { refusal: null, version };
  }

  /** @returns null when the topic is gone */
  #grownTopic({ topic, replicas }: GrowthPlan, brokers: Brokers): GrownTopic | null {
    const { table, follower } = this.#parts;
    const { name, id, configs, partitions } = topic;
    const entry = follower.rows.get(topicKey(name));
    if (entry === undefined || table.image.topicById(id) !== topic) return null;
    const rows = this.#rows(replicas, configs, brokers);
    // A row that has changed since the topic was shown is refused by its version.
    return { name, row: topicRowOf(entry), version: table.versionsOf(id).topic, first: partitions.length, rows };
  }

  /**
   * Commits rows of a large topic, and then the transaction that makes topics visible: only if those rows were left alone (orphaned_rows.ts).
   */
  async #commitAll({ changes, before, transaction: last }: PackedCreation): Promise<Commit> {
    const { commits } = this.#parts;
    let first = 0;
    for (const transaction of before) {
      const result = await commits.commit(transaction);
      if (result.outcome !== "committed") return { result, transaction, changes, before };
      if (first === 0) first = result.version;
    }
    const [topic] = changes;
    const compare = [...last.compare ?? []];
    if (before.length > 0 && topic !== undefined) compare.push({ key: partitionRowKey(topic.id, 0), version: first });
    const transaction = { ...last, compare };
    return { result: await commits.commit(transaction), transaction, changes, before };
  }

  /** Removes rows of a topic that was not created. */
  async #undo(topicId: string, count: number): Promise<void> {
    for (const rows of rowDeletions(topicId, count, this.#parts.limits)) await this.#parts.commits.commit(rows);
  }

  #brokers(): Brokers {
    return { states: this.#parts.brokers.activeVersions(), directories: replicaDirectories(this.#parts) };
  }

  #rows(
    replicas: readonly (readonly number[])[],
    configs: Readonly<Record<string, string>>,
    { states, directories }: Brokers,
  ): ClusterPartitionRow[] {
    const minIsr = resolveMinInsyncReplicas(configs, this.#parts.config);
    const view = { isActive: (broker: number) => states.has(broker) };
    return replicas.map((nodeIds) => ({ ...createRow(nodeIds, minIsr, view), directories: directories(nodeIds) }));
  }
}
