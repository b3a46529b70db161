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
import { assert } from "../../../storage/base/assert.ts";
import type { PartitionDirectories } from "../adoption.ts";
import type { Changes, ChangesParts, ConfigChange, Creation, LoadedMetadata, Outcomes } from "./changes.ts";
import {
  alterationTransaction,
  configsFields,
  configsKey,
  creationTransaction,
  deletionTransaction,
  growthTransaction,
  shrinkTransaction,
} from "./change_transactions.ts";
import type { ExchangeOutcome, FutureCopy, ReplicaMove } from "../../directory/replica_moves.ts";
import { exchangeDirectory, exchangeTransaction } from "./directory_exchange.ts";
import { handOverPartition, type PartitionHandOver } from "../partition_hand_over.ts";
import type { ResourceChange } from "../configs/config_changes.ts";
import { loadTopics, newPartitionRows, onlyBroker } from "../controller_loading.ts";
import { DeletedTopics } from "./deleted_topics.ts";
import { refusalOf, refusedByDisk } from "./disk_refusals.ts";
import type {
  BrokerImage,
  FutureReplica,
  ImageDelta,
  MetadataImage,
  PartitionFailure,
  PartitionImage,
  TopicImage,
} from "../image.ts";
import { MetadataCommits } from "./metadata_commits.ts";
import { type ElectionOutcomes, refusedElection, type WantedElection } from "../leader_election.ts";
import { OFFLINE_DIRECTORY } from "../../placement/directory_placement.ts";
import type { GrowthPlan } from "../partition_creation.ts";
import { isRefusal, reassignmentChange } from "../../cluster/reassignment.ts";
import { type ReassignmentOutcomes, refusedReassignment, type WantedReassignment } from "../partition_reassignment.ts";
import { type ProducerIdBlock, ProducerIdBlocks } from "./producer_id_blocks.ts";
import { deletedKey, groupKey } from "../records.ts";
import { isSettingChange, type SettingWrite, settingWrite } from "../settings/setting_changes.ts";
import { SettingRows } from "../settings/setting_rows.ts";
import { ABSENT, type MetadataStore } from "../store/store.ts";
import { refuseUnregistration } from "./unregistration.ts";
import type { CreationRefusal, TopicPlan } from "../topic_creation.ts";
import type { StoredTopic, TopicTable } from "../topic_table.ts";

/** What the changes use. */
export interface MetadataChangesParts extends ChangesParts {
  readonly store: MetadataStore;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** The changes of one controller. */
export class MetadataChanges implements Changes {
  readonly hasOwnTurns = false;
  readonly isAlone = true;
  readonly #producerIds: ProducerIdBlocks;
  readonly #parts: MetadataChangesParts;
  readonly #table: TopicTable;
  readonly #image: MetadataImage;
  readonly #commits: MetadataCommits;
  readonly #deleted: DeletedTopics;
  /** Versions of the rows of groups and brokers that have configs, by key. */
  readonly #configVersions = new Map<string, number>();
  #settings = new SettingRows();
  readonly #topicVersion = ({ id }: TopicImage) => this.#table.versionsOf(id).topic;

  /** @param parts the controller's pieces */
  constructor(parts: MetadataChangesParts) {
    this.#parts = parts;
    this.#table = parts.table;
    this.#image = parts.table.image;
    this.#commits = new MetadataCommits(parts.store);
    const placement = () => this.#table.directories;
    // What lies in a log directory that is away comes back with it.
    const removed = (id: string, isAll: boolean) => isAll ? this.#commits.forget(deletedKey(id)) : undefined;
    this.#deleted = new DeletedTopics({ ...parts, placement, removed });
    this.#producerIds = new ProducerIdBlocks(this.#commits);
  }

  brokers(): readonly BrokerImage[] {
    return [...this.#image.brokers.values()];
  }

  freeCountOf(free: number): number {
    return free;
  }

  async load(directories: PartitionDirectories): Promise<LoadedMetadata> {
    const { config, nodeId } = this.#parts;
    const loaded = await loadTopics(directories, { ...this.#parts, freeCount: this.#table.freeCount });
    this.#producerIds.load(loaded.producerIds);
    const groups = [...loaded.groups].map(([groupId, { row }]) => ({ groupId, configs: row.configs }));
    for (const [groupId, { version }] of loaded.groups) this.#configVersions.set(groupKey(groupId), version);
    this.#settings = loaded.settings;
    for (const { key, version } of loaded.brokerConfigs) this.#configVersions.set(key, version);
    this.#parts.brokerSettings.load(loaded.brokerConfigs);
    const { version, warnings, adopted } = loaded;
    const offlineDirectories = this.#table.directories.offline;
    const brokers = [onlyBroker(config, directories)];
    const first = { brokers, controllerId: nodeId, offlineDirectories, groups, version, ...this.#settings.take() };
    this.#image.apply({ changed: [], deletedIds: [], ...first });
    return { delta: { ...this.#table.add(loaded.topics), ...first }, adopted, warnings };
  }

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

  async delete(topics: readonly TopicImage[]): Promise<Outcomes<string>> {
    const refusal = topics.length === 0 ? null : await refusalOf(() => this.#delete(topics));
    return new Map(topics.map(({ id }) => [id, refusal]));
  }

  async grow(plans: readonly GrowthPlan[]): Promise<Outcomes<string>> {
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
    const refusals = new Map(failed.map(({ name, failure }) => [name, refusedByDisk(failure.text)]));
    return new Map(plans.map(({ topic: { name } }) => [name, refusals.get(name) ?? null]));
  }

  /** There is no other broker: what is allowed changes nothing. */
  reassign(wanted: readonly WantedReassignment[]): Promise<ReassignmentOutcomes> {
    const outcomes = wanted.map((one) => {
      const place = one.topic.partitions[one.partition] as PartitionImage;
      const row = { ...place, adding: [], removing: [], elr: [], lastKnownElr: [] };
      const change = reassignmentChange(row, one.replicas, { ...one, isUncleanElectionEnabled: false });
      return [one, isRefusal(change) ? refusedReassignment(change, one) : null] as const;
    });
    return Promise.resolve(new Map(outcomes));
  }

  /** There is no other broker: a partition has its leader, unless its log directory is offline. */
  elect(wanted: readonly WantedElection[]): Promise<ElectionOutcomes> {
    const outcomes = wanted.map((one) => {
      const isLed = (one.topic.partitions[one.partition] as PartitionImage).directory !== OFFLINE_DIRECTORY;
      const refusal = one.leader === "preferred" ? "no-preferred-leader" : "no-eligible-leader";
      return [one, refusedElection(isLed ? "not-needed" : refusal)] as const;
    });
    return Promise.resolve(new Map(outcomes));
  }

  /** There is no other broker, and this one is running. */
  unregister(broker: number): Promise<CreationRefusal | null> {
    const refusal = refuseUnregistration(broker, this.#image.brokers.get(broker));
    assert(refusal !== null, "a broker that is alone is not fenced");
    return Promise.resolve(refusal);
  }

  async alter(changes: readonly ConfigChange[]): Promise<Outcomes<ConfigChange>> {
    const refusal = changes.length === 0 ? null : await refusalOf(() => this.#alter(changes));
    return new Map(changes.map((change) => [change, refusal]));
  }

  async publishSettings(): Promise<void> {
    await this.#publishChange({ changed: [], deletedIds: [], brokerSettings: this.#parts.brokerSettings.dynamic });
    for (const changed of this.#table.inheriting()) await this.#publishChange({ changed, deletedIds: [] });
  }

  allocateProducerIds(): Promise<ProducerIdBlock> {
    return this.#producerIds.allocate();
  }

  /** The controller makes one change after the other. */
  settled(): Promise<void> {
    return Promise.resolve();
  }

  async announce({ topicId, partition }: ReplicaMove, future: FutureReplica | null): Promise<void> {
    const topic = this.#image.topicById(topicId);
    if (topic?.partitions[partition] === undefined) return;
    await this.#publishChange({ changed: [this.#table.announce(topic, partition, future)], deletedIds: [] });
  }

  async exchange(move: ReplicaMove, copy: FutureCopy): Promise<ExchangeOutcome> {
    const directories = this.#parts.directories();
    if (directories === null) return "kept";
    return await exchangeDirectory(move, copy, {
      ...this.#parts,
      directories,
      commit: (to, { topic, place }) => this.#commits.commit(exchangeTransaction(to, { topic, place, ...this.#parts })),
    });
  }

  async failDirectory(directory: number): Promise<void> {
    await this.#publishChange(this.#table.failDirectory(directory));
  }

  handOverPartition(handOver: PartitionHandOver): Promise<boolean> {
    return handOverPartition(handOver, this.#table, this.#parts);
  }

  async #alter(changes: readonly ConfigChange[]): Promise<void> {
    const rows = changes.map((change) => this.#rowOf(change));
    const version = await this.#commits.commit(alterationTransaction(rows));
    const resources = changes.filter((change): change is ResourceChange => !isSettingChange(change));
    for (const [index, { key, value }] of rows.entries()) {
      const change = changes[index] as ConfigChange;
      if (isSettingChange(change)) {
        this.#settings.apply(value === null ? { key, deleted: true } : { key, value, version });
      } else if (value === null) this.#configVersions.delete(key);
      else if (!("topic" in change)) this.#configVersions.set(key, version);
    }
    const topics = resources.filter((change) => "topic" in change);
    const groups = resources.filter((change) => "groupId" in change);
    const brokers = resources.filter((change) => "owner" in change);
    const changed = topics.map(({ topic, configs }) => this.#table.configure(topic, configs, version));
    await this.#publishChange({ changed, deletedIds: [], groups, ...this.#settings.take(), version });
    if (brokers.length === 0) return;
    this.#parts.brokerSettings.store(new Map(brokers.map(({ owner, configs }) => [owner, configs])));
    await this.publishSettings();
  }

  /** The row of a change, with the version that it has now. */
  #rowOf(change: ConfigChange): SettingWrite {
    if (isSettingChange(change)) return settingWrite(change, this.#settings);
    const [key, fields] = [configsKey(change), configsFields(change)];
    const version = "topic" in change ? this.#topicVersion(change.topic) : this.#configVersions.get(key) ?? ABSENT;
    return { key, value: fields === null ? null : JSON.stringify(fields), version };
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
