/**
 * What the controller has its planned changes carried out by: metadata_changes.ts over a store of this broker's own, or
 * ../shared/shared_changes.ts over one that several brokers share. Main isolate.
 *
 * A change over a shared store may find that another broker has changed what it was planned from. It is then missing in the outcomes, and has
 * to be planned anew: the image has moved on.
 */
import type { ExchangeOutcome, FutureCopy, ReplicaMove } from "../../directory/replica_moves.ts";
import type { BrokerConfig } from "../../config/broker/broker_config.ts";
import type { FoundPartition, PartitionDirectories } from "../adoption.ts";
import type { BrokerSettings } from "../configs/broker_settings.ts";
import type { ResourceChange } from "../configs/config_changes.ts";
import type { FutureReplica, ImageDelta, PartitionFailure, TopicImage } from "../image.ts";
import type { ElectionOutcomes, WantedElection } from "../leader_election.ts";
import type { GrowthPlan } from "../partition_creation.ts";
import type { AskHandOver, PartitionHandOver } from "../partition_hand_over.ts";
import type { PlaceableBroker } from "../../placement/replica_placement.ts";
import type { ReassignmentOutcomes, WantedReassignment } from "../partition_reassignment.ts";
import type { SettingChange } from "../settings/setting_changes.ts";
import type { CreationRefusal, TopicPlan } from "../topic_creation.ts";
import type { TopicTable } from "../topic_table.ts";
import type { ProducerIdBlock } from "./producer_id_blocks.ts";

/** What changes are made of. */
export interface ChangesParts {
  readonly nodeId: number;
  readonly config: BrokerConfig;
  /** What is in force of `config`, which the changes tell what the store says. */
  readonly brokerSettings: BrokerSettings;
  /** Topics and their places, which the changes keep. */
  readonly table: TopicTable;
  /** The log directories, once they are known. */
  readonly directories: () => PartitionDirectories | null;
  /** Publishes a change; settles when every shard has applied it, with what the shards could not do. */
  readonly publish: (delta: ImageDelta) => Promise<readonly PartitionFailure[]>;
  /** Makes a shard close a partition. */
  readonly handOver: AskHandOver;
  /** Writes all checkpoints. */
  readonly saveCheckpoints: () => Promise<void>;
  /** Reports a sentence to the operator. */
  readonly report: (text: string) => void;
  /** Makes a topic id. */
  readonly newTopicId: () => string;
}

/** The metadata of a start. */
export interface LoadedMetadata {
  /** The whole image, for the shards to start with. */
  readonly delta: ImageDelta;
  /** Partitions whose directories were adopted at this start. */
  readonly adopted: readonly FoundPartition[];
  /** Sentences for the log: which directories were adopted, and which were not. */
  readonly warnings: readonly string[];
}

/** What became of a planned topic: its id, or why it was refused. */
export type Creation = string | CreationRefusal;

/** What became of changes, by what names them: null for one that is made, or why it was refused; missing: to be planned anew. */
export type Outcomes<Key> = ReadonlyMap<Key, CreationRefusal | null>;

/** A change of the configs of one resource, of the quotas of one entity, or of a credential of one user. */
export type ConfigChange = ResourceChange | SettingChange;

/** Carries out changes. */
export interface Changes {
  /** Whether it orders what concerns this broker alone (moves, failed disks) by itself. The controller's requests may then wait for a store. */
  readonly hasOwnTurns: boolean;
  /** Whether no other broker can ever come. */
  readonly isAlone: boolean;
  /** All registered brokers. */
  brokers(): readonly PlaceableBroker[];
  /** How many more replicas all of them take. @param free how many more this one takes */
  freeCountOf(free: number): number;
  /**
   * Reads the store, compares it with the log directories and fills the table. Called first.
   * @throws MetadataStoreError when the store is damaged, or does not answer
   */
  load(directories: PartitionDirectories): Promise<LoadedMetadata>;
  /** Creates topics. @returns what became of each, by name; missing: to be planned anew */
  create(plans: readonly TopicPlan[]): Promise<ReadonlyMap<string, Creation>>;
  /** Deletes topics. @returns what became of each, by topic id */
  delete(topics: readonly TopicImage[]): Promise<Outcomes<string>>;
  /** Adds the planned partitions. @returns what became of it, by topic name */
  grow(plans: readonly GrowthPlan[]): Promise<Outcomes<string>>;
  /** Begins, replaces or cancels reassignments. @returns what became of each */
  reassign(wanted: readonly WantedReassignment[]): Promise<ReassignmentOutcomes>;
  /** Has leaders elected. @returns what became of each election */
  elect(wanted: readonly WantedElection[]): Promise<ElectionOutcomes>;
  /** Forgets a broker. @returns why that is refused; null when it is done */
  unregister(broker: number): Promise<CreationRefusal | null>;
  /** Changes configs, quotas and credentials. @returns what became of each change */
  alter(changes: readonly ConfigChange[]): Promise<Outcomes<ConfigChange>>;
  /** Tells every shard which settings of this broker are in force, and gives topics what they inherit. */
  publishSettings(): Promise<void>;
  /** Allocates the next block of producer ids. @throws MetadataStoreError when the store refuses it */
  allocateProducerIds(): Promise<ProducerIdBlock>;
  /** Settles when every shard has applied the changes that have reached this broker. */
  settled(): Promise<void>;
  /** Tells every shard how far the copy is that a move makes; null when there is none any more. */
  announce(move: ReplicaMove, future: FutureReplica | null): Promise<void>;
  /** Exchanges the log directory of a partition (directory_exchange.ts). */
  exchange(move: ReplicaMove, copy: FutureCopy): Promise<ExchangeOutcome>;
  /** A log directory failed: its partitions are offline until a restart. */
  failDirectory(directory: number): Promise<void>;
  /** Hands a partition over to another shard (partition_hand_over.ts). @returns whether it was handed over */
  handOverPartition(handOver: PartitionHandOver): Promise<boolean>;
}
