/**
 * What all shards have counted, summed when somebody asks. Main isolate. Reading costs the shards nothing.
 *
 * Totals are below 2^53. Counts of one shard, and so those in histograms, wrap at 2^32; here they go on.
 */
import { COUNTER } from "../words.ts";
import type { SharedState } from "../shared_state.ts";
import { BUCKETS, type HistogramCounts, readHistogram } from "./histogram.ts";
import { addAllTraffic, addTraffic, noTraffic, type TrafficCounts } from "./partition_traffic.ts";
import { ERROR_CODES_MAX, errorsAt, listenerPlace, requestTimesAt, type TotalName } from "./shard_counters.ts";
import { readCount, readTotal } from "./total_words.ts";
import { UnwrappedCounts } from "./unwrapped_counts.ts";

/** The code that stands for those which are not told apart. */
export const OTHER_CODES = ERROR_CODES_MAX - 2;

/** Reads the counters of all shards. */
export class CounterReader {
  readonly #counters: readonly Int32Array[];
  readonly #traffic: readonly Int32Array[];
  readonly #unwrapped = new Map<Int32Array, UnwrappedCounts>();
  readonly #countOf = (words: Int32Array, at: number) =>
    (this.#unwrapped.get(words) as UnwrappedCounts).total(at, readCount(words, at));

  /** @param memory of the shards */
  constructor({ counters, traffic }: Pick<SharedState, "counters" | "traffic">) {
    this.#counters = counters.map((memory) => new Int32Array(memory));
    this.#traffic = traffic.map((memory) => new Int32Array(memory));
    for (const words of this.#counters) this.#unwrapped.set(words, new UnwrappedCounts());
  }

  /** A total of all shards. */
  total(name: TotalName): number {
    return this.#sum((words) => readTotal(words, COUNTER[name]));
  }

  /** How long each shard has waited for work since the start, in microseconds. */
  waitedUs(): number[] {
    return this.#counters.map((words) => readTotal(words, COUNTER.waitedUs));
  }

  /** What clients wrote and read, topics included that are gone. */
  allTraffic(): TrafficCounts {
    const counts = noTraffic();
    for (const words of this.#counters) addAllTraffic(words, counts);
    return counts;
  }

  /** What clients wrote to a partition and read of it, since it is here. @param slot its row in the watermark table */
  trafficOf(slot: number): TrafficCounts {
    const counts = noTraffic();
    for (const words of this.#traffic) addTraffic(words, slot, counts);
    return counts;
  }

  /** Requests of an API. */
  requests(apiKey: number): number {
    return this.#count(COUNTER.requests + apiKey);
  }

  /** Error codes in answers of an API that occurred, with their counts; 0 counts answers without errors, OTHER_CODES all that are not told apart. */
  errors(apiKey: number): [code: number, count: number][] {
    const found: [number, number][] = [];
    for (let code = -1; code <= OTHER_CODES; code++) {
      const count = this.#count(errorsAt(apiKey, code));
      if (count > 0) found.push([code, count]);
    }
    return found;
  }

  /** How long requests of an API took. @param time from `requestTime` */
  requestTimes(apiKey: number, time: number): HistogramCounts {
    return this.#histogram(requestTimesAt(apiKey, time));
  }

  /** How long flushes took that clients waited for, and others. */
  flushTimes(): HistogramCounts {
    return this.#histogram(COUNTER.flushTimes);
  }

  /** Connections of a listener since the start. @param listener its index */
  connections(listener: number): { created: number; closed: number } {
    const place = listenerPlace(listener);
    return {
      created: this.#count(COUNTER.connectionsCreated + place),
      closed: this.#count(COUNTER.connectionsClosed + place),
    };
  }

  #histogram(at: number): HistogramCounts {
    const counts = new Array<number>(BUCKETS).fill(0);
    const sumMs = this.#sum((words) => readHistogram(words, at, counts, this.#countOf));
    return { counts, sumMs };
  }

  #count(at: number): number {
    return this.#sum((words) => this.#countOf(words, at));
  }

  #sum(of: (words: Int32Array) => number): number {
    return this.#counters.reduce((sum, words) => sum + of(words), 0);
  }
}
