/**
 * How long the turns of a shard take: a histogram in the shard's shared words. A turn is the time between two waits in epoll_wait, or the
 * handling of one posted message. The shard writes; any isolate may read at the same time.
 */
import { assert } from "../../storage/base/assert.ts";
import { UnwrappedCounts } from "./counters/unwrapped_counts.ts";
import type { IsolateTable } from "./mail.ts";
import { ISOLATE } from "./words.ts";

/** Upper bounds of the buckets in milliseconds; one more bucket counts longer turns. */
export const TURN_TIME_BOUNDS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] as const;

const BUCKETS = TURN_TIME_BOUNDS_MS.length + 1;
const LONGEST_US_MAX = 0x7fff_ffff;

assert(ISOLATE.turns + BUCKETS <= ISOLATE.longestTurn, "the buckets fit between the other words");

/** How long the turns of one shard took since the start. */
export interface TurnTimes {
  readonly shard: number;
  /** Number of turns in each bucket of TURN_TIME_BOUNDS_MS, then of those that exceeded all bounds. */
  readonly counts: readonly number[];
  /** The longest turn in milliseconds. */
  readonly longestMs: number;
}

/** Counts the turns of this shard. */
export class TurnCounter {
  readonly #isolates: IsolateTable;
  readonly #shard: number;
  readonly #counts = new Int32Array(BUCKETS);
  #longestUs = 0;

  /** @param isolates the shared table @param shard this shard, the only writer of its row */
  constructor(isolates: IsolateTable, shard: number) {
    this.#isolates = isolates;
    this.#shard = shard;
  }

  /** Counts a turn. @param tookMs how long it took */
  count(tookMs: number): void {
    let bucket = 0;
    while (bucket < TURN_TIME_BOUNDS_MS.length && tookMs > (TURN_TIME_BOUNDS_MS[bucket] as number)) bucket++;
    const count = ((this.#counts[bucket] as number) + 1) | 0;
    this.#counts[bucket] = count;
    this.#isolates.set(this.#shard, ISOLATE.turns + bucket, count);
    const tookUs = Math.min(LONGEST_US_MAX, Math.round(tookMs * 1000));
    if (tookUs <= this.#longestUs) return;
    this.#longestUs = tookUs;
    this.#isolates.set(this.#shard, ISOLATE.longestTurn, tookUs);
  }
}

/** Reads the histograms of all shards, whose counts go on where the words wrap. */
export class TurnTimesReader {
  readonly #isolates: IsolateTable;
  readonly #shardsCount: number;
  readonly #unwrapped = new UnwrappedCounts();

  /** @param isolates the shared table */
  constructor(isolates: IsolateTable, shardsCount: number) {
    this.#isolates = isolates;
    this.#shardsCount = shardsCount;
  }

  /** By shard. */
  read(): TurnTimes[] {
    return Array.from({ length: this.#shardsCount }, (_, shard) => ({
      shard,
      counts: Array.from({ length: BUCKETS }, (_, bucket) => this.#count(shard, bucket)),
      longestMs: this.#isolates.get(shard, ISOLATE.longestTurn) / 1000,
    }));
  }

  /** How many turns all shards took since the start. */
  get turnsCount(): number {
    return this.read().reduce((sum, { counts }) => sum + counts.reduce((a, b) => a + b, 0), 0);
  }

  #count(shard: number, bucket: number): number {
    return this.#unwrapped.total(shard * BUCKETS + bucket, this.#isolates.get(shard, ISOLATE.turns + bucket) >>> 0);
  }
}
