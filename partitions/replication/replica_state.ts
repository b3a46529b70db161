/**
 * The state of a partition's replica on this broker: log end, high watermark, leader epoch. Pure: partition.ts reports what happened to the
 * log, publishes the row and notifies waiting requests. Runs on the shard that owns the partition.
 *
 *   event                     what changes                                                what follows
 *   appended()                log end                                                     nothing yet: see acknowledged()
 *   acknowledged()            high watermark, last stable offset                          complete, if it moved
 *   replicated()              a leader's high watermark, where it has followers           complete, if it moved
 *   flushBegan()              nothing: the log end that the flush covers is noted         nothing
 *   flushed()                 recovery point, and the high watermark up to the noted end  publish; complete, if it moved
 *   logStartMoved()           log start                                                   complete
 *   lead()                    leader epoch, and from follower to leader the high          complete, if a leadership began
 *                             watermark, up to what was acknowledged
 *   follow()                  leader epoch                                                complete, if a leadership ended
 *   leaderAnswered()          a follower's high watermark                                 complete, if it moved
 *   truncated()               everything, downwards                                       complete
 *   failed() closed() removed()   state                                                   complete
 *   handedOver()              state, recovery point                                       publish
 *
 * Always: log start ≤ last stable offset ≤ high watermark ≤ log end. None of them moves back, except the log start of a removed replica,
 * and all of them in truncated().
 *
 * The high watermark is the lowest log end that a member of the in-sync set has acknowledged: this replica's own where it is the only
 * one. A leader of several replicas is told it (leader_partition.ts), and goes no further than it has acknowledged itself. The replica
 * acknowledges records once they are as durable as the topic asks for: when they are written, or when a flush has covered them
 * (`flush.messages`). So consumers see no record before its flush, and acks=1 waits for it like acks=all. (Kafka flushes within the
 * append, before the high watermark moves.)
 *
 * A follower has its high watermark from the leader, and from the checkpoint when it starts. It acknowledges records to the leader
 * (`acknowledgedEnd`). What lies below its high watermark is committed, also if the next leader does not know it yet: it does not move back.
 * (Kafka's follower takes over a lower one.) Only after an unclean election the log is truncated below it.
 * Source: Kafka's Partition (maybeIncrementLeaderHW) and UnifiedLog.append.
 */
import type { Offset } from "../../storage/base/units.ts";
import { toOffset } from "../../storage/base/units.ts";
import { assert } from "../../storage/base/assert.ts";
import type { Refusal } from "../requests/refusals.ts";
import {
  emptyWatermarks,
  isLed,
  nextLeadership,
  partitionState,
  replication,
  type Watermarks,
} from "../shared/watermarks.ts";

/** What follows from an event. "publish": the row has changed. "complete": the row has changed, and waiting requests may be complete. */
export type Consequence = "nothing" | "publish" | "complete";

/** `acks` of a produce that waits for nothing, and of one that waits for the in-sync replicas. */
const ACKS_NONE = 0;
const ACKS_ALL = -1;

/** The offsets of a log when it is opened. */
export interface LogExtent {
  readonly logStartOffset: Offset;
  readonly logEndOffset: Offset;
  readonly recoveryPoint: Offset;
  /** lostFrom: records from there on may be missing in between (storage/log/log_loader.ts); null, the default, where none are. */
  readonly found?: { readonly lostFrom: Offset | null };
}

/** How a replica begins. */
export interface ReplicaBeginning {
  /** The leadership of the row before (shared/watermarks.ts): nobody who waits for it waits for this one. */
  readonly lastLeadership?: number;
  /** The row, when another shard handed the log over: its high watermark stays until `acknowledged()`. */
  readonly handedOver?: Readonly<Watermarks> | null;
  /** The checkpointed high watermark of a follower; null, the default, for a leader, whose whole log is committed. */
  readonly followsFrom?: Offset | null;
  /** Whether it has no followers when it leads; true by default. */
  readonly isAlone?: boolean;
}

/** The state of one replica. */
export class ReplicaState {
  readonly #row: Watermarks = emptyWatermarks();
  #leaderEpoch: number;
  /** Whether it leads without followers: what it acknowledges is committed. */
  #isAlone: boolean;
  /** Records of a replica that is not alone below it are as durable as the topic asks for. */
  #acknowledgedEnd: Offset;
  /** The log end when the flush that is under way began, and the bytes below it. */
  #flushingEnd = toOffset(0);
  #lostFrom: Offset | null = null;
  #flushingBytes = 0;

  /** @param log its offsets at opening @param leaderEpoch epoch of the leader, which this replica is or follows */
  constructor(log: LogExtent, leaderEpoch: number, beginning: ReplicaBeginning = {}) {
    const { handedOver = null, followsFrom = null, lastLeadership = 0, isAlone = true } = beginning;
    const row = this.#row;
    if (handedOver !== null) Object.assign(row, handedOver);
    row.state = partitionState.open;
    row.logStartOffset = log.logStartOffset;
    row.logEndOffset = log.logEndOffset;
    row.recoveryPoint = log.recoveryPoint;
    this.#leaderEpoch = leaderEpoch;
    this.#isAlone = isAlone && followsFrom === null;
    if (isAlone || followsFrom !== null) row.replication = replication.none;
    if (handedOver === null) row.leadership = nextLeadership(lastLeadership, followsFrom === null);
    else this.#become(followsFrom === null);
    this.#acknowledgedEnd = clamp(log.recoveryPoint, row);
    if (handedOver === null) this.acknowledged();
    if (followsFrom !== null) this.#lostFrom = log.found?.lostFrom ?? null;
    row.recoveryPoint = this.#checkpointed(log.recoveryPoint);
    if (followsFrom !== null) this.#moveTo(clamp(Math.max(row.highWatermark, followsFrom), row));
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

  /** Whether this replica leads the partition; otherwise it follows the leader. */
  get isLeader(): boolean {
    return isLed(this.#row);
  }

  /** Whether appends are taken: it leads and is open. */
  get takesAppends(): boolean {
    return this.isOpen && this.isLeader;
  }

  /** Whether records were appended that are not acknowledged yet. */
  get hasUnacknowledged(): boolean {
    return this.acknowledgedEnd < this.#row.logEndOffset;
  }

  /** The replica has acknowledged the records below it: a follower fetches from here on. */
  get acknowledgedEnd(): Offset {
    return this.#isAlone ? this.#row.highWatermark : this.#acknowledgedEnd;
  }

  /** The replica leads in this epoch from now on. @param isAlone whether it has no followers: then it commits what it has acknowledged */
  lead(leaderEpoch: number, isAlone = true): Consequence {
    const { acknowledgedEnd } = this;
    const hasBegun = this.#become(true);
    this.#lostFrom = null;
    const hasChanged = hasBegun || isAlone !== this.#isAlone;
    this.#leaderEpoch = leaderEpoch;
    this.#acknowledgedEnd = acknowledgedEnd;
    this.#isAlone = isAlone;
    if (!hasChanged) return "nothing";
    this.#row.replication = isAlone ? replication.none : replication.several;
    if (isAlone) this.#moveTo(acknowledgedEnd);
    return "complete";
  }

  /** The replica does not lead from now on: another one does in this epoch, or none. Who waits for its leadership waits in vain. */
  follow(leaderEpoch: number): Consequence {
    const { acknowledgedEnd } = this;
    const hasEnded = this.#become(false);
    this.#leaderEpoch = leaderEpoch;
    this.#acknowledgedEnd = acknowledgedEnd;
    this.#isAlone = false;
    this.#row.replication = replication.none;
    return hasEnded ? "complete" : "nothing";
  }

  /**
   * Whether records may be missing that the leader has: a loss of power may have taken them, and left others behind them. As the leader
   * takes what a follower asks for as what it has, they have to be fetched again. Once this replica leads, its log is what counts. Until
   * then starts have to find it again: the recovery point stays below, and no stop is a clean one.
   */
  get mayLack(): boolean {
    return this.#lostFrom !== null;
  }

  /** From where on they have to be fetched again, or null. Told once, when another broker leads. */
  takeLostFrom(): Offset | null {
    const lostFrom = this.#lostFrom;
    this.#lostFrom = null;
    return lostFrom;
  }

  /** The log has grown; consumers see nothing of it before `acknowledged()`. @param logEndOffset the new one @param bytes appended */
  appended(logEndOffset: Offset, bytes: number): void {
    this.#row.logEndOffset = logEndOffset;
    this.#row.logEndBytes += bytes;
  }

  /** All that was appended is as durable as the topic asks for (`flush.messages`): this replica acknowledges its log end. */
  acknowledged(): Consequence {
    const row = this.#row;
    return this.#commit(row.logEndOffset, row.logEndBytes) ? "complete" : "nothing";
  }

  /** A flush of everything appended so far begins. One flush may need several calls, for a few segments each. */
  flushBegan(): void {
    const row = this.#row;
    if (this.#flushingEnd > row.recoveryPoint) return;
    this.#flushingEnd = row.logEndOffset;
    this.#flushingBytes = row.logEndBytes;
  }

  /** A flush has ended: records that waited for it are acknowledged. @param recoveryPoint records below it are durable */
  flushed(recoveryPoint: Offset): Consequence {
    this.#row.recoveryPoint = this.#checkpointed(recoveryPoint);
    const isReached = recoveryPoint >= this.#flushingEnd;
    return isReached && this.#commit(this.#flushingEnd, this.#flushingBytes) ? "complete" : "publish";
  }

  /** Records below an offset were deleted: requests that wait for them can be answered. */
  logStartMoved(logStartOffset: Offset): Consequence {
    this.#row.logStartOffset = logStartOffset;
    return "complete";
  }

  /** The in-sync replicas of this leader have acknowledged what lies below an offset. @param hasEnough whether they are min.insync.replicas */
  replicated(highWatermark: Offset, hasEnough: boolean): Consequence {
    assert(this.isLeader && !this.#isAlone, "a leader with followers waits for them");
    const row = this.#row;
    const { replication: before } = row;
    row.replication = hasEnough ? replication.several : replication.belowMinimum;
    if (this.#moveTo(clamp(Math.min(highWatermark, this.#acknowledgedEnd), row))) return "complete";
    return row.replication === before ? "nothing" : "complete";
  }

  /** The leader has told its high watermark, in an answer whose records are in the log. */
  leaderAnswered(highWatermark: Offset): Consequence {
    assert(!this.isLeader, "a leader has a high watermark of its own");
    return this.#moveTo(clamp(highWatermark, this.#row)) ? "complete" : "nothing";
  }

  /** The end of the log was cut off. Flushes that are under way acknowledge nothing of what comes later. @param log its offsets now */
  truncated(log: LogExtent): Consequence {
    assert(!this.isLeader, "the log of a leader only grows");
    const row = this.#row;
    row.logStartOffset = log.logStartOffset;
    row.logEndOffset = log.logEndOffset;
    row.recoveryPoint = log.recoveryPoint;
    row.highWatermark = row.lastStableOffset = clamp(row.highWatermark, row);
    this.#acknowledgedEnd = clamp(this.#acknowledgedEnd, row);
    this.#flushingEnd = smaller(this.#flushingEnd, row.recoveryPoint);
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
    this.#row.state = isClean && !this.mayLack ? partitionState.closedCleanly : partitionState.closed;
    this.#row.recoveryPoint = this.#checkpointed(recoveryPoint);
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
    if (acks === ACKS_NONE || this.#row.highWatermark >= nextOffset) return true;
    return acks !== ACKS_ALL && this.acknowledgedEnd >= nextOffset;
  }

  /** Why a request is refused; null when it is served. @param leaderEpoch the epoch that the client knows, -1 for no check (KIP-320) */
  refusalOf(leaderEpoch: number): Refusal | null {
    if (!this.isOpen) return "log-offline";
    if (leaderEpoch < 0 || leaderEpoch === this.#leaderEpoch) return this.isLeader ? null : "not-leader-or-follower";
    return leaderEpoch < this.#leaderEpoch ? "fenced-leader-epoch" : "unknown-leader-epoch";
  }

  #checkpointed(recoveryPoint: Offset): Offset {
    return this.#lostFrom === null ? recoveryPoint : smaller(recoveryPoint, this.#lostFrom);
  }

  /** @returns whether a leadership has begun or ended */
  #become(leads: boolean): boolean {
    const row = this.#row;
    if (isLed(row) === leads) return false;
    row.leadership = nextLeadership(row.leadership, leads);
    return true;
  }

  /**
   * Acknowledges records: a leader's high watermark moves forward.
   * @param end an offset of the log @param bytes below it @returns whether it moved
   */
  #commit(end: Offset, bytes: number): boolean {
    const row = this.#row;
    if (!this.#isAlone) {
      this.#acknowledgedEnd = end > this.#acknowledgedEnd ? end : this.#acknowledgedEnd;
      return false;
    }
    if (row.highWatermark >= end) return false;
    row.highWatermark = end;
    row.lastStableOffset = end;
    row.highWatermarkBytes = bytes;
    return true;
  }

  /** Moves the high watermark forward where others are in sync. The bytes below it are estimated from its place between the old one and the log end. */
  #moveTo(end: Offset): boolean {
    const row = this.#row;
    if (row.highWatermark >= end) return false;
    const share = (end - row.highWatermark) / (row.logEndOffset - row.highWatermark);
    const left = row.logEndBytes - row.highWatermarkBytes;
    // A fetch that waits looks whether they have grown.
    row.highWatermarkBytes += Math.min(left, Math.max(1, Math.floor(share * left)));
    row.highWatermark = end;
    row.lastStableOffset = end;
    return true;
  }
}

/** The next offset within the log. */
function clamp(offset: number, log: Readonly<Watermarks>): Offset {
  return toOffset(Math.max(log.logStartOffset, Math.min(offset, log.logEndOffset)));
}

function smaller(one: Offset, other: Offset): Offset {
  return one < other ? one : other;
}
