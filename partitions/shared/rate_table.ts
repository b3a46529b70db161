/**
 * What the clients with quotas have used, over all shards of the broker: one rate for those who share a quota, wherever their connections
 * are. Each shard has a part of its own, which it alone writes and all read. Any shard.
 *
 *   part of a shard = 512 sets of 8 rows     a row's set follows from the hash of its sharers (storage/base/key_hash.ts)
 *   row = sequence · hash · what they used here, ever · what this shard last knew: used everywhere, when, due time (rates.ts), rate
 *
 * The newest of these is the state, and what has been used everywhere since is counted on top of it. So nothing is counted twice or
 * forgotten if two shards count at the same time, without a word that both write. A row is a seqlock, as that of a watermark.
 *
 * A row whose sharers have all their credit again says no more than no row, so its place is free. When a set has no such row, the one
 * with the most credit makes room: who uses little loses its count before who uses much, and names that somebody invents displace each
 * other.
 */
import { assert } from "../../storage/base/assert.ts";
import { HASH_WORDS, hashKey, newHashSecret } from "../../storage/base/key_hash.ts";
import { afterUse, atOtherRate, type Rate, unused } from "../quotas/rates.ts";
import { RATE } from "./words.ts";

const ROW_WORDS = 16;
const SET_ROWS = 8;
const SETS = 512;
const PART_WORDS = SETS * SET_ROWS * ROW_WORDS;
/** Sharers whose use each shard counts at a time. */
export const SHARERS_MAX = SETS * SET_ROWS;
const NO_ROW = -1;

/** The memory of the table. Shared by structured clone. */
export interface RateMemory {
  readonly words: SharedArrayBuffer;
  /** Of the hashes. */
  readonly secret: Int32Array;
}

/** Those who share a rate, as the table knows them: a hash of their name. */
export type Sharers = Int32Array;

/** What one row says. */
interface Row {
  used: number;
  total: number;
  atMs: number;
  dueMs: number;
  perSecond: number;
}

const emptyRow = (): Row => ({ used: 0, total: 0, atMs: -Infinity, dueMs: 0, perSecond: 0 });

/** The table, as a shard sees it. */
export class RateTable {
  readonly #words: Int32Array;
  readonly #secret: Int32Array;
  readonly #shard: number;
  readonly #shardsCount: number;
  readonly #row = emptyRow();
  readonly #newest = emptyRow();
  /** Turns a number into two words, and back. */
  readonly #numbers = new Float64Array(1);
  readonly #halves = new Int32Array(this.#numbers.buffer);
  /** What `read()` found: used everywhere, and the own row. */
  #total = 0;
  #ownUsed = 0;
  #ownRow = NO_ROW;

  /** @param memory from `allocate()` @param shard that counts, of `shardsCount` */
  constructor(memory: RateMemory, { shard, shardsCount }: { shard: number; shardsCount: number }) {
    this.#words = new Int32Array(memory.words);
    this.#secret = memory.secret;
    this.#shard = shard;
    this.#shardsCount = shardsCount;
  }

  /** Memory for the table. Its pages cost nothing while there are no quotas. @param shardsCount shards of the broker */
  static allocate(shardsCount: number): RateMemory {
    const words = new SharedArrayBuffer(shardsCount * PART_WORDS * Int32Array.BYTES_PER_ELEMENT);
    return { words, secret: newHashSecret() };
  }

  /** Those whose name this is. Names of equal hash cannot be found without the secret. */
  sharersOf(name: string): Sharers {
    const bytes = new TextEncoder().encode(name);
    const hash = new Int32Array(HASH_WORDS);
    hashKey(this.#secret, { bytes, view: new DataView(bytes.buffer) }, 0, bytes.length, hash);
    hash[0]! |= 1; // A row of zeros is an empty one.
    return hash;
  }

  /** When what they have used is paid for by their rate. @param nowMs of a clock that all shards have @returns their due time (rates.ts) */
  read(sharers: Sharers, nowMs: number, rate: Rate): number {
    const [row, newest] = [this.#row, this.#newest];
    newest.atMs = -Infinity;
    this.#total = this.#ownUsed = 0;
    this.#ownRow = NO_ROW;
    for (let shard = 0; shard < this.#shardsCount; shard++) {
      const at = this.#find(shard, sharers);
      if (at === NO_ROW) continue;
      if (shard === this.#shard) {
        this.#ownRow = at;
        this.#ownUsed = row.used;
      }
      this.#total += row.used;
      if (row.atMs > newest.atMs) Object.assign(newest, row);
    }
    if (newest.atMs === -Infinity) return unused(nowMs, rate);
    const dueMs = atOtherRate(newest.dueMs, nowMs, { from: newest.perSecond, to: rate.perSecond });
    // A row that another shard has given to somebody else takes its part out of the total.
    return afterUse(dueMs, Math.max(0, this.#total - newest.total), nowMs, rate);
  }

  /** Counts use. Called right after `read()` with the same arguments. @param dueMs that it returned @returns the due time afterwards */
  count(sharers: Sharers, amount: number, nowMs: number, { dueMs, rate }: { dueMs: number; rate: Rate }): number {
    const afterMs = afterUse(dueMs, amount, nowMs, rate);
    const at = this.#ownRow === NO_ROW ? this.#rowToReplace(sharers) : this.#ownRow;
    const words = this.#words;
    const sequence = Atomics.load(words, at + RATE.sequence);
    assert((sequence & 1) === 0, "a row of the rate table has one writer");
    Atomics.store(words, at + RATE.sequence, sequence + 1);
    for (let word = 0; word < HASH_WORDS; word++) Atomics.store(words, at + RATE.hash + word, sharers[word]!);
    this.#put(at + RATE.used, this.#ownUsed + amount);
    this.#put(at + RATE.total, this.#total + amount);
    this.#put(at + RATE.at, nowMs);
    this.#put(at + RATE.due, afterMs);
    this.#put(at + RATE.perSecond, rate.perSecond);
    Atomics.store(words, at + RATE.sequence, sequence + 2);
    return afterMs;
  }

  /** Finds the row of sharers and reads it into `#row`. */
  #find(shard: number, sharers: Sharers): number {
    const first = firstRow(shard, sharers);
    for (let at = first; at < first + SET_ROWS * ROW_WORDS; at += ROW_WORDS) {
      if (Atomics.load(this.#words, at + RATE.hash) === sharers[0] && this.#load(at, sharers)) return at;
    }
    return NO_ROW;
  }

  /** @returns whether the row is that of the sharers */
  #load(at: number, sharers: Sharers): boolean {
    const words = this.#words;
    const row = this.#row;
    for (;;) {
      const sequence = Atomics.load(words, at + RATE.sequence);
      if ((sequence & 1) !== 0) continue;
      let isTheirs = true;
      for (let word = 0; word < HASH_WORDS; word++) {
        if (Atomics.load(words, at + RATE.hash + word) !== sharers[word]) isTheirs = false;
      }
      row.used = this.#get(at + RATE.used);
      row.total = this.#get(at + RATE.total);
      row.atMs = this.#get(at + RATE.at);
      row.dueMs = this.#get(at + RATE.due);
      row.perSecond = this.#get(at + RATE.perSecond);
      if (Atomics.load(words, at + RATE.sequence) === sequence) return isTheirs;
    }
  }

  /** The row of the own part that is free, or has the most credit. */
  #rowToReplace(sharers: Sharers): number {
    const first = firstRow(this.#shard, sharers);
    let [found, leastMs] = [first, Infinity];
    for (let at = first; at < first + SET_ROWS * ROW_WORDS; at += ROW_WORDS) {
      if (Atomics.load(this.#words, at + RATE.hash) === 0) return at;
      const dueMs = this.#get(at + RATE.due);
      if (dueMs < leastMs) [found, leastMs] = [at, dueMs];
    }
    return found;
  }

  #put(index: number, value: number): void {
    this.#numbers[0] = value;
    Atomics.store(this.#words, index, this.#halves[0]!);
    Atomics.store(this.#words, index + 1, this.#halves[1]!);
  }

  #get(index: number): number {
    this.#halves[0] = Atomics.load(this.#words, index);
    this.#halves[1] = Atomics.load(this.#words, index + 1);
    return this.#numbers[0]!;
  }
}

function firstRow(shard: number, sharers: Sharers): number {
  return shard * PART_WORDS + (sharers[0]! >>> 1) % SETS * SET_ROWS * ROW_WORDS;
}
