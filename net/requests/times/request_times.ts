/**
 * How long requests take on a shard, by Kafka's parts, without a reading of the clock of its own: all times are the readings by which the
 * turn's budget is kept (net/reactor/turn_budget.ts). A reading takes 85 ns, and there is one between any two connections that are served.
 *
 *   the kernel says      handler        handler               answer            flush of the       last byte
 *   that bytes are there begins         returns               encoded           connection         in the kernel
 *        ├──── queue ───────┼─── local ────┼───── remote ────────┼─ response queue ──┼── response send ──┤
 *        └──────────────────────────────────── total ─────────────────────────────────────────────────────┘
 *
 * - queue: from the turn that found the bytes of the request complete. What waits longer in the socket is not seen.
 * - local: the time between two readings is shared by the requests that were handled between them, receipt and decoding included.
 * - remote: waiting for other shards, replicas, flushes, enough bytes, members of a group, and for the shard's next slice of the work. An
 *   answer that is given within the handler has none. Later requests of the connection may be answered first; waiting for their turn belongs
 *   to the response queue.
 *
 * Each part is counted when it ends, so the total when the answer is in the kernel, and not when its connection closes before. Times are
 * microseconds as int32, which wrap after 71 minutes: a longer wait counts as shorter. Counting allocates nothing. Runs on shards.
 * Source: Kafka's RequestChannel.Request.updateRequestMetrics.
 */
import { requestTime, type ShardCounters } from "../../../partitions/mod.ts";
import type { ErrorCounts } from "../../protocol/error_counts.ts";

/** Answers that are timed until they are sent; those beyond it count as sent when they are given. */
const UNSENT_MAX = 4096;
/** Requests whose handlers may return between two readings; those beyond it take no time of their own. */
const HANDLED_MAX = 64;
/** No answer: ends a list. */
const NONE = -1;

/** The clock's last reading, in microseconds that wrap (`TurnBudget`). */
export interface LastReading {
  readonly nowUs: number;
}

/** Times of one request; its fields belong to `RequestTimes`. */
export interface TimedRequest {
  /** What it counts as: its API key, or FOLLOWER_FETCH. */
  readonly countedAs: number;
  /** When its bytes were there. */
  readonly arrivedUs: number;
  /** When its handler began, then when it returned. */
  sinceUs: number;
  /** Whether its handler has returned. */
  isHandled: boolean;
  /** When it was answered. */
  respondedUs: number;
}

/** What sends the answers of a connection; the two fields belong to `RequestTimes`. */
export interface TimedSender {
  readonly sentBytes: number;
  readonly pendingBytes: number;
  /** Oldest and newest answer that is timed and was not sent entirely. */
  firstTimed: number;
  lastTimed: number;
}

/** The times of the requests of one shard. */
export class RequestTimes {
  /** Whether `onReading()` has something to do. */
  isWaiting = false;
  readonly #counters: ShardCounters;
  readonly #clock: LastReading;
  /** Requests whose handlers returned since the last reading, and the part of that time which is known. */
  readonly #handledKeys = new Uint8Array(HANDLED_MAX);
  readonly #handledUs = new Int32Array(HANDLED_MAX);
  #handledCount = 0;
  /** Unsent answers, in columns: the next one of their list, their API, three times, and the sender's `sentBytes` at their end. */
  readonly #next = new Int32Array(UNSENT_MAX);
  readonly #keys = new Uint8Array(UNSENT_MAX);
  readonly #arrivedUs = new Int32Array(UNSENT_MAX);
  readonly #respondedUs = new Int32Array(UNSENT_MAX);
  readonly #flushedUs = new Int32Array(UNSENT_MAX);
  readonly #isFlushed = new Uint8Array(UNSENT_MAX);
  readonly #ends = new Float64Array(UNSENT_MAX);
  #usedCount = 0;
  #firstFree = NONE;
  /** Answers that were sent since the last reading. */
  #firstSent = NONE;

  /** @param counters of the shard @param clock whose readings are used; `onReading()` is called after each while `isWaiting` */
  constructor(counters: ShardCounters, clock: LastReading) {
    this.#counters = counters;
    this.#clock = clock;
  }

  /** The last reading of the clock. */
  get nowUs(): number {
    return this.#clock.nowUs;
  }

  /** A handler begins. */
  begin(request: TimedRequest): void {
    const apiKey = request.countedAs;
    const { nowUs } = this.#clock;
    request.sinceUs = nowUs;
    this.#counters.countRequest(apiKey);
    this.#counters.countRequestTime(apiKey, requestTime.queue, (nowUs - request.arrivedUs) | 0);
  }

  /** A handler has returned. */
  handled(request: TimedRequest): void {
    const { nowUs } = this.#clock;
    const count = this.#handledCount;
    if (count === HANDLED_MAX) this.#counters.countRequestTime(request.countedAs, requestTime.local, 0);
    else {
      this.#handledKeys[count] = request.countedAs;
      this.#handledUs[count] = nowUs - request.sinceUs;
      this.#handledCount = count + 1;
      this.isWaiting = true;
    }
    request.sinceUs = nowUs;
    request.isHandled = true;
  }

  /** An answer was encoded. @param errors that it has */
  countErrors({ countedAs }: TimedRequest, errors: ErrorCounts | null): void {
    if (errors === null || errors.isEmpty) this.#counters.countError(countedAs, 0, 1);
    else errors.each((code, count) => this.#counters.countError(countedAs, code, count));
  }

  /** A request was answered: its answer is encoded. */
  responded(request: TimedRequest): void {
    const { nowUs } = this.#clock;
    request.respondedUs = nowUs;
    const remoteUs = request.isHandled ? (nowUs - request.sinceUs) | 0 : 0;
    this.#counters.countRequestTime(request.countedAs, requestTime.remote, remoteUs);
  }

  /** A request that gets no answer has ended. */
  endedUnanswered(request: TimedRequest): void {
    this.responded(request);
    this.#countSent(request.countedAs, request.respondedUs, request);
  }

  /** The answer of a request waits to be sent, as the last one of its connection. */
  queued(request: TimedRequest, sender: TimedSender): void {
    const at = this.#take();
    if (at === NONE) return this.#countSent(request.countedAs, this.#clock.nowUs, request);
    this.#next[at] = NONE;
    this.#keys[at] = request.countedAs;
    this.#arrivedUs[at] = request.arrivedUs;
    this.#respondedUs[at] = request.respondedUs;
    this.#isFlushed[at] = 0;
    this.#ends[at] = sender.sentBytes + sender.pendingBytes;
    if (sender.firstTimed === NONE) sender.firstTimed = at;
    else this.#next[sender.lastTimed] = at;
    sender.lastTimed = at;
  }

  /** A sender has sent what its socket accepted. */
  flushed(sender: TimedSender): void {
    const { nowUs } = this.#clock;
    const { sentBytes } = sender;
    let at = sender.firstTimed;
    while (at !== NONE) {
      if (this.#isFlushed[at] === 0) this.#noteFlush(at, nowUs);
      const next = this.#next[at] as number;
      if ((this.#ends[at] as number) <= sentBytes) {
        sender.firstTimed = next;
        this.#next[at] = this.#firstSent;
        this.#firstSent = at;
        this.isWaiting = true;
      }
      at = next;
    }
    if (sender.firstTimed === NONE) sender.lastTimed = NONE;
  }

  /** A connection closes: its unsent answers are not counted. */
  dropUnsent(sender: TimedSender): void {
    for (let at = sender.firstTimed; at !== NONE;) at = this.#free(at);
    sender.firstTimed = sender.lastTimed = NONE;
  }

  /** The clock was read. @param tookUs since the reading before */
  onReading(tookUs: number): void {
    const { nowUs } = this.#clock;
    const count = this.#handledCount;
    const shareUs = count === 0 ? 0 : Math.round(tookUs / count);
    for (let index = 0; index < count; index++) {
      const us = (this.#handledUs[index] as number) + shareUs;
      this.#counters.countRequestTime(this.#handledKeys[index] as number, requestTime.local, us);
    }
    this.#handledCount = 0;
    for (let at = this.#firstSent; at !== NONE;) {
      const apiKey = this.#keys[at] as number;
      const sendUs = (nowUs - (this.#flushedUs[at] as number)) | 0;
      this.#counters.countRequestTime(apiKey, requestTime.responseSend, sendUs);
      this.#counters.countRequestTime(apiKey, requestTime.total, (nowUs - (this.#arrivedUs[at] as number)) | 0);
      at = this.#free(at);
    }
    this.#firstSent = NONE;
    this.isWaiting = false;
  }

  #noteFlush(at: number, nowUs: number): void {
    this.#isFlushed[at] = 1;
    this.#flushedUs[at] = nowUs;
    const waitedUs = (nowUs - (this.#respondedUs[at] as number)) | 0;
    this.#counters.countRequestTime(this.#keys[at] as number, requestTime.responseQueue, waitedUs);
  }

  #countSent(apiKey: number, nowUs: number, { arrivedUs, respondedUs }: TimedRequest): void {
    this.#counters.countRequestTime(apiKey, requestTime.responseQueue, (nowUs - respondedUs) | 0);
    this.#counters.countRequestTime(apiKey, requestTime.responseSend, 0);
    this.#counters.countRequestTime(apiKey, requestTime.total, (nowUs - arrivedUs) | 0);
  }

  #take(): number {
    const free = this.#firstFree;
    if (free === NONE) return this.#usedCount < UNSENT_MAX ? this.#usedCount++ : NONE;
    this.#firstFree = this.#next[free] as number;
    return free;
  }

  /** @returns the one behind it in its list */
  #free(at: number): number {
    const next = this.#next[at] as number;
    this.#next[at] = this.#firstFree;
    this.#firstFree = at;
    return next;
  }
}
