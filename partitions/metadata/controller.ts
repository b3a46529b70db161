/**
 * The controller: owns topics, their configs and partitions, the configs of groups, client quotas, users and the blocks of producer ids.
 * It makes one change at a time: checks it, commits it to the store, applies it to the image, publishes it to every shard, then answers.
 * Runs on the main isolate; it never blocks.
 *
 * Always: a change is durable before it is published or answered. The answer comes after every shard has applied the change, so a client
 * that has created a topic can produce to it on any connection.
 *
 * A request waits for its turn up to its timeout. After that it is answered with REQUEST_TIMED_OUT and changes nothing. A change that has
 * begun is completed. One that the disk refuses is answered with KAFKA_STORAGE_ERROR and changes nothing (metadata_changes.ts).
 */
import { errorCode } from "../../net/protocol/error_codes.ts";
import type { CreatableTopic, CreatableTopicResult } from "../../net/protocol/messages/19_create_topics.ts";
import type { BrokerConfig } from "../config/broker/broker_config.ts";
import { type ElectedCalls, NO_MEMBERSHIP } from "../cluster/membership_calls.ts";
import type { RowProposal, RowProposals } from "../cluster/row_proposals.ts";
import type { PartitionDirectories } from "./adoption.ts";
import { BrokerSettings, type ReloadedSettings } from "./configs/broker_settings.ts";
import type { ControlCallName, ControlCalls, ControlPlane } from "./control_calls.ts";
import { type CreatableTopicConfigs, describeCreated, refusedCreation, TIMED_OUT } from "./creation_answers.ts";
import type { ImageDelta, MetadataImage, PartitionFailure } from "./image.ts";
import { ReplicaMoves } from "../directory/replica_moves.ts";
import type { Placed } from "../placement/placement.ts";
import { DirectoryPlacement } from "../placement/directory_placement.ts";
import { autoCreatedTopic, isAutoCreatable, RefusedCreations } from "./internal_topics.ts";
import type { Changes, ChangesParts, Creation, LoadedMetadata } from "./changes/changes.ts";
import { MetadataChanges } from "./changes/metadata_changes.ts";
import { Turns } from "./changes/turns.ts";
import { type PlannedGrowth, planPartitions } from "./partition_creation.ts";
import type { AskHandOver, PartitionHandOver } from "./partition_hand_over.ts";
import { electLeaders, refuseElections } from "./leader_election.ts";
import { alterReassignments, answerReassignments } from "./partition_reassignment.ts";
import { alterConfigs, alterQuotas, alterUsers, PLANS_MAX } from "./settings/alterations.ts";
import type { Packed } from "./settings/packed_settings.ts";
import type { MetadataStore } from "./store/store.ts";
import {
  type CreationRefusal,
  type CreationRules,
  type PartitionRoom,
  type PlannedTopic,
  planTopics,
  scarcest,
} from "./topic_creation.ts";
import { type MutationQuota, MutationQuotas } from "../quotas/mutation_quotas.ts";
import { limitDeletion, planDeletion, refuseDeletion } from "./topic_deletion.ts";
import { refuseTopicName } from "./topic_names.ts";
import { TopicTable } from "./topic_table.ts";

/** First DeleteTopics version whose clients know TOPIC_DELETION_DISABLED (KIP-322). */
const DELETION_DISABLED_VERSION = 3;

/** What a controller is built from. */
export interface ControllerOptions {
  /** The open store; the controller does not close it. */
  readonly store: MetadataStore;
  /** Carries changes out over a store that several brokers share. Without it the store is this broker's own. */
  readonly changes?: (parts: ChangesParts) => Changes;
  readonly config: BrokerConfig;
  /** What is in force of `config`; by default, what the store says of it. */
  readonly brokerSettings?: BrokerSettings;
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
  readonly membership?: ElectedCalls;
  /** Executes what leaders on shards want of their rows, in a cluster. */
  readonly rowProposals?: RowProposals;
}

const DONE = { errorCode: errorCode.NONE, errorMessage: null } as const;

type Args<Name extends ControlCallName> = ControlCalls[Name]["args"];
type Result<Name extends ControlCallName> = ControlCalls[Name]["result"];
type Calls = { readonly [Name in ControlCallName]: (args: Args<Name>) => Promise<Result<Name>> };

/** The controller. */
export class Controller implements ControlPlane {
  readonly #options: ControllerOptions;
  readonly #table: TopicTable;
  readonly #calls: Calls;
  readonly #changes: Changes;
  readonly #brokerSettings: BrokerSettings;
  readonly #refused: RefusedCreations;
  readonly #quotas: MutationQuotas;
  readonly #turns: Turns;
  /** Of requests whose passwords are hashed. */
  readonly #hashTurns: Turns;
  #directories: PartitionDirectories | null = null;
  #moves: ReplicaMoves | null = null;
  #defaultConfigs: CreatableTopicConfigs | null = null;

  /** `load()` must be called before any other method. */
  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#table = new TopicTable(options.config, options);
    this.#refused = new RefusedCreations(options.report);
    const { nowMs = () => performance.now() } = options;
    this.#turns = new Turns(nowMs);
    this.#hashTurns = new Turns(nowMs);
    this.#quotas = new MutationQuotas({ image: this.image, config: options.config, nowMs });
    const { config: { nodeId }, membership = NO_MEMBERSHIP } = options;
    const brokerSettings = this.#brokerSettings = options.brokerSettings ??
      new BrokerSettings(options.config, options.report);
    brokerSettings.listen(() => this.#defaultConfigs = null);
    const parts = { ...options, nodeId, brokerSettings, table: this.#table, directories: () => this.#directories };
    this.#changes = options.changes?.(parts) ??
      new MetadataChanges({ ...parts, random: options.random ?? Math.random });
    this.#calls = {
      createTopics: (args) =>
        this.#turns.take(() => this.#createTopics(args), {
          timeoutMs: args.request.timeoutMs,
          answer: () => ({ topics: args.request.topics.map(({ name }) => refusedCreation(name, TIMED_OUT)) }),
        }),
      deleteTopics: (args) =>
        this.#turns.take(() => this.#deleteTopics(args), {
          timeoutMs: args.request.timeoutMs,
          answer: () => ({ responses: [...refuseDeletion(args.request, TIMED_OUT.errorCode).results] }),
        }),
      createPartitions: (args) =>
        this.#turns.take(() => this.#createPartitions(args), {
          timeoutMs: args.request.timeoutMs,
          answer: () => ({ results: args.request.topics.map(({ name }) => ({ name, ...TIMED_OUT })) }),
        }),
      electLeaders: ({ request }) =>
        this.#turns.take(() => electLeaders(request, { changes: this.#changes, image: this.image }), {
          timeoutMs: request.timeoutMs,
          answer: () => refuseElections(request, TIMED_OUT),
        }),
      alterReassignments: ({ request }) =>
        this.#turns.take(() => alterReassignments(request, { changes: this.#changes, image: this.image }), {
          timeoutMs: request.timeoutMs,
          answer: () => ({ ...TIMED_OUT, ...answerReassignments(request, () => TIMED_OUT) }),
        }),
      unregisterBroker: ({ broker }) => this.#turns.take(async () => await this.#changes.unregister(broker) ?? DONE),
      alterConfigs: (packed) =>
        this.#turns.take(() => alterConfigs(packed, { ...this.#alterationParts(), brokerSettings })),
      alterClientQuotas: ({ packed }) => this.#turns.take(() => alterQuotas(packed, this.#alterationParts())),
      alterUserScramCredentials: ({ packed }) => this.#alterUsers(packed),
      checkPattern: async ({ pattern }) => {
        return { isValid: (await import("./changes/id_patterns.ts")).isPattern(pattern) };
      },
      moveReplicas: ({ moves }) => Promise.resolve({ errorCodes: this.#moves?.request(moves) ?? [] }),
      awaitChanges: () => this.#turns.take(() => this.#changes.settled().then(() => ({}))),
      saveLogStarts: () => this.#options.saveLogStarts().then(() => ({})),
      autoCreateTopics: (args) => this.#turns.take(() => this.#autoCreateTopics(args)),
      allocateProducerIds: () => this.#turns.take(() => this.#changes.allocateProducerIds()),
      brokerRegistration: (registration) => membership.register(registration),
      brokerHeartbeat: (heartbeat) => membership.heartbeat(heartbeat),
      brokerDisconnected: ({ broker }) => Promise.resolve(membership.disconnected(broker)).then(() => ({})),
      changeRows: ({ proposals }) => this.#changeRows(proposals),
    };
  }

  async #changeRows(proposals: readonly RowProposal[]): Promise<ControlCalls["changeRows"]["result"]> {
    const outcomes = await this.#options.rowProposals?.change(proposals);
    return { outcomes: outcomes ?? proposals.map(() => "unknown") };
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
    this.#table.directories = new DirectoryPlacement(directories.ids);
    this.#moves = new ReplicaMoves({
      ...this.#options,
      image: this.image,
      paths: directories.paths,
      namedPaths: this.#options.config.logDirectories,
      announce: (move, future) => this.#inOwnTurn(() => this.#changes.announce(move, future)),
      exchange: (move, copy) => this.#inOwnTurn(() => this.#changes.exchange(move, copy)),
    });
    return await this.#changes.load(directories);
  }

  call<Name extends ControlCallName>(
    name: Name,
    args: ControlCalls[Name]["args"],
  ): Promise<ControlCalls[Name]["result"]> {
    return this.#calls[name](args);
  }

  /** Hands a partition over to another shard, as described in partition_hand_over.ts. @returns whether it was handed over */
  handOverPartition(handOver: PartitionHandOver): Promise<boolean> {
    return this.#inOwnTurn(() => this.#changes.handOverPartition(handOver));
  }

  /** Takes the partitions of a log directory that failed offline, until a restart; new ones go to others. Settles when every shard knows. */
  failDirectory(directory: number): Promise<void> {
    return this.#inOwnTurn(() => this.#changes.failDirectory(directory));
  }

  /**
   * Takes the settings of a new server.properties. Settles when every shard uses those that can change now.
   * @param started the settings of a broker that would be started with it @returns what became of them, or why nothing changed
   */
  async reload(started: BrokerConfig): Promise<ReloadedSettings | { readonly refused: string }> {
    const outcome = this.#brokerSettings.reload(started);
    if (!("refused" in outcome) && outcome.changed.length > 0) {
      await this.#inOwnTurn(() => this.#changes.publishSettings());
    }
    return outcome;
  }

  /** Ends moves to other log directories. Settles when nothing is copied any more. */
  async stopMoves(): Promise<void> {
    await this.#moves?.stop();
  }

  /** Runs what concerns this broker alone: it must not wait for a store that others share. */
  #inOwnTurn<T>(change: () => Promise<T>): Promise<T> {
    return this.#changes.hasOwnTurns ? change() : this.#turns.take(change);
  }

  async #createTopics({ request, client }: Args<"createTopics">): Promise<Result<"createTopics">> {
    const quota = this.#quotas.of(client);
    const { planned, outcomes } = await this.#create(request.topics, quota, request);
    const topics = planned.values().map((topic) => this.#creationResult(topic, outcomes.get(topic.name)));
    return { throttleTimeMs: quota.throttleTimeMs, topics: [...topics] };
  }

  async #autoCreateTopics({ names, client }: Args<"autoCreateTopics">): Promise<Result<"autoCreateTopics">> {
    const missing = [...new Set(names)].filter((name) => this.image.topic(name) === undefined && isAutoCreatable(name));
    const { config } = this.#options;
    const topics = missing.map((name) => autoCreatedTopic(name, config, this.#changes.isAlone));
    const { planned, outcomes } = await this.#create(topics, this.#quotas.of(client));
    const codes = new Map<string, number>();
    for (const topic of planned.values()) {
      const refusal = "errorCode" in topic ? topic : outcomes.get(topic.name);
      // Another broker may have created it meanwhile.
      const isRefused = typeof refusal === "object" && refusal.errorCode !== errorCode.TOPIC_ALREADY_EXISTS;
      codes.set(topic.name, isRefused ? refusal.errorCode : errorCode.NONE);
      if (isRefused) this.#refused.refused(topic.name, refusal);
      else this.#refused.created(topic.name);
    }
    return names.map((name) => ({ name, errorCode: codes.get(name) ?? this.#codeOf(name) }));
  }

  /** Plans topics and creates what the plans allow. @returns the last plan for each, and what became of it, by name */
  async #create(
    topics: readonly CreatableTopic[],
    quota: MutationQuota,
    { validateOnly = false } = {},
  ): Promise<{ planned: ReadonlyMap<string, PlannedTopic>; outcomes: ReadonlyMap<string, Creation> }> {
    const planned = new Map<string, PlannedTopic>();
    const outcomes = new Map<string, Creation>();
    let left = topics;
    for (let round = 0; left.length > 0; round++) {
      const plans = quota.limit(planTopics(left, this.#rules()));
      for (const topic of plans) planned.set(topic.name, topic);
      if (validateOnly) break;
      const created = await this.#changes.create(plans.flatMap((topic) => "plan" in topic ? [topic.plan] : []));
      for (const [name, outcome] of created) outcomes.set(name, outcome);
      const again = new Set(plans.flatMap((topic) => "plan" in topic && !outcomes.has(topic.name) ? [topic.name] : []));
      left = left.filter(({ name }) => again.has(name));
      if (round + 1 === PLANS_MAX) { for (const name of again) outcomes.set(name, TIMED_OUT); }
    }
    return { planned, outcomes };
  }

  #codeOf(name: string): number {
    if (this.image.topic(name) !== undefined) return errorCode.NONE;
    return refuseTopicName(name) === null ? errorCode.UNKNOWN_TOPIC_OR_PARTITION : errorCode.INVALID_TOPIC_EXCEPTION;
  }

  async #deleteTopics({ request, apiVersion, client }: Args<"deleteTopics">): Promise<Result<"deleteTopics">> {
    if (!this.#options.config.deleteTopicEnable) {
      const code = apiVersion < DELETION_DISABLED_VERSION
        ? errorCode.INVALID_REQUEST
        : errorCode.TOPIC_DELETION_DISABLED;
      return { responses: [...refuseDeletion(request, code).results] };
    }
    const quota = this.#quotas.of(client);
    const { ids, results } = limitDeletion(planDeletion(request, this.image), this.image, quota);
    const topics = ids.flatMap((id) => this.image.topicById(id) ?? []);
    const outcomes = await this.#changes.delete(topics);
    const responses = results.map((result) => {
      const refusal = result.errorCode === errorCode.NONE ? outcomes.get(result.topicId ?? "") : null;
      return refusal === null ? result : { ...result, ...refusal ?? TIMED_OUT };
    });
    return { throttleTimeMs: quota.throttleTimeMs, responses };
  }

  async #createPartitions({ request, client }: Args<"createPartitions">): Promise<Result<"createPartitions">> {
    const { topics, validateOnly } = request;
    const quota = this.#quotas.of(client);
    const planned = new Map<string, PlannedGrowth>();
    const outcomes = new Map<string, CreationRefusal | null>();
    let left = topics;
    for (let round = 0; round < PLANS_MAX && left.length > 0; round++) {
      const plans = quota.limit(planPartitions(left, { ...this.#rules(), topic: (name) => this.image.topic(name) }));
      for (const topic of plans) planned.set(topic.name, topic);
      const wanted = plans.flatMap((topic) => "plan" in topic ? [topic.plan] : []);
      const grown = validateOnly
        ? wanted.map(({ topic }) => [topic.name, null] as const)
        : await this.#changes.grow(wanted);
      for (const [name, outcome] of grown) outcomes.set(name, outcome);
      const again = new Set(wanted.map(({ topic: { name } }) => name).filter((name) => !outcomes.has(name)));
      left = left.filter(({ name }) => again.has(name));
    }
    const results = [...planned.values()].map((topic) => {
      const outcome = "plan" in topic ? outcomes.get(topic.name) : topic;
      const { errorCode: code, errorMessage: message } = outcome === undefined ? TIMED_OUT : outcome ?? DONE;
      return { name: topic.name, errorCode: code, errorMessage: message };
    });
    return { throttleTimeMs: quota.throttleTimeMs, results };
  }

  /** Salted passwords are hashed, one request after the other, before the turn of the request comes: other changes do not wait for it. */
  async #alterUsers(packed: Packed): Promise<ControlCalls["alterUserScramCredentials"]["result"]> {
    const [{ unpackUsers }, { userAlterations }] = await Promise.all([
      import("./settings/packed_settings.ts"),
      import("./settings/scram_keys.ts"),
    ]);
    const alterations = await this.#hashTurns.take(() => userAlterations(unpackUsers(packed)));
    return await this.#turns.take(() => alterUsers(alterations, this.#alterationParts()));
  }

  #alterationParts() {
    return { changes: this.#changes, image: this.image };
  }

  #rules(): CreationRules {
    const { numPartitions, defaultReplicationFactor } = this.#options.config;
    const own = scarcest(this.#table.freeCount, this.#options.room(this.partitionsCount));
    return {
      numPartitions,
      replicationFactor: defaultReplicationFactor,
      brokers: this.#changes.brokers(),
      random: this.#options.random ?? Math.random,
      ...own,
      freeCount: this.#changes.freeCountOf(own.freeCount),
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
