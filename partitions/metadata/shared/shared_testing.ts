/**
 * Control planes of several brokers in one process, over one store. Tests only.
 */
import assert from "node:assert/strict";
import { errorName } from "../../../net/protocol/error_codes.ts";
import { electionTypes } from "../../../net/protocol/messages/43_elect_leaders.ts";
import { randomUuid, ZERO_UUID } from "../../../storage/base/uuid.ts";
import { registrationKey, stateKey } from "../../cluster/cluster_rows.ts";
import type { BrokerState } from "../../cluster/cluster_image.ts";
import { resourceTypes } from "../../config/resource_types.ts";
import type { PartitionDirectories } from "../adoption.ts";
import type { LoadedMetadata } from "../changes/changes.ts";
import { BrokerSettings } from "../configs/broker_settings.ts";
import type { AlterationResult } from "../control_calls.ts";
import { configOperations } from "../configs/config_operations.ts";
import { Controller } from "../controller.ts";
import type { Timers } from "../../directory/checkpoint_writer.ts";
import { configOf, ListedDirectories, MemoryStore } from "../controller_testing.ts";
import { type ImageDelta, MetadataImage } from "../image.ts";
import { packAlterations } from "../configs/packed_alterations.ts";
import type { AskHandOver } from "../partition_hand_over.ts";
import type { MetadataStore } from "../store/store.ts";
import { StoreFollower } from "../store/store_follower.ts";
import { SharedChanges } from "./shared_changes.ts";

/** `directory.id` of a log directory of a broker. */
export function directoryId(nodeId: number, index = 0): string {
  return btoa(`directory ${nodeId} ${index}....`).slice(0, 21) + "A";
}

/** Incarnation of the process of a broker in tests. */
export function incarnationOf(nodeId: number): string {
  return btoa(`incarnation ${nodeId}.....`).slice(0, 21) + "A";
}

/** Writes the rows of a broker, as a controller does that registers it. */
export async function register(
  store: MetadataStore,
  nodeId: number,
  options: { state?: BrokerState; incarnation?: string; directories?: readonly string[]; rack?: string } = {},
): Promise<void> {
  const registration = {
    incarnation: options.incarnation ?? incarnationOf(nodeId),
    directoryId: directoryId(nodeId),
    rack: options.rack ?? null,
    listeners: [{ name: "PLAINTEXT", host: `broker-${nodeId}`, port: 9092 }],
    directories: options.directories ?? [directoryId(nodeId)],
    shards: 2,
    version: "test",
  };
  const result = await store.transact({
    set: [
      { key: registrationKey(nodeId), value: JSON.stringify(registration) },
      { key: stateKey(nodeId), value: JSON.stringify({ state: options.state ?? "active" }) },
    ],
  });
  assert.equal(result.outcome, "committed");
}

/** Changes the state of a broker. */
export async function changeState(store: MetadataStore, nodeId: number, state: BrokerState): Promise<void> {
  await store.transact({ set: [{ key: stateKey(nodeId), value: JSON.stringify({ state }) }] });
}

/** How a control plane is started. */
export interface PlaneOptions {
  readonly directories?: PartitionDirectories;
  readonly slotsMax?: number;
  readonly publish?: (delta: ImageDelta) => Promise<void>;
  /** Called when changes cannot be published any more. */
  readonly failed?: (error: unknown) => void;
  /** What a shard hears of a change: all of it by default. */
  readonly heard?: (delta: ImageDelta) => ImageDelta;
  /** Called when a shard has applied a change. */
  readonly published?: (delta: ImageDelta, shard: MetadataImage) => void;
  readonly handOver?: AskHandOver;
  readonly saveCheckpoints?: () => Promise<void>;
  readonly incarnation?: string;
  readonly properties?: Record<string, string>;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
  readonly newTopicId?: () => string;
  readonly timers?: Timers;
  readonly nowMs?: () => number;
}

/** Whose configs are changed. */
export type AlteredResource = { topic: string } | { group: string } | { broker: string };

/** A control plane, and what it told its shards. */
export class Plane implements Disposable {
  readonly controller: Controller;
  readonly changes: SharedChanges;
  readonly follower: StoreFollower;
  readonly loaded: LoadedMetadata;
  readonly published: ImageDelta[];
  /** Sentences for the operator. */
  readonly reports: string[];
  /** What a shard has, by the deltas it was told. */
  readonly shard = new MetadataImage();

  private constructor(parts: Pick<Plane, "controller" | "changes" | "follower" | "loaded" | "published" | "reports">) {
    this.controller = parts.controller;
    this.changes = parts.changes;
    this.follower = parts.follower;
    this.loaded = parts.loaded;
    this.published = parts.published;
    this.reports = parts.reports;
    this.shard.apply(parts.loaded.delta);
  }

  /** Starts the control plane of a broker. */
  static async start(store: MetadataStore, nodeId: number, options: PlaneOptions = {}): Promise<Plane> {
    const follower = await StoreFollower.open(store);
    const [published, reports]: [ImageDelta[], string[]] = [[], []];
    const report = (text: string) => void reports.push(text);
    const { random = () => 0.5 } = options;
    const brokerSettings = new BrokerSettings(configOf({ "node.id": String(nodeId), ...options.properties }), report);
    brokerSettings.follow(follower);
    let [changes, plane]: [SharedChanges | null, Plane | null] = [null, null];
    const controller = new Controller({
      store,
      config: brokerSettings.config,
      brokerSettings,
      shardsCount: 2,
      slotsMax: options.slotsMax ?? 10_000,
      changes: (parts) => {
        const incarnation = options.incarnation ?? incarnationOf(nodeId);
        const failed = options.failed ?? ((error: unknown) => report(`failed: ${error}`));
        const { timers, nowMs } = options;
        return changes = new SharedChanges(parts, { store, follower, incarnation, failed, random, timers, nowMs });
      },
      publish: async (delta) => {
        await options.publish?.(delta);
        published.push(delta);
        plane?.shard.apply(options.heard?.(delta) ?? delta);
        if (plane !== null) options.published?.(delta, plane.shard);
        return [];
      },
      handOver: options.handOver ?? (() => Promise.resolve(true)),
      roll: () => Promise.resolve(),
      saveLogStarts: () => Promise.resolve(),
      saveCheckpoints: options.saveCheckpoints ?? (() => Promise.resolve()),
      room: () => ({ count: Infinity, scarcity: "" }),
      report,
      inform: () => {},
      newTopicId: options.newTopicId ?? randomUuid,
      random,
    });
    const directories = options.directories ?? new ListedDirectories({}, [directoryId(nodeId)]);
    const loaded = await controller.load(directories);
    assert(changes !== null);
    plane = new Plane({ controller, changes, follower, loaded, published, reports });
    plane.changes.start();
    return plane;
  }

  /** Creates topics. @returns error names */
  async create(topics: Readonly<Record<string, number>>, configs: Readonly<Record<string, string>> = {}) {
    const request = {
      topics: Object.entries(topics).map(([name, numPartitions]) => ({
        name,
        numPartitions,
        replicationFactor: 1,
        assignments: [],
        configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
      })),
      timeoutMs: 60_000,
      validateOnly: false,
    };
    const { topics: results } = await this.controller.call("createTopics", { request, apiVersion: 7 });
    return results.map(({ errorCode }) => errorName(errorCode));
  }

  /** Deletes topics. @returns error names */
  async delete(...names: readonly string[]) {
    const topics = names.map((name) => ({ name, topicId: ZERO_UUID }));
    const request = { topics, topicNames: [], timeoutMs: 60_000 };
    const { responses } = await this.controller.call("deleteTopics", { request, apiVersion: 6 });
    return responses.map(({ errorCode }) => errorName(errorCode));
  }

  /** Adds partitions. @returns the error's name */
  async grow(name: string, count: number) {
    const request = { topics: [{ name, count, assignments: null }], timeoutMs: 60_000, validateOnly: false };
    const { results } = await this.controller.call("createPartitions", { request });
    return errorName(results[0]?.errorCode ?? -1);
  }

  /** Reassigns partitions of a topic. @param replicas by partition; null cancels @returns error names */
  async reassign(name: string, replicas: Readonly<Record<number, readonly number[] | null>>, mayChangeFactor = true) {
    const partitions = Object.entries(replicas).map(([index, list]) => ({
      partitionIndex: Number(index),
      replicas: list === null ? null : [...list],
    }));
    const request = {
      timeoutMs: 60_000,
      allowReplicationFactorChange: mayChangeFactor,
      topics: [{ name, partitions }],
    };
    const { responses } = await this.controller.call("alterReassignments", { request });
    return responses.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorName(errorCode)));
  }

  /** Has leaders elected. @param partitions of a topic; null for all partitions of all topics @returns error names by partition */
  async elect(leader: keyof typeof electionTypes, name: string, partitions: readonly number[] | null) {
    const topicPartitions = partitions === null ? null : [{ topic: name, partitions: [...partitions] }];
    const request = { electionType: electionTypes[leader], topicPartitions, timeoutMs: 60_000 };
    const { replicaElectionResults } = await this.controller.call("electLeaders", { request });
    const results = replicaElectionResults.find(({ topic }) => topic === name)?.partitionResult ?? [];
    return results.map(({ partitionId, errorCode }) => [partitionId, errorName(errorCode)]);
  }

  /** Sets a config of a topic, of a group, or of a broker ("" for all). @returns the error's name */
  async alter(resource: AlteredResource, name: string, value: string | null): Promise<string> {
    return errorName((await this.altered(resource, name, value)).errorCode);
  }

  /** Changes a config. @returns the answer */
  async altered(resource: AlteredResource, name: string, value: string | null): Promise<AlterationResult> {
    const [kind, resourceName] = Object.entries(resource)[0] as [keyof typeof resourceTypes, string];
    const packed = packAlterations({
      resources: [{
        resourceType: resourceTypes[kind],
        resourceName,
        configs: [{ name, configOperation: value === null ? configOperations.delete : configOperations.set, value }],
      }],
      validateOnly: false,
    }, false);
    const [result] = await this.controller.call("alterConfigs", packed);
    return result as AlterationResult;
  }

  /** Settles when every shard of this broker has what the store has now. */
  async catchUp(store: MemoryStore): Promise<void> {
    let version = -1;
    while (version < store.changedVersion) {
      version = store.changedVersion;
      await this.follower.reached(version);
      await this.changes.settled();
      await this.changes.deletionsSettled();
    }
  }

  [Symbol.dispose](): void {
    this.changes[Symbol.dispose]();
    this.follower[Symbol.dispose]();
  }
}

/** What a shard's image says of topics, without what only one broker knows. */
export function topicsOf(image: MetadataImage): unknown {
  const topics = [...image.topics()].map(({ name, id, configs, partitions }) => ({
    name,
    id,
    configs,
    partitions: partitions.map(({ leader, leaderEpoch, partitionEpoch, replicas, isr }) => {
      return { leader, leaderEpoch, partitionEpoch, replicas, isr };
    }),
  }));
  return topics.sort((a, b) => a.name < b.name ? -1 : 1);
}

/** What the store says of topics, in the same form. */
export function storedTopics(store: MemoryStore): unknown {
  type Row = { leader: number; leaderEpoch: number; partitionEpoch: number; replicas: number[]; isr: number[] };
  const topics = store.rows("topics/") as Record<string, { id: string; configs: Record<string, string> }>;
  return Object.entries(topics).map(([name, { id, configs }]) => {
    const rows = store.rows(`partitions/${id}/`) as Record<string, Row>;
    const numbers = Object.keys(rows).map(Number).sort((a, b) => a - b);
    const partitions = numbers.map((partition) => {
      const { leader, leaderEpoch, partitionEpoch, replicas, isr } = rows[partition] as Row;
      return { leader, leaderEpoch, partitionEpoch, replicas, isr };
    });
    return { name, id, configs, partitions };
  });
}
