/**
 * Divides changes of a shared store into transactions that the store takes. Pure; the main isolate runs it.
 *
 * Always: a topic's row is written last, or with its partitions, so that a topic is seen whole or not at all. Whatever adds or removes
 * partitions writes the topic's row, which all of them compare: a topic that grows is not deleted meanwhile, and no partition is added
 * to a deleted one. What is to happen in one request goes into few transactions: each one takes etcd 5 to 10 ms.
 */
import type { ClusterPartitionRow } from "../../cluster/cluster_rows.ts";
import { stateKey } from "../../cluster/cluster_rows.ts";
import type { ConfigChange } from "../changes/changes.ts";
import { deletedKey, partitionRowKey, topicKey, type TopicRow } from "../records.ts";
import { ABSENT, type Assignment, type Comparison, type StoreLimits, type Transaction } from "../store/store.ts";
import type { SharedDeletedRow } from "./shared_rows.ts";

/** A topic to be created. */
export interface NewTopic {
  readonly name: string;
  readonly id: string;
  readonly configs: Readonly<Record<string, string>>;
  readonly rows: readonly ClusterPartitionRow[];
}

/** A topic that gets partitions behind its last one. */
export interface GrownTopic {
  readonly name: string;
  readonly row: TopicRow;
  /** Version of its row. */
  readonly version: number;
  /** Number of its first new partition. */
  readonly first: number;
  readonly rows: readonly ClusterPartitionRow[];
}

/** A topic to be deleted. */
export interface RemovedTopic {
  readonly name: string;
  readonly id: string;
  /** Version of its row. */
  readonly version: number;
  readonly partitionsCount: number;
  /** `directory.id` of each log directory that has something of it. */
  readonly directories: readonly string[];
}

/** A row of configs, quotas or credentials to be changed. */
export interface Alteration {
  readonly change: ConfigChange;
  readonly key: string;
  readonly version: number;
  /** null: the row is deleted, because a group without configs, for example, has none. */
  readonly value: string | null;
}

/** A partition's row that is changed. */
export interface RowUpdate {
  readonly key: string;
  readonly version: number;
  readonly row: ClusterPartitionRow;
  /** The broker that leads from now on, null where the leader stays, or there is none. */
  readonly chosen: number | null;
}

/** Versions of the states of brokers, by node id: what is written holds only while these brokers are active. */
export type StateVersions = ReadonlyMap<number, number>;

/** One transaction, and the changes that it completes. */
export interface Packed<Change> {
  readonly changes: readonly Change[];
  readonly transaction: Transaction;
}

/** The next transaction of a creation. */
export interface PackedCreation extends Packed<NewTopic> {
  /** Transactions that come before it: the rows of a topic with more partitions than one transaction takes, from its first on. */
  readonly before: readonly Transaction[];
}

/** A transaction that is filled up to the store's limits. */
class Draft {
  readonly compare: Comparison[] = [];
  readonly set: Assignment[] = [];
  readonly delete: string[] = [];
  readonly #limits: StoreLimits;
  readonly #states = new Set<number>();
  #bytes = 0;

  constructor(limits: StoreLimits) {
    this.#limits = limits;
  }

  /** Adds to the transaction, if it has room or is empty. @returns whether it was added */
  add(part: Transaction & { readonly brokers?: Iterable<number>; readonly states?: StateVersions }): boolean {
    const { compare = [], set = [], delete: deleted = [], states } = part;
    const brokers = [...new Set(part.brokers ?? [])].filter((broker) => !this.#states.has(broker));
    const bytes = set.reduce((sum, { key, value }) => sum + bytesOf(key) + bytesOf(value), 0) +
      deleted.reduce((sum, key) => sum + bytesOf(key), 0);
    const { transactionKeysMax, transactionBytesMax } = this.#limits;
    const isFull = this.compare.length + compare.length + brokers.length > transactionKeysMax ||
      this.set.length + this.delete.length + set.length + deleted.length > transactionKeysMax ||
      this.#bytes + bytes > transactionBytesMax;
    if (isFull && this.set.length + this.delete.length > 0) return false;
    for (const one of compare) this.compare.push(one);
    for (const broker of brokers) {
      this.#states.add(broker);
      this.compare.push({ key: stateKey(broker), version: states?.get(broker) ?? ABSENT });
    }
    for (const one of set) this.set.push(one);
    for (const key of deleted) this.delete.push(key);
    this.#bytes += bytes;
    return true;
  }
}

/** The next transaction that creates topics. @param topics at least one, in their order */
export function packCreation(
  topics: readonly NewTopic[],
  { states, limits }: { states: StateVersions; limits: StoreLimits },
): PackedCreation {
  const draft = new Draft(limits);
  const packed: NewTopic[] = [];
  let before: readonly Transaction[] = [];
  for (const topic of topics) {
    const { name, id, configs, rows } = topic;
    const sets = rows.map((row, partition) => rowAssignment(id, partition, row));
    const isLarge = sets.length + 1 > limits.transactionKeysMax;
    if (isLarge && packed.length > 0) break;
    const isAdded = draft.add({
      compare: [{ key: topicKey(name), version: ABSENT }],
      set: [...isLarge ? [] : sets, { key: topicKey(name), value: JSON.stringify({ id, configs }) }],
      brokers: rows.flatMap(({ isr }) => isr),
      states,
    });
    if (!isAdded) break;
    packed.push(topic);
    if (isLarge) before = chunks(sets, limits).map((set) => ({ set }));
    if (isLarge) break;
  }
  return { changes: packed, before, transaction: draft };
}

/** The next transaction of a topic that grows: as many rows as it takes. @returns with the number of rows */
export function packGrowth(
  { name, row, version, first, rows }: GrownTopic,
  { states, limits }: { states: StateVersions; limits: StoreLimits },
): { readonly count: number; readonly transaction: Transaction } {
  const draft = new Draft(limits);
  const key = topicKey(name);
  draft.add({ compare: [{ key, version }], set: [{ key, value: JSON.stringify(row) }] });
  let count = 0;
  for (const [index, one] of rows.entries()) {
    if (!draft.add({ set: [rowAssignment(row.id, first + index, one)], brokers: one.isr, states })) break;
    count++;
  }
  return { count, transaction: draft };
}

/** The next transaction that deletes topics. Rows of partitions beyond it are left to who removes the topic's last directories. */
export function packDeletion(topics: readonly RemovedTopic[], limits: StoreLimits): Packed<RemovedTopic> {
  const draft = new Draft(limits);
  const packed: RemovedTopic[] = [];
  for (const topic of topics) {
    const { name, id, version, partitionsCount, directories } = topic;
    const isLarge = partitionsCount + 2 > limits.transactionKeysMax;
    const row: SharedDeletedRow = { name, directories, ...(isLarge ? { partitions: partitionsCount } : {}) };
    const isAdded = draft.add({
      compare: [{ key: topicKey(name), version }],
      set: [{ key: deletedKey(id), value: JSON.stringify(row) }],
      delete: [topicKey(name), ...isLarge ? [] : partitionKeys(id, partitionsCount)],
    });
    if (!isAdded) break;
    packed.push(topic);
  }
  return { changes: packed, transaction: draft };
}

/** Deletes the rows of a deleted topic's partitions. */
export function rowDeletions(topicId: string, partitionsCount: number, limits: StoreLimits): Transaction[] {
  return chunks(partitionKeys(topicId, partitionsCount), limits).map((keys) => ({ delete: keys }));
}

/** The next transaction that changes configs. */
export function packAlterations(alterations: readonly Alteration[], limits: StoreLimits): Packed<Alteration> {
  const draft = new Draft(limits);
  const packed: Alteration[] = [];
  for (const alteration of alterations) {
    const { key, version, value } = alteration;
    const compare = [{ key, version }];
    if (!draft.add(value === null ? { compare, delete: [key] } : { compare, set: [{ key, value }] })) break;
    packed.push(alteration);
  }
  return { changes: packed, transaction: draft };
}

/** The next transaction that changes rows of partitions. */
export function packRowUpdates<Update extends RowUpdate>(
  updates: readonly Update[],
  { states, limits }: { states: StateVersions; limits: StoreLimits },
): Packed<Update> {
  const draft = new Draft(limits);
  const packed: Update[] = [];
  for (const update of updates) {
    const { key, version, row, chosen } = update;
    const set = [{ key, value: JSON.stringify(row) }];
    if (!draft.add({ compare: [{ key, version }], set, brokers: chosen === null ? [] : [chosen], states })) break;
    packed.push(update);
  }
  return { changes: packed, transaction: draft };
}

/** Divides a list into parts that a transaction takes. */
export function chunks<Item>(items: readonly Item[], { transactionKeysMax }: StoreLimits): Item[][] {
  const size = Math.min(items.length, transactionKeysMax);
  return Array.from(
    { length: Math.ceil(items.length / size || 0) },
    (_, index) => items.slice(index * size, (index + 1) * size),
  );
}

function rowAssignment(topicId: string, partition: number, row: ClusterPartitionRow): Assignment {
  return { key: partitionRowKey(topicId, partition), value: JSON.stringify(row) };
}

function partitionKeys(topicId: string, count: number): string[] {
  return Array.from({ length: count }, (_, partition) => partitionRowKey(topicId, partition));
}

/** Bytes of a text, at most: configs may hold any characters. */
function bytesOf(text: string): number {
  return text.length * 3;
}
