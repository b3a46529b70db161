/**
 * Carries out the controller's planned changes over a store that several brokers share. Main isolate; one request at a time.
 *
 *   planned from the image ──► compare-and-set ──► committed ──► arrives by the watch, like others' ──► every shard has applied it ──► done
 *                                    │ conflict: others were faster
 *                                    └──► what was in the way has arrived ──► to be planned anew
 *
 * Always: only shared_topics.ts changes the table, by what the watch tells; a change of this broker is answered when it has come back that way.
 * What the store does not answer in time is REQUEST_TIMED_OUT: it may have been made. What a disk of this broker refuses does not undo a
 * change, as the other brokers see it: that partition is offline here.
 */
import { errorCode, errorMessage } from "../../../net/protocol/error_codes.ts";
import { partitionRowOf, rewritten } from "../../cluster/cluster_rows.ts";
import type { ExchangeOutcome, FutureCopy, ReplicaMove } from "../../directory/replica_moves.ts";
import { systemTimers, type Timers } from "../../directory/checkpoint_writer.ts";
import type { PartitionDirectories } from "../adoption.ts";
import { configsFields, configsKey } from "../changes/change_transactions.ts";
import type { Changes, ChangesParts, ConfigChange, Creation, LoadedMetadata, Outcomes } from "../changes/changes.ts";
import { DeletedTopics } from "../changes/deleted_topics.ts";
import { exchangeDirectory } from "../changes/directory_exchange.ts";
import { sentenceOfDisk } from "../changes/disk_refusals.ts";
import type { ResourceChange } from "../configs/config_changes.ts";
import { type Refusal, refuseUnreadable } from "../configs/config_operations.ts";
import { nextBlock, type ProducerIdBlock } from "../changes/producer_id_blocks.ts";
import {
  type BrokerImage,
  type FutureReplica,
  type ImageDelta,
  isHere,
  type PartitionImage,
  type TopicImage,
} from "../image.ts";
import type { ElectionOutcomes, WantedElection } from "../leader_election.ts";
import type { GrowthPlan } from "../partition_creation.ts";
import type { ReassignmentOutcomes, WantedReassignment } from "../partition_reassignment.ts";
import { handOverPartition, type PartitionHandOver } from "../partition_hand_over.ts";
import { LOST_DIRECTORY, partitionRowKey, SOME_DIRECTORY } from "../records.ts";
import { isSettingChange, settingKey, settingWrite } from "../settings/setting_changes.ts";
import { ABSENT, MetadataRefusedError, type MetadataStore, type StoredEntry } from "../store/store.ts";
import type { StoreFollower } from "../store/store_follower.ts";
import type { CreationRefusal, TopicPlan } from "../topic_creation.ts";
import { OrphanedRows } from "./orphaned_rows.ts";
import { OwnDirectories } from "./own_directories.ts";
import { ARRIVES_LATE, SharedCommits } from "./shared_commits.ts";
import { SharedCreations } from "./shared_creations.ts";
import { SharedDeletions } from "./shared_deletions.ts";
import { electShared } from "./shared_elections.ts";
import { SharedReassignments } from "./shared_reassignments.ts";
import { SharedImage } from "./shared_image.ts";
import { compareDirectories } from "./shared_loading.ts";
import { isReadable } from "./shared_rows.ts";
import { SharedTopics } from "./shared_topics.ts";
import { unregisterShared } from "./shared_unregistration.ts";
import {
  type Alteration,
  packAlterations,
  packDeletion,
  type RemovedTopic,
  rowDeletions,
} from "./shared_transactions.ts";

/** How often a change is tried anew here, because other brokers have changed the same row. */
const TRIES_MAX = 20;

/** The answer for a topic that another broker has deleted meanwhile. */
const GONE: CreationRefusal = {
  errorCode: errorCode.UNKNOWN_TOPIC_OR_PARTITION,
  errorMessage: errorMessage(errorCode.UNKNOWN_TOPIC_OR_PARTITION),
};

/** What the changes of a cluster use beyond those of one broker. */
export interface SharedChangesOptions {
  readonly store: MetadataStore;
  /** Follows that store. */
  readonly follower: StoreFollower;
  /** Names this process in its registration. */
  readonly incarnation: string;
  /** The shards cannot be told any more: the broker has to end. */
  readonly failed: (error: unknown) => void;
  /** Uniform in [0, 1); Math.random by default. */
  readonly random?: () => number;
  readonly timers?: Timers;
  /** Monotonic time in ms; `performance.now()` by default. */
  readonly nowMs?: () => number;
}

/** The changes of one broker of a cluster. */
export class SharedChanges implements Changes, Disposable {
  readonly hasOwnTurns = true;
  readonly isAlone = false;
  readonly #parts: ChangesParts & SharedChangesOptions;
  readonly #image: SharedImage;
  readonly #topics: SharedTopics;
  readonly #commits: SharedCommits;
  readonly #creations: SharedCreations;
  readonly #reassignments: SharedReassignments;
  readonly #deleted: DeletedTopics;
  readonly #deletions: SharedDeletions;
  readonly #ownDirectories: OwnDirectories;
  #orphans: OrphanedRows | null = null;
  #removedAtStart: readonly string[] = [];
  /** Where producer ids continue, when this broker took the last block. */
  #producerIds = { next: 0, version: ABSENT };

  /** @param parts the controller's pieces @param options the store that is shared, and this process */
  constructor(parts: ChangesParts, options: SharedChangesOptions) {
    this.#parts = { ...parts, ...options };
    const { store: { limits }, table, random = Math.random } = this.#parts;
    this.#image = new SharedImage(this.#parts);
    this.#topics = new SharedTopics({
      ...this.#parts,
      image: this.#image,
      beforeCreation: () => this.#saveCheckpoints(),
      afterDeletion: (topics) => this.#clear(topics),
      homeless: (partitions) => void this.#ownDirectories.rehome(partitions),
    });
    this.#commits = new SharedCommits({ ...options, topics: this.#topics });
    const shared = { ...this.#parts, commits: this.#commits, limits };
    const brokers = { random, brokers: this.#image.brokers };
    this.#ownDirectories = new OwnDirectories(shared);
    this.#creations = new SharedCreations({ ...shared, ...brokers });
    this.#reassignments = new SharedReassignments({ ...shared, ...brokers });
    const ownIds = () => this.#ownIds();
    this.#deletions = new SharedDeletions({ ...shared, deleted: this.#image.deleted, ownIds });
    const placement = () => table.directories;
    this.#deleted = new DeletedTopics({ ...shared, placement, removed: (id) => this.#deletions.removed(id) });
  }

  brokers(): readonly BrokerImage[] {
    return this.#image.brokers.images();
  }

  /** The brokers are taken to be alike: only this one knows how many replicas it has room for. */
  freeCountOf(free: number): number {
    return free * Math.max(1, this.#image.brokers.activeVersions().size);
  }

  async load(directories: PartitionDirectories): Promise<LoadedMetadata> {
    const { table, store: { limits } } = this.#parts;
    const compared = await compareDirectories(directories, { ...this.#parts, commits: this.#commits, limits });
    for (const { topicId, partition } of compared.missing) table.keepOffline(topicId, partition);
    this.#removedAtStart = compared.removedIds;
    const { delta } = this.#topics.load();
    const offlineDirectories = table.directories.offline;
    table.image.apply({ changed: [], deletedIds: [], offlineDirectories });
    return { delta: { ...delta, offlineDirectories }, adopted: [], warnings: compared.warnings };
  }

  /** The shards have started: from now on they are told what changes. */
  start(): void {
    this.#topics.start();
    for (const id of this.#removedAtStart) this.#deletions.removed(id);
    const { nodeId, store: { limits }, timers = systemTimers, nowMs = () => performance.now() } = this.#parts;
    const isController = () => this.#image.brokers.controllerId === nodeId;
    const shared = { ...this.#parts, image: this.#image, commits: this.#commits, limits };
    this.#orphans = new OrphanedRows({ ...shared, isController, timers, nowMs });
  }

  /** Follows no more, because the shards stop. Settles when nothing is published any more. */
  stop(): Promise<void> {
    this.#orphans?.[Symbol.dispose]();
    this.#ownDirectories[Symbol.dispose]();
    return this.#topics.stop();
  }

  /** Settles when the rows of deleted topics are as far as this broker can bring them now. */
  deletionsSettled(): Promise<void> {
    return this.#deletions.settled();
  }

  /** Follows no more. Idempotent. */
  [Symbol.dispose](): void {
    this.#orphans?.[Symbol.dispose]();
    this.#ownDirectories[Symbol.dispose]();
    this.#topics[Symbol.dispose]();
  }

  create(plans: readonly TopicPlan[]): Promise<ReadonlyMap<string, Creation>> {
    return this.#creations.create(plans);
  }

  grow(plans: readonly GrowthPlan[]): Promise<Outcomes<string>> {
    return this.#creations.grow(plans);
  }

  reassign(wanted: readonly WantedReassignment[]): Promise<ReassignmentOutcomes> {
    return this.#reassignments.reassign(wanted);
  }

  async delete(topics: readonly TopicImage[]): Promise<Outcomes<string>> {
    const outcomes = new Map<string, CreationRefusal | null>();
    let version = 0;
    let left = topics.map(({ id }) => id);
    for (let tries = 0; tries < TRIES_MAX && left.length > 0; tries++) {
      const removed = left.flatMap((id) => this.#removedTopic(id) ?? []);
      for (const id of left) if (!removed.some((topic) => topic.id === id)) outcomes.set(id, GONE);
      version = Math.max(version, await this.#deleteRows(removed, outcomes));
      left = left.filter((id) => !outcomes.has(id));
    }
    if (version === 0 || await this.#commits.applied(version)) return outcomes;
    return new Map([...outcomes].map(([id, refusal]) => [id, refusal ?? ARRIVES_LATE]));
  }

  elect(wanted: readonly WantedElection[]): Promise<ElectionOutcomes> {
    const { follower, store: { limits } } = this.#parts;
    return electShared(wanted, { follower, limits, commits: this.#commits, brokers: this.#image.brokers });
  }

  unregister(broker: number): Promise<CreationRefusal | null> {
    return unregisterShared(broker, { brokers: this.#image.brokers, commits: this.#commits });
  }

  async alter(changes: readonly ConfigChange[]): Promise<Outcomes<ConfigChange>> {
    const { limits } = this.#parts.store;
    const outcomes = new Map<ConfigChange, CreationRefusal | null>();
    for (const change of changes) {
      const refusal = this.#refusalOf(change);
      if (refusal !== null) outcomes.set(change, refusal);
    }
    let left = changes.filter((change) => !outcomes.has(change)).flatMap((change) => this.#alteration(change) ?? []);
    let version = 0;
    while (left.length > 0) {
      const { changes: some, transaction } = packAlterations(left, limits);
      left = left.slice(some.length);
      const result = await this.#commits.commit(transaction);
      if (result.outcome === "committed") {
        version = result.version;
        for (const { change } of some) outcomes.set(change, null);
      } else if (result.outcome === "refused") {
        for (const { change } of some) outcomes.set(change, result.refusal);
      } else if (await this.#commits.caughtUp(transaction, result.keys)) {
        left = [...some.filter(({ key }) => !result.keys.includes(key)), ...left];
      } else {
        for (const { change } of some) outcomes.set(change, ARRIVES_LATE);
      }
    }
    if (version === 0 || await this.#commits.applied(version)) return outcomes;
    return new Map([...outcomes].map(([change, refusal]) => [change, refusal ?? ARRIVES_LATE]));
  }

  async allocateProducerIds(): Promise<ProducerIdBlock> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const [own, seen] = [this.#producerIds, this.#image.producerIds];
      const { block, next, transaction } = nextBlock(own.version > seen.version ? own : seen);
      const result = await this.#commits.commit(transaction);
      if (result.outcome === "committed") {
        this.#producerIds = { next, version: result.version };
        return block;
      }
      if (result.outcome === "refused") throw new MetadataRefusedError(result.refusal.errorMessage);
      if (!await this.#commits.caughtUp(transaction, result.keys)) break;
    }
    throw new MetadataRefusedError("Cannot allocate producer ids: the other brokers were always faster");
  }

  publishSettings(): Promise<void> {
    return this.#topics.publishSettings(() => this.#parts.brokerSettings.dynamic);
  }

  settled(): Promise<void> {
    return this.#topics.settled();
  }

  announce({ topicId, partition }: ReplicaMove, future: FutureReplica | null): Promise<void> {
    const { table } = this.#parts;
    return this.#topics.exclusively(async () => {
      const topic = table.image.topicById(topicId);
      const place = topic?.partitions[partition];
      if (topic === undefined || place === undefined || !isHere(place)) return;
      await this.#publish({ changed: [table.announce(topic, partition, future)], deletedIds: [] });
    });
  }

  exchange(move: ReplicaMove, copy: FutureCopy): Promise<ExchangeOutcome> {
    return this.#topics.exclusively(async () => {
      const directories = this.#parts.directories();
      if (directories === null) return "kept";
      const commit = (to: number, at: { topic: TopicImage; place: PartitionImage }) =>
        this.#ownDirectories.name(to, at);
      return await exchangeDirectory(move, copy, { ...this.#parts, directories, commit });
    });
  }

  async failDirectory(directory: number): Promise<void> {
    const id = this.#parts.table.directories.idOf(directory);
    await this.#topics.exclusively(() => this.#publish(this.#parts.table.failDirectory(directory)));
    void this.#ownDirectories.giveUp(id);
  }

  handOverPartition(handOver: PartitionHandOver): Promise<boolean> {
    return this.#topics.exclusively(() => handOverPartition(handOver, this.#parts.table, this.#parts));
  }

  /** Deletes rows of topics. @param outcomes gets what became of them; nothing for those that have changed @returns the version of the last commit */
  async #deleteRows(
    topics: readonly RemovedTopic[],
    outcomes: Map<string, CreationRefusal | null>,
  ): Promise<number> {
    const { limits } = this.#parts.store;
    let version = 0;
    let left = topics;
    while (left.length > 0) {
      const { changes, transaction } = packDeletion(left, limits);
      left = left.slice(changes.length);
      const result = await this.#commits.commit(transaction);
      if (result.outcome === "committed") {
        version = result.version;
        for (const { id } of changes) outcomes.set(id, null);
        await this.#deleteRest(changes);
      } else if (result.outcome === "refused") {
        for (const { id } of changes) outcomes.set(id, result.refusal);
      } else if (!await this.#commits.caughtUp(transaction, result.keys)) {
        for (const { id } of changes) outcomes.set(id, ARRIVES_LATE);
      }
    }
    return version;
  }

  /** Deletes rows of partitions that did not fit. What is not done here, the broker does that removes the topic's last directories. */
  async #deleteRest(topics: readonly RemovedTopic[]): Promise<void> {
    const { limits } = this.#parts.store;
    for (const { id, partitionsCount } of topics) {
      if (partitionsCount + 2 <= limits.transactionKeysMax) continue;
      for (const rows of rowDeletions(id, partitionsCount, limits)) await this.#commits.commit(rows);
    }
  }

  /** What is to be deleted of a topic; null when it is gone. */
  #removedTopic(id: string): RemovedTopic | null {
    const { table, follower } = this.#parts;
    const topic = table.image.topicById(id);
    if (topic === undefined) return null;
    const directories = new Set(topic.partitions.flatMap(({ partition }) => {
      const entry = follower.rows.get(partitionRowKey(id, partition));
      return entry === undefined ? [] : partitionRowOf(entry).directories;
    }));
    for (const nowhere of [SOME_DIRECTORY, LOST_DIRECTORY]) directories.delete(nowhere);
    const { name, partitions } = topic;
    const version = table.versionsOf(id).topic;
    return { name, id, version, partitionsCount: partitions.length, directories: [...directories] };
  }

  /** Why the row of a change stays as it is; null when it may be changed. */
  #refusalOf(change: ConfigChange): Refusal | null {
    const last = this.#parts.follower.rows.get(isSettingChange(change) ? settingKey(change) : configsKey(change));
    return last === undefined || isReadable(last) ? null : refuseUnreadable(last.key);
  }

  /** The row of a change; null when its topic has changed meanwhile. */
  #alteration(change: ConfigChange): Alteration | null {
    if (isSettingChange(change)) return { change, ...settingWrite(change, this.#image.settings) };
    const { table, follower } = this.#parts;
    if ("topic" in change && table.image.topicById(change.topic.id) !== change.topic) return null;
    const [key, fields] = [configsKey(change), configsFields(change)];
    const last = follower.rows.get(key) ?? null;
    const value = fields === null ? null : rewritten(last, fields);
    return { change, key, version: this.#versionOf(change, last), value };
  }

  /** Version of the row that a change was planned by. */
  #versionOf(change: ResourceChange, last: StoredEntry | null): number {
    if ("topic" in change) return this.#parts.table.versionsOf(change.topic.id).topic;
    return "groupId" in change ? this.#image.groupVersion(change.groupId) : last?.version ?? ABSENT;
  }

  /** Removes what this broker has of topics that every shard has closed. */
  async #clear(topics: readonly TopicImage[]): Promise<void> {
    const here = topics.flatMap((topic) => {
      const partitions = topic.partitions.filter(isHere);
      return partitions.length === 0 ? [] : [{ ...topic, partitions }];
    });
    if (here.length > 0) await this.#deleted.clear(here);
    const ids = new Set(here.map(({ id }) => id));
    for (const { id } of topics) if (!ids.has(id)) this.#deletions.removed(id);
  }

  async #saveCheckpoints(): Promise<void> {
    try {
      await this.#deleted.saveCheckpoints();
    } catch (error) {
      this.#parts.report(`Checkpoints have lines of deleted topics: ${sentenceOfDisk(error)}`);
    }
  }

  #ownIds(): readonly string[] {
    const { directories } = this.#parts.table;
    return (this.#parts.directories()?.ids ?? []).flatMap((id) =>
      id === null || directories.indexOf(id) < 0 ? [] : [id]
    );
  }

  async #publish(delta: ImageDelta): Promise<void> {
    this.#parts.table.image.apply(delta);
    await this.#parts.publish(delta);
  }
}
