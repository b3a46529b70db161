/**
 * Carries out the controller's planned changes. Main isolate; one at a time.
 *
 *   commit to the store ──► image and table ──► publish ──► every shard has applied it ──┬─► done
 *        │ the disk refuses                                     files of new partitions │ refused
 *        ▼                                                                              ▼
 *     refused, nothing changed                       undone by a second change, then refused
 *
 * Always: a change is durable before it is published. What a refused creation leaves is no topic and no partition, unless the disk
 * refuses to undo it too: then its partitions are offline until the next start.
 */
import type { PartitionDirectories } from "../adoption.ts";
import {
  alterationTransaction,
  creationTransaction,
  deletionTransaction,
  growthTransaction,
  isForgotten,
  shrinkTransaction,
} from "./change_transactions.ts";
import type { ExchangeOutcome, FutureCopy, ReplicaMove } from "../../directory/replica_moves.ts";
import { exchangeDirectory } from "./directory_exchange.ts";
import type { AskHandOver } from "../partition_hand_over.ts";
import type { GroupConfigChange, TopicConfigChange } from "../config_changes.ts";
import { newPartitionRows } from "../controller_loading.ts";
import { DeletedTopics } from "./deleted_topics.ts";
import { refusalOf, refusedByDisk } from "./disk_refusals.ts";
import type { FutureReplica, ImageDelta, MetadataImage, PartitionFailure, TopicImage } from "../image.ts";
import { MetadataCommits } from "./metadata_commits.ts";
import type { GrowthPlan } from "../partition_creation.ts";
import { ProducerIdBlocks } from "./producer_id_blocks.ts";
import { ABSENT, type MetadataStore } from "../store/store.ts";
import type { CreationRefusal, TopicPlan } from "../topic_creation.ts";
import type { StoredTopic, TopicTable } from "../topic_table.ts";

/** What the changes use. */
export interface MetadataChangesParts {
  readonly nodeId: number;
  readonly store: MetadataStore;
  readonly table: TopicTable;
  readonly directories: () => PartitionDirectories | null;
  readonly publish: (delta: ImageDelta) => Promise<readonly PartitionFailure[]>;
  readonly handOver: AskHandOver;
  readonly saveCheckpoints: () => Promise<void>;
  readonly report: (text: string) => void;
  readonly newTopicId: () => string;
}

/** What became of a planned topic: its id, or why the disk refused it. */
export type Creation = string | CreationRefusal;

/** Changes of configs. */
export interface ConfigChanges {
  readonly topics: readonly TopicConfigChange[];
  readonly groups: readonly GroupConfigChange[];
}

/** The changes of one controller. */
export class MetadataChanges {
  readonly producerIds: ProducerIdBlocks;
  readonly #parts: MetadataChangesParts;
  readonly #table: TopicTable;
  readonly #image: MetadataImage;
  readonly #commits: MetadataCommits;
  readonly #deleted: DeletedTopics;
  /** Versions of the rows of groups that have configs. */
  readonly #groupVersions = new Map<string, number>();
  readonly #topicVersion = ({ id }: TopicImage) => this.#table.versionsOf(id).topic;

  /** @param parts the controller's pieces */
  constructor(parts: MetadataChangesParts) {
    this.#parts = parts;
    this.#table = parts.table;
    this.#image = parts.table.image;
    this.#commits = new MetadataCommits(parts.store);
    const placement = () => this.#table.directories;
    this.#deleted = new DeletedTopics({ ...parts, placement, commits: this.#commits });
    this.producerIds = new ProducerIdBlocks(this.#commits);
  }

  /** Notes a group that has configs in the store. @param version of its row */
  noteGroup(groupId: string, version: number): void {
    this.#groupVersions.set(groupId, version);
  }

  /** Creates topics. @returns what became of each, by name */
  async create(plans: readonly TopicPlan[]): Promise<ReadonlyMap<string, Creation>> {
    if (plans.length === 0) return new Map();
    const place = this.#placeOfNew();
    const topics = plans.map(({ name, configs, replicas }) => {
      return { name, id: this.#parts.newTopicId(), configs, rows: newPartitionRows(replicas, place) };
    });
    let failures: readonly PartitionFailure[] = [];
    const refusal = await refusalOf(async () => {
      await this.#deleted.saveCheckpoints();
      const version = await this.#commits.commit(creationTransaction(topics));
      const versions = (partitions: readonly unknown[]) => ({
        topic: version,
        partitions: partitions.map(() => version),
      });
      const stored = topics.map((topic): StoredTopic => ({ ...topic, versions: versions(topic.rows) }));
      failures = await this.#publishChange({ ...this.#table.add(stored), version });
    });
    if (refusal !== null) return new Map(topics.map(({ name }) => [name, refusal]));
    const failed = new Set(failures.map(({ topicId }) => topicId));
    const undone = topics.flatMap(({ id }) => failed.has(id) ? this.#image.topicById(id) ?? [] : []);
    if (undone.length > 0) await this.#undo(() => this.#delete(undone, { isUndone: true }));
    return new Map(topics.map(({ name, id }) => {
      const failure = failures.find(({ topicId }) => topicId === id);
      return [name, failure === undefined ? id : refusedByDisk(failure.text)];
    }));
  }

  /** Deletes topics. @returns why the disk refused it, or null */
  delete(topics: readonly TopicImage[]): Promise<CreationRefusal | null> {
    return refusalOf(() => this.#delete(topics));
  }

  /** Adds the planned partitions. @returns why the disk refused it, by topic */
  async grow(plans: readonly GrowthPlan[]): Promise<ReadonlyMap<string, CreationRefusal>> {
    if (plans.length === 0) return new Map();
    const place = this.#placeOfNew();
    const growths = plans.map(({ topic, replicas }) => ({ topic, rows: newPartitionRows(replicas, place) }));
    let failures: readonly PartitionFailure[] = [];
    const refusal = await refusalOf(async () => {
      await this.#deleted.saveCheckpoints();
      const version = await this.#commits.commit(growthTransaction(growths, this.#topicVersion));
      const changed = growths.map(({ topic, rows }) => this.#table.grow(topic, rows, version));
      failures = await this.#publishChange({ changed, deletedIds: [], version });
    });
    if (refusal !== null) return new Map(plans.map(({ topic }) => [topic.name, refusal]));
    const failed = plans.flatMap(({ topic: { name, id, partitions } }) => {
      // A change of a topic also tries again to open logs that could not be opened before.
      const isNew = ({ topicId, partition }: PartitionFailure) => topicId === id && partition >= partitions.length;
      const failure = failures.find(isNew);
      return failure === undefined ? [] : [{ name, id, count: partitions.length, failure }];
    });
    await this.#undoGrowths(failed);
    return new Map(failed.map(({ name, failure }) => [name, refusedByDisk(failure.text)]));
  }

  /** Changes configs. @returns why the disk refused it, or null */
  alter(changes: ConfigChanges): Promise<CreationRefusal | null> {
    return refusalOf(() => this.#alter(changes));
  }

  /** Tells every shard how far the copy is that a move makes; null when there is none any more. */
  async announce({ topicId, partition }: ReplicaMove, future: FutureReplica | null): Promise<void> {
    const topic = this.#image.topicById(topicId);
    if (topic?.partitions[partition] === undefined) return;
    await this.#publishChange({ changed: [this.#table.announce(topic, partition, future)], deletedIds: [] });
  }

  /** Exchanges the log directory of a partition (directory_exchange.ts). */
  async exchange(move: ReplicaMove, copy: FutureCopy): Promise<ExchangeOutcome> {
    const directories = this.#parts.directories();
    if (directories === null) return "kept";
    return await exchangeDirectory(move, copy, { ...this.#parts, directories, commits: this.#commits });
  }

  /** A log directory failed: its partitions are offline until a restart. */
  async failDirectory(directory: number): Promise<void> {
    await this.#publishChange(this.#table.failDirectory(directory));
  }

  async #alter({ topics, groups }: ConfigChanges): Promise<void> {
    const version = await this.#commits.commit(alterationTransaction({ topics, groups }, {
      topic: this.#topicVersion,
      group: (groupId) => this.#groupVersions.get(groupId) ?? ABSENT,
    }));
    for (const group of groups) {
      if (isForgotten(group)) this.#groupVersions.delete(group.groupId);
      else this.#groupVersions.set(group.groupId, version);
    }
    const changed = topics.map(({ topic, configs }) => this.#table.configure(topic, configs, version));
    await this.#publishChange({ changed, deletedIds: [], groups, version });
  }

  async #delete(topics: readonly TopicImage[], options?: { isUndone: boolean }): Promise<void> {
    const topicVersion = this.#topicVersion;
    const places = await this.#deleted.placesOf(topics);
    const version = await this.#commits.commit(deletionTransaction(topics, { topicVersion, places }));
    const { delta, release } = this.#table.remove(topics);
    await this.#publishChange({ ...delta, version });
    release();
    await this.#deleted.clear(topics, options);
  }

  /** Removes new partitions again, because the disk had no room for the files of one of them. */
  async #undoGrowths(grown: readonly { readonly id: string; readonly count: number }[]): Promise<void> {
    const shrunk = grown.flatMap(({ id, count }) => {
      const topic = this.#image.topicById(id);
      return topic === undefined ? [] : [{ topic, count }];
    });
    if (shrunk.length === 0) return;
    await this.#undo(async () => {
      const version = await this.#commits.commit(shrinkTransaction(shrunk, this.#topicVersion));
      const changes = shrunk.map(({ topic, count }) => this.#table.shrink(topic, count));
      await this.#publishChange({ changed: changes.map(({ topic }) => topic), deletedIds: [], version });
      for (const { release } of changes) release();
      const removed = shrunk.map(({ topic, count }) => ({ ...topic, partitions: topic.partitions.slice(count) }));
      await this.#deleted.clear(removed, { isUndone: true });
    });
  }

  /** Undoes a change whose files the disk refused. If the disk refuses this too, partitions stay offline until the next start. */
  async #undo(change: () => Promise<void>): Promise<void> {
    const refusal = await refusalOf(change);
    if (refusal !== null) this.#parts.report(`New partitions stay offline: ${refusal.errorMessage}`);
  }

  /** Where the new partitions of a change go on this broker. */
  #placeOfNew(): { nodeId: number; nextDirectory: () => string } {
    return { nodeId: this.#parts.nodeId, nextDirectory: this.#table.directories.chooser() };
  }

  #publishChange(delta: ImageDelta): Promise<readonly PartitionFailure[]> {
    this.#image.apply(delta);
    return this.#parts.publish(delta);
  }
}
