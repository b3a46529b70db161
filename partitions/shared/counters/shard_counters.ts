/**
 * What a shard counts for the metrics, in shared words that it alone writes (words.ts, table "counters"). Counting allocates nothing, and
 * reads no clock. The main isolate sums over the shards when somebody asks (counter_reader.ts).
 */
import { assert } from "../../../storage/base/assert.ts";
import { COUNTER } from "../words.ts";
import { countDuration, HISTOGRAM_WORDS } from "./histogram.ts";
import { addCount, addOne, addTotal } from "./total_words.ts";

/** API keys below it are counted. */
export const API_KEYS_MAX = 128;
/** API key of Fetch. */
export const FETCH = 1;
/** Stands for the API of fetches that come from followers, which are counted apart. */
export const FOLLOWER_FETCH = API_KEYS_MAX - 1;
/** Error codes that are counted: from Kafka's UNKNOWN_SERVER_ERROR, -1, on. The last place is that of all others. */
export const ERROR_CODES_MAX = 160;
/** Listeners that are told apart; the last place is that of all others. */
export const LISTENERS_MAX = 16;

/** What of a request is measured, by Kafka's names. The numbers are the histograms' places. */
export const requestTime = { total: 0, queue: 1, local: 2, remote: 3, responseQueue: 4, responseSend: 5 } as const;
const REQUEST_TIMES = 6;

/** Totals that a shard counts. */
export type TotalName =
  | "waitedUs"
  | "bytesIn"
  | "bytesOut"
  | "bytesRejected"
  | "messagesIn"
  | "replicationBytesIn"
  | "replicationBytesOut"
  | "produceRequests"
  | "failedProduceRequests"
  | "fetchRequests"
  | "failedFetchRequests";

const WORDS = COUNTER.requestTimes + API_KEYS_MAX * REQUEST_TIMES * HISTOGRAM_WORDS;
assert(
  COUNTER.errors + API_KEYS_MAX * ERROR_CODES_MAX === COUNTER.requestTimes,
  "the errors fit between the other words",
);
assert(COUNTER.connectionsCreated + LISTENERS_MAX === COUNTER.connectionsClosed, "listeners fit");
assert(COUNTER.requests + API_KEYS_MAX === COUNTER.flushTimes, "the counts of requests fit");
assert(COUNTER.flushTimes + HISTOGRAM_WORDS === COUNTER.errors, "a histogram fits");

/** First word of a histogram of requests. @param time from `requestTime` */
export function requestTimesAt(apiKey: number, time: number): number {
  return COUNTER.requestTimes + (apiKey * REQUEST_TIMES + time) * HISTOGRAM_WORDS;
}

/** Word of an error code's count. */
export function errorsAt(apiKey: number, code: number): number {
  const place = code < -1 || code >= ERROR_CODES_MAX - 2 ? ERROR_CODES_MAX - 1 : code + 1;
  return COUNTER.errors + apiKey * ERROR_CODES_MAX + place;
}

/** Place of a listener among those that are counted. */
export function listenerPlace(listener: number): number {
  return Math.min(listener, LISTENERS_MAX - 1);
}

/** Counts what one shard does. */
export class ShardCounters {
  readonly #words: Int32Array;

  /** @param memory from `ShardCounters.allocate()`, of which this shard is the only writer */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  /** Shared memory for the counters of one shard. Pages cost memory once something is counted there. */
  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(WORDS * 4);
  }

  /** Adds to a total. @param amount an integer, 0 or more */
  add(name: TotalName, amount: number): void {
    addTotal(this.#words, COUNTER[name], amount);
  }

  /** Counts a request. @param apiKey of an API that is served */
  countRequest(apiKey: number): void {
    addOne(this.#words, COUNTER.requests + apiKey);
  }

  /** Counts an error code in an answer; 0: an answer without any. @param count how often the answer has it */
  countError(apiKey: number, code: number, count: number): void {
    addCount(this.#words, errorsAt(apiKey, code), count);
  }

  /** Counts how long a part of a request took. @param time from `requestTime` @param us microseconds */
  countRequestTime(apiKey: number, time: number, us: number): void {
    countDuration(this.#words, requestTimesAt(apiKey, time), us);
  }

  /** Counts how long a flush took. @param us microseconds */
  countFlush(us: number): void {
    countDuration(this.#words, COUNTER.flushTimes, us);
  }

  /** Counts a connection that the main isolate has transferred here. @param listener its index */
  countCreated(listener: number): void {
    addOne(this.#words, COUNTER.connectionsCreated + listenerPlace(listener));
  }

  /** Counts a connection that was closed here. */
  countClosed(listener: number): void {
    addOne(this.#words, COUNTER.connectionsClosed + listenerPlace(listener));
  }
}
