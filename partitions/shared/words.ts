/**
 * Every word of shared memory that two isolates use: its table, its index, its one writer and its readers. Data only; a test checks that
 * each word has one writer. There are no locks and no read-modify-write operations: the data is written first, and the word that announces
 * it is stored last with `Atomics.store`.
 */

/** Who writes or reads a word. "owner" is the shard that owns the partition. */
export type Party = "main" | "owner" | "shard" | "flush worker" | "ring producer" | "ring consumer" | "any shard";

/** One shared word (or pair of words: a 53-bit number as low and high half). */
export interface SharedWord {
  readonly table: "watermarks" | "interest" | "ring" | "isolate" | "flush worker";
  readonly index: number;
  readonly name: string;
  readonly writer: Party;
  readonly readers: readonly Party[];
  readonly meaning: string;
  readonly wrap: string;
}

const word = (
  table: SharedWord["table"],
  index: number,
  name: string,
  [writer, ...readers]: [Party, ...Party[]],
  [meaning, wrap]: [string, string],
): SharedWord => ({ table, index, name, writer, readers, meaning, wrap });

/** Index of each word in a partition's row of the watermark table (64 bytes a row). */
export const WATERMARK = {
  sequence: 0,
  state: 1,
  highWatermark: 2,
  lastStableOffset: 4,
  logStartOffset: 6,
  logEndOffset: 8,
  recoveryPoint: 10,
  highWatermarkBytes: 12,
  logEndBytes: 14,
} as const;

/** Index of each word in a ring's header; the two sides are 64 bytes apart. */
export const RING = { head: 0, tail: 16 } as const;

/** Index of each word in an isolate's row (192 bytes: words that the isolate writes, those that the main isolate writes, again its own). */
export const ISOLATE = {
  parked: 0,
  closed: 1,
  waited: 2,
  /** The first of the turn counters, one for each bucket of turn_times.ts. */
  turns: 3,
  longestTurn: 14,
  handlerFailures: 15,
  posted: 16,
  stopping: 17,
  followerLag: 32,
} as const;

/** Index of each word in a flush worker's row: one a log directory, behind those of the shards. Its mail has the same words as a shard's. */
export const FLUSH_WORKER = { parked: ISOLATE.parked, isServing: 1, stopping: ISOLATE.stopping } as const;

const OFFSET_WRAP = "none: below 2^53";

/** The table. */
export const sharedWords: readonly SharedWord[] = [
  word("watermarks", WATERMARK.sequence, "sequence", ["owner", "any shard", "main"], [
    "odd while the row is being written; readers retry until it is even and unchanged",
    "wraps at 2^32; only equality and parity count",
  ]),
  word("watermarks", WATERMARK.state, "state", ["owner", "any shard", "main"], [
    "in the lower 3 bits 0 closed, 1 open, 2 offline, 3 handed over by one shard for another to open, 4 closed by a clean stop; then 2 bits: 0 the only replica, 1 several, 3 several and too few of them in sync; above them a count of the beginnings and ends of this broker's leadership, odd while it leads",
    "the count wraps at 2^27; only equality and parity count",
  ]),
  word("watermarks", WATERMARK.highWatermark, "highWatermark", ["owner", "any shard", "main"], [
    "consumers see offsets below it",
    OFFSET_WRAP,
  ]),
  word("watermarks", WATERMARK.lastStableOffset, "lastStableOffset", ["owner", "any shard"], [
    "read_committed consumers see offsets below it",
    OFFSET_WRAP,
  ]),
  word("watermarks", WATERMARK.logStartOffset, "logStartOffset", ["owner", "any shard", "main"], [
    "first offset that may be read",
    OFFSET_WRAP,
  ]),
  word("watermarks", WATERMARK.logEndOffset, "logEndOffset", ["owner", "any shard"], [
    "offset the next record gets",
    OFFSET_WRAP,
  ]),
  word("watermarks", WATERMARK.recoveryPoint, "recoveryPoint", ["owner", "main"], [
    "records below it are durable",
    OFFSET_WRAP,
  ]),
  word("watermarks", WATERMARK.highWatermarkBytes, "highWatermarkBytes", ["owner", "any shard"], [
    "bytes below the high watermark that were appended since the broker opened the log; a fetch's min bytes are counted by its difference",
    OFFSET_WRAP,
  ]),
  word("watermarks", WATERMARK.logEndBytes, "logEndBytes", ["owner", "main"], [
    "bytes appended since the broker opened the log; a partition's weight in rebalancing is counted by its difference",
    OFFSET_WRAP,
  ]),
  word("interest", 0, "interest", ["shard", "owner"], [
    "1 while the shard of this column waits for the partition's high watermark to move",
    "none",
  ]),
  word("ring", RING.head, "head", ["ring producer", "ring consumer"], ["records ever published", "wraps at 2^32"]),
  word("ring", RING.tail, "tail", ["ring consumer", "ring producer"], ["records ever taken", "wraps at 2^32"]),
  word("isolate", ISOLATE.parked, "parked", ["shard", "any shard", "main"], [
    "1 while the shard is, or is about to be, blocked in epoll_wait: a sender then signals its eventfd",
    "none",
  ]),
  word("isolate", ISOLATE.closed, "closed", ["shard", "main"], [
    "connections that ended here or were transferred away, less those that other shards transferred here; the main isolate knows how many it sent",
    "wraps at 2^32; only the difference counts",
  ]),
  word("isolate", ISOLATE.waited, "waited", ["shard", "main"], [
    "microseconds the shard has waited in epoll_wait since the start; the rest of the elapsed time it was busy",
    "wraps at 2^32; only the difference counts",
  ]),
  word("isolate", ISOLATE.turns, "turns", ["shard", "main"], [
    "turns of the reactor by how long they took: 11 counters, the buckets are in turn_times.ts",
    "wraps at 2^32; only differences count",
  ]),
  word("isolate", ISOLATE.longestTurn, "longestTurn", ["shard", "main"], [
    "microseconds of the longest turn since the start",
    "none: stays at the largest int32",
  ]),
  word("isolate", ISOLATE.handlerFailures, "handlerFailures", ["shard", "main"], [
    "requests whose handler threw and that were answered with UNKNOWN_SERVER_ERROR",
    "wraps at 2^32; only differences count",
  ]),
  word("isolate", ISOLATE.posted, "posted", ["main", "shard"], [
    "structured messages the main isolate has posted to the shard; the reactor gives up its turn until it received them",
    "wraps at 2^32; only equality counts",
  ]),
  word("isolate", ISOLATE.stopping, "stopping", ["main", "shard"], [
    "1: a part of the broker failed; the shard closes its sockets and ends without a clean stop",
    "none",
  ]),
  word("isolate", ISOLATE.followerLag, "followerLag", ["shard", "main"], [
    "records that the follower lacks that is furthest behind, of the partitions that the shard leads; measured every second",
    "none: stays at the largest int32",
  ]),
  word("flush worker", FLUSH_WORKER.parked, "parked", ["flush worker", "any shard", "main"], [
    "1 while the worker is, or is about to be, blocked in epoll_wait: a sender then signals its eventfd",
    "none",
  ]),
  word("flush worker", FLUSH_WORKER.isServing, "isServing", ["flush worker", "any shard"], [
    "1 while the worker takes flushes; it looks into its rings once more after it wrote 0",
    "none",
  ]),
  word("flush worker", FLUSH_WORKER.stopping, "stopping", ["main", "flush worker"], [
    "1: the broker stops, and the worker ends",
    "none",
  ]),
];
