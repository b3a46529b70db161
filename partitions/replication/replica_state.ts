/**
 * The replica of a partition on this broker: how far its log goes, what of it is committed, and in which leader epoch. Pure: partition.ts
 * reports what happened to the log, publishes the row and tells whoever waits. Runs on the shard that owns the partition.
 *
 *   event                     what changes                                                what follows
 *   appended()                log end                                                     nothing yet: see acknowledged()
 *   acknowledged()            high watermark, last stable offset                          complete, if it moved
 *   flushed()                 recovery point                                              publish
 *   logStartMoved()           log start                                                   complete
 *   failed() closed() removed()   state                                                   complete
 *   handedOver()              state, recovery point                                       publish
 *
 * Always: log start ≤ last stable offset ≤ high watermark ≤ log end. Of these, only the log start of a removed replica moves back.
 *
 * The replica leads the partition, and the in-sync set is this replica alone. The high watermark is the lowest log end that a member of
 * the set has acknowledged, hence this replica's own.
 * Source: Kafka's Partition (maybeIncrementLeaderHW) and UnifiedLog.
 */
import type { Offset } from "../../storage/base/units.ts";
import { toOffset } from "../../storage/base/units.ts";
import type { Refusal } from "../requests/refusals.ts";
import { emptyWatermarks, partitionState, type Watermarks } from "../shared/watermarks.ts";

/** What follows from an event. "publish": the row has changed. "complete": so it has, and what waits for the partition may be complete. */
export type Consequence = "nothing" | "publish" | "complete";

/** `acks` of a produce that waits for all in-sync replicas. */
const ACKS_ALL = -1;

/** How far a log goes when it is opened. */
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
   * @param log as it was opened; all of it is committed @param leaderEpoch in which this replica leads
   * @param logEndBytes what the row says of a log that another shard handed over
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

  /** What every isolate is to see: the same object always, valid until the next event. */
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

  /** The replica leads in this epoch from now on. @returns whether it is another epoch than before */
  lead(leaderEpoch: number): boolean {
    const isNew = leaderEpoch !== this.#leaderEpoch;
    this.#leaderEpoch = leaderEpoch;
    return isNew;
  }

  /** The log has grown. Nobody sees it before `acknowledged()`. @param logEndOffset the new one @param bytes by which it has grown */
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

  /** Records below an offset were deleted: requests that wait for one of them can be answered. */
  logStartMoved(logStartOffset: Offset): Consequence {
    this.#row.logStartOffset = logStartOffset;
    return "complete";
  }

  /** The disk failed. Nothing is served any more, because what it failed to write may be lost. */
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

  /** The log was removed. The row may become another partition's, whose checkpoints must not begin with this one's offsets. */
  removed(): Consequence {
    this.#row.logStartOffset = toOffset(0);
    return this.closed(toOffset(0), false);
  }

  /** The log was closed for another shard to open. Nobody is told: waiting requests wait for the next owner. */
  handedOver(recoveryPoint: Offset): Consequence {
    this.#row.state = partitionState.handedOver;
    this.#row.recoveryPoint = recoveryPoint;
    return "publish";
  }

  /** Whether a produce is complete whose last record is the one before `nextOffset`: all that its `acks` asks for has happened. */
  isComplete(acks: number, nextOffset: Offset): boolean {
    return acks !== ACKS_ALL || this.#row.highWatermark >= nextOffset;
  }

  /** Why a request is refused, null when it is served. @param leaderEpoch the epoch that the client knows, -1 for no check (KIP-320) */
  refusalOf(leaderEpoch: number): Refusal | null {
    if (!this.isOpen) return "log-offline";
    if (leaderEpoch < 0 || leaderEpoch === this.#leaderEpoch) return null;
    return leaderEpoch < this.#leaderEpoch ? "fenced-leader-epoch" : "unknown-leader-epoch";
  }
}
