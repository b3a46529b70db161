/**
 * What clients write and read of each partition, as a shard counts it for its own connections: one row of 64 bytes for each slot of the
 * watermark table, in shared words that this shard alone writes (words.ts, table "traffic"). The main isolate sums over shards, and over
 * the partitions of a topic. What all partitions together have is counted beside it, because topics are deleted.
 *
 * As in Kafka (BrokerTopicStats), requests are counted for each partition that they name, and only unexpected errors are failures: not
 * those by which clients learn who leads, or that their batch is too large or damaged. Nothing is allocated, so arguments come one by one.
 */
import { COUNTER, TRAFFIC } from "../words.ts";
import type { ShardCounters } from "./shard_counters.ts";
import { addOne, addTotal, readCount, readTotal } from "./total_words.ts";
import { WatermarkTable } from "../watermarks.ts";

const ROW_WORDS = 16;

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
    addOne(words, row + TRAFFIC.produceRequests);
    counters.count("produceRequests");
    if (end === "done") {
      addTotal(words, row + TRAFFIC.bytesIn, bytes);
      addTotal(words, row + TRAFFIC.messagesIn, messages);
      counters.add("bytesIn", bytes);
      counters.add("messagesIn", messages);
    } else if (end === "failed") {
      addOne(words, row + TRAFFIC.failedProduceRequests);
      counters.count("failedProduceRequests");
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
    addOne(words, row + TRAFFIC.fetchRequests);
    counters.count("fetchRequests");
    if (end === "failed") {
      addOne(words, row + TRAFFIC.failedFetchRequests);
      counters.count("failedFetchRequests");
    }
    if (bytes === 0) return;
    if (isFollower) return counters.add("replicationBytesOut", bytes);
    addTotal(words, row + TRAFFIC.bytesOut, bytes);
    counters.add("bytesOut", bytes);
  }

  /** Begins anew, because the slot will belong to another topic. */
  forget(slot: number): void {
    this.#words.fill(0, slot * ROW_WORDS, (slot + 1) * ROW_WORDS);
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

/** Adds what a shard has counted of a partition. @param words its memory @param into receives the sums */
export function addTraffic(words: Int32Array, slot: number, into: TrafficCounts): void {
  addCounts(words, slot * ROW_WORDS, { indexes: TRAFFIC, into });
}

/** Adds what a shard has counted of all partitions. @param words its counters @param into receives the sums */
export function addAllTraffic(words: Int32Array, into: TrafficCounts): void {
  addCounts(words, 0, { indexes: COUNTER, into });
}

function addCounts(
  words: Int32Array,
  row: number,
  { indexes, into }: { indexes: Readonly<Record<keyof TrafficCounts, number>>; into: TrafficCounts },
): void {
  into.bytesIn += readTotal(words, row + indexes.bytesIn);
  into.bytesOut += readTotal(words, row + indexes.bytesOut);
  into.messagesIn += readTotal(words, row + indexes.messagesIn);
  into.bytesRejected += readTotal(words, row + indexes.bytesRejected);
  into.produceRequests += readCount(words, row + indexes.produceRequests);
  into.failedProduceRequests += readCount(words, row + indexes.failedProduceRequests);
  into.fetchRequests += readCount(words, row + indexes.fetchRequests);
  into.failedFetchRequests += readCount(words, row + indexes.failedFetchRequests);
}
