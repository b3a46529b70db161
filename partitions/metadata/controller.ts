/**
 * The controller: owns topics, their configs and partitions, the configs of groups and the blocks of producer ids. It makes one change at
 * a time: checks it, commits it to the store, applies it to the image, publishes it to every shard, then answers. Runs on the main
 * isolate; it never blocks.
 *
 * Always: a change is durable before it is published or answered. The answer comes after every shard has applied the change, so a client
 * that has created a topic can produce to it on any connection.
 *
 * A request waits for its turn up to its timeout. After that it is answered with REQUEST_TIMED_OUT and changes nothing. A change that has
 * begun is completed. One that the disk refuses is answered with KAFKA_STORAGE_ERROR and changes nothing (metadata_changes.ts).
 */
import { errorCode } from "../../net/protocol/error_codes.ts";
import type {
  CreatableTopicResult,
  CreateTopicsRequest,
  CreateTopicsResponse,
} from "../../net/protocol/messages/19_create_topics.ts";
import type {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from "../../net/protocol/messages/37_create_partitions.ts";
import type { DeleteTopicsRequest, DeleteTopicsResponse } from "../../net/protocol/messages/20_delete_topics.ts";
import type { BrokerConfig } from "../config/broker/broker_config.ts";
import { type MembershipCalls, NO_MEMBERSHIP } from "../cluster/membership_calls.ts";
import type { PartitionDirectories } from "./adoption.ts";
import { planAlterations } from "./config_changes.ts";
import type { PackedAlterations } from "./packed_alterations.ts";
import type { AlterationResult, ControlCallName, ControlCalls, ControlPlane } from "./control_calls.ts";
import { type LoadedTopics, loadTopics, onlyBroker } from "./controller_loading.ts";
import { type CreatableTopicConfigs, describeCreated, refusedCreation, TIMED_OUT } from "./creation_answers.ts";
import type { ImageDelta, MetadataImage, PartitionFailure } from "./image.ts";
import { ReplicaMoves } from "../directory/replica_moves.ts";
import type { Placed } from "../placement/placement.ts";
import { DirectoryPlacement } from "../placement/directory_placement.ts";
import { autoCreatedTopic, isAutoCreatable } from "./internal_topics.ts";
import { type Creation, MetadataChanges } from "./changes/metadata_changes.ts";
import { planPartitions } from "./partition_creation.ts";
import { type AskHandOver, handOverPartition, type PartitionHandOver } from "./partition_hand_over.ts";
import type { MetadataStore } from "./store/store.ts";
import {
  type CreationRefusal,
  type CreationRules,
  type PartitionRoom,
  type PlannedTopic,
  planTopics,
  scarcest,
} from "./topic_creation.ts";
import { planDeletion, refuseDeletion } from "./topic_deletion.ts";
import { refuseTopicName } from "./topic_names.ts";
import { TopicTable } from "./topic_table.ts";

/** First DeleteTopics version whose clients know TOPIC_DELETION_DISABLED (KIP-322). */
const DELETION_DISABLED_VERSION = 3;

/** What a controller is built from. */
export interface ControllerOptions {
  /** The open store; the controller does not close it. */
  readonly store: MetadataStore;
  readonly config: BrokerConfig;
  readonly shardsCount: number;
  /** Rows of the watermark table. */
  readonly slotsMax: number;
  /** Publishes a change; settles when every shard has applied it, with what the shards could not do. */
  readonly publish: (delta: ImageDelta) => Promise<readonly PartitionFailure[]>;
  readonly handOver: AskHandOver;
  /** Makes a shard close the active segment of a partition; settles when it has tried. */
  readonly roll: (place: Placed) => Promise<unknown>;
  /** Writes the checkpoint of log start offsets (checkpoint_writer.ts). */
  readonly saveLogStarts: () => Promise<void>;
  /** Writes all checkpoints. */
  readonly saveCheckpoints: () => Promise<void>;
  /** Room for more partitions, apart from the limit of the watermark table. @param count current number of partitions */
  readonly room: (count: number) => PartitionRoom;
  /** Reports a sentence to the operator. */
  readonly report: (text: string) => void;
  /** Says what was done. */
  readonly inform: (text: string) => void;
  /** Makes a topic id (`randomUuid`). */
  readonly newTopicId: () => string;
  /** Uniform in [0, 1); Math.random by default. */
  readonly random?: () => number;
  /** Monotonic time in ms; `performance.now()` by default. */
  readonly nowMs?: () => number;
  /** The elected controller of a cluster, while this broker is in one. Without it no broker can be registered here. */
  readonly membership?: MembershipCalls;
}

/** The result of `load()`. */
export interface LoadedMetadata {
  /** The whole image, for the shards to start with. */
  readonly delta: ImageDelta;
  /** Partitions whose directories were adopted at this start. */
  readonly adopted: LoadedTopics["adopted"];
  /** Sentences for the log: which directories were adopted, and which were not. */
  readonly warnings: readonly string[];
}

const DONE = { errorCode: errorCode.NONE, errorMessage: null } as const;

type Calls = {
  readonly [N in ControlCallName]: (args: ControlCalls[N]["args"]) => Promise<ControlCalls[N]["result"]>;
};

/** The controller. */
export class Controller implements ControlPlane {
  readonly #options: ControllerOptions;
  readonly #table: TopicTable;
  readonly #calls: Calls;
  readonly #changes: MetadataChanges;
  #directories: PartitionDirectories | null = null;
  #moves: ReplicaMoves | null = null;
  #defaultConfigs: CreatableTopicConfigs | null = null;
  #last: Promise<unknown> = Promise.resolve();

  /** `load()` must be called before any other method. */
  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#table = new TopicTable(options.config, options);
    const { config: { nodeId }, membership = NO_MEMBERSHIP } = options;
    this.#changes = new MetadataChanges({
      ...options,
      nodeId,
      table: this.#table,
      directories: () => this.#directories,
    });
    this.#calls = {
      createTopics: ({ request }) =>
        this.#inTurn(() => this.#createTopics(request), {
          timeoutMs: request.timeoutMs,
          answer: () => ({ topics: request.topics.map(({ name }) => refusedCreation(name, TIMED_OUT)) }),
        }),
      deleteTopics: ({ request, apiVersion }) =>
        this.#inTurn(() => this.#deleteTopics(request, apiVersion), {
          timeoutMs: request.timeoutMs,
          answer: () => ({ responses: [...refuseDeletion(request, TIMED_OUT.errorCode).results] }),
        }),
      createPartitions: ({ request }) =>
        this.#inTurn(() => this.#createPartitions(request), {
          timeoutMs: request.timeoutMs,
          answer: () => ({ results: request.topics.map(({ name }) => ({ name, ...TIMED_OUT })) }),
        }),
      alterConfigs: (packed) => this.#inTurn(() => this.#alterConfigs(packed)),
      moveReplicas: ({ moves }) => Promise.resolve({ errorCodes: this.#moves?.request(moves) ?? [] }),
      awaitChanges: () => this.#inTurn(() => Promise.resolve({})),
      saveLogStarts: () => this.#options.saveLogStarts().then(() => ({})),
      autoCreateTopics: ({ names }) => this.#inTurn(() => this.#autoCreateTopics(names)),
      allocateProducerIds: () => this.#inTurn(() => this.#changes.producerIds.allocate()),
      brokerRegistration: (registration) => membership.register(registration),
      brokerHeartbeat: (heartbeat) => membership.heartbeat(heartbeat),
    };
  }

  /** All topics, as the shards know them. */
  get image(): MetadataImage {
    return this.#table.image;
  }

  /** Number of partitions of all topics. */
  get partitionsCount(): number {
    return this.#options.slotsMax - this.#table.freeCount;
  }

  /**
   * Reads the store, adopts partition directories that it does not know, and begins a new leadership of every partition. Called before
   * any other method.
   * @param directories of the log directory
   * @throws MetadataStoreError when the store is damaged, or belongs to another broker
   */
  async load(directories: PartitionDirectories): Promise<LoadedMetadata> {
    this.#directories = directories;
    const { store, config, newTopicId, random = Math.random } = this.#options;
    const freeCount = this.#table.freeCount;
    this.#table.directories = new DirectoryPlacement(directories.ids);
    this.#moves = new ReplicaMoves({
      ...this.#options,
      image: this.image,
      paths: directories.paths,
      namedPaths: config.logDirectories,
      announce: (move, future) => this.#inTurn(() => this.#changes.announce(move, future)),
      exchange: (move, copy) => this.#inTurn(() => this.#changes.exchange(move, copy)),
    });
    const loaded = await loadTopics(directories, { store, nodeId: config.nodeId, freeCount, newTopicId, random });
    this.#changes.producerIds.load(loaded.producerIds);
    const groups = [...loaded.groups].map(([groupId, { row }]) => ({ groupId, configs: row.configs }));
    for (const [groupId, { version }] of loaded.groups) this.#changes.noteGroup(groupId, version);
    const { version, warnings } = loaded;
    const offlineDirectories = this.#table.directories.offline;
    const brokers = [onlyBroker(config, directories)];
    const first = { brokers, controllerId: config.nodeId, offlineDirectories, groups, version };
    this.image.apply({ changed: [], deletedIds: [], ...first });
    const delta = { ...this.#table.add(loaded.topics), ...first };
    return { delta, adopted: loaded.adopted, warnings };
  }

  call<Name extends ControlCallName>(
    name: Name,
    args: ControlCalls[Name]["args"],
  ): Promise<ControlCalls[Name]["result"]> {
    return this.#calls[name](args);
  }

  /** Hands a partition over to another shard, as described in partition_hand_over.ts. @returns whether it was handed over */
  handOverPartition(handOver: PartitionHandOver): Promise<boolean> {
    return this.#inTurn(() => handOverPartition(handOver, this.#table, this.#options));
  }

  /** Takes the partitions of a log directory that failed offline, until a restart; new ones go to others. Settles when every shard knows. */
  failDirectory(directory: number): Promise<void> {
    return this.#inTurn(() => this.#changes.failDirectory(directory));
  }

  /** Ends moves to other log directories. Settles when nothing is copied any more. */
  async stopMoves(): Promise<void> {
    await this.#moves?.stop();
  }

  /** Runs changes one after the other, even after a failed one. @param late gives the answer when the turn comes after the deadline */
  #inTurn<T>(change: () => Promise<T>, late?: { timeoutMs: number; answer: () => T }): Promise<T> {
    const { nowMs = () => performance.now() } = this.#options;
    const deadlineMs = late === undefined ? Infinity : nowMs() + late.timeoutMs;
    const begin = () => late !== undefined && nowMs() > deadlineMs ? Promise.resolve(late.answer()) : change();
    const result = this.#last.then(begin, begin);
    this.#last = result;
    return result;
  }

  async #createTopics({ topics, validateOnly }: CreateTopicsRequest): Promise<CreateTopicsResponse> {
    const planned = planTopics(topics, this.#rules());
    const outcomes = validateOnly ? new Map<string, Creation>() : await this.#create(planned);
    return { topics: planned.map((topic) => this.#creationResult(topic, outcomes.get(topic.name))) };
  }

  async #autoCreateTopics(names: readonly string[]): Promise<{ name: string; errorCode: number }[]> {
    const missing = [...new Set(names)].filter((name) => this.image.topic(name) === undefined && isAutoCreatable(name));
    const rules = this.#rules();
    const topics = missing.map((name) => autoCreatedTopic(name, this.#options.config, rules.brokers.length));
    const planned = planTopics(topics, rules);
    const outcomes = await this.#create(planned);
    const codes = new Map<string, number>();
    for (const topic of planned) {
      const refusal = "errorCode" in topic ? topic : outcomes.get(topic.name);
      const isRefused = typeof refusal === "object";
      codes.set(topic.name, isRefused ? refusal.errorCode : errorCode.NONE);
      if (isRefused) this.#options.report(`Cannot create topic ${topic.name}: ${refusal.errorMessage}`);
    }
    return names.map((name) => ({ name, errorCode: codes.get(name) ?? this.#codeOf(name) }));
  }

  /** Creates what the plans allow. @returns what became of each planned topic, by name */
  #create(planned: readonly PlannedTopic[]): Promise<ReadonlyMap<string, Creation>> {
    return this.#changes.create(planned.flatMap((topic) => "plan" in topic ? [topic.plan] : []));
  }

  #codeOf(name: string): number {
    if (this.image.topic(name) !== undefined) return errorCode.NONE;
    return refuseTopicName(name) === null ? errorCode.UNKNOWN_TOPIC_OR_PARTITION : errorCode.INVALID_TOPIC_EXCEPTION;
  }

  async #deleteTopics(request: DeleteTopicsRequest, apiVersion: number): Promise<DeleteTopicsResponse> {
    if (!this.#options.config.deleteTopicEnable) {
      const code = apiVersion < DELETION_DISABLED_VERSION
        ? errorCode.INVALID_REQUEST
        : errorCode.TOPIC_DELETION_DISABLED;
      return { responses: [...refuseDeletion(request, code).results] };
    }
    const { ids, results } = planDeletion(request, this.image);
    const topics = ids.flatMap((id) => this.image.topicById(id) ?? []);
    const refusal = topics.length === 0 ? null : await this.#changes.delete(topics);
    const isKept = ({ errorCode: code }: { errorCode: number }) => refusal !== null && code === errorCode.NONE;
    return { responses: results.map((result) => isKept(result) ? { ...result, ...refusal } : result) };
  }

  async #createPartitions({ topics, validateOnly }: CreatePartitionsRequest): Promise<CreatePartitionsResponse> {
    const planned = planPartitions(topics, { ...this.#rules(), topic: (name) => this.image.topic(name) });
    const plans = planned.flatMap((topic) => "plan" in topic ? [topic.plan] : []);
    const refusals = validateOnly ? new Map<string, CreationRefusal>() : await this.#changes.grow(plans);
    const results = planned.map((topic) => {
      const { errorCode: code, errorMessage: message } = "plan" in topic ? refusals.get(topic.name) ?? DONE : topic;
      return { name: topic.name, errorCode: code, errorMessage: message };
    });
    return { results };
  }

  async #alterConfigs(packed: PackedAlterations): Promise<AlterationResult[]> {
    // It loads the codecs of the protocol, which the main isolate needs for nothing else.
    const { unpackAlterations } = await import("./packed_alterations.ts");
    const planned = planAlterations(unpackAlterations(packed), this.#alterationRules());
    const changes = packed.validateOnly ? [] : planned.flatMap(({ change }) => change ?? []);
    const topics = changes.flatMap((change) => "topic" in change ? [change] : []);
    const groups = changes.flatMap((change) => "groupId" in change ? [change] : []);
    const refusal = changes.length === 0 ? null : await this.#changes.alter({ topics, groups });
    return planned.map(({ errorCode: code, errorMessage: message, change }) => {
      if (refusal !== null && change !== null) return { ...refusal };
      return { errorCode: code, errorMessage: message };
    });
  }

  #alterationRules() {
    return {
      broker: this.#options.config,
      topic: (name: string) => this.image.topic(name),
      groupConfigs: (groupId: string) => this.image.groupConfigs(groupId),
      configuredGroupsCount: this.image.configuredGroupsCount,
    };
  }

  #rules(): CreationRules {
    const { numPartitions, defaultReplicationFactor, nodeId } = this.#options.config;
    return {
      numPartitions,
      replicationFactor: defaultReplicationFactor,
      brokers: [nodeId],
      ...scarcest(this.#table.freeCount, this.#options.room(this.partitionsCount)),
      exists: (name) => this.image.topic(name) !== undefined,
      colliding: (key) => this.#table.colliding(key),
    };
  }

  /** The answer for one topic. @param outcome a random id while the topic is only validated, as in Kafka */
  #creationResult(topic: PlannedTopic, outcome: Creation = this.#options.newTopicId()): CreatableTopicResult {
    if ("errorCode" in topic) return refusedCreation(topic.name, topic);
    if (typeof outcome !== "string") return refusedCreation(topic.name, outcome);
    const { name, configs, replicas } = topic.plan;
    return {
      name,
      topicId: outcome,
      errorCode: errorCode.NONE,
      errorMessage: null,
      numPartitions: replicas.length,
      replicationFactor: replicas[0]?.length ?? 0,
      configs: this.#describe(configs),
    };
  }

  /** Effective configs. Those of topics without configs are cached, because computing them takes longer than the rest of a creation. */
  #describe(configs: Readonly<Record<string, string>>): CreatableTopicConfigs {
    if (Object.keys(configs).length > 0) return describeCreated(configs, this.#options.config);
    this.#defaultConfigs ??= describeCreated(configs, this.#options.config);
    return this.#defaultConfigs;
  }
}
