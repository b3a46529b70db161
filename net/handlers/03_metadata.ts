/**
 * Metadata, API key 3: brokers, topics, leaders. Answered from the shard's copy of the image. A topic to be created goes
 * through the control plane, and the answer waits until the topic has its leader. (Kafka first answers
 * UNKNOWN_TOPIC_OR_PARTITION and lets the client ask again, which many clients show as an error.)
 *
 * v0 empty list = all topics · v1 null = all, empty = none · v4 auto-creation can be declined · v5 offline replicas · v7
 * leader epochs · v8 authorized operations (KIP-430), of the cluster until v10 · v10 topic ids · v12 lookup by topic
 * id · v13 an error of the whole answer, which never occurs here.
 */
import { isFailure } from "../shards/shard_messages.ts";
import type { PartitionImage, TopicImage } from "../../partitions/metadata/image.ts";
import { isInternalTopic, refuseTopicName } from "../../partitions/metadata/topic_names.ts";
import { api } from "../requests/api.ts";
import { authorize, authorizedOperations, CLUSTER } from "../requests/authorization.ts";
import { askControl } from "../requests/control/control_question.ts";
import { mutationClient } from "../requests/control/mutation_client.ts";
import { NO_LEADER } from "../requests/cluster_view.ts";
import type { ConnectionContext } from "../requests/connection_context.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import type { SlicedWork } from "../requests/slices.ts";
import { EncodedList } from "../protocol/encoded_list.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type MetadataRequest,
  metadataRequest,
  type MetadataResponse,
  metadataResponse,
  type MetadataResponsePartition,
  type MetadataResponseTopic,
  metadataTopicElement,
  OPERATIONS_NOT_REQUESTED,
} from "../protocol/messages/03_metadata.ts";
import { ZERO_UUID } from "../protocol/text_cache.ts";

/** The row of Metadata. */
export const metadataApi = api({
  key: 3,
  name: "Metadata",
  served: [0, 13],
  request: metadataRequest,
  response: metadataResponse,
  isReadOnly: true,
  handle: handleMetadata,
});

/** Topics described between two looks at the time. */
const TOPICS_PER_STEP = 256;
/** An answer with more bytes of topics is refused (ENCODED_ANSWER_BYTES_MAX of the shard), so the others need not be described. */
const TOPICS_BYTES_MAX = 16 * 1024 * 1024;
/** First version in which a topic can be asked for by its id. */
const TOPIC_ID_VERSION = 12;
/** Creations are refused above the client's quota by any version: Kafka's brokers then send a strict CreateTopics. */
const CREATION_STRICT_VERSION_MIN = 0;
/** Versions with the cluster's authorized operations. Later clients get them from DescribeCluster. */
const CLUSTER_OPERATIONS_VERSIONS = { first: 8, last: 10 };

/** Handles Metadata. */
export function handleMetadata(
  request: MetadataRequest,
  exchange: Exchange<MetadataResponse>,
  services: ShardServices,
): void {
  new MetadataOperation(request, exchange, services).start();
}

class MetadataOperation {
  readonly #request: MetadataRequest;
  readonly #exchange: Exchange<MetadataResponse>;
  readonly #services: ShardServices;

  constructor(request: MetadataRequest, exchange: Exchange<MetadataResponse>, services: ShardServices) {
    this.#request = request;
    this.#exchange = exchange;
    this.#services = services;
  }

  start(): void {
    const { topics } = this.#request;
    const { apiVersion } = this.#exchange;
    if (topics === null || (apiVersion === 0 && topics.length === 0)) {
      const all = [...this.#services.image.topics()];
      const visible = all.values().filter(({ name }) => this.#isVisible(name));
      return this.#respondInSteps(visible, (topic) => this.#describe(topic), { countMax: all.length, how: "run" });
    }
    const run = { countMax: topics.length, how: "run" } as const;
    const isIdAllowed = apiVersion >= TOPIC_ID_VERSION;
    if (!isIdAllowed && topics.some(({ name, topicId }) => name === null || topicId !== ZERO_UUID)) {
      // v10 and v11 have the field without a meaning for it.
      const code = errorCode.INVALID_REQUEST;
      return this.#respondInSteps(topics, ({ name, topicId }) => missing(name ?? "", code, topicId), run);
    }
    if (topics.some(({ topicId }) => topicId !== ZERO_UUID)) {
      // In a request that names ids, only the ids count (KafkaApis.handleTopicMetadataRequest).
      const ids = topics.values().map(({ topicId }) => topicId).filter((id) => id !== ZERO_UUID);
      return this.#respondInSteps(distinct(ids), (id) => this.#topicById(id), run);
    }
    const { config } = this.#services;
    if (config.autoCreateTopicsEnable && this.#request.allowAutoTopicCreation) return this.#createMissing(topics);
    const names = topics.values().map(({ name }) => name);
    this.#respondInSteps(distinct(names), (name) => this.#topicByName(name), run);
  }

  /** Creates the topics that are missing, which are looked for in steps, too. */
  #createMissing(topics: MetadataRequest["topics"] & object): void {
    const names = new Set<string | null>();
    const wanted: string[] = [];
    const rest = distinct(topics.values().map(({ name }) => name));
    const search: SlicedWork = {
      step: () =>
        eachOf(rest, TOPICS_PER_STEP, (name) => {
          names.add(name);
          if (this.#isCreatable(name)) wanted.push(name);
        }),
      finish: () => this.#create(names, wanted),
    };
    if (topics.length > TOPICS_PER_STEP) return this.#services.slices.run(search, this.#exchange);
    search.step();
    search.finish();
  }

  #create(names: ReadonlySet<string | null>, wanted: string[]): void {
    const resume = { countMax: names.size, how: "resume" } as const;
    if (wanted.length === 0) return this.#respondInSteps(names, (name) => this.#topicByName(name), resume);
    askControl(
      {
        name: "autoCreateTopics",
        args: { names: wanted, client: mutationClient(this.#exchange, CREATION_STRICT_VERSION_MIN) },
      },
      { control: this.#services.control, exchange: this.#exchange },
      (result) => {
        const codes = new Map(isFailure(result) ? [] : result.map(({ name, errorCode: code }) => [name, code]));
        const codeOf = (name: string) => {
          const code = codes.get(name) ?? errorCode.UNKNOWN_SERVER_ERROR;
          // Every client asks again then. Not all do so for a code that Kafka does not have here.
          const isForLater = code === errorCode.KAFKA_STORAGE_ERROR || code === errorCode.THROTTLING_QUOTA_EXCEEDED;
          return isForLater ? errorCode.LEADER_NOT_AVAILABLE : code;
        };
        const created = new Set(wanted);
        const describe = (name: string | null) => this.#topicByName(name, created.has(name ?? "") ? codeOf : undefined);
        this.#respondInSteps(names, describe, resume);
      },
    );
  }

  /**
   * Describes a few topics a step, because there may be thousands, and encodes them at once: thousands of described topics would lie on
   * the heap together.
   * @param named is read as far as a step goes @param describe makes the part of one topic
   * @param of countMax: most topics that may be named
   */
  #respondInSteps<Named>(
    named: Iterable<Named>,
    describe: (named: Named) => MetadataResponseTopic,
    { countMax, how }: { countMax: number; how: "run" | "resume" },
  ): void {
    if (countMax <= TOPICS_PER_STEP) return this.#respond(Array.from(named, describe));
    const topics = new EncodedList<MetadataResponseTopic>(metadataTopicElement, this.#exchange.apiVersion);
    const rest = named[Symbol.iterator]();
    this.#services.slices[how]({
      step: () =>
        eachOf(rest, TOPICS_PER_STEP, (next) => topics.add(describe(next))) &&
        topics.bytes.length <= TOPICS_BYTES_MAX,
      finish: () => this.#respond(topics.asArray),
    }, this.#exchange);
  }

  /** Whether a missing topic may be created for this client. */
  #isCreatable(name: string | null): name is string {
    if (name === null) return false;
    const { context } = this.#exchange;
    const topic = { type: "TOPIC", name } as const;
    return this.#services.image.topic(name) === undefined && refuseTopicName(name) === null &&
      authorize(context, "DESCRIBE", topic) &&
      (authorize(context, "CREATE", CLUSTER) || authorize(context, "CREATE", topic));
  }

  #topicById(id: string): MetadataResponseTopic {
    const topic = this.#services.image.topicById(id);
    if (topic === undefined) return missing(null, errorCode.UNKNOWN_TOPIC_ID, id);
    return this.#isVisible(topic.name)
      ? this.#describe(topic)
      : missing(null, errorCode.TOPIC_AUTHORIZATION_FAILED, id);
  }

  /** @param refusalOf error code of a topic that could not be created */
  #topicByName(name: string | null, refusalOf?: (name: string) => number): MetadataResponseTopic {
    if (name === null) return missing(null, errorCode.INVALID_REQUEST);
    if (!this.#isVisible(name)) return missing(name, errorCode.TOPIC_AUTHORIZATION_FAILED);
    const topic = this.#services.image.topic(name);
    if (topic !== undefined) return this.#describe(topic);
    const unknown = refuseTopicName(name) === null
      ? errorCode.UNKNOWN_TOPIC_OR_PARTITION
      : errorCode.INVALID_TOPIC_EXCEPTION;
    // A topic that was created and is missing nevertheless was deleted in between.
    const refusal = refusalOf?.(name) ?? errorCode.NONE;
    return missing(name, refusal === errorCode.NONE ? unknown : refusal);
  }

  #isVisible(name: string): boolean {
    return authorize(this.#exchange.context, "DESCRIBE", { type: "TOPIC", name });
  }

  #describe(topic: TopicImage): MetadataResponseTopic {
    return {
      errorCode: errorCode.NONE,
      name: topic.name,
      topicId: topic.id,
      isInternal: topic.isInternal,
      partitions: topic.partitions.map((partition) => this.#describePartition(partition)),
      topicAuthorizedOperations: operations(this.#exchange.context, topic.name, this.#request),
    };
  }

  #describePartition(partition: PartitionImage): MetadataResponsePartition {
    const { context } = this.#exchange;
    const { cluster } = this.#services;
    const leaderId = cluster.leaderOf(partition, context);
    return {
      errorCode: leaderId === NO_LEADER ? errorCode.LEADER_NOT_AVAILABLE : errorCode.NONE,
      partitionIndex: partition.partition,
      leaderId,
      leaderEpoch: partition.leaderEpoch,
      replicaNodes: partition.replicas,
      isrNodes: partition.isr,
      offlineReplicas: cluster.offlineOf(partition, context),
    };
  }

  #respond(topics: readonly MetadataResponseTopic[]): void {
    const { context, apiVersion } = this.#exchange;
    const { cluster } = this.#services;
    const { first, last } = CLUSTER_OPERATIONS_VERSIONS;
    const isAsked = this.#request.includeClusterAuthorizedOperations && apiVersion >= first && apiVersion <= last;
    this.#exchange.respond({
      brokers: cluster.brokersFor(context),
      clusterId: cluster.clusterId,
      controllerId: cluster.controllerFor(context),
      topics,
      clusterAuthorizedOperations: isAsked ? clusterOperations(context) : OPERATIONS_NOT_REQUESTED,
      errorCode: errorCode.NONE,
    });
  }
}

/** The cluster's authorized operations: none for a client that may not describe the cluster. */
export function clusterOperations(context: ConnectionContext): number {
  return authorize(context, "DESCRIBE", CLUSTER) ? authorizedOperations(context, CLUSTER) : 0;
}

function operations(context: ConnectionContext, name: string, request: MetadataRequest): number {
  if (!request.includeTopicAuthorizedOperations) return OPERATIONS_NOT_REQUESTED;
  return authorizedOperations(context, { type: "TOPIC", name });
}

/** Each value once. */
function* distinct<T>(values: Iterable<T>): Generator<T, undefined> {
  const seen = new Set<T>();
  for (const value of values) {
    if (seen.has(value)) continue;
    seen.add(value);
    yield value;
  }
}

/** Does something for each of the next values, up to a number. @returns whether there may be more */
function eachOf<T>(values: Iterator<T>, count: number, act: (value: T) => void): boolean {
  for (let left = count; left > 0; left--) {
    const { value, done } = values.next();
    if (done === true) return false;
    act(value);
  }
  return true;
}

function missing(name: string | null, code: number, topicId = ZERO_UUID): MetadataResponseTopic {
  return {
    errorCode: code,
    name,
    topicId,
    isInternal: name !== null && isInternalTopic(name),
    partitions: [],
    topicAuthorizedOperations: OPERATIONS_NOT_REQUESTED,
  };
}
