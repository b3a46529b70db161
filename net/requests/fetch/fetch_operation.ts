/**
 * One fetch from its reads to its response. Reads go to all partitions at once; very many are cut into slices. Partitions of this shard
 * answer immediately, those of others by a ring. When all have answered, the fetch either answers or returns the slices and waits. A
 * waiting fetch keeps little of its partitions, because it may wait for days. One fetch of a connection waits at a time, as in Kafka.
 *
 *   reading ──all answered──► enough, an error, or overdue? ──yes──► responded
 *      ▲                                  │ no
 *      └── a partition grew enough ── waiting ── deadline: one last reading
 *
 * A follower reads up to the log end, and waits for that. In a session it reads only the partitions that are active (active_partitions.ts); a
 * high watermark that moved alone is answered when its wait ends (KAFKA-9731).
 *
 * Runs on shards. Source: Kafka's DelayedFetch and ReplicaManager.readFromLog.
 */
import {
  type DelayedOperation,
  type FollowerReader,
  type PartitionPlace,
  type ReadOutcome,
  type ReadWaiter,
  type TopicImage,
} from "../../../partitions/mod.ts";
import { authorize } from "../authorization.ts";
import type { ActivePartitions } from "./active_partitions.ts";
import { AwaitedPartitions } from "./awaited_partitions.ts";
import type { RequestExchange } from "../exchange.ts";
import { countFetched } from "./fetch_traffic.ts";
import { answerBytes, codeOf, type FetchPart, fetchPart, hasNews, isUnled, PartitionAnswer } from "./fetch_part.ts";
import type { FetchInterest } from "./fetch_interest.ts";
import { fetchBytesMax, waitingBytes } from "./fetch_limits.ts";
import { type FetchPlan, type FetchSessions, moveToEnd } from "./fetch_sessions.ts";
import { claimedReplica, type FetchingReplica, isProved } from "../replication/fetching_replica.ts";
import type { ShardServices } from "../handler.ts";
import { CurrentLeaders, refuseUnled } from "../leadership.ts";
import { errorCode } from "../../protocol/error_codes.ts";
import type { FetchPartitionData, FetchRequest, FetchResponse } from "../../protocol/messages/01_fetch.ts";
import type { FileSlice } from "../../reactor/file_slice.ts";
import type { SlicedWork } from "../slices.ts";

/** First version that names topics by id. */
const TOPIC_ID_VERSION_MIN = 13;
/** First version whose answers name leaders. */
const CURRENT_LEADER_VERSION_MIN = 16;
const READ_COMMITTED = 1;
const NO_ENDPOINTS: FetchResponse["nodeEndpoints"] = [];
const NO_RECORDS = new Uint8Array(0);

const NOT_DIVERGING = { epoch: -1, endOffset: -1 };

type TopicResponse = FetchResponse["responses"][number];

/** A fetch. */
export class FetchOperation implements ReadWaiter, DelayedOperation, SlicedWork {
  deadlineMs = 0;
  heapIndex = -1;
  isMarked = false;
  readonly #plan: Exclude<FetchPlan, { kind: "refused" }>;
  readonly #maxWaitMs: number;
  readonly #committedOnly: boolean;
  /** The follower that it comes from; null for a consumer. */
  readonly #replica: FetchingReplica | null;
  /** Whether it names a replica that the client has not proved to be. */
  readonly #isStranger: boolean;
  /** Of a follower's session. */
  readonly #active: ActivePartitions | null;
  /** The partitions that are read. */
  #interests: readonly FetchInterest[];
  readonly #exchange: RequestExchange;
  readonly #services: ShardServices;
  readonly #sessions: FetchSessions;
  #parts: FetchPart[] = [];
  readonly #maxBytes: number;
  readonly #minBytes: number;
  #unanswered = 0;
  #isOverdue = false;
  /** What it waits for, while it waits. */
  #awaited: AwaitedPartitions | null = null;
  #isWaiting = false;
  /** Bytes left of max bytes for the reads that were not started. */
  #room = 0;
  #isFirstReading = true;

  /** @param plan which partitions, for which session @param of the request and where it is served */
  constructor(
    plan: Exclude<FetchPlan, { kind: "refused" }>,
    of: { request: FetchRequest; exchange: RequestExchange; services: ShardServices; sessions: FetchSessions },
  ) {
    this.#plan = plan;
    this.#exchange = of.exchange;
    this.#services = of.services;
    this.#sessions = of.sessions;
    this.#maxWaitMs = Math.max(0, of.request.maxWaitMs);
    this.#committedOnly = of.request.isolationLevel === READ_COMMITTED;
    const claimed = claimedReplica(of.request);
    this.#isStranger = claimed !== null && !isProved(claimed, of.exchange.context);
    this.#replica = this.#isStranger ? null : claimed;
    this.#interests = plan.interests;
    this.#active = plan.session?.active ?? null;
    this.#maxBytes = fetchBytesMax(of.request, of.services.config, of.exchange.context);
    // More than the response may hold would never be enough (KafkaApis.handleFetchRequest).
    this.#minBytes = Math.min(of.request.minBytes, this.#maxBytes);
  }

  /** Begins to read. */
  start(): void {
    const { clock, newLeaderships } = this.#services;
    const nowMs = clock.monotonicMs();
    const waitMs = this.#replica === null ? this.#maxWaitMs : newLeaderships.waitMsOf(this.#maxWaitMs, nowMs);
    this.deadlineMs = nowMs + waitMs;
    this.#isOverdue = waitMs === 0;
    this.#exchange.onAbandoned(() => this.#stopWaiting());
    if (this.#plan.session !== null) this.#exchange.affinity.pin();
    this.#beginReading();
    if (this.#interests.length === 0) this.finish();
    else this.#services.slices.run(this, this.#exchange);
  }

  get purgatory(): string {
    return "Fetch";
  }

  /** Bytes of memory that it takes while it waits. */
  get heldBytes(): number {
    return waitingBytes(this.#interests.length, this.#plan.session !== null);
  }

  /** Reads the next partition. */
  step(): boolean {
    if (this.#exchange.isAbandoned) return false;
    const interest = this.#interests[this.#parts.length] as FetchInterest;
    const part = this.#partOf(interest);
    const tag = this.#parts.push(part) - 1;
    if (part.place !== null) this.#startRead(part, part.place, tag);
    return this.#parts.length < this.#interests.length;
  }

  finish(): void {
    this.#isFirstReading = false;
    this.onRead(-1);
  }

  outcomeOf(tag: number): ReadOutcome {
    return (this.#parts[tag] as FetchPart).outcome;
  }

  onRead(_tag: number): void {
    this.#unanswered--;
    if (this.#unanswered === 0) this.#decide();
  }

  onProgress(): void {
    if (!this.#isWaiting) return;
    const hasGrown = this.#active?.hasGrown() ??
      this.#awaited?.hasGrownEnough(this.#services.watermarks, this.#minBytes);
    if (hasGrown) this.#readAgain();
  }

  onExpired(): void {
    this.#isOverdue = true;
    if (this.#isWaiting) this.#readAgain();
  }

  #readAgain(): void {
    this.#unwatch();
    if (this.#active !== null) this.#interests = this.#active.list();
    this.#beginReading();
    if (this.#interests.length === 0) this.finish();
    else this.#services.slices.resume(this, this.#exchange);
  }

  #partOf(interest: FetchInterest): FetchPart {
    const topic = this.#topicOf(interest);
    const place = topic?.partitions[interest.partition] ?? null;
    const part = (code: number) => fetchPart(interest, place, code);
    if (topic === undefined) {
      return part(this.#isById ? errorCode.UNKNOWN_TOPIC_ID : errorCode.UNKNOWN_TOPIC_OR_PARTITION);
    }
    if (this.#replica === null && !authorize(this.#exchange.context, "READ", { type: "TOPIC", name: topic.name })) {
      return part(errorCode.TOPIC_AUTHORIZATION_FAILED);
    }
    if (place === null) return part(errorCode.UNKNOWN_TOPIC_OR_PARTITION);
    const refusal = refuseUnled(place, this.#services.nodeId, interest.currentLeaderEpoch);
    if (refusal === errorCode.NONE && this.#isStranger) return part(errorCode.NOT_LEADER_OR_FOLLOWER);
    return part(refusal);
  }

  get #isById(): boolean {
    return this.#exchange.apiVersion >= TOPIC_ID_VERSION_MIN;
  }

  #topicOf(interest: FetchInterest): TopicImage | undefined {
    const { image } = this.#services;
    return this.#isById ? image.topicById(interest.topicId) : image.topic(interest.topic);
  }

  #beginReading(): void {
    // Searched again for every reading: a topic may have been deleted and created anew while the fetch waited.
    this.#parts = [];
    this.#room = this.#maxBytes;
    // Held until every read was started, so that immediate answers do not decide early.
    this.#unanswered = 1;
  }

  #startRead({ interest, errorCode: code, outcome }: FetchPart, place: PartitionPlace, tag: number): void {
    const { partitions, shard } = this.#services;
    if (code !== errorCode.NONE) return;
    // Reads after a wait are not counted again.
    if (this.#isFirstReading) this.#exchange.affinity.countPartition(place.shard);
    this.#unanswered++;
    this.#active?.watch(interest, place.slot);
    partitions.read(
      place,
      {
        fetchOffset: interest.fetchOffset,
        maxBytes: Math.max(0, Math.min(interest.maxBytes, this.#room)),
        currentLeaderEpoch: interest.currentLeaderEpoch,
        lastFetchedEpoch: interest.lastFetchedEpoch,
        atLeastOne: this.#room === this.#maxBytes,
        committedOnly: this.#committedOnly,
        follower: this.#readerOf(interest),
      },
      this,
      tag,
    );
    if (place.shard === shard) this.#room -= outcome.length;
  }

  #readerOf({ logStartOffset }: FetchInterest): FollowerReader | null {
    return this.#replica === null ? null : { ...this.#replica, logStartOffset };
  }

  /** All partitions were read: answers, or returns the slices and waits. */
  #decide(): void {
    if (this.#exchange.isAbandoned) return this.#releaseAll();
    this.#trimToLimit();
    if (this.#isOverdue || this.#isEnough()) return this.#respond();
    this.#releaseAll();
    this.#wait();
  }

  /** Reads that ran side by side may exceed the limit together. The slices beyond it are returned, except the first one (KIP-74). */
  #trimToLimit(): void {
    let room = this.#maxBytes;
    let isFirst = true;
    for (const part of this.#parts) {
      const { outcome } = part;
      if (outcome.length === 0) continue;
      if (!isFirst && outcome.length > room) {
        this.#release(part);
        outcome.reachesEnd = false;
        continue;
      }
      room -= outcome.length;
      isFirst = false;
    }
  }

  #isEnough(): boolean {
    let bytes = 0;
    for (const { errorCode: code, outcome } of this.#parts) {
      if (code !== errorCode.NONE || outcome.refusal !== null || outcome.divergingEpoch !== -1) return true;
      if (!outcome.reachesEnd) return true;
      bytes += outcome.length;
    }
    return bytes >= this.#minBytes || (this.#parts.length === 0 && this.#active === null);
  }

  #wait(): void {
    const { purgatory } = this.#services;
    this.#exchange.holdSameApi();
    this.#exchange.releaseMemory();
    this.#isWaiting = true;
    if (this.heapIndex === -1) purgatory.schedule(this);
    if (this.#replica !== null) this.#services.newLeaderships.add(this);
    if (this.#active !== null) {
      for (const { interest } of this.#parts) this.#active.settle(interest, false);
      this.#parts = [];
      this.#active.wait(this);
      return this.onProgress();
    }
    // Every partition of a waiting fetch was read: one without a place, or with an error, was answered at once.
    const awaited = this.#awaited = new AwaitedPartitions(
      this.#parts.map(({ place, outcome }) => ({ slot: (place as PartitionPlace).slot, ...outcome })),
      this.#replica !== null,
    );
    this.#parts = [];
    for (const slot of awaited.slots) purgatory.watch(slot, this);
    // A watermark may have moved before the watch began.
    this.onProgress();
  }

  #unwatch(): void {
    this.#isWaiting = false;
    if (this.#replica !== null) this.#services.newLeaderships.delete(this);
    this.#active?.stopWaiting();
    for (const slot of this.#awaited?.slots ?? []) this.#services.purgatory.unwatch(slot, this);
    this.#awaited = null;
  }

  #stopWaiting(): void {
    this.#unwatch();
    this.#services.purgatory.cancel(this);
  }

  #release({ place, outcome }: FetchPart): void {
    if (outcome.length === 0) return;
    if (place !== null) this.#services.partitions.release(place, outcome.lease);
    outcome.length = 0;
  }

  /** Returns all slices, but remembers their length: it counts towards min bytes while waiting. */
  #releaseAll(): void {
    for (const part of this.#parts) {
      const { length } = part.outcome;
      if (length === 0) continue;
      this.#release(part);
      part.outcome.length = length;
    }
  }

  #respond(): void {
    this.#stopWaiting();
    if (this.#replica === null && this.#mustPause()) return this.#respondLater();
    const { session } = this.#plan;
    const responses: (TopicResponse & { partitions: FetchPartitionData[] })[] = [];
    const leaders = this.#leadersOfRefused();
    for (const part of this.#parts) {
      const answer = this.#answerOf(part, leaders);
      const { interest, outcome } = part;
      const failed = answer.errorCode !== errorCode.NONE;
      countFetched(this.#services.traffic, part, answer.errorCode, this.#replica !== null);
      if (this.#plan.kind === "incremental" && !hasNews(part, answer.errorCode)) {
        this.#active?.settle(interest, failed);
        continue;
      }
      interest.lastHighWatermark = failed ? -1 : outcome.highWatermark;
      interest.lastLogStartOffset = outcome.logStartOffset;
      if (this.#active !== null) this.#active.settle(interest, failed);
      else if (session !== null && outcome.length > 0) moveToEnd(session, interest);
      const last = responses.at(-1);
      if (last?.topic === interest.topic && last.topicId === interest.topicId) last.partitions.push(answer);
      else responses.push({ topic: interest.topic, topicId: interest.topicId, partitions: [answer] });
    }
    this.#exchange.respond({
      errorCode: errorCode.NONE,
      sessionId: session?.id ?? 0,
      responses,
      nodeEndpoints: leaders?.endpoints ?? NO_ENDPOINTS,
    });
  }

  /** Charges the answer. @returns whether the client has to pause before it gets it */
  #mustPause(): boolean {
    const { quotas } = this.#exchange.context;
    return !quotas.isEmpty && !this.#exchange.chargeFetch(answerBytes(this.#parts, this.#plan.kind));
  }

  /** Answers without partitions: the client fetches them again after its pause. What a session was told by the request stays in it (KIP-219). */
  #respondLater(): void {
    this.#releaseAll();
    const { kind, session } = this.#plan;
    // A client takes an empty answer to a full fetch for none, and begins another session.
    if (kind === "full" && session !== null) this.#sessions.end(session.id);
    const sessionId = kind === "incremental" ? session.id : 0;
    this.#exchange.respond({ errorCode: errorCode.NONE, sessionId, responses: [] });
  }

  /** The leaders that the answer names for partitions that this broker does not lead (KIP-951). @returns null when there are none */
  #leadersOfRefused(): CurrentLeaders | null {
    if (this.#exchange.apiVersion < CURRENT_LEADER_VERSION_MIN || !this.#parts.some(isUnled)) return null;
    return new CurrentLeaders(this.#services.cluster, this.#exchange.context);
  }

  #answerOf(part: FetchPart, leaders: CurrentLeaders | null): FetchPartitionData {
    const { interest, place, outcome } = part;
    const { divergingEpoch: epoch, divergingEndOffset: endOffset } = outcome;
    return new PartitionAnswer(
      interest.partition,
      codeOf(part),
      outcome.highWatermark,
      outcome.lastStableOffset,
      outcome.logStartOffset,
      epoch === -1 ? NOT_DIVERGING : { epoch, endOffset },
      null,
      -1,
      // Never null: librdkafka fails on it (KAFKA-18646).
      outcome.length === 0 || place === null ? NO_RECORDS : this.#sliceOf(place, outcome),
      leaders !== null && isUnled(part)
        ? leaders.of(this.#topicOf(interest)?.partitions[interest.partition])
        : undefined,
    );
  }

  #sliceOf(place: PartitionPlace, outcome: ReadOutcome): FileSlice {
    const { fd, position, length: byteLength, lease } = outcome;
    const { partitions } = this.#services;
    return { fd, position, byteLength, release: () => partitions.release(place, lease) };
  }
}
