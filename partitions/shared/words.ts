/**
 * Every word of shared memory that two isolates use: its table, its index, its one writer and its readers. Data only; a test checks that
 * each word has one writer. There are no locks and no read-modify-write operations: the data is written first, and the word that announces
 * it is stored last with `Atomics.store`.
 */

/** Who writes or reads a word. "owner" is the shard that owns the partition. */
export type Party = "main" | "owner" | "shard" | "flush worker" | "ring producer" | "ring consumer" | "any shard";

/** One shared word (or pair of words: a 53-bit number as low and high half). */
export interface SharedWord {
  readonly table:
    | "watermarks"
    | "interest"
    | "ring"
    | "isolate"
    | "flush worker"
    | "counters"
    | "traffic"
    | "rates";
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

/**
 * Index of each word in a shard's counters (counters/shard_counters.ts). A total has three words, and counts one; a list begins with its
 * first word.
 */
export const COUNTER = {
  waitedUs: 0,
  bytesIn: 3,
  bytesOut: 6,
  bytesRejected: 9,
  messagesIn: 12,
  replicationBytesIn: 15,
  replicationBytesOut: 18,
  produceRequests: 21,
  failedProduceRequests: 24,
  fetchRequests: 27,
  failedFetchRequests: 30,
  connectionsCreated: 48,
  connectionsClosed: 64,
  requests: 80,
  flushTimes: 208,
  errors: 336,
  requestTimes: 336 + 128 * 160,
} as const;

/**
 * Index of each word in the row of a partition among a shard's counters (counters/partition_traffic.ts): 128 bytes, of which the first 64
 * have all that requests without failures change.
 */
export const TRAFFIC = {
  bytesIn: 0,
  messagesIn: 3,
  produceRequests: 6,
  bytesOut: 9,
  fetchRequests: 12,
  bytesRejected: 16,
  failedProduceRequests: 19,
  failedFetchRequests: 22,
} as const;

/** Index of each word in a row of the rate table (64 bytes a row; each shard has its own part of the table). */
export const RATE = { sequence: 0, hash: 1, used: 6, total: 8, at: 10, due: 12, perSecond: 14 } as const;

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
  ...totals("counters", COUNTER, {
    waitedUs: "microseconds the shard has waited in epoll_wait",
    bytesIn: "bytes of batches that clients have produced",
    bytesOut: "bytes of records in answers to consumers",
    bytesRejected: "bytes of batches that were too large",
    messagesIn: "records that clients have produced",
    replicationBytesIn: "bytes of records that this broker has fetched as a follower",
    replicationBytesOut: "bytes of records in answers to followers",
    produceRequests: "partitions of Produce requests, as Kafka counts them",
    failedProduceRequests: "of them, those that failed unexpectedly",
    fetchRequests: "partitions of Fetch requests",
    failedFetchRequests: "of them, those that failed unexpectedly",
  }),
  ...counts("counters", COUNTER, {
    connectionsCreated: "connections that the main isolate has transferred here: 16 counts, by listener",
    connectionsClosed: "connections that were closed here: 16 counts, by listener",
    requests: "requests: 128 counts, by API key",
    flushTimes: "how long flushes took: a histogram (counters/histogram.ts)",
    errors: "error codes in answers: 160 counts for each of 128 API keys",
    requestTimes:
      "how long requests took: for each of 128 API keys a histogram of each kind in counters/shard_counters.ts",
  }),
  ...totals("traffic", TRAFFIC, {
    bytesIn: "bytes of the partition's batches that clients have produced",
    bytesOut: "bytes of its records in answers to consumers",
    messagesIn: "its records that clients have produced",
    bytesRejected: "bytes of its batches that were too large",
    produceRequests: "Produce requests that named it",
    failedProduceRequests: "of them, those that failed unexpectedly",
    fetchRequests: "Fetch requests that read it",
    failedFetchRequests: "of them, those that failed unexpectedly",
  }),
  word("rates", RATE.sequence, "sequence", ["shard", "any shard"], [
    "odd while the row is being written; readers retry until it is even and unchanged",
    "wraps at 2^32; only equality and parity count",
  ]),
  word("rates", RATE.hash, "hash", ["shard", "any shard"], [
    "whose row it is: 4 words of a hash; the first is 0 while it is nobody's",
    "none",
  ]),
  word("rates", RATE.used, "used", ["shard", "any shard"], [
    "what they have used on the shard since they have the row, a float64 as all words that follow",
    "none: exact below 2^53",
  ]),
  word("rates", RATE.total, "total", ["shard", "any shard"], [
    "the sum of that over all shards at the time of `at`",
    "none",
  ]),
  word("rates", RATE.at, "at", ["shard", "any shard"], ["when the shard counted last, in ms", "none"]),
  word("rates", RATE.due, "due", ["shard", "any shard"], ["when the total is paid for by the rate, in ms", "none"]),
  word("rates", RATE.perSecond, "perSecond", ["shard", "any shard"], ["the rate by which it was", "none"]),
];

/** Rows of totals. */
function totals<Name extends string>(
  table: SharedWord["table"],
  indexes: Readonly<Record<Name, number>>,
  meanings: Readonly<Partial<Record<Name, string>>>,
): SharedWord[] {
  const wrap = "none: three words for a number below 2^53 (counters/total_words.ts)";
  return rowsOf(table, indexes, { meanings, wrap });
}

/** Rows of counts. */
function counts<Name extends string>(
  table: SharedWord["table"],
  indexes: Readonly<Record<Name, number>>,
  meanings: Readonly<Partial<Record<Name, string>>>,
): SharedWord[] {
  return rowsOf(table, indexes, { meanings, wrap: "wraps at 2^32; only differences count" });
}

function rowsOf<Name extends string>(
  table: SharedWord["table"],
  indexes: Readonly<Record<Name, number>>,
  { meanings, wrap }: { meanings: Readonly<Partial<Record<Name, string>>>; wrap: string },
): SharedWord[] {
  return Object.entries<string | undefined>(meanings).map(([name, meaning = ""]) =>
    word(table, indexes[name as Name], name, ["shard", "main"], [meaning, wrap])
  );
}
