/**
 * The controller: owns topics, their configs and partitions, the configs of groups and the blocks of producer ids. It makes one change at
 * a time: checks it, commits it to the store, applies it to the image, publishes it to every shard, then answers. Runs on the main
 * isolate; it never blocks.
 *
 * Always: a change is durable before it is published or answered. The answer comes after every shard has applied the change, so a client
 * that has created a topic can produce to it on any connection.
 *
 * A request waits for its turn up to its timeout. After that it is answered with REQUEST_TIMED_OUT and changes nothing. A change that has
 * begun is completed.
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
import type { PartitionDirectories } from "./adoption.ts";
import { alterationTransaction, growthTransaction, isForgotten } from "./change_transactions.ts";
import { planAlterations } from "./config_changes.ts";
import { type PackedAlterations, unpackAlterations } from "./packed_alterations.ts";
import type { AlterationResult, ControlCallName, ControlCalls, ControlPlane } from "./control_calls.ts";
import { type LoadedTopics, loadTopics, newPartitionRow } from "./controller_loading.ts";
import { type CreatableTopicConfigs, describeCreated, refusedCreation, TIMED_OUT } from "./creation_answers.ts";
import type { ImageDelta, MetadataImage, TopicImage } from "./image.ts";
import { autoCreatedTopic, isAutoCreatable } from "./internal_topics.ts";
import { type GrowthPlan, planPartitions } from "./partition_creation.ts";
import { type AskHandOver, handOverPartition, type PartitionHandOver } from "./partition_hand_over.ts";
import { deletedKey, partitionRowKey, PRODUCER_IDS, topicKey } from "./records.ts";
import { ABSENT, type MetadataStore, MetadataStoreError, type Transaction } from "./store/store.ts";
import {
  type CreationRules,
  type PartitionRoom,
  type PlannedTopic,
  planTopics,
  scarcest,
  type TopicPlan,
} from "./topic_creation.ts";
import { planDeletion, refuseDeletion } from "./topic_deletion.ts";
import { refuseTopicName } from "./topic_names.ts";
import { type StoredTopic, TopicTable } from "./topic_table.ts";

/** Producer ids in a block (ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE). */
export const PRODUCER_ID_BLOCK = 1000;
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
  /** Publishes a change; settles when every shard has applied it. */
  readonly publish: (delta: ImageDelta) => Promise<void>;
  readonly handOver: AskHandOver;
  /** Writes the checkpoint of log start offsets (checkpoint_writer.ts). */
  readonly saveLogStarts: () => Promise<void>;
  /** Writes all checkpoints. */
  readonly saveCheckpoints: () => Promise<void>;
  /** Room for more partitions, apart from the limit of the watermark table. @param count current number of partitions */
  readonly room: (count: number) => PartitionRoom;
  /** Reports a sentence to the operator. */
  readonly report: (text: string) => void;
  /** Makes a topic id (`randomUuid`). */
  readonly newTopicId: () => string;
  /** Uniform in [0, 1); Math.random by default. */
  readonly random?: () => number;
  /** Monotonic time in ms; `performance.now()` by default. */
  readonly nowMs?: () => number;
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

type Calls = {
  readonly [N in ControlCallName]: (args: ControlCalls[N]["args"]) => Promise<ControlCalls[N]["result"]>;
};

/** The controller. */
export class Controller implements ControlPlane {
  readonly #options: ControllerOptions;
  readonly #table: TopicTable;
  readonly #calls: Calls;
  #directories: PartitionDirectories | null = null;
  #producerIds = { next: 0, version: ABSENT };
  /** Versions of the rows of groups that have configs. */
  readonly #groupVersions = new Map<string, number>();
  /** Rows that the next transaction deletes: of deleted topics whose directories have been removed durably. */
  #forgotten: string[] = [];
  #defaultConfigs: CreatableTopicConfigs | null = null;
  #last: Promise<unknown> = Promise.resolve();

  /** `load()` must be called before any other method. */
  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#table = new TopicTable(options.config, options);
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
      awaitChanges: () => this.#inTurn(() => Promise.resolve({})),
      saveLogStarts: () => this.#options.saveLogStarts().then(() => ({})),
      autoCreateTopics: ({ names }) => this.#inTurn(() => this.#autoCreateTopics(names)),
      allocateProducerIds: () => this.#inTurn(() => this.#allocateProducerIds()),
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
    const loaded = await loadTopics(directories, { store, nodeId: config.nodeId, freeCount, newTopicId, random });
    this.#producerIds = loaded.producerIds;
    const groups = [...loaded.groups].map(([groupId, { row }]) => ({ groupId, configs: row.configs }));
    for (const [groupId, { version }] of loaded.groups) this.#groupVersions.set(groupId, version);
    const { version, warnings } = loaded;
    this.image.apply({ changed: [], deletedIds: [], groups, version });
    return { delta: { ...this.#table.add(loaded.topics), groups, version }, adopted: loaded.adopted, warnings };
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
    const ids = validateOnly ? new Map<string, string>() : await this.#create(planned);
    return { topics: planned.map((topic) => this.#creationResult(topic, ids.get(topic.name))) };
  }

  async #autoCreateTopics(names: readonly string[]): Promise<{ name: string; errorCode: number }[]> {
    const missing = [...new Set(names)].filter((name) => this.image.topic(name) === undefined && isAutoCreatable(name));
    const rules = this.#rules();
    const topics = missing.map((name) => autoCreatedTopic(name, this.#options.config, rules.brokers.length));
    const planned = planTopics(topics, rules);
    for (const topic of planned) {
      if ("errorCode" in topic) this.#options.report(`Cannot create topic ${topic.name}: ${topic.errorMessage}`);
    }
    await this.#create(planned);
    const codes = new Map(
      planned.map((topic) => [topic.name, "errorCode" in topic ? topic.errorCode : errorCode.NONE]),
    );
    return names.map((name) => ({ name, errorCode: codes.get(name) ?? this.#codeOf(name) }));
  }

  #codeOf(name: string): number {
    if (this.image.topic(name) !== undefined) return errorCode.NONE;
    return refuseTopicName(name) === null ? errorCode.UNKNOWN_TOPIC_OR_PARTITION : errorCode.INVALID_TOPIC_EXCEPTION;
  }

  /** Creates what the plans allow. @returns ids by name */
  async #create(planned: readonly PlannedTopic[]): Promise<Map<string, string>> {
    const plans = planned.flatMap((topic) => "plan" in topic ? [topic.plan] : []);
    if (plans.length === 0) return new Map();
    const topics = plans.map((plan) => newTopic(plan, this.#options.newTopicId()));
    const version = await this.#commit({
      compare: topics.map(({ name }) => ({ key: topicKey(name), version: ABSENT })),
      set: topics.flatMap(({ name, id, configs, rows }) => [
        { key: topicKey(name), value: JSON.stringify({ id, configs }) },
        ...rows.map((row, partition) => ({ key: partitionRowKey(id, partition), value: JSON.stringify(row) })),
      ]),
    });
    const stored = topics.map((topic): StoredTopic => ({
      ...topic,
      versions: { topic: version, partitions: topic.rows.map(() => version) },
    }));
    await this.#publishChange({ ...this.#table.add(stored), version });
    return new Map(topics.map(({ name, id }) => [name, id]));
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
    if (topics.length > 0) await this.#delete(topics);
    return { responses: [...results] };
  }

  async #delete(topics: readonly TopicImage[]): Promise<void> {
    const version = await this.#commit({
      compare: topics.map(({ name, id }) => ({ key: topicKey(name), version: this.#table.versionsOf(id).topic })),
      delete: topics.flatMap(({ name, id, partitions }) => [
        topicKey(name),
        ...partitions.map(({ partition }) => partitionRowKey(id, partition)),
      ]),
      set: topics.map(({ name, id }) => ({ key: deletedKey(id), value: JSON.stringify({ name }) })),
    });
    const { delta, release } = this.#table.remove(topics);
    await this.#publishChange({ ...delta, version });
    release();
    // Shards remove the logs that they have open. Logs that could not be opened are removed here.
    for (const { name, partitions } of topics) {
      for (const { partition } of partitions) await this.#directories?.remove({ topic: name, partition });
    }
    await this.#directories?.sync();
    for (const { id } of topics) this.#forgotten.push(deletedKey(id));
    // Otherwise, after a crash, a new topic of this name would start at the deleted topic's log start (LogManager.asyncDelete).
    await this.#options.saveCheckpoints();
  }

  async #createPartitions({ topics, validateOnly }: CreatePartitionsRequest): Promise<CreatePartitionsResponse> {
    const planned = planPartitions(topics, { ...this.#rules(), topic: (name) => this.image.topic(name) });
    const plans = planned.flatMap((topic) => "plan" in topic ? [topic.plan] : []);
    if (!validateOnly && plans.length > 0) await this.#grow(plans);
    const results = planned.map((topic) => {
      if ("plan" in topic) return { name: topic.name, errorCode: errorCode.NONE, errorMessage: null };
      return { name: topic.name, errorCode: topic.errorCode, errorMessage: topic.errorMessage };
    });
    return { results };
  }

  async #grow(plans: readonly GrowthPlan[]): Promise<void> {
    const growths = plans.map(({ topic, replicas }) => ({
      topic,
      rows: replicas.map((nodeIds) => newPartitionRow(nodeIds, 0)),
    }));
    const version = await this.#commit(growthTransaction(growths, ({ id }) => this.#table.versionsOf(id).topic));
    const changed = growths.map(({ topic, rows }) => this.#table.grow(topic, rows, version));
    await this.#publishChange({ changed, deletedIds: [], version });
  }

  async #alterConfigs(packed: PackedAlterations): Promise<AlterationResult[]> {
    const planned = planAlterations(unpackAlterations(packed), this.#alterationRules());
    const changes = packed.validateOnly ? [] : planned.flatMap(({ change }) => change ?? []);
    const topics = changes.flatMap((change) => "topic" in change ? [change] : []);
    const groups = changes.flatMap((change) => "groupId" in change ? [change] : []);
    if (changes.length > 0) {
      const transaction = alterationTransaction({ topics, groups }, {
        topic: ({ id }) => this.#table.versionsOf(id).topic,
        group: (groupId) => this.#groupVersions.get(groupId) ?? ABSENT,
      });
      const version = await this.#commit(transaction);
      for (const group of groups) {
        if (isForgotten(group)) this.#groupVersions.delete(group.groupId);
        else this.#groupVersions.set(group.groupId, version);
      }
      const changed = topics.map(({ topic, configs }) => this.#table.configure(topic, configs, version));
      await this.#publishChange({ changed, deletedIds: [], groups, version });
    }
    return planned.map(({ errorCode: code, errorMessage: message }) => ({ errorCode: code, errorMessage: message }));
  }

  #publishChange(delta: ImageDelta): Promise<void> {
    this.image.apply(delta);
    return this.#options.publish(delta);
  }

  #alterationRules() {
    return {
      broker: this.#options.config,
      topic: (name: string) => this.image.topic(name),
      groupConfigs: (groupId: string) => this.image.groupConfigs(groupId),
      configuredGroupsCount: this.image.configuredGroupsCount,
    };
  }

  async #allocateProducerIds(): Promise<{ firstId: number; count: number }> {
    const { next, version } = this.#producerIds;
    const after = next + PRODUCER_ID_BLOCK;
    if (!Number.isSafeInteger(after)) throw new MetadataStoreError("Cannot allocate producer ids: all are used up");
    const committed = await this.#commit({
      compare: [{ key: PRODUCER_IDS, version }],
      set: [{ key: PRODUCER_IDS, value: JSON.stringify({ next: after }) }],
    });
    this.#producerIds = { next: after, version: committed };
    return { firstId: next, count: PRODUCER_ID_BLOCK };
  }

  /** Commits a change. @returns its version @throws MetadataStoreError when another process changed the store */
  async #commit(transaction: Transaction): Promise<number> {
    const forgotten = this.#forgotten;
    const result = await this.#options.store.transact({
      ...transaction,
      delete: [...transaction.delete ?? [], ...forgotten],
    });
    if (!result.committed) {
      throw new MetadataStoreError(`The metadata store was changed by somebody else: ${result.conflicts.join(", ")}`);
    }
    this.#forgotten = [];
    return result.version;
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

  /** The answer for one topic. @param id a random one while the topic is only validated, as in Kafka */
  #creationResult(topic: PlannedTopic, id = this.#options.newTopicId()): CreatableTopicResult {
    if ("errorCode" in topic) return refusedCreation(topic.name, topic);
    const { name, configs, replicas } = topic.plan;
    return {
      name,
      topicId: id,
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

function newTopic({ name, configs, replicas }: TopicPlan, id: string): Omit<StoredTopic, "versions"> {
  return { name, id, configs, rows: replicas.map((nodeIds) => newPartitionRow(nodeIds, 0)) };
}
