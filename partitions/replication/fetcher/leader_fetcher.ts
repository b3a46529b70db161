/**
 * Fetches the partitions of one shard that follow one leader, over one connection with one request under way. Runs on shards.
 *
 *   no link --connect()--> connecting --connected()--> idle --Fetch, or ListOffsets--> asking --onAnswer()--> idle
 *      ^                       |                                                        |
 *      '--- after the backoff --'<------------------- onLost(), late -------------------'
 *
 * What is appended is asked for from its end on in the next request, which tells the leader that it is here. A question about the leader's
 * offsets (ListOffsets, for the start and then for the end) comes before the next fetch.
 *
 * Must always hold: an answer counts for what its request asked. The leader may send anything, or nothing: an answer that cannot be read, that
 * comes to no request or too late costs the connection, and everything is asked for again, later.
 * Source: Kafka's AbstractFetcherThread, ReplicaFetcherThread, RemoteLeaderEndPoint.
 */
import { errorCode, errorName } from "../../../net/protocol/error_codes.ts";
import type { NativeMemory } from "../../../storage/mod.ts";
import { AnsweredBatches } from "./answered_batches.ts";
import { FetchAnswerReader } from "./fetch_answer.ts";
import type { FetcherRequests } from "./fetcher_requests.ts";
import { FetchSession } from "./fetch_session.ts";
import type { FollowedReplica, ReplicaAnswer } from "./followed_replica.ts";
import { OffsetQuestions } from "./offset_questions.ts";

/**
 * How long a request waits for a flush. The leader may keep the request for `replica.fetch.wait.max.ms`, and what is flushed meanwhile would
 * be acknowledged only after that; a slow disk must not hold up the other partitions.
 */
const FLUSH_WAIT_MS = 20;

/** A connection to a leader that is ready for requests. */
export interface LeaderLink {
  /** Sends a request. @param frame valid during the call @returns false when there is no memory for it */
  send(frame: Uint8Array): boolean;
  /** Closes it; nothing is reported. @param reason a sentence for the operator, null for an ordinary end */
  close(reason: string | null): void;
}

/** Who uses a link. */
export interface LinkOwner {
  /** The connection is ready. */
  onConnected(link: LeaderLink): void;
  /** An answer lies in the memory, during the call. @param start of its correlation id @param length in bytes, without the size */
  onAnswer(start: number, length: number): void;
  /** There was no connection, or it is lost. */
  onLost(): void;
}

/** What a fetcher has around it. */
export interface LeaderFetcherParts {
  readonly leader: number;
  /** Where the answers lie. */
  readonly memory: NativeMemory;
  readonly requests: FetcherRequests;
  /** `replica.fetch.backoff.ms` */
  readonly backoffMs: number;
  /** `replica.socket.timeout.ms` */
  readonly answerMsMax: number;
  nowMs(): number;
  /** Begins to connect. @returns ends that, or null when the leader cannot be reached now */
  connect(owner: LinkOwner): (() => void) | null;
}

/** The fetcher. */
export class LeaderFetcher implements LinkOwner {
  readonly #parts: LeaderFetcherParts;
  readonly #replicas = new Set<FollowedReplica>();
  /** Replicas that have something to do before the next request. */
  readonly #due = new Set<FollowedReplica>();
  /** Those whose time comes, and those that wait for a flush. */
  readonly #later = new Set<FollowedReplica>();
  readonly #session = new FetchSession<FollowedReplica>();
  readonly #questions = new OffsetQuestions();
  readonly #answer = new FetchAnswerReader();
  readonly #records: AnsweredBatches;
  #link: LeaderLink | null = null;
  #endConnecting: (() => void) | null = null;
  #connectAtMs = 0;
  #asked: "nothing" | "fetch" | "offsets" = "nothing";
  #answerDueMs = Infinity;
  /** Until when the next request waits for flushes; Infinity while it does not. */
  #heldUntilMs = Infinity;

  /** @param parts of the shard */
  constructor(parts: LeaderFetcherParts) {
    this.#parts = parts;
    this.#records = new AnsweredBatches(parts.memory);
  }

  /** Whether it has no partitions. */
  get isEmpty(): boolean {
    return this.#replicas.size === 0;
  }

  /** When `run()` is due, monotonic ms. */
  get nextDeadlineMs(): number {
    if (this.#link === null) {
      return this.isEmpty || this.#endConnecting !== null ? Infinity : this.#connectAtMs;
    }
    if (this.#asked !== "nothing") return this.#answerDueMs;
    if (this.#heldUntilMs === Infinity && this.#hasToAsk) return 0;
    let next = this.#heldUntilMs;
    for (const { dueMs } of this.#later) next = Math.min(next, dueMs);
    return next;
  }

  /** Fetches a partition from now on. */
  add(replica: FollowedReplica): void {
    this.#replicas.add(replica);
    this.#due.add(replica);
  }

  /** Fetches a partition no more. */
  remove(replica: FollowedReplica): void {
    this.#replicas.delete(replica);
    this.#due.delete(replica);
    this.#later.delete(replica);
    this.#questions.delete(replica);
    this.#session.forget(replica.name);
  }

  /** Does what is due. @param nowMs monotonic time */
  run(nowMs: number): void {
    if (this.isEmpty) return this.close();
    if (this.#link === null) return this.#connect(nowMs);
    if (nowMs >= this.#answerDueMs) {
      return this.#lose(`broker ${this.#parts.leader} has not answered in ${this.#parts.answerMsMax} ms`);
    }
    if (this.#asked === "nothing") this.#ask(nowMs);
  }

  /** Ends the connection; another one is made at once, if there are partitions. */
  close(): void {
    this.#endConnecting?.();
    this.#endConnecting = null;
    this.#link?.close(null);
    if (this.#link !== null) this.#unlink();
    this.#connectAtMs = 0;
  }

  onConnected(link: LeaderLink): void {
    this.#endConnecting = null;
    this.#link = link;
    this.#ask(this.#parts.nowMs());
  }

  onLost(): void {
    this.#endConnecting = null;
    this.#unlink();
  }

  onAnswer(start: number, length: number): void {
    const { requests, memory } = this.#parts;
    const asked = this.#asked;
    this.#asked = "nothing";
    this.#answerDueMs = Infinity;
    if (asked === "nothing") return this.#lose("it has sent an answer to no request");
    const range = { start, length };
    const failure = asked === "fetch" ? this.#onFetched(memory.bytes, range) : this.#onOffsets(memory.bytes, range);
    if (failure !== null) return this.#lose(`broker ${this.#parts.leader}: ${failure}`);
    if (requests.isReady && this.#link !== null) this.#ask(this.#parts.nowMs());
  }

  get #hasToAsk(): boolean {
    return this.#parts.requests.isReady && (this.#due.size > 0 || !this.#questions.isEmpty || !this.#session.isEmpty);
  }

  #connect(nowMs: number): void {
    if (this.#endConnecting !== null || nowMs < this.#connectAtMs) return;
    this.#connectAtMs = nowMs + this.#parts.backoffMs;
    this.#endConnecting = this.#parts.connect(this);
  }

  /** Sends the next request, if there is something to ask for. */
  #ask(nowMs: number): void {
    const { requests } = this.#parts;
    if (!requests.isReady) return;
    for (const replica of this.#later) if (replica.isFlushing || nowMs >= replica.dueMs) this.#due.add(replica);
    for (const replica of this.#due) {
      replica.run(nowMs);
      this.#follow(replica);
    }
    this.#due.clear();
    if (this.#isHeld(nowMs)) return;
    if (!this.#questions.isEmpty) return this.#send("offsets", requests.listOffsets(this.#questions.next()), nowMs);
    if (!this.#session.isEmpty) this.#send("fetch", requests.fetch(this.#session.next()), nowMs);
  }

  /** Whether the next request waits for flushes. */
  #isHeld(nowMs: number): boolean {
    let isFlushing = false;
    for (const replica of this.#later) isFlushing ||= replica.isFlushing;
    if (!isFlushing || this.#session.isEmpty) this.#heldUntilMs = Infinity;
    else if (this.#heldUntilMs === Infinity) this.#heldUntilMs = nowMs + FLUSH_WAIT_MS;
    if (nowMs < this.#heldUntilMs && this.#heldUntilMs < Infinity) return true;
    this.#heldUntilMs = Infinity;
    return false;
  }

  #send(asked: "fetch" | "offsets", frame: Uint8Array, nowMs: number): void {
    this.#asked = asked;
    this.#answerDueMs = nowMs + this.#parts.answerMsMax;
    if (this.#link?.send(frame) === false) this.#lose("no memory for a request to another broker");
  }

  /** Enters what a replica asks for. */
  #follow(replica: FollowedReplica): void {
    const { name: { topicId, partition }, fetch, question } = replica;
    if (fetch !== null) {
      this.#session.want({ topicId, partition, replica, place: fetch, logStartOffset: fetch.logStartOffset });
    } else this.#session.forget(replica.name);
    if (question !== null) this.#questions.add(replica, question);
    if (replica.isFlushing || replica.dueMs < Infinity) this.#later.add(replica);
    else this.#later.delete(replica);
  }

  /** @returns why the connection has to end, else null */
  #onFetched(bytes: Uint8Array, range: { start: number; length: number }): string | null {
    const answer = this.#answer;
    if (answer.begin(bytes, range) !== this.#parts.requests.correlationId) return "it has answered another request";
    if (answer.failure === null && answer.errorCode !== errorCode.NONE) {
      const wasIncremental = this.#session.isIncremental;
      this.#session.end();
      return wasIncremental ? null : `it refuses to be followed with ${errorName(answer.errorCode)}`;
    }
    const nowMs = this.#parts.nowMs();
    if (answer.failure === null) this.#session.answered(answer.sessionId);
    while (answer.next()) this.#onPartition(nowMs);
    return answer.failure === null ? null : `its answer cannot be read: ${answer.failure}`;
  }

  #onPartition(nowMs: number): void {
    const { topicId, partition } = this.#answer;
    const asked = this.#session.asked(topicId, partition);
    if (asked === null || !this.#replicas.has(asked.replica)) return;
    asked.replica.answered(asked.place, this.#replicaAnswer(), nowMs);
    this.#follow(asked.replica);
  }

  #replicaAnswer(): ReplicaAnswer {
    const { partitionError, divergingEndOffset, divergingEpoch, highWatermark, logStartOffset } = this.#answer;
    switch (partitionError) {
      case errorCode.NONE:
        break;
      case errorCode.OFFSET_OUT_OF_RANGE:
        return { kind: "offset-out-of-range" };
      case errorCode.FENCED_LEADER_EPOCH:
        return { kind: "fenced-leader-epoch" };
      case errorCode.NOT_LEADER_OR_FOLLOWER:
      case errorCode.UNKNOWN_LEADER_EPOCH:
      case errorCode.UNKNOWN_TOPIC_ID:
      case errorCode.UNKNOWN_TOPIC_OR_PARTITION:
        return { kind: "not-yet" };
      default:
        return { kind: "failed" };
    }
    if (highWatermark < 0 || logStartOffset < 0) return { kind: "failed" };
    if (divergingEpoch >= 0 || divergingEndOffset >= 0) {
      const diverging = { epoch: divergingEpoch, endOffset: divergingEndOffset };
      return { kind: "diverging", diverging, highWatermark, logStartOffset };
    }
    return { kind: "records", records: this.#records.of(this.#answer) };
  }

  #onOffsets(bytes: Uint8Array, range: { start: number; length: number }): string | null {
    const { requests } = this.#parts;
    const offsets = requests.readOffsets(bytes, range);
    if (typeof offsets === "string") return offsets;
    const nowMs = this.#parts.nowMs();
    this.#questions.answered(offsets, ({ replica, place }, known) => {
      replica.offsetsAnswered(place, known, nowMs);
      this.#follow(replica);
    });
    return null;
  }

  #lose(reason: string): void {
    this.#link?.close(reason);
    this.#unlink();
  }

  #unlink(): void {
    const nowMs = this.#parts.nowMs();
    this.#link = null;
    this.#asked = "nothing";
    this.#answerDueMs = Infinity;
    this.#connectAtMs = nowMs + this.#parts.backoffMs;
    this.#session.end();
    this.#questions.clear();
    for (const replica of this.#replicas) {
      replica.lost(nowMs);
      this.#follow(replica);
    }
  }
}
