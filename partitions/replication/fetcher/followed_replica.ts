/**
 * One partition that this broker follows, as its fetcher sees it: carries out what the follower's state asks for. Runs on the shard that owns
 * the partition.
 *
 *   state                           here
 *   truncate, restart               at once; again after BUSY_RETRY_MS while new segments are put in place by a cleaning, which is aborted
 *                                   otherwise, and after the backoff where the disk refuses
 *   fetch, ask-offsets              `fetch` and `question`, which the fetcher sends
 *   append                          in the turn of the answer, because its records lie in memory that is used again
 *
 * Must always hold: what is fetched next is acknowledged by asking for it, so nothing is asked for before the flush that the topic wants.
 * A leader whose records are refused is asked again after the backoff, not at once.
 */
import { assert } from "../../../storage/base/assert.ts";
import type { NativeMemory, Offset } from "../../../storage/mod.ts";
import type { FollowedPartition, FollowerPartition, TruncationOutcome } from "../follower_partition.ts";
import { type FetchPlace, isSamePlace } from "../follower_rules.ts";
import {
  type FetchAction,
  type FetchedBatches,
  type FollowerAction,
  FollowerState,
  type Leadership,
} from "../follower_state.ts";
import { ReplicaLogView } from "../replica_log.ts";

/** How soon a truncation is tried again that a cleaning has kept from beginning. */
const BUSY_RETRY_MS = 50;

/**
 * How soon a leader is asked again that does not know yet that it leads, or in which epoch: its image is some milliseconds behind this one's.
 * Twice as long each further time, up to the backoff.
 */
const NOT_YET_RETRY_MS = 10;

/** The partition (partitions/owned/partition.ts). */
export interface FetchedPartition extends FollowedPartition {
  readonly slot: number;
  readonly highWatermark: Offset;
  readonly isOpen: boolean;
  readonly follower: FollowerPartition;
}

/** Which partition it is. */
export interface ReplicaName {
  readonly topicId: string;
  readonly topicName: string;
  readonly partition: number;
}

/** What a fetcher has around its replicas. */
export interface ReplicaSurroundings {
  /** `replica.fetch.backoff.ms` */
  readonly backoffMs: number;
  /** Wall-clock time in ms. */
  wallMs(): number;
  /** Records were fetched and are in the log. @param bytes of them */
  onFetched(bytes: number): void;
  /** Aborts the cleaning of a partition. @returns false when its new segments are being put in place */
  abortCleaning(slot: number): boolean;
  /** Reports a sentence to the operator. */
  report(text: string): void;
}

/** Records of an answer, and what the leader says with them. One batch stands for all: only the first one decides. */
export interface AnsweredRecords extends FetchedBatches<AnsweredRecords> {
  readonly memory: NativeMemory;
  readonly start: number;
  readonly length: number;
  readonly highWatermark: Offset;
  readonly logStartOffset: Offset;
}

/** What the leader says of one partition. */
export type ReplicaAnswer =
  | { readonly kind: "records"; readonly records: AnsweredRecords }
  | {
    readonly kind: "diverging";
    readonly diverging: { readonly epoch: number; readonly endOffset: Offset };
    readonly highWatermark: Offset;
    readonly logStartOffset: Offset;
  }
  | { readonly kind: "offset-out-of-range" }
  | { readonly kind: "fenced-leader-epoch" }
  /** The leader does not know that it is this partition's leader in this epoch. */
  | { readonly kind: "not-yet" }
  | { readonly kind: "failed" };

type Cut = Extract<FollowerAction<AnsweredRecords>, { kind: "truncate" | "restart" }>;

/** The replica. */
export class FollowedReplica {
  readonly name: ReplicaName;
  readonly partition: FetchedPartition;
  /** What it asks for; null while it asks for nothing. */
  fetch: FetchAction | null = null;
  /** The end of the log for which it asks for the leader's offsets; null while it does not ask. */
  question: FetchPlace | null = null;
  /** When `run()` has something to do, monotonic ms; Infinity while that depends on an answer. */
  dueMs = 0;
  /** Whether it waits for a flush. */
  isFlushing = false;
  readonly #state: FollowerState<AnsweredRecords>;
  readonly #around: ReplicaSurroundings;
  #cut: Cut | null = null;
  #delayedUntilMs = 0;
  /** How long the next delay takes. */
  #backoffMs: number;
  #notYetMs = NOT_YET_RETRY_MS;
  /** Whether the next fetch is put off, because nothing of the last answer could be appended. */
  #isRefused = false;

  constructor(name: ReplicaName, partition: FetchedPartition, around: ReplicaSurroundings) {
    this.name = name;
    this.partition = partition;
    this.#around = around;
    this.#backoffMs = around.backoffMs;
    const backoffMs = () => this.#backoffMs;
    const parts = {
      log: new ReplicaLogView(partition.log),
      get backoffMs() {
        return backoffMs();
      },
    };
    this.#state = new FollowerState<AnsweredRecords>(parts, partition.highWatermark);
  }

  /** Follows a leader from now on: nothing that was asked of another one counts any more. */
  follow(leadership: Leadership): void {
    if (this.#cut !== null) this.#endCut();
    this.#isRefused = false;
    this.#notYetMs = NOT_YET_RETRY_MS;
    this.#endRequest();
    this.#state.follow(leadership);
  }

  /** Follows nobody any more: no answer counts. */
  stop(): void {
    if (this.#cut !== null) this.#endCut();
    this.#endRequest();
    this.#state.stopFollowing();
  }

  /** Goes on as far as possible. @param nowMs monotonic time */
  run(nowMs: number): void {
    this.isFlushing = false;
    this.dueMs = Infinity;
    if (this.#cut !== null && !this.#tryCut(this.#cut, nowMs)) return;
    while (this.partition.isOpen) {
      if (this.#isToFetch(nowMs) && this.partition.replica.hasUnacknowledged) {
        this.isFlushing = true;
        return;
      }
      const action = this.#state.takeAction(nowMs);
      if (action === null) break;
      if (!this.#begin(action, nowMs)) return;
    }
    if (this.#state.phase === "delayed") this.dueMs = this.#delayedUntilMs;
  }

  /** The leader has answered a fetch. @param asked what was fetched */
  answered(asked: FetchPlace, answer: ReplicaAnswer, nowMs: number): void {
    if (this.fetch === null || !isSamePlace(this.fetch, asked)) return;
    this.#endRequest();
    if (answer.kind === "not-yet") return this.#answeredNotYet(asked, nowMs);
    this.#notYetMs = NOT_YET_RETRY_MS;
    if (answer.kind === "records") this.#answeredRecords(asked, answer.records, nowMs);
    else this.#state.answered(asked, answer, nowMs);
    this.#go(nowMs);
  }

  /** The leader has told its offsets. @param asked the question @param offsets null when it has refused to */
  offsetsAnswered(asked: FetchPlace, offsets: { start: Offset; end: Offset } | null, nowMs: number): void {
    if (this.question !== asked) return;
    this.#endRequest();
    if (offsets === null) this.#state.lost(asked, nowMs);
    else this.#state.offsetsAnswered(asked, offsets.start, offsets.end, nowMs);
    this.#go(nowMs);
  }

  /** The connection is lost: what was asked for is asked for again after the backoff. */
  lost(nowMs: number): void {
    const place = this.fetch ?? this.question;
    if (place === null) return;
    this.#endRequest();
    this.#state.lost(place, nowMs);
    this.#go(nowMs);
  }

  #endRequest(): void {
    this.fetch = null;
    this.question = null;
    this.dueMs = 0;
  }

  #go(nowMs: number): void {
    if (this.#state.phase === "delayed") this.#delayedUntilMs = nowMs + this.#backoffMs;
    this.run(nowMs);
  }

  #answeredNotYet(asked: FetchPlace, nowMs: number): void {
    const { backoffMs } = this.#around;
    this.#backoffMs = Math.min(this.#notYetMs, backoffMs);
    this.#notYetMs = Math.min(2 * this.#notYetMs, backoffMs);
    this.#state.answered(asked, { kind: "failed" }, nowMs);
    this.#go(nowMs);
    this.#backoffMs = backoffMs;
  }

  #isToFetch(nowMs: number): boolean {
    const { phase } = this.#state;
    return phase === "ready" || (phase === "delayed" && nowMs >= this.#delayedUntilMs);
  }

  #answeredRecords(asked: FetchPlace, records: AnsweredRecords, nowMs: number): void {
    const { highWatermark, logStartOffset, length, count } = records;
    if (length > 0 && count === 0) return this.#state.answered(asked, { kind: "failed" }, nowMs);
    if (length === 0) this.#append(records, asked.leaderEpoch);
    this.#isRefused = count > 0 && records.epochOf(0) > asked.leaderEpoch;
    this.#state.answered(asked, { kind: "records", batches: records, highWatermark, logStartOffset }, nowMs);
    // An append is carried out now: its records lie where the next answer will.
    const action = count > 0 && this.#state.phase === "writing" ? this.#state.takeAction(nowMs) : null;
    if (action === null) return;
    assert(action.kind === "append", "an answer with records leads to an append");
    this.#isRefused = this.#append(action.slice, asked.leaderEpoch) === 0;
    this.#state.written();
  }

  /** @returns how many bytes were appended */
  #append(records: AnsweredRecords, leaderEpoch: number): number {
    const { memory, start, length } = records;
    const fetched = { start, length, leaderEpoch, nowMs: this.#around.wallMs() };
    const { bytes, refusal, message } = this.partition.follower.append(memory, fetched, records);
    if (bytes > 0) this.#around.onFetched(bytes);
    const { topicName, partition } = this.name;
    // What the disk refuses is reported by the partition.
    if (refusal !== null && refusal !== "log-offline") this.#around.report(`${topicName}-${partition}: ${message}`);
    return bytes;
  }

  /** Carries out an action. @returns whether to look for the next one */
  #begin(action: FollowerAction<AnsweredRecords>, nowMs: number): boolean {
    switch (action.kind) {
      case "fetch":
        if (!this.#isRefused) {
          this.fetch = action;
          return false;
        }
        this.#isRefused = false;
        this.#delayedUntilMs = nowMs + this.#around.backoffMs;
        this.#state.lost(action, nowMs);
        return true;
      case "ask-offsets":
        this.question = action.place;
        return false;
      case "truncate":
      case "restart":
        return this.#tryCut(action, nowMs);
      case "append":
        assert(false, "records are appended in the turn of their answer");
    }
  }

  /** @returns whether the log was cut; otherwise it is tried again later */
  #tryCut(cut: Cut, nowMs: number): boolean {
    this.#cut = cut;
    let outcome = this.#carryOut(cut);
    if (outcome === "busy" && this.#around.abortCleaning(this.partition.slot)) outcome = this.#carryOut(cut);
    if (outcome === "truncated") this.#endCut();
    else this.dueMs = nowMs + (outcome === "busy" ? BUSY_RETRY_MS : this.#around.backoffMs);
    return outcome === "truncated";
  }

  #carryOut(cut: Cut): TruncationOutcome {
    const { follower } = this.partition;
    return cut.kind === "truncate" ? follower.truncateTo(cut.to) : follower.truncateFullyAndStartAt(cut.at);
  }

  #endCut(): void {
    this.#cut = null;
    this.#state.written();
  }
}
