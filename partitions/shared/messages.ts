/**
 * The records that travel through the rings: the meaning of each word, declared once for both ends. Word 0 is always the kind. Word 1 of
 * a request is the number of the sender's operation; the answer repeats it. Data only.
 *
 * "slot" is a partition's row in the watermark table, "refusal" a number from partitions/requests/refusals.ts (0 = none).
 */

/** What a record is. */
export const kind = {
  connection: 1,
  append: 2,
  appended: 3,
  read: 4,
  readDone: 5,
  release: 6,
  question: 7,
  answer: 8,
  listTaken: 9,
  watermark: 10,
  coordinatorCall: 11,
  coordinatorCallTaken: 12,
  coordinatorAnswer: 13,
  coordinatorAnswerTaken: 14,
  connectionTaken: 15,
  flush: 16,
  flushed: 17,
} as const;

/**
 * main → shard: an accepted connection. shard → shard: a transferred connection, and how often it was transferred. "peer" is the number
 * under which the main isolate counts the connection, 0 for none. What is known of the client lies in the sender's arena; a length of 0
 * means that nothing is known yet. main → shard, with another role: a connection to another broker, which the shard has asked for under the
 * number in "peer".
 */
export const connection = { fd: 1, listener: 2, transfers: 3, peer: 4, block: 5, length: 6, role: 7 } as const;
/** Who made a connection. */
export const connectionRole = { client: 0, outgoing: 1 } as const;

/**
 * shard → owner: append the batch at these bytes of the sender's arena. The sender holds them until the answer. From "acks" the owner
 * derives whether the append is complete with the answer. "isAhead": a batch of its producer was refused before it on its connection.
 */
export const append = { operation: 1, slot: 2, start: 3, length: 4, acks: 5, isAhead: 6 } as const;
/** The answer; floats hold the offsets. */
export const appended = {
  operation: 1,
  refusal: 2,
  recordIndex: 3,
  isComplete: 4,
  leadership: 5,
  floats: { baseOffset: 0, nextOffset: 1, appendTimeMs: 2, logStartOffset: 3 },
} as const;

/** shard → owner: lend a slice of the log for a fetch. "replica" is -1 for a consumer; the last two floats are those of a follower. */
export const read = {
  operation: 1,
  slot: 2,
  maxBytes: 3,
  currentLeaderEpoch: 4,
  lastFetchedEpoch: 5,
  atLeastOne: 6,
  committedOnly: 7,
  replica: 8,
  floats: { fetchOffset: 0, brokerEpoch: 1, logStartOffset: 2 },
} as const;
/** The answer; a length above 0 comes with a lease, which the receiver returns with `release`. */
export const readDone = {
  operation: 1,
  refusal: 2,
  fd: 3,
  length: 4,
  lease: 5,
  divergingEpoch: 6,
  reachesEnd: 7,
  floats: {
    position: 0,
    highWatermark: 1,
    lastStableOffset: 2,
    logStartOffset: 3,
    visibleBytes: 4,
    divergingEndOffset: 5,
  },
} as const;
/** shard → owner: a leased slice has been sent. */
export const release = { lease: 1 } as const;

/** shard → owner: a question; its own words follow (partitions/questions/layout.ts). */
export const question = { operation: 1, slot: 2, question: 3, firstField: 4 } as const;
/** The answer; its list lies in the owner's arena. A length of 0 is an empty list. */
export const answer = { operation: 1, refusal: 2, block: 3, start: 4, length: 5, firstField: 6 } as const;

/** owner → waiting shard: the partition's high watermark has moved, or the partition was removed; the table has the values. */
export const watermark = { slot: 1 } as const;

/**
 * shard → the shard that coordinates a group: a request whose bytes (client id, client host, the request in its version) lie in the
 * sender's arena, in a block that the sender holds until the request was read (partitions/remote/parcels.ts).
 */
export const coordinatorCall = { operation: 1, apiKey: 2, apiVersion: 3, block: 4, start: 5, length: 6 } as const;
/** The answer in the request's version, in the coordinator's arena. A length of -1: the protocol cannot carry the answer. */
export const coordinatorAnswer = { operation: 1, block: 2, start: 3, length: 4 } as const;

/**
 * shard → flush worker: make files durable (partitions/flush_worker/flush_records.ts). "files" are descriptors, from `firstFile` on; that
 * of the last file of each partition is stored inverted. An operation with more files than one record has room for takes several.
 */
export const flush = { operation: 1, isLast: 2, files: 3, firstFile: 4 } as const;
/** The answer: bit n says that a file of the operation's n-th partition failed. */
export const flushed = { operation: 1, failedLow: 2, failedHigh: 3 } as const;

/**
 * Kinds `connectionTaken`, `listTaken`, `coordinatorCallTaken` and `coordinatorAnswerTaken`: the bytes that a record pointed to in the
 * arena of the shard that receives this one have been read. That shard may reuse them.
 */
export const taken = { block: 1 } as const;

/** A kind of record that has the layout `taken`. */
export type TakenKind =
  | typeof kind.connectionTaken
  | typeof kind.listTaken
  | typeof kind.coordinatorCallTaken
  | typeof kind.coordinatorAnswerTaken;
