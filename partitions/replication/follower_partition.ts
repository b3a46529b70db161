/**
 * What a fetcher does with a partition that this broker follows: appends what the leader sent, and cuts off what the leader does not have.
 * The log's events are reported to the replica, as in partition.ts. Runs on the shard that owns the partition.
 *
 *   answer with records      log.appendAsFollower() ─► appended() ─► as durable as the topic asks for: acknowledged()
 *                            ─► leaderAnswered() ─► the log start moves to the leader's
 *   the leader's history     log.truncateTo() ─► truncated(): high watermark and acknowledged end stay within the log
 *   differs
 *
 * Always: the high watermark is at most the leader's and the log end. No segment is cut or removed that a cleaner reads.
 * Source: Kafka's ReplicaFetcherThread.processPartitionData, Partition.appendRecordsToFollowerOrFutureReplica, LogManager.truncateTo.
 */
import type { FetchedBatches, FollowerAppend, Log, NativeMemory, Offset } from "../../storage/mod.ts";
import { toOffset } from "../../storage/mod.ts";
import { assert } from "../../storage/base/assert.ts";
import type { Consequence, ReplicaState } from "./replica_state.ts";

/** What the leader says in an answer besides its records. */
export interface LeaderOffsets {
  readonly highWatermark: Offset;
  readonly logStartOffset: Offset;
}

/** How a truncation ended. "busy": a cleaner reads what would be cut off; it has to be aborted first, or to come to its end. */
export type TruncationOutcome = "truncated" | "refused" | "busy";

/** The partition that is followed (partitions/owned/partition.ts). */
export interface FollowedPartition {
  readonly log: Log;
  readonly replica: ReplicaState;
  /** Whether a cleaner reads closed segments, or new ones are put in their place. */
  readonly isBeingCleaned: boolean;
  /** Moves the log start forward. */
  moveLogStart(start: Offset): void;
}

/** What follows from an answer of the leader. */
export interface FollowerEvents {
  /** Carries out the consequence of an event of the replica. */
  follow(consequence: Consequence): void;
  /** Batches are in the log: flushes what the topic asks for, and acknowledges. */
  onAppended(bytes: number, nowMs: number): void;
  /** The disk refused something, a sentence. @param isFinal whether trying again does not help if the log is offline */
  onRefused(message: string, isFinal: boolean): void;
  /** Files that another thread has to remove after `file.delete.delay.ms`. */
  onRemoved(paths: readonly string[]): void;
  /** The log ends where it was cut off. */
  onTruncated(): void;
}

/** The follower's side of one partition. */
export class FollowerPartition {
  readonly #partition: FollowedPartition;
  readonly #events: FollowerEvents;

  constructor(partition: FollowedPartition, events: FollowerEvents) {
    this.#partition = partition;
    this.#events = events;
  }

  /** The offset that is fetched next. What lies below is acknowledged to the leader by asking for it. */
  get fetchOffset(): Offset {
    return this.#partition.replica.acknowledgedEnd;
  }

  /**
   * Takes over an answer of the leader.
   * @param memory holds the records @param fetched where they lie, perhaps none @param leader its offsets at that time
   */
  append(memory: NativeMemory, fetched: FetchedBatches, leader: LeaderOffsets): FollowerAppend {
    const { log, replica } = this.#partition;
    assert(
      !replica.isLeader && fetched.leaderEpoch === replica.leaderEpoch,
      "answers of another leadership are dropped",
    );
    const result = log.appendAsFollower(memory, fetched);
    if (result.bytes > 0) {
      replica.appended(log.logEndOffset, result.bytes);
      this.#events.onAppended(result.bytes, fetched.nowMs);
    }
    if (result.refusal === "log-offline") this.#events.onRefused(result.message, true);
    if (!replica.isOpen) return result;
    const moved = replica.leaderAnswered(leader.highWatermark);
    this.#events.follow(moved === "nothing" && result.bytes > 0 ? "publish" : moved);
    const start = Math.min(leader.logStartOffset, replica.row.highWatermark);
    this.#partition.moveLogStart(toOffset(start));
    return result;
  }

  /** Cuts off all from an offset on, because the leader has another history there. */
  truncateTo(offset: Offset): TruncationOutcome {
    const { log, replica } = this.#partition;
    assert(!replica.isLeader, "the log of a leader only grows");
    // A cleaner only reads closed segments.
    if (offset < log.activeBaseOffset && this.#partition.isBeingCleaned) return "busy";
    return this.#end(log.truncateTo(offset));
  }

  /** Removes everything and continues where the leader's log begins: the high watermark is there too (KAFKA-9491). */
  truncateFullyAndStartAt(offset: Offset): TruncationOutcome {
    assert(!this.#partition.replica.isLeader, "the log of a leader only grows");
    if (this.#partition.isBeingCleaned) return "busy";
    return this.#end(this.#partition.log.truncateFullyAndStartAt(offset));
  }

  #end({ refusal, removedPaths, isUnfinished }: ReturnType<Log["truncateTo"]>): TruncationOutcome {
    const { log, replica } = this.#partition;
    if (removedPaths.length > 0) this.#events.onRemoved(removedPaths);
    if (refusal !== null) {
      this.#events.onRefused(`Cannot truncate the log: ${refusal}`, !isUnfinished);
      return "refused";
    }
    this.#events.follow(replica.truncated(log));
    this.#events.onTruncated();
    return "truncated";
  }
}
