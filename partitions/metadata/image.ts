/**
 * The metadata image: what every isolate knows of brokers, topics and the configs of groups. The main isolate owns the truth and sends deltas; each
 * shard applies them to a copy of its own, so a Metadata request is answered without leaving the shard. Plain data that
 * crosses isolates; no I/O.
 */
import type { LogConfig } from "../../storage/log/log_config.ts";

/** One partition: where it lives and who leads it. */
export interface PartitionImage {
  /** Partition number within the topic, 0-based. */
  readonly partition: number;
  /** Row in the shared watermark table. */
  readonly slot: number;
  /** Shard of this broker that owns the log. */
  readonly shard: number;
  /** Node id of the leader. */
  readonly leader: number;
  /** Epoch of that leader; grows with every election. */
  readonly leaderEpoch: number;
  /** Grows by one with every change of this partition; a change is made by comparing and setting its row in the store. */
  readonly partitionEpoch: number;
  /** Node ids of the replicas, the preferred leader first. */
  readonly replicas: readonly number[];
  /** Node ids of the in-sync replicas. */
  readonly isr: readonly number[];
}

/** One topic. */
export interface TopicImage {
  readonly name: string;
  /** Kafka's topic id: 22 characters of base64url. */
  readonly id: string;
  /** Whether it is one of Kafka's own (`__consumer_offsets` and the like). */
  readonly isInternal: boolean;
  /** By partition number. */
  readonly partitions: readonly PartitionImage[];
  /** Configs set on the topic, by Kafka's names. */
  readonly configs: Readonly<Record<string, string>>;
  /** The same resolved, with the broker's defaults. */
  readonly logConfig: LogConfig;
}

/** What is set on a group. */
export interface GroupImage {
  readonly groupId: string;
  /** By Kafka's names; empty: nothing any more. */
  readonly configs: Readonly<Record<string, string>>;
}

/** A change of the image, applied whole. */
export interface ImageDelta {
  /** Topics that are new or changed; each replaces the one of the same id. */
  readonly changed: readonly TopicImage[];
  /** Ids of topics that are gone. */
  readonly deletedIds: readonly string[];
  /** Groups whose configs changed; absent: none. */
  readonly groups?: readonly GroupImage[];
  /** Number of the store's transaction that made the change; absent where the store has nothing of it (partition moves). */
  readonly version?: number;
}

/** One isolate's copy. */
export class MetadataImage {
  readonly #byName = new Map<string, TopicImage>();
  readonly #byId = new Map<string, TopicImage>();
  readonly #groups = new Map<string, GroupImage>();
  #version = 0;

  /** Number of the change that it has applied last; higher with each, also over restarts. */
  get version(): number {
    return this.#version;
  }

  /** The topic of this name. */
  topic(name: string): TopicImage | undefined {
    return this.#byName.get(name);
  }

  /** The topic of this id. */
  topicById(id: string): TopicImage | undefined {
    return this.#byId.get(id);
  }

  /** All topics, in the order they became known. */
  topics(): Iterable<TopicImage> {
    return this.#byName.values();
  }

  /** What is set on a group (resource type GROUP); undefined when nothing is. The same object until it changes. */
  groupConfigs(groupId: string): GroupImage["configs"] | undefined {
    return this.#groups.get(groupId)?.configs;
  }

  /** Groups on which something is set. */
  configuredGroups(): Iterable<GroupImage> {
    return this.#groups.values();
  }

  /** How many those are. */
  get configuredGroupsCount(): number {
    return this.#groups.size;
  }

  /** Applies a change. */
  apply(delta: ImageDelta): void {
    this.#version = delta.version ?? this.#version;
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
  }
}
