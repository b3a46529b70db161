/**
 * What Kafka tells as rates of the last half minute, from counts that are looked at again and again. Main isolate.
 *
 * Source: Kafka's SampledStat: two windows of 30 seconds, of which one is complete.
 */
import type { CounterReader } from "../../../partitions/control.ts";

/** What is looked at. */
type Counted = Pick<CounterReader, "waitedUs" | "connections">;

/** How far back a rate looks. */
const WINDOW_MS = 30_000;

/** Counts at one time. */
interface Looked {
  readonly atMs: number;
  readonly waitedUs: readonly number[];
  /** By listener. */
  readonly created: readonly number[];
  readonly closed: readonly number[];
}

/** Rates of the last half minute. */
export interface Rates {
  /** By shard: the share of the time in which it had nothing to do. */
  readonly idle: readonly number[];
  /** By listener, a second. */
  readonly created: readonly number[];
  readonly closed: readonly number[];
}

/** How the shards spend their time. */
export interface ShardTimes {
  readonly rates: Rates;
  /** How long the broker has served. */
  readonly elapsedMs: number;
  /** How long each shard has waited for work in that time. */
  readonly waitedUs: readonly number[];
  /** How long it has not. Neither is ever less than before. */
  readonly busySeconds: readonly number[];
}

/** Looks at the counts. */
export class RecentRates {
  readonly #counters: Counted;
  readonly #listenersCount: number;
  /** From the oldest to the newest. */
  readonly #looks: Looked[] = [];

  /** @param counters of the shards @param listenersCount listeners of the broker */
  constructor(counters: Counted, listenersCount: number) {
    this.#counters = counters;
    this.#listenersCount = listenersCount;
  }

  /** Looks at the counts; called every half second or so. @param atMs monotonic time */
  look(atMs: number): void {
    const listeners = Array.from({ length: this.#listenersCount }, (_, index) => this.#counters.connections(index));
    this.#looks.push({
      atMs,
      waitedUs: this.#counters.waitedUs(),
      created: listeners.map(({ created }) => created),
      closed: listeners.map(({ closed }) => closed),
    });
    while (this.#looks.length > 2 && atMs - (this.#looks[1] as Looked).atMs >= WINDOW_MS) this.#looks.shift();
  }

  /** The rates; idle and without connections before the second look. */
  rates(): Rates {
    const [first, last] = [this.#looks[0], this.#looks.at(-1)];
    if (first === undefined || last === undefined || first === last) {
      const none = new Array<number>(this.#listenersCount).fill(0);
      return { idle: this.#counters.waitedUs().map(() => 1), created: none, closed: none };
    }
    const ms = last.atMs - first.atMs;
    const rate = (from: readonly number[], to: readonly number[], factor: number) =>
      to.map((value, index) => Math.max(0, value - (from[index] ?? 0)) * factor / ms);
    return {
      // A shard that sleeps since before the first look counts its wait when it wakes up.
      idle: rate(first.waitedUs, last.waitedUs, 1 / 1000).map((share) => Math.min(1, share)),
      created: rate(first.created, last.created, 1000),
      closed: rate(first.closed, last.closed, 1000),
    };
  }
}
