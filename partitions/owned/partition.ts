/**
 * A partition whose log this shard owns: the log, and what replication makes of it. Leader epoch, log end, high watermark and log
 * start are separate from the start; today the replica set is this broker alone, so the high watermark follows the log end (as soon
 * as `flush.messages` is satisfied), but everybody waits for the high watermark, never for the log end.
 *
 * Always: log start ≤ last stable offset ≤ high watermark ≤ log end, none of the last three moves back while open; the shared row is
 * published after every change, and then whoever waits is told. Runs on the owning shard.
 * Source: Kafka's Partition and UnifiedLog.
 */
import {
  type AppendResult,
  type FlushOutcome,
  type FlushRequest,
  type Log,
  type LogConfig,
  type NativeMemory,
  NO_OFFSET,
  type Offset,
  storageFailure,
  toOffset,
} from "../../storage/mod.ts";
import { findListedOffset, NOTHING_LISTED } from "./listed_offsets.ts";
import {
  type DeletionOutcome,
  type EpochEndOutcome,
  type ListOffsetOutcome,
  type ReadOutcome,
  type ReadRequest,
  refuseRead,
} from "../requests/outcomes.ts";
import type { Refusal } from "../requests/refusals.ts";
import { emptyWatermarks, partitionState, type Watermarks, type WatermarkTable } from "../shared/watermarks.ts";

/** What a partition tells whoever holds it. */
export interface PartitionOwner {
  /** The high watermark moved or the partition went away. */
  onMoved(slot: number): void;
  /** Whether a flush may begin now; otherwise the partition's `flushLater()` is called when one may. */
  mayFlush(slot: number): boolean;
  /** Wants files made durable on another thread; `done` runs on a later turn. */
  onFlush(request: FlushRequest, done: (outcome: FlushOutcome) => void): void;
  /** The log start moved: segments may lie below it. */
  onLogStartMoved(slot: number): void;
  /** The disk refuses something; a sentence for the operator. */
  onTrouble(slot: number, text: string): void;
}

/** Said of a flush that the next append, roll or `flush.ms` tries again. */
const POSTPONED = "Cannot flush at the moment: a file or directory could not be opened";

/** One partition, led here. */
export class Partition {
  readonly slot: number;
  readonly log: Log;
  readonly #table: WatermarkTable;
  readonly #owner: PartitionOwner;
  readonly #values: Watermarks = emptyWatermarks();
  readonly #visibleBytesBefore: number;
  #leaderEpoch: number;
  #config: LogConfig;
  #isFlushing = false;
  #lastFlushMs = -Infinity;
  #segmentBase = NO_OFFSET;

  /**
   * @param log open and owned by the partition from now on
   * @param place the partition's row, its leader epoch and config, the shared table and who is told of changes
   * @param visibleBytes what the row says of a log that another shard let go
   */
  constructor(
    log: Log,
    place: { slot: number; leaderEpoch: number; config: LogConfig; table: WatermarkTable; owner: PartitionOwner },
    visibleBytes = 0,
  ) {
    this.#visibleBytesBefore = visibleBytes;
    this.log = log;
    this.slot = place.slot;
    this.#leaderEpoch = place.leaderEpoch;
    this.#config = place.config;
    this.#table = place.table;
    this.#owner = place.owner;
    log.becomeLeader(place.leaderEpoch);
    this.#segmentBase = log.activeBaseOffset;
    this.#values.state = partitionState.open;
    this.#values.highWatermark = this.#values.lastStableOffset = log.logEndOffset;
    this.#publish();
  }

  /** Epoch of this leadership. */
  get leaderEpoch(): number {
    return this.#leaderEpoch;
  }

  /** All below it may be served. */
  get highWatermark(): Offset {
    return this.#values.highWatermark;
  }

  /** Whether it is led here and its log takes appends. */
  get isOpen(): boolean {
    return this.#values.state === partitionState.open;
  }

  /** The topic's configuration, resolved. */
  get config(): LogConfig {
    return this.#config;
  }

  /** The topic's configuration or the leader epoch changed. */
  update(change: { leaderEpoch: number; config: LogConfig }): void {
    this.#config = change.config;
    this.log.configure(change.config);
    if (change.leaderEpoch === this.#leaderEpoch) return;
    this.#leaderEpoch = change.leaderEpoch;
    this.log.becomeLeader(change.leaderEpoch);
  }

  /**
   * Appends a producer's batch and, once `flush.messages` asks for it, makes it durable. Written, not durable, otherwise.
   * @param batch where its bytes lie; base offset and leader epoch are stamped in place
   * @param nowMs wall-clock time
   */
  append(batch: { memory: NativeMemory; start: number; length: number }, nowMs: number): AppendResult {
    const options = { leaderEpoch: this.#leaderEpoch, nowMs };
    const result = this.log.appendAsLeader(batch.memory, batch.start, batch.length, options);
    if (result.refusal !== null) {
      if (result.refusal === "log-offline") this.#owner.onTrouble(this.slot, result.message);
      if (this.log.offlineReason !== null) this.#goOffline();
      return result;
    }
    if (this.log.logEndOffset - this.log.recoveryPoint >= this.#config.flushMessages && !this.flush()) {
      return { ...result, refusal: "log-offline", message: "The batch could not be made durable" };
    }
    // Of a duplicate, too, whose first append could not be made durable.
    if (!result.duplicate || this.highWatermark < this.log.logEndOffset) this.#advance();
    return result;
  }

  /** Makes everything appended durable. @returns false when it is not: the disk failed, and the partition is offline; or not now */
  flush(): boolean {
    const ok = this.log.flush();
    if (ok) this.#publish();
    else if (this.log.offlineReason !== null) this.#goOffline();
    else this.#owner.onTrouble(this.slot, POSTPONED);
    return ok;
  }

  /** Begins a flush when `flush.ms` has passed since the last one. @param nowMs monotonic time */
  flushIfDue(nowMs: number): void {
    if (nowMs - this.#lastFlushMs < this.#config.flushMs) return;
    this.#lastFlushMs = nowMs;
    this.flushLater();
  }

  /**
   * Makes what was appended until now durable, without waiting: after a roll, so that recovery stays short, and for
   * `flush.ms`. Does nothing while one is under way; goes on until no closed segment is left.
   */
  flushLater(): void {
    if (this.#isFlushing || this.log.offlineReason !== null || !this.#owner.mayFlush(this.slot)) return;
    const request = this.#beginFlush();
    if (request === null) return;
    this.#isFlushing = true;
    this.#owner.onFlush(request, (outcome) => {
      this.#isFlushing = false;
      this.log.endFlush(request, outcome);
      if (this.#values.state !== partitionState.open) return;
      if (outcome === "failed") return this.#goOffline();
      if (outcome === "postponed") return this.#owner.onTrouble(this.slot, POSTPONED);
      this.#publish();
      if (this.log.recoveryPoint < this.log.activeBaseOffset) this.flushLater();
    });
  }

  /**
   * Lends a slice to a fetch.
   * @param outcome is filled @param deferCold whether cold files are to be loaded first
   * @returns null when it is done; otherwise the files to load before it is asked again
   */
  read(request: ReadRequest, outcome: ReadOutcome, deferCold = false): readonly string[] | null {
    const refusal = this.#refuse(request.currentLeaderEpoch);
    if (refusal !== null) return refuse(outcome, refusal);
    outcome.refusal = null;
    outcome.length = 0;
    outcome.divergingEpoch = -1;
    outcome.divergingEndOffset = NO_OFFSET;
    outcome.reachesEnd = true;
    const values = this.#values;
    outcome.highWatermark = values.highWatermark;
    outcome.lastStableOffset = values.lastStableOffset;
    outcome.logStartOffset = values.logStartOffset;
    outcome.visibleBytes = values.visibleBytes;
    if (request.lastFetchedEpoch >= 0) {
      const divergence = this.#diverge(request, outcome);
      if (divergence === "unknown-epoch") return refuse(outcome, "offset-out-of-range");
      if (divergence === "diverges") return null;
    }
    const maxOffset = request.committedOnly ? values.lastStableOffset : values.highWatermark;
    const result = this.log.read(request.fetchOffset, {
      maxBytes: request.maxBytes,
      maxOffset,
      atLeastOne: request.atLeastOne,
      deferCold,
    });
    if (result.refusal !== null) return refuse(outcome, result.refusal);
    if (result.slice === null) {
      // A batch that is larger than the limits is there all the same.
      outcome.reachesEnd = request.fetchOffset >= maxOffset;
      return result.coldFiles ?? null;
    }
    outcome.fd = result.slice.fd;
    outcome.position = result.slice.position;
    outcome.length = result.slice.length;
    outcome.lease = result.slice.leaseId;
    outcome.reachesEnd = result.slice.nextOffset >= maxOffset;
    return null;
  }

  /** Finds the offset for a timestamp (ms) or a special timestamp. */
  listOffset(query: { timestamp: number; currentLeaderEpoch: number; committedOnly: boolean }): ListOffsetOutcome {
    const refusal = this.#refuse(query.currentLeaderEpoch);
    if (refusal !== null) return { ...NOTHING_LISTED, refusal };
    const { highWatermark, lastStableOffset } = this.#values;
    const end = query.committedOnly ? lastStableOffset : highWatermark;
    try {
      return findListedOffset(this.log, query.timestamp, { end, leaderEpoch: this.#leaderEpoch });
    } catch (error) {
      // The search reads segment files; what it throws is a refusing disk, and the log itself is untouched.
      this.#owner.onTrouble(this.slot, `Cannot search the log: ${storageFailure(error)}`);
      return { ...NOTHING_LISTED, refusal: "log-offline" };
    }
  }

  /**
   * Moves the log start forward (KIP-107).
   * @param offset the new one; -1 is the high watermark; one below the log start changes nothing
   */
  deleteRecords(offset: number): DeletionOutcome {
    const { highWatermark } = this.#values;
    const start = toOffset(offset === -1 ? highWatermark : offset);
    const refusal = this.#refuse(-1) ?? (start < 0 || start > highWatermark ? "offset-out-of-range" : null);
    if (refusal !== null) return { refusal, logStartOffset: NO_OFFSET };
    if (start > this.log.logStartOffset) {
      this.log.incrementLogStartOffset(start);
      this.#publish();
      this.#owner.onMoved(this.slot); // who waits below the new log start is answered
      this.#owner.onLogStartMoved(this.slot);
    }
    return { refusal: null, logStartOffset: this.log.logStartOffset };
  }

  /** Takes the oldest segments out of the log. @returns paths of the renamed files; fewer where the disk refused */
  removeOldestSegments(count: number): string[] {
    const renamed: string[] = [];
    try {
      // One at a time: what was renamed before the disk refused has to be unlinked all the same.
      for (let i = 0; i < count; i++) for (const path of this.log.deleteOldestSegments(1)) renamed.push(path);
    } catch (error) {
      this.#owner.onTrouble(this.slot, `Cannot remove segments: ${storageFailure(error)}`);
    }
    return renamed;
  }

  /** Finds where a leader epoch ends (KIP-101, KIP-279). */
  epochEnd(query: { currentLeaderEpoch: number; leaderEpoch: number }): EpochEndOutcome {
    const refusal = this.#refuse(query.currentLeaderEpoch);
    if (refusal !== null) return { refusal, leaderEpoch: -1, endOffset: NO_OFFSET };
    const { epoch, endOffset } = this.log.endOffsetForEpoch(query.leaderEpoch);
    return { refusal: null, leaderEpoch: epoch, endOffset };
  }

  /**
   * Closes the log; later requests are refused.
   * @param options clean: trimmed and with a snapshot, so that it reopens without a scan
   * @returns whether it was closed as asked
   */
  close(options: { clean: boolean }): boolean {
    const closed = this.log.close(options);
    this.#retire(
      this.log.recoveryPoint,
      closed && options.clean ? partitionState.closedCleanly : partitionState.closed,
    );
    return closed;
  }

  /**
   * Hands the partition over to another shard: its log is whole, and its row says so. Nobody is told: waiting requests keep waiting for
   * the next owner. @returns false when it cannot go now: a flush is under way, or the disk refused
   */
  handOver(): boolean {
    if (this.#isFlushing || !this.isOpen) return false;
    const isClosed = this.log.handOver();
    if (isClosed) this.#values.state = partitionState.handedOver;
    else if (this.log.offlineReason !== null) this.#goOffline();
    this.#publish();
    return isClosed;
  }

  /** Closes the log for good; slices on loan stay readable. @returns its directory, to remove @throws when it cannot be renamed */
  remove(): ReturnType<Log["remove"]> {
    try {
      return this.log.remove();
    } finally {
      // Its row may become another partition's, whose checkpoints must not begin with these.
      this.#values.logStartOffset = toOffset(0);
      this.#retire(toOffset(0), partitionState.closed);
    }
  }

  #advance(): void {
    this.#flushAfterRoll();
    const end = this.log.logEndOffset;
    this.#values.highWatermark = end;
    this.#values.lastStableOffset = end;
    this.#publish();
    this.#owner.onMoved(this.slot);
  }

  /** @returns null when all is durable, or when a file cannot be opened at the moment; the next roll tries again */
  #beginFlush(): FlushRequest | null {
    try {
      return this.log.beginFlush();
    } catch (error) {
      this.#owner.onTrouble(this.slot, `Cannot begin a flush: ${storageFailure(error)}`);
      return null;
    }
  }

  #flushAfterRoll(): void {
    const base = this.log.activeBaseOffset;
    if (base === this.#segmentBase) return;
    this.#segmentBase = base;
    this.flushLater();
  }

  #publish(): void {
    const values = this.#values;
    values.logStartOffset = this.log.logStartOffset;
    values.logEndOffset = this.log.logEndOffset;
    values.recoveryPoint = this.log.recoveryPoint;
    values.visibleBytes = this.#visibleBytesBefore + this.log.appendedBytes;
    this.#table.write(this.slot, values);
  }

  #goOffline(): void {
    if (this.#values.state === partitionState.open) {
      this.#owner.onTrouble(
        this.slot,
        `The log is offline until a restart: ${this.log.offlineReason ?? "a flush failed"}`,
      );
    }
    this.#values.state = partitionState.offline;
    this.#table.write(this.slot, this.#values);
    this.#owner.onMoved(this.slot);
  }

  #retire(recoveryPoint: Offset, state: number): void {
    this.#values.state = state;
    this.#values.recoveryPoint = recoveryPoint;
    this.#table.write(this.slot, this.#values);
    this.#owner.onMoved(this.slot);
  }

  /** Why nothing is told at all: a partition that went offline may hold what the disk has lost. */
  #refuse(epoch: number): Refusal | null {
    if (this.#values.state !== partitionState.open) return "log-offline";
    if (epoch < 0 || epoch === this.#leaderEpoch) return null;
    return epoch < this.#leaderEpoch ? "fenced-leader-epoch" : "unknown-leader-epoch";
  }

  /** Compares the client's history with the log (KIP-595); an epoch that nothing is known of is refused, as by Kafka. */
  #diverge(request: ReadRequest, outcome: ReadOutcome): "agrees" | "diverges" | "unknown-epoch" {
    const { epoch, endOffset } = this.log.endOffsetForEpoch(request.lastFetchedEpoch);
    if (epoch < 0) return "unknown-epoch";
    if (request.fetchOffset < this.#values.logStartOffset) return "agrees";
    if (epoch === request.lastFetchedEpoch && endOffset >= request.fetchOffset) return "agrees";
    outcome.divergingEpoch = epoch;
    outcome.divergingEndOffset = toOffset(endOffset);
    return "diverges";
  }
}

function refuse(outcome: ReadOutcome, refusal: Refusal): null {
  refuseRead(outcome, refusal);
  return null;
}
