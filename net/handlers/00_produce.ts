/**
 * Produce, API key 0: appends one batch to each named partition.
 *
 * v3 transactional id, batches of format v2 only (KIP-98) · v7 zstd (KIP-110) · v8 record errors (KIP-467) · v9 flexible (KIP-482) ·
 * v10 current leader (KIP-951) · v13 topic ids (KIP-516). Versions 0 to 2 are advertised, because librdkafka up to 2.11.0
 * enables gzip, snappy and lz4 by their presence. A request in one of them closes the connection, as in Kafka 4.
 *
 * acks=0 gets no answer, and an error closes the connection, because there is no other way to report it. acks=1 is answered once the
 * batch is as durable as the topic asks for: written, or flushed (`flush.messages`). acks=all is answered once the high watermark has
 * passed the batch, or with REQUEST_TIMED_OUT; as in Kafka, its timeout begins after the flush. With fewer in-sync replicas than
 * min.insync.replicas: NOT_ENOUGH_REPLICAS, or NOT_ENOUGH_REPLICAS_AFTER_APPEND, which is also the answer when the leadership ends meanwhile
 * (acknowledgements.ts). The partition's owner reports this at once, or the watermark table does later. While a request waits for either, it
 * holds none of its bytes. A flush that fails is answered with KAFKA_STORAGE_ERROR. Batches for other shards are appended from this shard's
 * arena without a copy. A batch that takes long to unpack waits for a codec worker, and batches behind it wait in the queue of their
 * partition; their bytes are held.
 *
 * A batch for an unknown topic or partition waits for creations under way (topic_waits.ts), and so do the requests behind it, unless
 * its request has more than `UNKNOWN_MAX` of them. A batch behind a refused one of its producer is refused too, unless the log knows
 * the producer (refused_batches.ts). Kafka refuses the former, and may store the latter without its predecessor (KAFKA-15591).
 *
 * When records are refused, the answer names each of them up to a limit (record_error_budget.ts). Kafka has no limit, and
 * names none when one of them breaks the format.
 *
 * A partition that another broker leads, or none, is refused with NOT_LEADER_OR_FOLLOWER, and the answer names its leader.
 *
 * Not done: transactions (INVALID_TXN_STATE).
 */
import {
  type AppendOutcome,
  type AppendWaiter,
  type DelayedOperation,
  errorCodeOf,
  type PartitionImage,
  partitionState,
  type Refusal,
  refusalText,
  type TopicImage,
} from "../../partitions/mod.ts";
import {
  BATCH_HEADER_BYTES,
  batchRules,
  codec,
  codecNames,
  listRecordErrors,
  type RecordErrorBudget,
} from "../../storage/mod.ts";
import { api } from "../requests/api.ts";
import { authorize } from "../requests/authorization.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import type { ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type ProduceRequest,
  produceRequest,
  type ProduceResponse,
  produceResponse,
} from "../protocol/messages/00_produce.ts";
import { CurrentLeaders, refuseUnled, untilEpochOf } from "../requests/leadership.ts";
import { countProduced } from "../requests/produce/produce_traffic.ts";
import { areAwaitingFlush, areEnded, checkProgress, expire } from "../requests/produce/acknowledgements.ts";
import { partitionResponse, ProducePart, producerBatchOf, type TopicData } from "../requests/produce/produce_part.ts";
import { newErrorBudget } from "../requests/produce/record_error_budget.ts";
import { type ProducerBatch, RefusedBatches } from "../requests/produce/refused_batches.ts";
import type { SlicedWork } from "../requests/slices.ts";
import { TopicCursor } from "../requests/topic_cursor.ts";
import { TopicWait } from "../requests/produce/topic_waits.ts";

/** The row of Produce. */
export const produceApi = api({
  key: 0,
  name: "Produce",
  served: [3, 13],
  advertised: [0, 13],
  request: produceRequest,
  response: produceResponse,
  bytesQuota: "produce",
  elementsMax: 1 << 13, // topics, partitions
  handle: handleProduce,
});

const ACKS_ALL = -1;
const ZSTD = codecNames.indexOf("zstd");
/** First version that may carry zstd. */
const ZSTD_VERSION_MIN = 7;
/** First version that names topics by id. */
const TOPIC_ID_VERSION_MIN = 13;
const NO_ENDPOINTS: ProduceResponse["nodeEndpoints"] = [];
/** Produce does not say which leader epoch the client knows. */
const NO_EPOCH = -1;
/** Client id that may write to Kafka's own topics (AdminUtils.ADMIN_CLIENT_ID). */
const ADMIN_CLIENT_ID = "__admin_client";

/** Handles Produce. */
export function handleProduce(request: ProduceRequest, exchange: RequestExchange, services: ShardServices): void {
  new ProduceOperation(request, exchange, services).start();
}

const partitionsOf = ({ partitionData }: TopicData) => partitionData;

/** A request with more partitions that are unknown or not open waits for no changes: its parts would take heap memory meanwhile. */
const UNKNOWN_MAX = 256;

class ProduceOperation implements AppendWaiter, DelayedOperation, SlicedWork {
  deadlineMs = 0;
  heapIndex = -1;
  isMarked = false;
  readonly #request: ProduceRequest;
  readonly #exchange: RequestExchange;
  readonly #services: ShardServices;
  readonly #parts: ProducePart[] = [];
  /** Unanswered appends. One more until every append was started, so that immediate answers do not end the request early. */
  #unanswered = 1;
  readonly #cursor;
  /** The topic at the cursor. */
  #topic: TopicImage | undefined;
  #refusal: number = errorCode.NONE;
  /** Parts that are not appended at once. The request's bytes are held once for all of them, and while it waits for topics. */
  #heldCount = 0;
  #errorBudget: RecordErrorBudget | null = null;
  /** Parts whose topic or partition is unknown or not open yet; null when there are none. */
  #unknown: number[] | null = null;
  #unknownBytes = 0;
  /** Whether they have waited for changes under way. */
  #hasWaited = false;

  constructor(request: ProduceRequest, exchange: RequestExchange, services: ShardServices) {
    this.#request = request;
    this.#exchange = exchange;
    this.#services = services;
    this.#cursor = new TopicCursor(request.topicData, partitionsOf);
  }

  get purgatory(): string {
    return "Produce";
  }

  /** Appends everything. A few batches of this shard are written when it returns. */
  start(): void {
    if (this.#cursor.isAtEnd) this.finish();
    else this.#services.slices.run(this, this.#exchange);
  }

  step(): boolean {
    const { topic: data, partition } = this.#cursor;
    if (this.#cursor.isAtTopic) {
      this.#topic = this.#topicOf(data);
      this.#refusal = this.#refusalOf(data, this.#topic);
    }
    const tag = this.#parts.push(new ProducePart(data, partition)) - 1;
    this.#appendOrDefer(tag, this.#topic, this.#refusal);
    return this.#cursor.advance();
  }

  finish(): void {
    if (this.#unknown === null) this.#countAnswer();
    else this.#awaitChanges(this.#unknown);
  }

  onAppended(tag: number, outcome: AppendOutcome): void {
    const part = this.#parts[tag] as ProducePart;
    countProduced(this.#services.traffic, part, outcome);
    if (outcome.refusal !== null) this.#refuse(part, outcome.refusal, outcome.recordIndex);
    else if (this.#exchange.context.refusedBatches !== undefined) this.#noteStored(part);
    if (part.isHeld) this.#releaseBlock();
    part.baseOffset = outcome.baseOffset;
    part.nextOffset = outcome.nextOffset;
    part.isComplete = outcome.isComplete;
    part.leadership = outcome.leadership;
    part.appendTimeMs = outcome.appendTimeMs;
    part.logStartOffset = outcome.logStartOffset;
    this.#countAnswer();
  }

  onProgress(): void {
    if (checkProgress(this.#parts, this.#services.watermarks, this.#request.acks)) this.#complete();
  }

  onExpired(): void {
    const { watermarks } = this.#services;
    if (areAwaitingFlush(this.#parts, watermarks, this.#request.acks)) return this.#waitUntil(Infinity);
    expire(this.#parts, watermarks, this.#request.acks);
    this.#complete();
  }

  /** Names every refused record of a batch, while its bytes are still held. @param recordIndex the first refused record, -1 for none */
  #refuse(part: ProducePart, refusal: Refusal, recordIndex: number): void {
    this.#fail(part, errorCodeOf(refusal));
    part.message = refusalText(refusal);
    if (recordIndex >= 0) part.recordErrors = [{ recordIndex, message: part.message }];
    const concernsRecords = recordIndex >= 0 || refusal === "invalid-timestamp";
    if (!concernsRecords || part.topic === null || part.records === null || this.#exchange.isAbandoned) return;
    const { arena, clock } = this.#services;
    const rules = { ...batchRules(part.topic.logConfig), nowMs: clock.wallMs() };
    const budget = this.#errorBudget ??= newErrorBudget();
    const partition = `${part.topic.name}-${part.index}`;
    const listed = listRecordErrors({ memory: arena, start: part.records.start }, rules, { partition, budget });
    if (listed === null) return;
    part.errorCode = errorCodeOf(listed.refusal);
    part.message = listed.message;
    part.recordErrors = listed.errors;
  }

  /** Sets the error of a part of which nothing is stored. */
  #fail(part: ProducePart, code: number): void {
    part.errorCode = code;
    const batch = this.#batchOf(part);
    const untilEpoch = batch && untilEpochOf(this.#topicOf(part.data)?.partitions[part.index], this.#services.nodeId);
    if (batch !== null && untilEpoch !== null) {
      (this.#exchange.context.refusedBatches ??= new RefusedBatches()).onRefused(batch, untilEpoch);
    }
  }

  #noteStored(part: ProducePart): void {
    const batch = this.#batchOf(part);
    if (batch !== null) this.#exchange.context.refusedBatches?.onStored(batch);
  }

  #isAhead(part: ProducePart, leaderEpoch: number): boolean {
    const batch = this.#batchOf(part);
    return batch !== null && this.#exchange.context.refusedBatches?.isAhead(batch, leaderEpoch) === true;
  }

  #batchOf(part: ProducePart): ProducerBatch | null {
    return producerBatchOf(part, this.#services.arena.view, this.#isById);
  }

  /** Lets the parts with an unknown topic or partition wait for changes under way. The requests behind this one wait, too. */
  #awaitChanges(unknown: readonly number[]): void {
    const { topicWaits } = this.#services;
    const wait = new TopicWait(this.#unknownBytes, () => this.#retryUnknown(unknown));
    this.#exchange.holdFollowers();
    this.#retainBlock();
    if (unknown.length > UNKNOWN_MAX || !topicWaits.hasRoom(wait)) return this.#retryUnknown(unknown);
    this.#exchange.onAbandoned(() => {
      if (topicWaits.remove(wait)) this.#releaseBlock();
    });
    topicWaits.add(wait);
  }

  #retryUnknown(unknown: readonly number[]): void {
    this.#hasWaited = true;
    let next = 0;
    this.#services.slices.resumeLater({
      step: () => {
        const tag = unknown[next++] as number;
        const { data } = this.#parts[tag] as ProducePart;
        const topic = this.#topicOf(data);
        this.#appendOrDefer(tag, topic, this.#refusalOf(data, topic));
        return next < unknown.length;
      },
      finish: () => {
        this.#releaseBlock();
        this.#countAnswer();
      },
    }, this.#exchange);
  }

  get #isById(): boolean {
    return this.#exchange.apiVersion >= TOPIC_ID_VERSION_MIN;
  }

  #topicOf(data: TopicData): TopicImage | undefined {
    const { image } = this.#services;
    return this.#isById ? image.topicById(data.topicId) : image.topic(data.name);
  }

  /** Why nothing may be appended to a topic, whether it exists or not; NONE when appends are allowed. */
  #refusalOf(data: TopicData, topic: TopicImage | undefined): number {
    const { acks, transactionalId } = this.#request;
    if (acks !== 0 && acks !== 1 && acks !== ACKS_ALL) return errorCode.INVALID_REQUIRED_ACKS;
    if (transactionalId !== null) return errorCode.INVALID_TXN_STATE;
    const name = topic?.name ?? data.name;
    if (!authorize(this.#exchange.context, "WRITE", { type: "TOPIC", name })) {
      return errorCode.TOPIC_AUTHORIZATION_FAILED;
    }
    if (topic?.isInternal && this.#exchange.context.clientId !== ADMIN_CLIENT_ID) {
      return errorCode.INVALID_TOPIC_EXCEPTION;
    }
    return errorCode.NONE;
  }

  #appendOrDefer(tag: number, topic: TopicImage | undefined, refusal: number): void {
    const part = this.#parts[tag] as ProducePart;
    const place = topic?.partitions[part.index];
    if (refusal !== errorCode.NONE) return this.#fail(part, refusal);
    const unled = place === undefined ? errorCode.NONE : refuseUnled(place, this.#services.nodeId, NO_EPOCH);
    if (unled !== errorCode.NONE) return this.#fail(part, unled);
    if (!this.#hasWaited && (place === undefined || this.#isUnopened(place))) {
      (this.#unknown ??= []).push(tag);
      this.#unknownBytes += part.records?.length ?? 0;
    } else if (topic !== undefined && place !== undefined) this.#append(tag, place, topic);
    else if (topic === undefined && this.#isById) this.#fail(part, errorCode.UNKNOWN_TOPIC_ID);
    else this.#fail(part, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
  }

  /** Whether the image has a partition that its shard has not opened yet. */
  #isUnopened(place: PartitionImage): boolean {
    return this.#services.watermarks.stateOf(place.slot) === partitionState.closed;
  }

  #append(tag: number, place: PartitionImage, topic: TopicImage): void {
    const part = this.#parts[tag] as ProducePart;
    const { records } = part;
    this.#exchange.affinity.countPartition(place.shard);
    part.slot = place.slot;
    if (records === null) return this.#fail(part, errorCode.INVALID_RECORD);
    if (this.#exchange.apiVersion < ZSTD_VERSION_MIN && this.#codecOf(records) === ZSTD) {
      return this.#fail(part, errorCode.UNSUPPORTED_COMPRESSION_TYPE);
    }
    this.#unanswered++;
    part.topic = topic;
    const { start, length } = records;
    const isAhead = this.#exchange.context.refusedBatches !== undefined && this.#isAhead(part, place.leaderEpoch);
    const batch = { start, length, acks: this.#request.acks, isAhead };
    if (this.#services.partitions.append(place, batch, this, tag)) return;
    part.isHeld = true;
    this.#retainBlock();
  }

  #retainBlock(): void {
    if (this.#heldCount++ === 0) this.#exchange.retainBlock();
  }

  /** Ends the hold of one part that was answered, or the hold of the wait. */
  #releaseBlock(): void {
    this.#heldCount--;
    if (this.#heldCount === 0) this.#exchange.releaseBlock();
  }

  #codecOf(records: { start: number; length: number }): number {
    return records.length < BATCH_HEADER_BYTES ? 0 : codec(this.#services.arena.view, records.start);
  }

  #countAnswer(): void {
    this.#unanswered--;
    if (this.#unanswered > 0) return;
    if (areEnded(this.#parts) || this.#exchange.isAbandoned) this.#respond();
    else this.#wait();
  }

  #wait(): void {
    const { purgatory, clock } = this.#services;
    const hasDeadline = this.#request.acks === ACKS_ALL;
    this.#waitUntil(hasDeadline ? clock.monotonicMs() + Math.max(0, this.#request.timeoutMs) : Infinity);
    this.#exchange.onAbandoned(() => this.#stopWaiting());
    for (const part of this.#parts) if (part.errorCode === errorCode.NONE) purgatory.watch(part.slot, this);
    // The watermark may have moved before the watch began.
    this.onProgress();
  }

  #waitUntil(deadlineMs: number): void {
    this.deadlineMs = deadlineMs;
    this.#services.purgatory.schedule(this);
  }

  #stopWaiting(): void {
    const { purgatory } = this.#services;
    purgatory.cancel(this);
    for (const part of this.#parts) purgatory.unwatch(part.slot, this);
  }

  #complete(): void {
    this.#stopWaiting();
    this.#respond();
  }

  #respond(): void {
    if (this.#request.acks !== 0) {
      this.#exchange.respond(this.#response());
      return;
    }
    const failed = this.#parts.find((part) => part.errorCode !== errorCode.NONE);
    if (failed === undefined || this.#exchange.isAbandoned) this.#exchange.respondNothing();
    else this.#exchange.close(`a produce with acks=0 failed with error code ${failed.errorCode}`);
  }

  #response(): ProduceResponse {
    let next = 0;
    const leaders = this.#leadersOfRefused();
    return {
      responses: this.#request.topicData.map(({ name, topicId, partitionData }) => {
        const parts = this.#parts.slice(next, next += partitionData.length);
        return { name, topicId, partitionResponses: parts.map(partitionResponse) };
      }),
      nodeEndpoints: leaders?.endpoints ?? NO_ENDPOINTS,
    };
  }

  /** Names the leaders of the partitions that this broker does not lead (KIP-951). @returns null when it leads all */
  #leadersOfRefused(): CurrentLeaders | null {
    let leaders: CurrentLeaders | null = null;
    for (const part of this.#parts) {
      if (part.errorCode !== errorCode.NOT_LEADER_OR_FOLLOWER) continue;
      leaders ??= new CurrentLeaders(this.#services.cluster, this.#exchange.context);
      part.currentLeader = leaders.of(this.#topicOf(part.data)?.partitions[part.index]);
    }
    return leaders;
  }
}
