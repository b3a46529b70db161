/**
 * Loads the topics of a starting broker from the store and the log directory, in one transaction. Runs once, on the main isolate.
 *
 * A restart is a new leadership: every leader epoch grows by one before a shard opens a log. Otherwise clients could not tell a record
 * that an unclean stop lost from the one that gets its offset later (KIP-101).
 */
import {
  type AdoptedTopic,
  type AdoptionPlan,
  type FoundDirectory,
  type FoundPartition,
  isUnknown,
  type PartitionDirectories,
  type PartitionIdentity,
  planAdoption,
} from "./adoption.ts";
import type { BrokerConfig } from "../config/broker/broker_config.ts";
import type { BrokerImage } from "./image.ts";
import { ZERO_UUID } from "../../storage/base/uuid.ts";
import { DirectoryPlacement, OFFLINE_DIRECTORY } from "../placement/directory_placement.ts";
import { directoryOf, FoundDirectories } from "./found_directories.ts";
import {
  deletedEntry,
  deletedKey,
  type DeletedRow,
  type PartitionRow,
  partitionRowKey,
  PRODUCER_IDS,
  readMetadata,
  SOME_DIRECTORY,
  type StoredMetadata,
  topicKey,
  type TopicRow,
  type Versioned,
} from "./records.ts";
import { ABSENT, type Assignment, type Comparison, type MetadataStore, MetadataStoreError } from "./store/store.ts";
import type { StoredTopic } from "./topic_table.ts";

/** What loading needs. */
export interface LoadOptions {
  readonly store: MetadataStore;
  readonly nodeId: number;
  /** How many partitions fit. */
  readonly freeCount: number;
  readonly newTopicId: () => string;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** The loaded metadata. */
export interface LoadedTopics {
  readonly topics: readonly StoredTopic[];
  readonly groups: StoredMetadata["groups"];
  readonly settings: StoredMetadata["settings"];
  readonly brokerConfigs: StoredMetadata["brokerConfigs"];
  /** First producer id of the next block, and the version of the row that stores it. */
  readonly producerIds: { readonly next: number; readonly version: number };
  /** Version of the start's transaction. */
  readonly version: number;
  /** Partitions with adopted directories, which this broker has not opened before. */
  readonly adopted: readonly FoundPartition[];
  /** Sentences for the log. */
  readonly warnings: readonly string[];
}

/** Directories read at a time. */
const IDENTIFIED_AT_ONCE = 64;

/**
 * The store does not know the producer ids in adopted logs. If a new producer got one of them, its first batches could be taken for
 * duplicates and be lost. After an adoption, ids therefore continue at a random point in this range.
 */
const ADOPTED_PRODUCER_IDS = { from: 2 ** 40, to: 2 ** 50 };

/** Loads the metadata. @throws MetadataStoreError when the store is damaged, or belongs to another broker */
export async function loadTopics(directories: PartitionDirectories, options: LoadOptions): Promise<LoadedTopics> {
  const { store } = options;
  const stored = readMetadata(await store.range(""));
  checkComplete(stored, options.nodeId);
  const placement = new DirectoryPlacement(directories.ids);
  const plan = await adopt(directories, stored, { ...options, placement });
  for (const place of plan.removed) await directories.remove(place, place.directory);
  // The removal of a deleted topic's directories must be durable before the store forgets the deletion.
  if (stored.deleted.size > 0) await directories.sync();
  const isLeft = (one: FoundDirectory) => !plan.removed.some((other) => isSame(one, other));
  const left = plan.removed.length === 0 ? directories.found : directories.found.filter(isLeft);

  const place = { placement, nodeId: options.nodeId };
  await finishMoves(directories, stored, { ...place, found: left });
  const change = new LoadChange(place);
  for (const [id, row] of stored.deleted) change.forget(id, row);
  const found = new FoundDirectories(left, place);
  const topics = [...stored.topics].map(([name, { row, version }]) => {
    const further = plan.adopted.find((topic) => topic.isKnown && topic.name === name);
    return change.reload(name, { row, version, partitions: stored.partitions.get(row.id) ?? [] }, {
      found,
      further: further ?? { leaderEpochs: [], directories: [] },
    });
  });
  for (const topic of plan.adopted) if (!topic.isKnown) topics.push(change.adopt(topic));
  const producerIds = nextProducerIds(stored, plan, { change, random: options.random });

  const version = await change.commit(store);
  const finished = topics.map((finish) => finish(version));
  return {
    topics: finished,
    groups: stored.groups,
    settings: stored.settings,
    brokerConfigs: stored.brokerConfigs,
    producerIds: { next: producerIds.next, version: producerIds.isChanged ? version : producerIds.version },
    version,
    adopted: plan.adopted.flatMap(({ name, first, leaderEpochs }) =>
      leaderEpochs.map((_, index) => ({ topic: name, partition: first + index }))
    ),
    warnings: [...found.warnings, ...plan.warnings],
  };
}

/**
 * Completes or undoes the moves to other log directories that a crash interrupted: a copy counts when the store names its directory and the
 * old directory is gone (directory/replica_moves.ts).
 */
export async function finishMoves(
  directories: PartitionDirectories,
  { topics, partitions }: Pick<StoredMetadata, "topics" | "partitions">,
  { placement, nodeId, found }: { placement: DirectoryPlacement; nodeId: number; found: readonly FoundDirectory[] },
): Promise<void> {
  const promoted = new Set<string>();
  for (const copy of directories.futures) {
    const name = `${copy.topic}-${copy.partition}`;
    const id = topics.get(copy.topic)?.row.id;
    const row = id === undefined ? undefined : partitions.get(id)?.[copy.partition]?.row;
    const isNamed = row !== undefined && placement.indexOf(directoryOf(row, nodeId)) === copy.directory;
    const isFound = found.some((one) => one.topic === copy.topic && one.partition === copy.partition);
    const isNeeded = isNamed && !isFound && !promoted.has(name);
    const identity = isNeeded ? await directories.identify(copy) : null;
    // Files that cannot be read take the partition offline, or are rebuilt, when its log is opened: there is no other copy.
    if (typeof identity === "string" || identity !== null && identity.topicId === id) {
      await directories.promote(copy);
      promoted.add(name);
    } else directories.removeFuture(copy);
  }
}

/**
 * Checks that topics and partitions fit together and that this broker leads all of them.
 * @throws MetadataStoreError when they do not
 */
export function checkComplete({ topics, partitions }: StoredMetadata, nodeId: number): void {
  const ids = new Set<string>();
  for (const [name, { row }] of topics) {
    ids.add(row.id);
    const rows = partitions.get(row.id) ?? [];
    for (let partition = 0; partition < Math.max(rows.length, 1); partition++) {
      const found = rows[partition];
      if (found === undefined) throw new MetadataStoreError(`The metadata store lacks partition ${name}-${partition}`);
      if (found.row.isr.includes(nodeId)) continue;
      throw new MetadataStoreError(
        `Partition ${name}-${partition} belongs to broker ${found.row.replicas.join(", ")}, but node.id is ${nodeId}`,
      );
    }
  }
  for (const id of partitions.keys()) {
    if (!ids.has(id)) throw new MetadataStoreError(`The metadata store has partitions of an unknown topic ${id}`);
  }
}

async function adopt(
  directories: PartitionDirectories,
  stored: StoredMetadata,
  { placement, ...options }: LoadOptions & { placement: DirectoryPlacement },
): Promise<AdoptionPlan> {
  const ids = new Set([...stored.topics.values()].map(({ row }) => row.id));
  const topic = (name: string) => {
    const id = stored.topics.get(name)?.row.id;
    return id === undefined ? undefined : { id, count: stored.partitions.get(id)?.length ?? 0 };
  };
  // A topic may have been created under the name of the deleted one.
  const deletedNames = new Set([...stored.deleted.values()].map(({ name }) => name));
  const unknown = directories.found.filter((place) => isUnknown(place, { topic }) || deletedNames.has(place.topic));
  const identified: (FoundDirectory & PartitionIdentity)[] = [];
  const unreadable: string[] = [];
  for (let start = 0; start < unknown.length; start += IDENTIFIED_AT_ONCE) {
    const some = unknown.slice(start, start + IDENTIFIED_AT_ONCE);
    const identities = await Promise.all(some.map((place) => directories.identify(place)));
    for (const [index, identity] of identities.entries()) {
      const place = some[index] as FoundDirectory;
      if (typeof identity !== "string") identified.push({ ...place, ...identity });
      else if (isUnknown(place, { topic })) {
        unreadable.push(`Leaving directory ${place.topic}-${place.partition} alone: ${identity}`);
      }
    }
  }
  let used = 0;
  for (const rows of stored.partitions.values()) used += rows.length;
  if (used > options.freeCount) {
    throw new MetadataStoreError(`The metadata store has ${used} partitions; this broker takes ${options.freeCount}`);
  }
  const plan = planAdoption(identified, {
    topic,
    hasId: (id) => ids.has(id),
    isDeleted: (id, directory) => {
      const places = stored.deleted.get(id)?.directories;
      return places !== undefined && (places.includes(placement.idOf(directory)) || places.includes(SOME_DIRECTORY));
    },
    freeCount: options.freeCount - used,
    newTopicId: options.newTopicId,
  });
  return { ...plan, warnings: [...unreadable, ...plan.warnings] };
}

function nextProducerIds(
  stored: StoredMetadata,
  plan: AdoptionPlan,
  { change, random }: { change: LoadChange; random: () => number },
): { next: number; version: number; isChanged: boolean } {
  const next = stored.producerIds?.row.next ?? 0;
  const version = stored.producerIds?.version ?? ABSENT;
  const { from, to } = ADOPTED_PRODUCER_IDS;
  if (plan.adopted.length === 0 || next >= from) return { next, version, isChanged: false };
  const moved = from + Math.floor(random() * (to - from));
  change.put(PRODUCER_IDS, { next: moved }, version);
  return { next: moved, version, isChanged: true };
}

/** Builds a topic once the version of the transaction is known. */
type Finish = (version: number) => StoredTopic;

/** Builds the transaction of a start. */
class LoadChange {
  readonly deletes: string[] = [];
  readonly #compares: Comparison[] = [];
  readonly #sets: Assignment[] = [];
  readonly #nodeId: number;
  readonly #placement: DirectoryPlacement;

  constructor({ nodeId, placement }: { nodeId: number; placement: DirectoryPlacement }) {
    this.#nodeId = nodeId;
    this.#placement = placement;
  }

  /** Sets a row, if it still has this version. */
  put(key: string, row: unknown, version: number): void {
    this.#compares.push({ key, version });
    this.#sets.push({ key, value: JSON.stringify(row) });
  }

  /**
   * Forgets a deletion when every log directory that may have had directories of the topic is online. Those that are not come back with
   * what they have.
   */
  forget(id: string, { name, directories }: DeletedRow): void {
    const isAway = (directory: string) =>
      directory === SOME_DIRECTORY ? !this.#placement.isComplete : this.#placement.indexOf(directory) < 0;
    const away = directories.filter(isAway);
    if (away.length === 0) this.deletes.push(deletedKey(id));
    else if (away.length < directories.length) this.#sets.push(deletedEntry(id, { name, directories: away }));
  }

  /** Adds a topic of the store, with new leader epochs and further partitions, if any were adopted. */
  reload(
    name: string,
    topic: Versioned<TopicRow> & { partitions: readonly (Versioned<PartitionRow> | undefined)[] },
    { found, further }: { found: FoundDirectories; further: Pick<AdoptedTopic, "leaderEpochs" | "directories"> },
  ): Finish {
    const { id, configs } = topic.row;
    const rows = topic.partitions.map((stored, partition): PartitionRow => {
      const { row, version } = stored as Versioned<PartitionRow>;
      const led: PartitionRow = {
        ...row,
        directories: directoriesOf(row.replicas, {
          nodeId: this.#nodeId,
          directory: found.of(`${name}-${partition}`, row),
        }),
        leader: this.#nodeId,
        leaderEpoch: row.leaderEpoch + 1,
        partitionEpoch: row.partitionEpoch + 1,
      };
      this.put(partitionRowKey(id, partition), led, version);
      return led;
    });
    for (const row of this.#newPartitions(id, further, rows.length)) rows.push(row);
    return (version) => ({
      name,
      id,
      configs,
      rows,
      versions: { topic: topic.version, partitions: rows.map(() => version) },
    });
  }

  /** Adds a topic that is new to the store. */
  adopt({ name, id, configs, leaderEpochs, directories }: AdoptedTopic): Finish {
    this.put(topicKey(name), { id, configs }, ABSENT);
    const rows = this.#newPartitions(id, { leaderEpochs, directories }, 0);
    return (version) => ({
      name,
      id,
      configs,
      rows,
      versions: { topic: version, partitions: rows.map(() => version) },
    });
  }

  /** Commits the transaction, even an empty one: every start is a new version of the metadata. @returns that version */
  async commit(store: MetadataStore): Promise<number> {
    const result = await store.transact({ compare: this.#compares, set: this.#sets, delete: this.deletes });
    if (result.outcome === "committed") return result.version;
    if (result.outcome === "unknown") throw new MetadataStoreError("The metadata store does not answer");
    throw new MetadataStoreError(`The metadata store changed while it was loaded: ${result.conflicts.join(", ")}`);
  }

  #newPartitions(
    id: string,
    { leaderEpochs, directories }: Pick<AdoptedTopic, "leaderEpochs" | "directories">,
    first: number,
  ): PartitionRow[] {
    return leaderEpochs.map((leaderEpoch, index) => {
      const found = directories[index] ?? OFFLINE_DIRECTORY;
      const directory = found < 0 ? this.#placement.chooser()() : this.#placement.idOf(found);
      this.#placement.count([this.#placement.indexOf(directory)], 1);
      const row = newPartitionRow([this.#nodeId], { leaderEpoch, nodeId: this.#nodeId, directory });
      this.put(partitionRowKey(id, first + index), row, ABSENT);
      return row;
    });
  }
}

function isSame(one: FoundDirectory, other: FoundDirectory): boolean {
  return one.topic === other.topic && one.partition === other.partition && one.directory === other.directory;
}

/** This broker, in a cluster that has no other. */
export function onlyBroker(
  { nodeId, rack, advertisedListeners }: Pick<BrokerConfig, "nodeId" | "rack" | "advertisedListeners">,
  { ids }: Pick<PartitionDirectories, "ids">,
): BrokerImage {
  const directories = ids.filter((id) => id !== null);
  return { nodeId, rack, state: "active", advertised: advertisedListeners ?? [], directories };
}

/** The row of a new partition, led by its first replica. */
function newPartitionRow(
  replicas: readonly number[],
  by: { leaderEpoch: number; nodeId: number; directory: string },
): PartitionRow {
  const { leaderEpoch } = by;
  const directories = directoriesOf(replicas, by);
  return { replicas, directories, isr: replicas, leader: replicas[0] as number, leaderEpoch, partitionEpoch: 0 };
}

/** The rows of new partitions, by partition. */
export function newPartitionRows(
  replicas: readonly (readonly number[])[],
  by: { nodeId: number; nextDirectory: () => string },
): PartitionRow[] {
  return replicas.map((nodeIds) => newPartitionRow(nodeIds, { ...by, leaderEpoch: 0, directory: by.nextDirectory() }));
}

/** The `directory.id` of each replica: other brokers choose theirs. */
function directoriesOf(
  replicas: readonly number[],
  { nodeId, directory }: { nodeId: number; directory: string },
): string[] {
  return replicas.map((id) => id === nodeId ? directory : ZERO_UUID);
}
