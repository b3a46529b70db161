/**
 * The state of a partition's replica on this broker: log end, high watermark, leader epoch. Pure: partition.ts reports what happened to the
 * log, publishes the row and notifies waiting requests. Runs on the shard that owns the partition.
 *
 *   event                     what changes                                                what follows
 *   appended()                log end                                                     nothing yet: see acknowledged()
 *   acknowledged()            high watermark, last stable offset                          complete, if it moved
 *   flushed()                 recovery point                                              publish
 *   logStartMoved()           log start                                                   complete
 *   failed() closed() removed()   state                                                   complete
 *   handedOver()              state, recovery point                                       publish
 *
 * Always: log start ≤ last stable offset ≤ high watermark ≤ log end. None of them moves back, except the log start of a removed replica.
 *
 * The replica leads the partition and is the only one in the in-sync set. The high watermark is the lowest log end that a member of the
 * set has acknowledged, hence this replica's own.
 * Source: Kafka's Partition (maybeIncrementLeaderHW) and UnifiedLog.
 */
import type { Offset } from "../../storage/base/units.ts";
import { toOffset } from "../../storage/base/units.ts";
import type { Refusal } from "../requests/refusals.ts";
import { emptyWatermarks, partitionState, type Watermarks } from "../shared/watermarks.ts";

/** What follows from an event. "publish": the row has changed. "complete": the row has changed, and waiting requests may be complete. */
export type Consequence = "nothing" | "publish" | "complete";

/** `acks` of a produce that waits for all in-sync replicas. */
const ACKS_ALL = -1;

/** The offsets of a log when it is opened. */
export interface LogExtent {
  readonly logStartOffset: Offset;
  readonly logEndOffset: Offset;
  readonly recoveryPoint: Offset;
}

/** The state of one replica. */
export class ReplicaState {
  readonly #row: Watermarks = emptyWatermarks();
  #leaderEpoch: number;

  /**
   * @param log its offsets at opening; all of it is committed @param leaderEpoch epoch in which this replica leads
   * @param logEndBytes the row's value, when another shard handed the log over
   */
  constructor(log: LogExtent, leaderEpoch: number, logEndBytes = 0) {
    const row = this.#row;
    row.state = partitionState.open;
    row.logStartOffset = log.logStartOffset;
    row.logEndOffset = log.logEndOffset;
    row.recoveryPoint = log.recoveryPoint;
    row.logEndBytes = logEndBytes;
    this.#leaderEpoch = leaderEpoch;
    this.acknowledged();
  }

  /** The values to publish: always the same object, valid until the next event. */
  get row(): Readonly<Watermarks> {
    return this.#row;
  }

  /** Epoch of the leadership. */
  get leaderEpoch(): number {
    return this.#leaderEpoch;
  }

  /** Whether requests are served. */
  get isOpen(): boolean {
    return this.#row.state === partitionState.open;
  }

  /** The replica leads in this epoch from now on. @returns whether the epoch changed */
  lead(leaderEpoch: number): boolean {
    const isNew = leaderEpoch !== this.#leaderEpoch;
    this.#leaderEpoch = leaderEpoch;
    return isNew;
  }

  /** The log has grown; consumers see nothing of it before `acknowledged()`. @param logEndOffset the new one @param bytes appended */
  appended(logEndOffset: Offset, bytes: number): void {
    this.#row.logEndOffset = logEndOffset;
    this.#row.logEndBytes += bytes;
  }

  /** All that was appended is as durable as the topic asks for (`flush.messages`): this replica acknowledges its log end. */
  acknowledged(): Consequence {
    const row = this.#row;
    if (row.highWatermark === row.logEndOffset) return "nothing";
    row.highWatermark = row.logEndOffset;
    row.lastStableOffset = row.logEndOffset;
    row.highWatermarkBytes = row.logEndBytes;
    return "complete";
  }

  /** A flush has ended. @param recoveryPoint records below it are durable */
  flushed(recoveryPoint: Offset): Consequence {
    this.#row.recoveryPoint = recoveryPoint;
    return "publish";
  }

  /** Records below an offset were deleted: requests that wait for them can be answered. */
  logStartMoved(logStartOffset: Offset): Consequence {
    this.#row.logStartOffset = logStartOffset;
    return "complete";
  }

  /** The disk failed. The replica serves no more requests, because records that were not written may be lost. */
  failed(): Consequence {
    if (!this.isOpen) return "nothing";
    this.#row.state = partitionState.offline;
    return "complete";
  }

  /** The log was closed. @param recoveryPoint records below it are durable @param isClean the log needs no recovery */
  closed(recoveryPoint: Offset, isClean: boolean): Consequence {
    this.#row.state = isClean ? partitionState.closedCleanly : partitionState.closed;
    this.#row.recoveryPoint = recoveryPoint;
    return "complete";
  }

  /** The log was removed. The row may be reused by another partition, whose checkpoints must not begin with this one's offsets. */
  removed(): Consequence {
    this.#row.logStartOffset = toOffset(0);
    return this.closed(toOffset(0), false);
  }

  /** The log was closed for another shard to open. No one is notified: waiting requests wait for the next owner. */
  handedOver(recoveryPoint: Offset): Consequence {
    this.#row.state = partitionState.handedOver;
    this.#row.recoveryPoint = recoveryPoint;
    return "publish";
  }

  /** Whether a produce is complete: its `acks` is satisfied. @param nextOffset offset after its last record */
  isComplete(acks: number, nextOffset: Offset): boolean {
    return acks !== ACKS_ALL || this.#row.highWatermark >= nextOffset;
  }

  /** Why a request is refused; null when it is served. @param leaderEpoch the epoch that the client knows, -1 for no check (KIP-320) */
  refusalOf(leaderEpoch: number): Refusal | null {
    if (!this.isOpen) return "log-offline";
    if (leaderEpoch < 0 || leaderEpoch === this.#leaderEpoch) return null;
    return leaderEpoch < this.#leaderEpoch ? "fenced-leader-epoch" : "unknown-leader-epoch";
  }
}
