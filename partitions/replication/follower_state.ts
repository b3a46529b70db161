/**
 * A partition's follower: what it fetches from the leader, where it cuts its log, what it appends. Pure; the shard that owns the partition.
 * After each event the caller executes what `takeAction()` returns, until that is null.
 *
 *   idle --follow()--> ready --fetch--> in flight --answered()--> truncating or appending --written()--> ready
 *                        ^                 |  |---- nothing new --------------------------------------> ready
 *                        |                 |---- lost(), or an error --> delayed --time--> ready
 *                        |                 '---- out of range --> asking --offsetsAnswered()--> truncating, restarting, delayed
 *   any --follow(), a new leader epoch--> ready; after the write under way, if there is one
 *   any --fenced, or stopFollowing()--> idle, until a row says more
 *
 * Must always hold: the offset of a fetch is the log end, and its last epoch the log's; a batch is appended only where the log ends, and only
 * of an epoch up to the one that the fetch named; the high watermark is at most the log end.
 * Source: Kafka's AbstractFetcherThread and ReplicaFetcherThread; KIP-101, KIP-279, KIP-595.
 */
import { assert } from "../../storage/base/assert.ts";
import { type Offset, toOffset } from "../../storage/base/units.ts";
import type { EpochEnd, ReplicaLog } from "./epoch_divergence.ts";
import { type FetchPlace, type FollowerRules, followerRules } from "./follower_rules.ts";

/** Where a follower stands. */
export type FollowerPhase = "idle" | "ready" | "in-flight" | "asking" | "writing" | "delayed";

/** A leadership to follow. */
export interface Leadership {
  readonly leader: number;
  readonly leaderEpoch: number;
}

/** What the follower asks for. */
export interface FetchAction extends Leadership, FetchPlace {
  readonly kind: "fetch";
  readonly logStartOffset: Offset;
}

/** Batches of an answer, by the epochs and offsets that they carry. `Slice` has their bytes. */
export interface FetchedBatches<Slice> {
  /** Number of batches; 0 for an empty answer. */
  readonly count: number;
  epochOf(index: number): number;
  baseOffsetOf(index: number): Offset;
  readonly slice: Slice;
}

/** What the caller is to do. A write is answered by `written()`, a fetch by `answered()`, a question by `offsetsAnswered()`. */
export type FollowerAction<Slice> =
  | FetchAction
  | ({ readonly kind: "ask-offsets"; readonly place: FetchPlace } & Leadership)
  | { readonly kind: "truncate"; readonly to: Offset }
  | { readonly kind: "restart"; readonly at: Offset }
  | { readonly kind: "append"; readonly slice: Slice; readonly count: number };

/** The leader's answer to a fetch. */
export type FetchAnswer<Slice> =
  | {
    readonly kind: "records";
    readonly batches: FetchedBatches<Slice>;
    readonly highWatermark: Offset;
    readonly logStartOffset: Offset;
  }
  | {
    readonly kind: "diverging";
    readonly diverging: EpochEnd;
    readonly highWatermark: Offset;
    readonly logStartOffset: Offset;
  }
  | { readonly kind: "offset-out-of-range" }
  | { readonly kind: "fenced-leader-epoch" }
  | { readonly kind: "failed" };

/** What a follower needs around it. */
export interface FollowerParts {
  readonly log: ReplicaLog;
  /** replica.fetch.backoff.ms */
  readonly backoffMs: number;
  readonly rules?: FollowerRules;
}

/** One replica as follower. */
export class FollowerState<Slice> {
  readonly #parts: FollowerParts;
  readonly #rules: FollowerRules;
  #phase: FollowerPhase = "idle";
  #leadership: Leadership | null = null;
  #place: FetchPlace | null = null;
  #action: FollowerAction<Slice> | null = null;
  #writes = 0;
  #delayedUntilMs = 0;
  #highWatermark: Offset;
  /** High watermark and log start that count once the records of their answer are appended. */
  #leaderMarks: { readonly highWatermark: Offset; readonly logStartOffset: Offset } | null = null;
  #leaderLogStart = toOffset(0);

  /** @param highWatermark as checkpointed, or as the replica had it as leader */
  constructor(parts: FollowerParts, highWatermark: Offset) {
    this.#parts = parts;
    this.#rules = parts.rules ?? followerRules;
    this.#highWatermark = highWatermark;
  }

  /** Where it stands. */
  get phase(): FollowerPhase {
    return this.#phase;
  }

  /** Records below it are committed. It may fall when an unclean election shortens the log. */
  get highWatermark(): Offset {
    return this.#highWatermark;
  }

  /** The leader's log start, which this log follows: the caller deletes what lies below. */
  get leaderLogStart(): Offset {
    return this.#leaderLogStart;
  }

  /** Whether a write is under way: a new leadership begins after it. */
  get isWriting(): boolean {
    return this.#writes > 0;
  }

  /** Follows a leader from now on; nothing of an earlier leader epoch counts any more. */
  follow(leadership: Leadership): void {
    if (this.#leadership?.leaderEpoch === leadership.leaderEpoch) return;
    this.#leadership = leadership;
    this.#leaderMarks = null;
    this.#action = null;
    this.#begin();
  }

  /** Follows nobody: the replica leads, or there is no leader. A write under way goes on. @param highWatermark known by another way */
  stopFollowing(highWatermark: Offset = this.#highWatermark): void {
    this.#leadership = null;
    this.#leaderMarks = null;
    this.#action = null;
    this.#place = null;
    this.#phase = "idle";
    this.#highWatermark = highWatermark;
  }

  /** What is to be done now; null for nothing. */
  takeAction(nowMs: number): FollowerAction<Slice> | null {
    if (this.#phase === "delayed" && nowMs >= this.#delayedUntilMs) this.#phase = "ready";
    if (this.#phase === "ready") this.#action = this.#nextFetch();
    const action = this.#action;
    this.#action = null;
    if (action !== null && action.kind !== "fetch" && action.kind !== "ask-offsets") this.#writes++;
    return action;
  }

  /** The leader has answered. @param place that the request named */
  answered(place: FetchPlace, answer: FetchAnswer<Slice>, nowMs: number): void {
    if (!this.#isExpected("in-flight", place)) return;
    switch (answer.kind) {
      case "records":
        return this.#append(answer, place);
      case "diverging": {
        if (this.#rules.takesHighWatermarkOfDiverging()) this.#takeHighWatermark(answer.highWatermark);
        const { log } = this.#parts;
        const to = this.#rules.truncationOffset(log, answer.diverging, this.#highWatermark);
        const { logStartOffset } = answer;
        if (this.#rules.beginsAnew(to, logStartOffset)) return this.#write({ kind: "restart", at: logStartOffset });
        return this.#write({ kind: "truncate", to });
      }
      case "offset-out-of-range": {
        this.#phase = "asking";
        this.#action = { kind: "ask-offsets", place, ...this.#leadership as Leadership };
        return;
      }
      case "fenced-leader-epoch":
        this.#phase = "idle";
        return;
      case "failed":
        return this.#delay(nowMs);
    }
  }

  /**
   * The leader's log start and end are known, after an offset out of range (KAFKA-7414: that is routine). A leader with a shorter log was
   * elected uncleanly; one that starts later has deleted what this replica lacks.
   */
  offsetsAnswered(place: FetchPlace, leaderStart: Offset, leaderEnd: Offset, nowMs: number): void {
    if (!this.#isExpected("asking", place)) return;
    const { logEndOffset } = this.#parts.log;
    if (leaderEnd < logEndOffset) this.#write({ kind: "truncate", to: leaderEnd });
    else if (leaderStart > logEndOffset) this.#write({ kind: "restart", at: leaderStart });
    else this.#delay(nowMs);
  }

  /** The write that an action asked for has ended, and the log is as it left it. */
  written(): void {
    assert(this.#writes > 0, "a write ends once");
    this.#writes--;
    // A log that was begun anew is committed up to its start (KAFKA-9491).
    this.#takeHighWatermark(this.#highWatermark);
    if (this.#leaderMarks !== null) this.#takeMarks(this.#leaderMarks);
    if (this.#writes > 0 || this.#phase !== "writing") return;
    this.#begin();
  }

  /** The connection to the leader is lost, or a request was not answered in time. */
  lost(place: FetchPlace, nowMs: number): void {
    if (this.#isExpected("in-flight", place) || this.#isExpected("asking", place)) this.#delay(nowMs);
  }

  /** @returns whether an answer counts: it is for what the follower waits for */
  #isExpected(phase: FollowerPhase, place: FetchPlace): boolean {
    return this.#phase === phase && this.#place !== null && this.#rules.isAnswerTo(this.#place, place);
  }

  #begin(): void {
    if (this.#leadership === null) this.#phase = "idle";
    else this.#phase = this.isWriting && this.#rules.waitsForWrite() ? "writing" : "ready";
  }

  #nextFetch(): FollowerAction<Slice> {
    const { log } = this.#parts;
    const leadership = this.#leadership as Leadership;
    if (log.latestEpoch < 0 && log.logEndOffset > this.#highWatermark) {
      // Without epochs nothing says where the log parts from the leader's.
      this.#write({ kind: "truncate", to: this.#highWatermark });
      return this.#action as FollowerAction<Slice>;
    }
    this.#phase = "in-flight";
    const { logStartOffset } = log;
    this.#place = {
      offset: log.logEndOffset,
      lastFetchedEpoch: log.latestEpoch,
      leaderEpoch: leadership.leaderEpoch,
    };
    return { kind: "fetch", leader: leadership.leader, ...this.#place, logStartOffset };
  }

  #append(answer: FetchAnswer<Slice> & { kind: "records" }, place: FetchPlace): void {
    const { batches, highWatermark, logStartOffset } = answer;
    let count = 0;
    while (count < batches.count && this.#rules.acceptsBatch(batches.epochOf(count), place.leaderEpoch)) count++;
    if (count === 0) {
      this.#phase = "ready";
      if (batches.count === 0) this.#takeMarks({ highWatermark, logStartOffset });
      return;
    }
    this.#leaderMarks = { highWatermark, logStartOffset };
    this.#write({ kind: "append", slice: batches.slice, count });
  }

  #write(action: FollowerAction<Slice>): void {
    this.#phase = "writing";
    this.#action = action;
  }

  #takeMarks({ highWatermark, logStartOffset }: { highWatermark: Offset; logStartOffset: Offset }): void {
    this.#leaderMarks = null;
    this.#takeHighWatermark(highWatermark);
    if (logStartOffset > this.#leaderLogStart) this.#leaderLogStart = logStartOffset;
  }

  #takeHighWatermark(leaders: Offset): void {
    const { logStartOffset, logEndOffset } = this.#parts.log;
    this.#highWatermark = toOffset(Math.min(Math.max(leaders, logStartOffset), logEndOffset));
  }

  #delay(nowMs: number): void {
    this.#phase = "delayed";
    this.#delayedUntilMs = nowMs + this.#parts.backoffMs;
  }
}
