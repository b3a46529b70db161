/**
 * The controller's topics: the image, of which every shard has a copy, and the versions and keys that only the store and the checks need.
 * Main isolate.
 *
 * Always: for every partition of the image the version of its row in the store is known; no two partitions have the same place. In a
 * cluster, partitions without a replica on this broker have no place, and neither have those for which there is no room.
 */
import { assert } from "../../storage/base/assert.ts";
import type { LogConfig } from "../../storage/log/log_config.ts";
import { NO_LEADER, type PartitionRow as ClusterRow } from "../cluster/partition_row.ts";
import type { BrokerConfig } from "../config/broker/broker_config.ts";
import { resolveLogConfig } from "../config/topics/topic_configs.ts";
import { DirectoryPlacement, OFFLINE_DIRECTORY } from "../placement/directory_placement.ts";
import { type Placed, Placement } from "../placement/placement.ts";
import { directoryOf } from "./found_directories.ts";
import {
  ELSEWHERE,
  type FutureReplica,
  type ImageDelta,
  MetadataImage,
  type PartitionImage,
  type ReplicationImage,
  type TopicImage,
} from "./image.ts";
import { LOST_DIRECTORY, type PartitionRow } from "./records.ts";
import { collisionKey, isInternalTopic } from "./topic_names.ts";

/** Versions of a topic's rows in the store. */
export interface TopicVersions {
  readonly topic: number;
  /** By partition. */
  readonly partitions: readonly number[];
}

/** A partition's row, as the image shows it. */
export type ShownRow = PartitionRow & Partial<Pick<ClusterRow, ListedField>> & Partial<ReplicationImage>;

/** Lists of brokers that are mostly empty. */
type ListedField = "elr" | "lastKnownElr" | "adding" | "removing";

/** A partition's row, as it stands in the store now. */
export interface ChangedRow {
  readonly partition: number;
  readonly row: ShownRow;
  readonly version: number;
}

/** A topic, as stored. */
export interface StoredTopic {
  readonly name: string;
  readonly id: string;
  readonly configs: Readonly<Record<string, string>>;
  /** By partition. */
  readonly rows: readonly ShownRow[];
  readonly versions: TopicVersions;
}

const MIN_ISR = "min.insync.replicas";

/** Partitions of topics that are published together because what they inherit has changed. */
const INHERITING_PARTITIONS_MAX = 400;

/** The place of a partition without a replica on this broker. */
const NO_PLACE: Placed = { shard: ELSEWHERE, slot: ELSEWHERE };

/** The table. */
export class TopicTable {
  readonly image = new MetadataImage();
  /** Which log directory has each partition. */
  directories = new DirectoryPlacement([]);
  readonly #config: BrokerConfig;
  readonly #placement: Placement;
  readonly #versions = new Map<string, TopicVersions>();
  readonly #collisions = new Map<string, Set<string>>();
  /** Partitions that are offline whatever their rows say, as "<topic id>/<n>". */
  readonly #keptOffline = new Set<string>();
  /** What topics have inherited; null while there were none. */
  #inherited: Pick<BrokerConfig, "logDefaults" | "minInsyncReplicas"> | null = null;

  /** @param config defaults of topics @param places numbers of shards and of rows of the watermark table */
  constructor(config: BrokerConfig, places: { shardsCount: number; slotsMax: number }) {
    this.#config = config;
    this.#placement = new Placement(places.shardsCount, places.slotsMax);
  }

  /** How many more partitions fit. */
  get freeCount(): number {
    return this.#placement.freeCount;
  }

  /** The topic with a collision key. */
  colliding(key: string): string | undefined {
    return this.#collisions.get(key)?.values().next().value;
  }

  /** Versions of a topic's rows. */
  versionsOf(id: string): TopicVersions {
    const versions = this.#versions.get(id);
    assert(versions !== undefined, "every topic of the image has its versions");
    return versions;
  }

  /** Adds topics that were stored. @returns the change to publish */
  add(topics: readonly StoredTopic[]): ImageDelta {
    const { logDefaults, minInsyncReplicas } = this.#config;
    this.#inherited ??= { logDefaults, minInsyncReplicas };
    const changed = topics.map((topic) => this.#toImage(topic, this.#assign(topic.rows)));
    this.#countDirectories(changed, 1);
    for (const [index, { name, id, versions }] of topics.entries()) {
      assert(this.image.topic(name) === undefined, "a topic is added once");
      this.#versions.set(id, versions);
      this.#addCollision(name);
      this.image.apply({ changed: [changed[index] as TopicImage], deletedIds: [] });
    }
    return { changed, deletedIds: [] };
  }

  /** Adds stored partitions to a topic. @returns the topic to publish */
  grow(topic: TopicImage, rows: readonly PartitionRow[], version: number): TopicImage {
    const first = topic.partitions.length;
    const added = this.#placedRows(topic.id, rows, { first, existing: topic.partitions });
    this.directories.count(added.map(({ directory }) => directory), 1);
    const versions = this.versionsOf(topic.id);
    const partitions = [...versions.partitions, ...rows.map(() => version)];
    this.#versions.set(topic.id, { ...versions, partitions });
    return { ...topic, partitions: [...topic.partitions, ...added] };
  }

  /**
   * Shows rows that others have changed: those of known partitions, and of new ones behind the last.
   * @param rows by ascending partition
   * @returns the topic to publish, and partitions whose replica on this broker is removed: their places are free once it is published
   */
  changeRows(topic: TopicImage, rows: readonly ChangedRow[]): { topic: TopicImage; left: readonly PartitionImage[] } {
    const count = topic.partitions.length;
    const [partitions, versions] = [[...topic.partitions], [...this.versionsOf(topic.id).partitions]];
    const left: PartitionImage[] = [];
    for (const { partition, row, version } of rows) {
      versions[partition] = version;
      const last = partitions[partition];
      if (last === undefined) continue;
      const isHosted = this.#isHosted(row);
      const [place] = isHosted && last.slot !== ELSEWHERE ? [last] : this.#assign([row], partitions);
      if (!isHosted && last.slot !== ELSEWHERE) {
        left.push(last);
        this.#keptOffline.delete(`${topic.id}/${partition}`);
      }
      const next = this.#placed(topic.id, row, partition, place as Placed);
      this.directories.count([last.directory], -1);
      this.directories.count([next.directory], 1);
      partitions[partition] = last.future === undefined || !isHosted ? next : { ...next, future: last.future };
    }
    this.#versions.set(topic.id, { ...this.versionsOf(topic.id), partitions: versions.slice(0, count) });
    const changed = { ...topic, partitions };
    const added = rows.filter(({ partition }) => partition >= count);
    if (added.length === 0) return { topic: changed, left };
    assert(added.every(({ partition }, index) => partition === count + index), "new partitions follow the last one");
    const grown = this.grow(changed, added.map(({ row }) => row), 0);
    this.#versions.set(topic.id, { ...this.versionsOf(topic.id), partitions: versions });
    return { topic: grown, left };
  }

  /** Notes the version of a topic's row. */
  noteVersion(id: string, version: number): void {
    this.#versions.set(id, { ...this.versionsOf(id), topic: version });
  }

  /** From now on a partition is offline on this broker, whatever its row says: its log is not where it should be. */
  keepOffline(topicId: string, partition: number): void {
    this.#keptOffline.add(`${topicId}/${partition}`);
  }

  /**
   * Removes the last partitions of a topic.
   * @param count of partitions that remain
   * @returns the topic to publish, and a function that frees the places afterwards
   */
  shrink(topic: TopicImage, count: number): { topic: TopicImage; release: () => void } {
    const versions = this.versionsOf(topic.id);
    this.#versions.set(topic.id, { ...versions, partitions: versions.partitions.slice(0, count) });
    const removed = topic.partitions.slice(count);
    this.directories.count(removed.map(({ directory }) => directory), -1);
    const release = () => this.release(removed);
    return { topic: { ...topic, partitions: topic.partitions.slice(0, count) }, release };
  }

  /** Gives a partition to another shard; the store does not record shards. @returns the topic to publish */
  handOver(topic: TopicImage, partition: number, shard: number): TopicImage {
    const partitions = topic.partitions.map((place) => place.partition === partition ? { ...place, shard } : place);
    this.#placement.handOver((topic.partitions[partition] as Placed).shard, shard);
    return { ...topic, partitions };
  }

  /** Notes how far the copy is that a move makes, null when there is none any more. @returns the topic to publish */
  announce(topic: TopicImage, partition: number, future: FutureReplica | null): TopicImage {
    return withPartition(topic, partition, ({ future: _, ...place }) => future === null ? place : { ...place, future });
  }

  /** Takes a partition offline between two log directories. @param version of its row in the store @returns the topic to publish */
  takeOffline(topic: TopicImage, partition: number, version: number): TopicImage {
    const versions = this.versionsOf(topic.id);
    this.#versions.set(topic.id, { ...versions, partitions: versions.partitions.with(partition, version) });
    this.directories.count([(topic.partitions[partition] as PartitionImage).directory], -1);
    this.keepOffline(topic.id, partition);
    // Its copy stays: the checkpoints of that directory must keep the log start until the next start completes the move.
    return withPartition(topic, partition, (place) => ({ ...place, directory: OFFLINE_DIRECTORY }));
  }

  /** Puts that partition into its new log directory. @returns the topic to publish */
  moveTo(topic: TopicImage, partition: number, directory: number): TopicImage {
    this.directories.count([directory], 1);
    this.#keptOffline.delete(`${topic.id}/${partition}`);
    return this.#in(topic, partition, directory);
  }

  /** A log directory failed. @returns the change to publish: its partitions are offline */
  failDirectory(directory: number): ImageDelta {
    this.directories.fail(directory);
    const changed = [...this.image.topics()].filter(({ partitions }) =>
      partitions.some((place) => place.directory === directory)
    )
      .map((topic) => ({
        ...topic,
        partitions: topic.partitions.map((place) => {
          return place.directory === directory ? { ...place, directory: OFFLINE_DIRECTORY } : place;
        }),
      }));
    return { changed, deletedIds: [], offlineDirectories: this.directories.offline };
  }

  /**
   * The broker's settings have changed: finds the topics that inherit something else from them. Some at a time, because a change of many
   * partitions keeps the turns of the shards long; each part has to be applied before the next one is taken.
   */
  *inheriting(): Generator<readonly TopicImage[], void> {
    const { logDefaults, minInsyncReplicas } = this.#config;
    const inherited = { logDefaults, minInsyncReplicas };
    const last = this.#inherited ?? inherited;
    this.#inherited = inherited;
    const isOther = minInsyncReplicas !== last.minInsyncReplicas;
    let part: TopicImage[] = [];
    let partitionsCount = 0;
    for (const { id } of [...this.image.topics()]) {
      const topic = this.image.topicById(id);
      if (topic === undefined) continue;
      const logConfig = this.#resolve(topic.configs);
      if (isSameLogConfig(logConfig, topic.logConfig) && !(isOther && topic.configs[MIN_ISR] === undefined)) continue;
      if (part.length > 0 && partitionsCount + topic.partitions.length > INHERITING_PARTITIONS_MAX) {
        yield part;
        [part, partitionsCount] = [[], 0];
      }
      part.push({ ...topic, logConfig });
      partitionsCount += topic.partitions.length;
    }
    if (part.length > 0) yield part;
  }

  /** Changes the configs of a topic that were stored. @returns the topic to publish */
  configure(topic: TopicImage, configs: Readonly<Record<string, string>>, version: number): TopicImage {
    this.#versions.set(topic.id, { ...this.versionsOf(topic.id), topic: version });
    return { ...topic, configs, logConfig: this.#resolve(configs) };
  }

  /** Removes topics that were deleted from the store. @returns the change to publish, and a function that frees their places afterwards */
  remove(topics: readonly TopicImage[]): { delta: ImageDelta; release: () => void } {
    const delta: ImageDelta = { changed: [], deletedIds: topics.map(({ id }) => id) };
    for (const { name, id, partitions } of topics) {
      if (this.#keptOffline.size > 0) {
        for (const { partition } of partitions) this.#keptOffline.delete(`${id}/${partition}`);
      }
      this.#versions.delete(id);
      this.#removeCollision(name);
    }
    this.#countDirectories(topics, -1);
    this.image.apply(delta);
    return { delta, release: () => this.release(topics.flatMap(({ partitions }) => [...partitions])) };
  }

  /** Frees the places of partitions that no shard knows any more. */
  release(places: readonly Placed[]): void {
    this.#placement.release(places);
  }

  #toImage({ name, id, configs, rows }: StoredTopic, places: readonly Placed[]): TopicImage {
    const partitions = rows.map((row, partition) => this.#placed(id, row, partition, places[partition] as Placed));
    return { name, id, isInternal: isInternalTopic(name), partitions, configs, logConfig: this.#resolve(configs) };
  }

  #placedRows(
    topicId: string,
    rows: readonly ShownRow[],
    { first, existing }: { first: number; existing: readonly Placed[] },
  ): PartitionImage[] {
    const places = this.#assign(rows, existing);
    return rows.map((row, index) => this.#placed(topicId, row, first + index, places[index] as Placed));
  }

  /** Places for rows, as far as they have a replica here and there is room. */
  #assign(rows: readonly ShownRow[], existing: readonly Placed[] = []): Placed[] {
    const hosted = rows.filter((row) => this.#isHosted(row)).length;
    const places = this.#placement.assign(Math.min(hosted, this.freeCount), existing);
    if (places.length === rows.length) return places;
    let taken = 0;
    return rows.map((row) => this.#isHosted(row) ? places[taken++] ?? NO_PLACE : NO_PLACE);
  }

  #isHosted({ replicas }: ShownRow): boolean {
    return replicas.includes(this.#config.nodeId);
  }

  #placed(topicId: string, row: ShownRow, partition: number, { shard, slot }: Placed): PartitionImage {
    const { replicas, isr, leaderEpoch, partitionEpoch } = row;
    const directory = slot === ELSEWHERE ? ELSEWHERE : this.#directoryOf(topicId, row, partition);
    const leader = slot === ELSEWHERE && row.leader === this.#config.nodeId ? NO_LEADER : row.leader;
    const image = { partition, slot, shard, directory, leader, leaderEpoch, partitionEpoch, replicas, isr };
    const listed = withLists(image, row, this.#config.nodeId);
    return slot === ELSEWHERE || replicas.length === 1 ? listed : { ...listed, replication: replicationOf(row) };
  }

  #directoryOf(topicId: string, row: ShownRow, partition: number): number {
    if (this.#keptOffline.size > 0 && this.#keptOffline.has(`${topicId}/${partition}`)) return OFFLINE_DIRECTORY;
    return this.directories.indexOf(directoryOf(row, this.#config.nodeId));
  }

  #in(topic: TopicImage, partition: number, directory: number): TopicImage {
    return withPartition(topic, partition, ({ future: _, ...place }) => ({ ...place, directory }));
  }

  #countDirectories(topics: readonly TopicImage[], change: 1 | -1): void {
    for (const { partitions } of topics) this.directories.count(partitions.map(({ directory }) => directory), change);
  }

  #resolve(configs: Readonly<Record<string, string>>): LogConfig {
    // Resolving takes 60 µs, which is too long for each of 10,000 topics without configs.
    return Object.keys(configs).length === 0 ? this.#config.logDefaults : resolveLogConfig(configs, this.#config);
  }

  #addCollision(name: string): void {
    const key = collisionKey(name);
    if (key === null) return;
    const names = this.#collisions.get(key) ?? new Set();
    this.#collisions.set(key, names.add(name));
  }

  #removeCollision(name: string): void {
    const key = collisionKey(name);
    const names = key === null ? undefined : this.#collisions.get(key);
    if (key === null || names === undefined) return;
    names.delete(name);
    if (names.size === 0) this.#collisions.delete(key);
  }
}

/** Whether two are alike. Topics without configs share one object. */
function isSameLogConfig(one: LogConfig, other: LogConfig): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}

function replicationOf({ minIsr = 1, recovering = false }: ShownRow): ReplicationImage {
  return { minIsr, recovering };
}

/** Adds the lists that are not empty: thousands of partitions have none. */
function withLists(image: PartitionImage, row: ShownRow, nodeId: number): PartitionImage {
  const { elr, lastKnownElr, adding, removing, replicas, directories } = row;
  const eligible = hasSome(elr) || hasSome(lastKnownElr) ? { ...image, elr, lastKnownElr } : image;
  const moving = hasSome(adding) || hasSome(removing) ? { ...eligible, adding, removing } : eligible;
  if (directories?.includes(LOST_DIRECTORY) !== true) return moving;
  const offline = replicas.filter((broker, index) => broker !== nodeId && directories[index] === LOST_DIRECTORY);
  return hasSome(offline) ? { ...moving, offline } : moving;
}

function hasSome(brokers: readonly number[] | undefined): boolean {
  return brokers !== undefined && brokers.length > 0;
}

function withPartition(
  topic: TopicImage,
  partition: number,
  change: (place: PartitionImage) => PartitionImage,
): TopicImage {
  return {
    ...topic,
    partitions: topic.partitions.map((place) => place.partition === partition ? change(place) : place),
  };
}
