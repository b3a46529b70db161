/**
 * What clients write and read of each partition, as a shard counts it for its own connections: one row of 128 bytes for each slot of the
 * watermark table, in shared words that this shard alone writes (words.ts, table "traffic"). The main isolate sums over shards, and over
 * the partitions of a topic. What all partitions together have is counted beside it, because topics are deleted.
 *
 * As in Kafka (BrokerTopicStats), requests are counted for each partition that they name, and only unexpected errors are failures: not
 * those by which clients learn who leads, or that their batch is too large or damaged. Nothing is allocated, so arguments come one by one.
 */
import { COUNTER, TRAFFIC } from "../words.ts";
import type { ShardCounters } from "./shard_counters.ts";
import { addTotal, readTotal } from "./total_words.ts";
import { WatermarkTable } from "../watermarks.ts";

const ROW_WORDS = 32;

/** What was counted of a partition, a topic or the broker. */
export interface TrafficCounts {
  bytesIn: number;
  bytesOut: number;
  messagesIn: number;
  bytesRejected: number;
  produceRequests: number;
  failedProduceRequests: number;
  fetchRequests: number;
  failedFetchRequests: number;
}

const TRAFFIC_NAMES = Object.keys(TRAFFIC) as (keyof TrafficCounts)[];

/** How one partition of a request ended. "refused": as clients may expect. */
export type TrafficEnd = "done" | "refused" | "failed" | "too-large";

/** Counts the traffic of one shard. */
export class PartitionTraffic {
  readonly #words: Int32Array;
  readonly #counters: ShardCounters;

  /** @param memory from `PartitionTraffic.allocate()`, of which this shard is the only writer @param counters of the shard */
  constructor(memory: SharedArrayBuffer, counters: ShardCounters) {
    this.#words = new Int32Array(memory);
    this.#counters = counters;
  }

  /** Shared memory for one shard. A row costs memory once it is used. */
  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(WatermarkTable.SLOTS_MAX * ROW_WORDS * 4);
  }

  /** Counts a batch of a Produce request. @param bytes of the batch @param messages its records, if they were appended */
  produced(slot: number, end: TrafficEnd, bytes: number, messages: number): void {
    const row = slot * ROW_WORDS;
    const words = this.#words;
    const counters = this.#counters;
    addTotal(words, row + TRAFFIC.produceRequests, 1);
    counters.add("produceRequests", 1);
    if (end === "done") {
      addTotal(words, row + TRAFFIC.bytesIn, bytes);
      addTotal(words, row + TRAFFIC.messagesIn, messages);
      counters.add("bytesIn", bytes);
      counters.add("messagesIn", messages);
    } else if (end === "failed") {
      addTotal(words, row + TRAFFIC.failedProduceRequests, 1);
      counters.add("failedProduceRequests", 1);
    } else if (end === "too-large") {
      addTotal(words, row + TRAFFIC.bytesRejected, bytes);
      counters.add("bytesRejected", bytes);
    }
  }

  /** Counts a partition of a Fetch request. @param bytes of its records in the answer @param isFollower these are not traffic of clients */
  fetched(slot: number, end: TrafficEnd, bytes: number, isFollower: boolean): void {
    const row = slot * ROW_WORDS;
    const words = this.#words;
    const counters = this.#counters;
    addTotal(words, row + TRAFFIC.fetchRequests, 1);
    counters.add("fetchRequests", 1);
    if (end === "failed") {
      addTotal(words, row + TRAFFIC.failedFetchRequests, 1);
      counters.add("failedFetchRequests", 1);
    }
    if (bytes === 0) return;
    if (isFollower) return counters.add("replicationBytesOut", bytes);
    addTotal(words, row + TRAFFIC.bytesOut, bytes);
    counters.add("bytesOut", bytes);
  }

  /** Begins anew, because the slot is another partition's. A row that counted nothing is left alone: it costs no memory yet. */
  forget(slot: number): void {
    const row = this.#words.subarray(slot * ROW_WORDS, (slot + 1) * ROW_WORDS);
    if (row.some((word) => word !== 0)) row.fill(0);
  }
}

/** Counts of nothing. */
export function noTraffic(): TrafficCounts {
  return {
    bytesIn: 0,
    bytesOut: 0,
    messagesIn: 0,
    bytesRejected: 0,
    produceRequests: 0,
    failedProduceRequests: 0,
    fetchRequests: 0,
    failedFetchRequests: 0,
  };
}

/** Adds counts. @param into receives the sums */
export function addCounts(counts: Readonly<TrafficCounts>, into: TrafficCounts): void {
  for (const of of TRAFFIC_NAMES) into[of] += counts[of];
}

/** Adds what a shard has counted of a partition. @param words its memory @param into receives the sums */
export function addTraffic(words: Int32Array, slot: number, into: TrafficCounts): void {
  for (const of of TRAFFIC_NAMES) into[of] += readTotal(words, slot * ROW_WORDS + TRAFFIC[of]);
}

/** Adds what a shard has counted of all partitions. @param words its counters @param into receives the sums */
export function addAllTraffic(words: Int32Array, into: TrafficCounts): void {
  for (const of of TRAFFIC_NAMES) into[of] += readTotal(words, COUNTER[of]);
}
