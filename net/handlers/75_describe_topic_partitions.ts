/**
 * DescribeTopicPartitions, API key 75 (KIP-966): topics in the order of their names, in pages of a limited number of partitions, with a
 * cursor where the next page begins. Answered from the shard's copy of the image.
 *
 * One version. A page is limited by the client's number and by `max.request.partition.size.limit`; it has at least one
 * partition. The cursor of an answer may name a topic of the request that does not exist.
 */
import type { PartitionImage, TopicImage } from "../../partitions/metadata/image.ts";
import { isInternalTopic, refuseTopicName } from "../../partitions/metadata/topic_names.ts";
import { api } from "../requests/api.ts";
import { authorize, authorizedOperations, splitAllowed } from "../requests/authorization.ts";
import { NO_LEADER } from "../requests/cluster_view.ts";
import type { ConnectionContext } from "../requests/connection_context.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import { OPERATIONS_NOT_REQUESTED } from "../protocol/messages/03_metadata.ts";
import {
  type Cursor,
  type DescribeTopicPartitionsRequest,
  describeTopicPartitionsRequest,
  type DescribeTopicPartitionsResponse,
  describeTopicPartitionsResponse,
  type DescribeTopicPartitionsResponsePartition,
  type DescribeTopicPartitionsResponseTopic,
} from "../protocol/messages/75_describe_topic_partitions.ts";
import { ZERO_UUID } from "../protocol/text_cache.ts";

/** The row of DescribeTopicPartitions. */
export const describeTopicPartitionsApi = api({
  key: 75,
  name: "DescribeTopicPartitions",
  served: [0, 0],
  request: describeTopicPartitionsRequest,
  response: describeTopicPartitionsResponse,
  elementsMax: 1 << 13, // topics
  isReadOnly: true,
  handle: handleDescribeTopicPartitions,
});

/** Handles DescribeTopicPartitions. */
export function handleDescribeTopicPartitions(
  request: DescribeTopicPartitionsRequest,
  exchange: Exchange<DescribeTopicPartitionsResponse>,
  services: ShardServices,
): void {
  const { context } = exchange;
  const respond = (topics: DescribeTopicPartitionsResponseTopic[], nextCursor: Cursor | null) =>
    exchange.respond({ topics, nextCursor });
  const { cursor } = request;
  const isAll = request.topics.length === 0;
  const asked = isAll
    ? Array.from(services.image.topics(), ({ name }) => name)
    : request.topics.map(({ name }) => name);
  const names = [...new Set(asked)].filter((name) => cursor === null || name >= cursor.topicName).sort();
  const isStray = !isAll && cursor !== null && !names.includes(cursor.topicName);
  if (isStray || (cursor !== null && cursor.partitionIndex < 0)) {
    // The answer has no field for an error of its own, so every topic carries it.
    return respond(request.topics.map(({ name }) => refused(name, errorCode.INVALID_REQUEST)), null);
  }
  const { allowed, denied } = splitAllowed(names, (name) => authorize(context, "DESCRIBE", { type: "TOPIC", name }));
  const limit = Math.max(1, Math.min(services.config.maxRequestPartitionSizeLimit, request.responsePartitionLimit));
  const page = new Page(services, { context, limit, isAll });
  page.add(allowed, cursor);
  const hidden = (isAll ? [] : denied).map((name) => ({
    ...refused(name, errorCode.TOPIC_AUTHORIZATION_FAILED),
    isInternal: false,
  }));
  respond([...page.topics, ...hidden], page.next);
}

/** One page that is being filled. */
class Page {
  readonly topics: DescribeTopicPartitionsResponseTopic[] = [];
  next: Cursor | null = null;
  readonly #services: ShardServices;
  readonly #context: ConnectionContext;
  readonly #isAll: boolean;
  #room: number;

  constructor(services: ShardServices, page: { context: ConnectionContext; limit: number; isAll: boolean }) {
    this.#services = services;
    this.#context = page.context;
    this.#isAll = page.isAll;
    this.#room = page.limit;
  }

  /** Adds topics. @param names in order @param cursor the first partition, if it names the first topic */
  add(names: readonly string[], cursor: Cursor | null): void {
    for (const name of names) {
      const first = cursor?.topicName === name ? cursor.partitionIndex : 0;
      if (this.#room === 0) {
        this.next = { topicName: name, partitionIndex: 0 };
        return;
      }
      const topic = this.#services.image.topic(name);
      if (topic !== undefined) this.#describe(topic, first);
      else if (!this.#isAll) this.topics.push(this.#withOperations(unknown(name)));
      if (this.next !== null) return;
    }
  }

  #describe(topic: TopicImage, first: number): void {
    const end = Math.min(first + this.#room, topic.partitions.length);
    const partitions = topic.partitions.slice(first, end).map((partition) => this.#partition(partition));
    const { name, id, isInternal } = topic;
    const described = { errorCode: errorCode.NONE, name, topicId: id, isInternal, partitions };
    this.topics.push(this.#withOperations(described));
    this.#room -= partitions.length;
    if (end < topic.partitions.length) this.next = { topicName: name, partitionIndex: end };
  }

  #partition(of: PartitionImage): DescribeTopicPartitionsResponsePartition {
    const { cluster } = this.#services;
    const leaderId = cluster.leaderOf(of, this.#context);
    return {
      errorCode: leaderId === NO_LEADER ? errorCode.LEADER_NOT_AVAILABLE : errorCode.NONE,
      partitionIndex: of.partition,
      leaderId,
      leaderEpoch: of.leaderEpoch,
      replicaNodes: [...of.replicas],
      isrNodes: [...of.isr],
      eligibleLeaderReplicas: [...of.elr ?? []],
      lastKnownElr: [...of.lastKnownElr ?? []],
      offlineReplicas: cluster.offlineOf(of, this.#context),
    };
  }

  #withOperations(topic: DescribeTopicPartitionsResponseTopic): DescribeTopicPartitionsResponseTopic {
    const name = topic.name ?? "";
    return { ...topic, topicAuthorizedOperations: authorizedOperations(this.#context, { type: "TOPIC", name }) };
  }
}

function unknown(name: string): DescribeTopicPartitionsResponseTopic {
  const isValid = refuseTopicName(name) === null;
  return refused(name, isValid ? errorCode.UNKNOWN_TOPIC_OR_PARTITION : errorCode.INVALID_TOPIC_EXCEPTION);
}

function refused(name: string, code: number): DescribeTopicPartitionsResponseTopic {
  return {
    errorCode: code,
    name,
    topicId: ZERO_UUID,
    isInternal: isInternalTopic(name),
    partitions: [],
    topicAuthorizedOperations: OPERATIONS_NOT_REQUESTED,
  };
}
