/**
 * DescribeTopicPartitions, API key 75 (KIP-966): topics in the order of their names, in pages of a limited number of partitions, with a
 * cursor where the next page begins. Answered from the shard's copy of the image.
 *
 * One version. Names are looked through, and partitions described, in slices (slices.ts). A page is limited by the client's number and by
 * `max.request.partition.size.limit`; it has at least one partition. The cursor of an answer may name a topic of the request that does not
 * exist.
 */
import type { PartitionImage, TopicImage } from "../../partitions/metadata/image.ts";
import { isInternalTopic, refuseTopicName } from "../../partitions/metadata/topic_names.ts";
import { api } from "../requests/api.ts";
import { authorize, authorizedOperations } from "../requests/authorization.ts";
import { NO_LEADER } from "../requests/cluster_view.ts";
import type { ConnectionContext } from "../requests/connection_context.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { LowestNames } from "../../storage/base/lowest_names.ts";
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

/** Names looked at, and partitions described, between two looks at the time. */
const NAMES_PER_STEP = 512;
const PARTITIONS_PER_STEP = 256;

/** Handles DescribeTopicPartitions. */
export function handleDescribeTopicPartitions(
  request: DescribeTopicPartitionsRequest,
  exchange: Exchange<DescribeTopicPartitionsResponse>,
  services: ShardServices,
): void {
  const { cursor } = request;
  const isAll = request.topics.length === 0;
  const isFrom = (name: string) => cursor === null || name >= cursor.topicName;
  const isStray = !isAll && cursor !== null && !request.topics.some(({ name }) => name === cursor.topicName);
  if (isStray || (cursor !== null && cursor.partitionIndex < 0)) {
    // The answer has no field for an error of its own, so every topic carries it.
    const topics = request.topics.map(({ name }) => refused(name, errorCode.INVALID_REQUEST));
    return exchange.respond({ topics, nextCursor: null });
  }
  const limit = Math.max(1, Math.min(services.config.maxRequestPartitionSizeLimit, request.responsePartitionLimit));
  // Each topic that exists has a partition, so a page of all has no more topics than partitions.
  const found = new LowestNames(isAll ? limit : request.topics.length);
  const denied = new LowestNames(isAll ? 1 : request.topics.length);
  const search = namesOf(request, services, isAll);
  let page: Page | null = null;
  services.slices.run({
    step: () => {
      if (page !== null) return page.step();
      const { context } = exchange;
      for (let count = 0; count < NAMES_PER_STEP; count++) {
        const { value: name, done } = search.next();
        if (done) {
          page = new Page(found.take(), { services, context, limit, isAll, cursor });
          return true;
        }
        if (!isFrom(name)) continue;
        (authorize(context, "DESCRIBE", { type: "TOPIC", name }) ? found : denied).add(name);
      }
      return true;
    },
    finish: () => {
      const hidden = isAll ? [] : denied.take().names.map((name) => ({
        ...refused(name, errorCode.TOPIC_AUTHORIZATION_FAILED),
        isInternal: false,
      }));
      exchange.respond({ topics: [...page?.topics ?? [], ...hidden], nextCursor: page?.next ?? null });
    },
  }, exchange);
}

/** The names that are asked for, each once. They may change while they are read: a list is made before. */
function namesOf(
  { topics }: DescribeTopicPartitionsRequest,
  { image }: ShardServices,
  isAll: boolean,
): ArrayIterator<string> {
  if (isAll) return Array.from(image.topics(), ({ name }) => name).values();
  return [...new Set(topics.map(({ name }) => name))].values();
}

interface PageParts {
  readonly services: ShardServices;
  readonly context: ConnectionContext;
  /** Most partitions. */
  readonly limit: number;
  readonly isAll: boolean;
  readonly cursor: Cursor | null;
}

/** One page that is being filled. */
class Page {
  readonly topics: DescribeTopicPartitionsResponseTopic[] = [];
  next: Cursor | null;
  readonly #parts: PageParts;
  readonly #names: readonly string[];
  #room: number;
  /** The topic that is described next, and its first partition that is not. */
  #index = 0;
  #partition: number;
  /** The topic that was begun last. */
  #described: { readonly name: string; readonly partitions: DescribeTopicPartitionsResponsePartition[] } | null = null;

  /** @param from names: in order; next: the first one of those behind them, if any */
  constructor(from: { readonly names: readonly string[]; readonly next: string | null }, parts: PageParts) {
    const { cursor, limit } = parts;
    this.#parts = parts;
    this.#names = from.names;
    this.#room = limit;
    this.#partition = cursor !== null && from.names[0] === cursor.topicName ? cursor.partitionIndex : 0;
    this.next = from.next === null ? null : { topicName: from.next, partitionIndex: 0 };
  }

  /** Describes some topics, or a part of one. @returns whether there are more for this page */
  step(): boolean {
    for (let left = PARTITIONS_PER_STEP; left > 0 && this.#index < this.#names.length;) {
      const name = this.#names[this.#index] as string;
      if (this.#room === 0) {
        this.next = { topicName: name, partitionIndex: this.#partition };
        return false;
      }
      left -= 1 + this.#describe(name, left);
    }
    return this.#index < this.#names.length;
  }

  /** @returns partitions that were described, `countMax` at most */
  #describe(name: string, countMax: number): number {
    const topic = this.#parts.services.image.topic(name);
    if (topic === undefined) {
      // It may have been deleted since its first partitions were described.
      const isBegun = this.#described?.name === name;
      if (!this.#parts.isAll && !isBegun) this.topics.push(this.#withOperations(unknown(name)));
      this.#goOn();
      return 0;
    }
    const first = this.#partition;
    const end = Math.min(first + Math.min(this.#room, countMax), topic.partitions.length);
    if (this.#described?.name !== name) this.#begin(topic);
    for (let partition = first; partition < end; partition++) {
      this.#described?.partitions.push(this.#describePartition(topic.partitions[partition] as PartitionImage));
    }
    const count = Math.max(0, end - first);
    this.#room -= count;
    if (end >= topic.partitions.length) this.#goOn();
    else this.#partition = end;
    return count;
  }

  #begin({ name, id, isInternal }: TopicImage): void {
    const partitions: DescribeTopicPartitionsResponsePartition[] = [];
    this.#described = { name, partitions };
    this.topics.push(
      this.#withOperations({ errorCode: errorCode.NONE, name, topicId: id, isInternal, partitions }),
    );
  }

  #goOn(): void {
    this.#index++;
    this.#partition = 0;
  }

  #describePartition(of: PartitionImage): DescribeTopicPartitionsResponsePartition {
    const { context, services: { cluster } } = this.#parts;
    const leaderId = cluster.leaderOf(of, context);
    return {
      errorCode: leaderId === NO_LEADER ? errorCode.LEADER_NOT_AVAILABLE : errorCode.NONE,
      partitionIndex: of.partition,
      leaderId,
      leaderEpoch: of.leaderEpoch,
      replicaNodes: [...of.replicas],
      isrNodes: [...of.isr],
      eligibleLeaderReplicas: [...of.elr ?? []],
      lastKnownElr: [...of.lastKnownElr ?? []],
      offlineReplicas: cluster.offlineOf(of, context),
    };
  }

  #withOperations(topic: DescribeTopicPartitionsResponseTopic): DescribeTopicPartitionsResponseTopic {
    const name = topic.name ?? "";
    return { ...topic, topicAuthorizedOperations: authorizedOperations(this.#parts.context, { type: "TOPIC", name }) };
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
