/**
 * The watermark table: one row per partition, written by the owning shard alone and read by every isolate (words.ts). A row is a seqlock:
 * the writer makes its sequence odd, writes the values, and makes it even again. A reader that finds an odd or changed sequence reads
 * again. Numbers are two 32-bit halves, because only integer elements of up to 32 bits are free of tearing. Any isolate.
 */
import { assert } from "../../storage/base/assert.ts";
import { type Offset, toOffset } from "../../storage/base/units.ts";
import { WATERMARK } from "./words.ts";

const ROW_WORDS = 16;
const TWO_POW_32 = 0x1_0000_0000;

/** State of a partition. `closedCleanly`: its log needs no recovery at the next start. */
export const partitionState = { closed: 0, open: 1, offline: 2, handedOver: 3, closedCleanly: 4 } as const;

/** What a leader of several replicas says of them. 0: it is the only replica. Below the minimum: min.insync.replicas are not in sync. */
export const replication = { none: 0, several: 1, belowMinimum: 3 } as const;

/** The state has the lower bits of its word, then comes the replication, and the leadership has the others. */
const STATE_BITS = 3;
const STATE_MASK = 2 ** STATE_BITS - 1;
const REPLICATION_MASK = 3;
const LEADERSHIP_SHIFT = STATE_BITS + 2;
const LEADERSHIP_MASK = 2 ** (32 - LEADERSHIP_SHIFT) - 1;

/** The values of one row, taken at one instant. */
export interface Watermarks {
  state: number;
  /**
   * Counts how often this broker's leadership of the partition began and ended: odd while it leads. What waits for the high watermark
   * waits for that of one leadership: in another one the same offsets may have other records.
   */
  leadership: number;
  /** One of `replication`. */
  replication: number;
  highWatermark: Offset;
  lastStableOffset: Offset;
  logStartOffset: Offset;
  logEndOffset: Offset;
  /** Records below it are durable. */
  recoveryPoint: Offset;
  /** Bytes below the high watermark that were appended since the broker opened the log: consumers see these. */
  highWatermarkBytes: number;
  /** Bytes appended since the broker opened the log. */
  logEndBytes: number;
}

/** A row of zeros, to read into. */
export function emptyWatermarks(): Watermarks {
  const zero = toOffset(0);
  return {
    state: 0,
    leadership: 0,
    replication: replication.none,
    highWatermark: zero,
    lastStableOffset: zero,
    logStartOffset: zero,
    logEndOffset: zero,
    recoveryPoint: zero,
    highWatermarkBytes: 0,
    logEndBytes: 0,
  };
}

/** Whether this broker leads the partition. */
export function isLed({ leadership }: Readonly<Watermarks>): boolean {
  return (leadership & 1) === 1;
}

/** The number of the next leadership, or of the time behind one. @param leadership the last number @param leads which of the two */
export function nextLeadership(leadership: number, leads: boolean): number {
  const next = leadership + 1;
  return ((next & 1) === 1) === leads ? next & LEADERSHIP_MASK : (next + 1) & LEADERSHIP_MASK;
}

/** The table; every isolate has an object of its own over the same memory. */
export class WatermarkTable {
  /** Most partitions at a time on this broker. A row costs memory only once it is used. */
  static readonly SLOTS_MAX = 65_536;

  readonly #words: Int32Array;

  /** @param memory from `WatermarkTable.allocate()` */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  /** Shared memory for the table. */
  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(WatermarkTable.SLOTS_MAX * ROW_WORDS * 4);
  }

  /**
   * Publishes a partition's values. Only the owning shard calls it. A new owner calls it only once the row says `handedOver`.
   * @param slot the partition's row
   */
  write(slot: number, values: Readonly<Watermarks>): void {
    const row = this.#row(slot);
    const words = this.#words;
    const sequence = Atomics.load(words, row + WATERMARK.sequence);
    assert((sequence & 1) === 0, "a watermark row has one writer");
    assert(values.logStartOffset <= values.highWatermark, "the high watermark is not below the log start");
    assert(values.highWatermark <= values.logEndOffset, "the high watermark is not above the log end");
    assert(values.highWatermarkBytes <= values.logEndBytes, "bytes below the high watermark lie below the log end");
    Atomics.store(words, row + WATERMARK.sequence, sequence + 1);
    this.#putWord(
      row + WATERMARK.state,
      values.state | values.replication << STATE_BITS | values.leadership << LEADERSHIP_SHIFT,
    );
    this.#put(row + WATERMARK.highWatermark, values.highWatermark);
    this.#put(row + WATERMARK.lastStableOffset, values.lastStableOffset);
    this.#put(row + WATERMARK.logStartOffset, values.logStartOffset);
    this.#put(row + WATERMARK.logEndOffset, values.logEndOffset);
    this.#put(row + WATERMARK.recoveryPoint, values.recoveryPoint);
    this.#put(row + WATERMARK.highWatermarkBytes, values.highWatermarkBytes);
    this.#put(row + WATERMARK.logEndBytes, values.logEndBytes);
    Atomics.store(words, row + WATERMARK.sequence, sequence + 2);
  }

  /** The state of a partition, without its other values. */
  stateOf(slot: number): number {
    return Atomics.load(this.#words, this.#row(slot) + WATERMARK.state) & STATE_MASK;
  }

  /** Reads a partition's values of one instant. @param into receives them */
  read(slot: number, into: Watermarks): Watermarks {
    const row = this.#row(slot);
    const words = this.#words;
    for (;;) {
      const sequence = Atomics.load(words, row + WATERMARK.sequence);
      if ((sequence & 1) !== 0) continue;
      const state = Atomics.load(words, row + WATERMARK.state);
      into.state = state & STATE_MASK;
      into.leadership = state >>> LEADERSHIP_SHIFT;
      into.replication = state >>> STATE_BITS & REPLICATION_MASK;
      into.highWatermark = toOffset(this.#get(row + WATERMARK.highWatermark));
      into.lastStableOffset = toOffset(this.#get(row + WATERMARK.lastStableOffset));
      into.logStartOffset = toOffset(this.#get(row + WATERMARK.logStartOffset));
      into.logEndOffset = toOffset(this.#get(row + WATERMARK.logEndOffset));
      into.recoveryPoint = toOffset(this.#get(row + WATERMARK.recoveryPoint));
      into.highWatermarkBytes = this.#get(row + WATERMARK.highWatermarkBytes);
      into.logEndBytes = this.#get(row + WATERMARK.logEndBytes);
      if (Atomics.load(words, row + WATERMARK.sequence) === sequence) return into;
    }
  }

  #row(slot: number): number {
    assert(slot >= 0 && slot < WatermarkTable.SLOTS_MAX, "a slot lies in the watermark table");
    return slot * ROW_WORDS;
  }

  #put(index: number, value: number): void {
    this.#putWord(index, value | 0);
    this.#putWord(index + 1, Math.floor(value / TWO_POW_32));
  }

  // The store is atomic: a plain one may be reordered before the store that makes the sequence odd. Most words of a row keep their value
  // from write to write: an atomic store takes 8 ns, a comparison 0.6. The only writer may read its own words as they are.
  #putWord(index: number, value: number): void {
    if (this.#words[index] !== value) Atomics.store(this.#words, index, value);
  }

  #get(index: number): number {
    return (Atomics.load(this.#words, index) >>> 0) + Atomics.load(this.#words, index + 1) * TWO_POW_32;
  }
}

/**
 * Which shard waits for which partition: one word for each pair. The waiting shard sets its word and then reads the watermark again; the
 * owner publishes a new high watermark and then reads the word. All accesses are sequentially consistent, so at least one of the two sees
 * the other's write, and no wake-up is lost.
 */
export class InterestTable {
  readonly #words: Int32Array;

  /** @param memory from `InterestTable.allocate()` */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  /** Shared memory for the table. @param shardsCount shards of the broker */
  static allocate(shardsCount: number): SharedArrayBuffer {
    return new SharedArrayBuffer(shardsCount * WatermarkTable.SLOTS_MAX * 4);
  }

  /** Says whether a shard waits for a partition. Only that shard calls it. */
  set(shard: number, slot: number, interested: boolean): void {
    Atomics.store(this.#words, shard * WatermarkTable.SLOTS_MAX + slot, interested ? 1 : 0);
  }

  /** Whether a shard waits for a partition. */
  has(shard: number, slot: number): boolean {
    return Atomics.load(this.#words, shard * WatermarkTable.SLOTS_MAX + slot) === 1;
  }
}
