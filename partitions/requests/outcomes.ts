/**
 * A partition's answers to appends and reads, the same on the asking shard and on another. Answers to questions have types here for the
 * partition that gives them; partitions/questions declares how they travel. Plain data; shards.
 *
 * Who owns the object of an answer:
 *   AppendOutcome   the partition: it is valid during the call, and the next append overwrites it
 *   ReadOutcome     the asker: it provides the object with `ReadWaiter.outcomeOf()`, and the partition fills it
 *   the others      the asker: each answer is a fresh object that it may keep (questions/question.ts)
 */
import { NO_OFFSET, type Offset } from "../../storage/base/units.ts";
import type { Refusal } from "./refusals.ts";

/** A batch to be appended: where it lies in the asker's arena, and what its request says. */
export interface AppendedBytes {
  readonly start: number;
  readonly length: number;
  readonly acks: number;
  /**
   * Whether a batch of its producer was refused before it on its connection; false by default. A log that does not know the producer must
   * not begin with it. One that knows it checks the sequence: the refused batch may have been a repeated one, which the log has.
   */
  readonly isAhead?: boolean;
}

/** Answer to an append; valid during the call. */
export interface AppendOutcome {
  refusal: Refusal | null;
  /** Index of the refused record; -1 for the batch as a whole. */
  recordIndex: number;
  /** Offset of the first record. */
  baseOffset: Offset;
  /** Offset after the last record: what the high watermark must reach for acks=all. */
  nextOffset: Offset;
  /** Whether the request's `acks` is satisfied; if not, the high watermark has yet to reach `nextOffset`. */
  isComplete: boolean;
  /** The leadership in which it was written (shared/watermarks.ts): only its high watermark counts. */
  leadership: number;
  /** The broker's time when the topic stores it (LogAppendTime), else -1. */
  appendTimeMs: number;
  logStartOffset: Offset;
}

/** An outcome to be filled. */
export function emptyAppendOutcome(): AppendOutcome {
  return {
    refusal: null,
    recordIndex: -1,
    baseOffset: NO_OFFSET,
    nextOffset: NO_OFFSET,
    isComplete: true,
    leadership: 0,
    appendTimeMs: -1,
    logStartOffset: NO_OFFSET,
  };
}

/** Turns an outcome into a refusal. */
export function refuseAppend(outcome: AppendOutcome, refusal: Refusal): void {
  outcome.refusal = refusal;
  outcome.recordIndex = -1;
  outcome.baseOffset = outcome.nextOffset = outcome.logStartOffset = NO_OFFSET;
  outcome.isComplete = true;
  outcome.appendTimeMs = -1;
}

/** Receives the outcomes of appends. */
export interface AppendWaiter {
  /** @param tag as given with the append @param outcome valid during the call */
  onAppended(tag: number, outcome: AppendOutcome): void;
}

/** The follower that a fetch comes from. */
export interface FollowerReader {
  /** Node id of the broker that the connection has proved to be. */
  readonly replica: number;
  /** Broker epoch of its process. */
  readonly brokerEpoch: number;
  /** Where its log starts. */
  readonly logStartOffset: Offset;
}

/** What a fetch asks of a partition. */
export interface ReadRequest {
  readonly fetchOffset: Offset;
  readonly maxBytes: number;
  /** The leader epoch the client knows, -1 for no check. */
  readonly currentLeaderEpoch: number;
  /** Epoch of the last record the client has, -1 for no check (KIP-595). */
  readonly lastFetchedEpoch: number;
  /** The first batch is returned even when it is larger than maxBytes (KIP-74). */
  readonly atLeastOne: boolean;
  /** Up to the last stable offset instead of the high watermark. */
  readonly committedOnly: boolean;
  /** A follower reads up to the log end, and by its fetch acknowledges what it has; null for a consumer. */
  readonly follower: FollowerReader | null;
}

/** Answer to a read, filled in place: a leased slice of a segment file, `length` 0 when there is nothing. */
export interface ReadOutcome {
  refusal: Refusal | null;
  fd: number;
  position: number;
  length: number;
  /** To be returned once the slice was sent; meaningless while `length` is 0. */
  lease: number;
  /** Whether the slice ends at the last visible record: more bytes for the fetch's min bytes have yet to be produced. */
  reachesEnd: boolean;
  highWatermark: Offset;
  lastStableOffset: Offset;
  logStartOffset: Offset;
  /** The partition's bytes that this reader sees at this time: below the high watermark, or the log end (shared/watermarks.ts). */
  visibleBytes: number;
  /** Where the client's log diverges from the leader's; the epoch is -1 when it does not. */
  divergingEpoch: number;
  divergingEndOffset: Offset;
}

/** One for each partition of a fetch, so it is not made by a literal (net/protocol/plain_constructor.ts). */
class EmptyReadOutcome implements ReadOutcome {
  refusal = null;
  fd = -1;
  position = 0;
  length = 0;
  lease = 0;
  reachesEnd = true;
  highWatermark = NO_OFFSET;
  lastStableOffset = NO_OFFSET;
  logStartOffset = NO_OFFSET;
  visibleBytes = 0;
  divergingEpoch = -1;
  divergingEndOffset = NO_OFFSET;
}

/** An outcome to be filled. */
export function emptyReadOutcome(): ReadOutcome {
  return new EmptyReadOutcome();
}

/** Turns an outcome into a refusal. */
export function refuseRead(outcome: ReadOutcome, refusal: Refusal): void {
  outcome.refusal = refusal;
  outcome.length = 0;
  outcome.highWatermark = outcome.lastStableOffset = outcome.logStartOffset = NO_OFFSET;
  outcome.divergingEpoch = -1;
  outcome.divergingEndOffset = NO_OFFSET;
  outcome.reachesEnd = true;
}

/** Receives the outcomes of reads. */
export interface ReadWaiter {
  /** The outcome to fill for this part. @param tag as given with the read */
  outcomeOf(tag: number): ReadOutcome;
  /** The outcome is filled. */
  onRead(tag: number): void;
}

/** Answer to ListOffsets; fresh. */
export interface ListOffsetOutcome {
  refusal: Refusal | null;
  /** -1 when no record matches. */
  offset: Offset;
  timestamp: number;
  leaderEpoch: number;
}

/** Answer to OffsetForLeaderEpoch; fresh. */
export interface EpochEndOutcome {
  refusal: Refusal | null;
  /** Largest epoch up to the asked one, -1 for none. */
  leaderEpoch: number;
  /** Where it ends, -1 for none. */
  endOffset: Offset;
}

/** Answer to DeleteRecords; fresh. */
export interface DeletionOutcome {
  refusal: Refusal | null;
  /** Where the log starts now, -1 when refused. */
  logStartOffset: Offset;
}
