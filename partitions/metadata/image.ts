/**
 * The metadata image: the brokers, the topics, the configs of groups and the quotas of clients, as every isolate knows them. The main
 * isolate owns the original and sends deltas; each shard applies them to its own copy, so it answers a Metadata request without asking
 * another isolate. Plain data that crosses isolates; no I/O.
 */
import type { LogConfig } from "../../storage/log/log_config.ts";
import type { BrokerState } from "../cluster/cluster_image.ts";
import type { PartitionRow } from "../cluster/partition_row.ts";
import type { DynamicSettings } from "../config/broker/dynamic_fields.ts";
import type { Listener } from "../config/broker/listeners.ts";
import { type ClientQuota, quotaKey } from "./settings/quota_rows.ts";
import type { ScramUser } from "./settings/user_rows.ts";

/** Slot, shard and log directory of a partition that has no replica on this broker. */
export const ELSEWHERE = -1;

/** Node id of the controller while there is none. */
export const NO_CONTROLLER = -1;

/** Epoch of the controller of a broker that is alone. */
const FIRST_CONTROLLER_EPOCH = 1;

/** A registered broker. */
export interface BrokerImage {
  readonly nodeId: number;
  /** `broker.rack`, null when it has none. */
  readonly rack: string | null;
  /** Clients are not sent to a fenced broker. A stopping one still leads what it has not given away. */
  readonly state: BrokerState;
  /** The addresses it advertises, one for each listener. */
  readonly advertised: readonly Listener[];
  /** The `directory.id` of each log directory that was online when it registered. */
  readonly directories: readonly string[];
  /** Versions of its rows, in a cluster (cluster/cluster_image.ts). */
  readonly brokerEpoch?: number;
  readonly stateVersion?: number;
}

/** What a leader of several replicas needs of the row, in addition to the rest (cluster/partition_row.ts). */
export type ReplicationImage = Pick<PartitionRow, "minIsr" | "recovering">;

/** One partition: its shard, its row and its leader. */
export interface PartitionImage {
  /** Partition number within the topic, 0-based. */
  readonly partition: number;
  /** Row in the shared watermark table, ELSEWHERE without a replica on this broker. */
  readonly slot: number;
  /** Shard of this broker that owns the log, ELSEWHERE without a replica on this broker. */
  readonly shard: number;
  /** Index of the log directory of this broker that has the log, -1 while that directory is offline, ELSEWHERE without a replica. */
  readonly directory: number;
  /** The copy that is made in another log directory, if any. */
  readonly future?: FutureReplica;
  /** Node id of the leader, NO_LEADER while there is none. */
  readonly leader: number;
  /** Epoch of that leader; grows with every election. */
  readonly leaderEpoch: number;
  /** Grows by one with every change of this partition, which is a compare-and-set of its row in the store. */
  readonly partitionEpoch: number;
  /** Node ids of the replicas, the preferred leader first. */
  readonly replicas: readonly number[];
  /** Node ids of the in-sync replicas. */
  readonly isr: readonly number[];
  /** Node ids of the eligible leader replicas (KIP-966); none by default. */
  readonly elr?: readonly number[];
  /** The last leader of a partition that has none; empty by default. */
  readonly lastKnownElr?: readonly number[];
  /** Node ids of the replicas that a reassignment adds; none by default. */
  readonly adding?: readonly number[];
  /** Node ids of those that it removes; none by default. */
  readonly removing?: readonly number[];
  /** Node ids of other brokers whose replicas lie in log directories that have failed, or are lost; none by default. */
  readonly offline?: readonly number[];
  /** Set where this broker has one of several replicas. */
  readonly replication?: ReplicationImage;
}

/** Whether this broker has a replica of a partition: without one, there is no slot, no shard and no log directory. */
export function isHere({ slot }: Pick<PartitionImage, "slot">): boolean {
  return slot !== ELSEWHERE;
}

/** A copy of a partition that AlterReplicaLogDirs makes in another log directory. */
export interface FutureReplica {
  /** Index of that directory. */
  readonly directory: number;
  /** Bytes that were copied. */
  readonly bytes: number;
  /** All records below it were. */
  readonly endOffset: number;
}

/** One topic. */
export interface TopicImage {
  readonly name: string;
  /** Kafka's topic id: 22 characters of base64url. */
  readonly id: string;
  /** Whether it is one of Kafka's internal topics, like `__consumer_offsets`. */
  readonly isInternal: boolean;
  /** By partition number. */
  readonly partitions: readonly PartitionImage[];
  /** Configs set on the topic, by Kafka's names. */
  readonly configs: Readonly<Record<string, string>>;
  /** The configs that the logs use: `configs` with the broker's defaults. */
  readonly logConfig: LogConfig;
}

/** The configs of a group. */
export interface GroupImage {
  readonly groupId: string;
  /** By Kafka's names; empty when the group has no configs any more. */
  readonly configs: Readonly<Record<string, string>>;
}

/** A change of the image, applied at once. */
export interface ImageDelta {
  /** New and changed topics; each replaces the topic with its id. */
  readonly changed: readonly TopicImage[];
  /** Ids of deleted topics. */
  readonly deletedIds: readonly string[];
  /** Indexes of all log directories that are offline, if that changed. */
  readonly offlineDirectories?: readonly number[];
  /** All registered brokers, if something of them changed. */
  readonly brokers?: readonly BrokerImage[];
  /** Node id of the controller, NO_CONTROLLER when there is none, if that changed. */
  readonly controllerId?: number;
  /** Epoch of the controller, if that changed: the version of its row. */
  readonly controllerEpoch?: number;
  /** Groups whose configs changed; none by default. */
  readonly groups?: readonly GroupImage[];
  /** Entities whose client quotas changed, each with all that it has now; none by default. */
  readonly clientQuotas?: readonly ClientQuota[];
  /** Users whose SCRAM credentials changed; none by default. */
  readonly scramUsers?: readonly ScramUser[];
  /** The settings of this broker that are in force, if they changed; the receiver applies them (`applySettings()`). */
  readonly brokerSettings?: DynamicSettings;
  /** Number of the store's transaction that made the change; not set for changes that are not stored (partition moves). */
  readonly version?: number;
}

/** What a shard could not do for a change of the image, because the disk refused or a log is damaged. */
export interface PartitionFailure {
  readonly topicId: string;
  readonly partition: number;
  /** A sentence for the operator. */
  readonly text: string;
}

/** One isolate's copy of the image. */
export class MetadataImage {
  readonly #byName = new Map<string, TopicImage>();
  readonly #byId = new Map<string, TopicImage>();
  readonly #groups = new Map<string, GroupImage>();
  /** By quotaKey(). */
  readonly #quotas = new Map<string, ClientQuota>();
  readonly #scramUsers = new Map<string, ScramUser>();
  #clientQuotas: readonly ClientQuota[] = [];
  #quotaCharacters = 0;
  #brokers: ReadonlyMap<number, BrokerImage> = new Map();
  #controllerId = NO_CONTROLLER;
  #controllerEpoch = FIRST_CONTROLLER_EPOCH;
  #offlineDirectories: readonly number[] = [];
  #version = 0;

  /** Number of the last applied change; it grows with each change, also across restarts. */
  get version(): number {
    return this.#version;
  }

  /** All registered brokers, by node id. */
  get brokers(): ReadonlyMap<number, BrokerImage> {
    return this.#brokers;
  }

  /** Node id of the controller, NO_CONTROLLER while there is none. */
  get controllerId(): number {
    return this.#controllerId;
  }

  /** Epoch of the last controller: it grows with each one that is elected. A broker that is alone has but one. */
  get controllerEpoch(): number {
    return this.#controllerEpoch;
  }

  /** The topic of this name. */
  topic(name: string): TopicImage | undefined {
    return this.#byName.get(name);
  }

  /** The topic of this id. */
  topicById(id: string): TopicImage | undefined {
    return this.#byId.get(id);
  }

  /** Whether a log directory is offline. @param directory its index in `log.dirs` */
  isOffline(directory: number): boolean {
    return this.#offlineDirectories.includes(directory);
  }

  /** All topics, in the order they became known. */
  topics(): Iterable<TopicImage> {
    return this.#byName.values();
  }

  /** The configs of a group (resource type GROUP); undefined when it has none. The same object until they change. */
  groupConfigs(groupId: string): GroupImage["configs"] | undefined {
    return this.#groups.get(groupId)?.configs;
  }

  /** Groups that have configs. */
  configuredGroups(): Iterable<GroupImage> {
    return this.#groups.values();
  }

  /** Number of groups that have configs. */
  get configuredGroupsCount(): number {
    return this.#groups.size;
  }

  /** The quotas of all entities that have some, in the order they became known. The same list until quotas change. */
  get clientQuotas(): readonly ClientQuota[] {
    return this.#clientQuotas;
  }

  /** Characters of the keys of all of them, which bound their memory. */
  get quotaCharacters(): number {
    return this.#quotaCharacters;
  }

  /** The quotas of one entity. @param key of it, by quotaKey() */
  quotasOf(key: string): ClientQuota["values"] | undefined {
    return this.#quotas.get(key)?.values;
  }

  /** Users that have SCRAM credentials, by name. */
  get scramUsers(): ReadonlyMap<string, ScramUser> {
    return this.#scramUsers;
  }

  /** Applies a change. */
  apply(delta: ImageDelta): void {
    this.#version = delta.version ?? this.#version;
    this.#offlineDirectories = delta.offlineDirectories ?? this.#offlineDirectories;
    this.#controllerId = delta.controllerId ?? this.#controllerId;
    this.#controllerEpoch = delta.controllerEpoch ?? this.#controllerEpoch;
    if (delta.brokers !== undefined) this.#brokers = new Map(delta.brokers.map((broker) => [broker.nodeId, broker]));
    for (const id of delta.deletedIds) {
      const topic = this.#byId.get(id);
      if (topic === undefined) continue;
      this.#byId.delete(id);
      if (this.#byName.get(topic.name)?.id === id) this.#byName.delete(topic.name);
    }
    for (const topic of delta.changed) {
      this.#byId.set(topic.id, topic);
      this.#byName.set(topic.name, topic);
    }
    for (const group of delta.groups ?? []) {
      if (Object.keys(group.configs).length === 0) this.#groups.delete(group.groupId);
      else this.#groups.set(group.groupId, group);
    }
    this.#applySettings(delta);
  }

  #applySettings({ clientQuotas, scramUsers = [] }: ImageDelta): void {
    for (const quota of clientQuotas ?? []) {
      const key = quotaKey(quota.entity);
      if (this.#quotas.delete(key)) this.#quotaCharacters -= key.length;
      if (Object.keys(quota.values).length === 0) continue;
      this.#quotas.set(key, quota);
      this.#quotaCharacters += key.length;
    }
    if (clientQuotas !== undefined) this.#clientQuotas = [...this.#quotas.values()];
    for (const user of scramUsers) {
      if (Object.keys(user.iterations).length === 0) this.#scramUsers.delete(user.name);
      else this.#scramUsers.set(user.name, user);
    }
  }
}
