/**
 * A partition that this shard owns: its log, and the state of the replica (replication/replica_state.ts). Whatever happens to the log is
 * reported to the replica; what follows from it is done here, in this order: the shared row is published, and whoever waits is told.
 *
 *   request ──► log ──event──► replica ──consequence──► row in the watermark table ──► owner.onProgress(): whoever waits looks at the row
 *
 * Always: the row is what the replica says; a request is served only while the replica is open. Everybody waits for the high watermark,
 * never for the log end. Runs on the owning shard.
 * Source: Kafka's Partition and UnifiedLog.
 */
import {
  type AppendResult,
  type FlushOutcome,
  type Log,
  type LogConfig,
  type NativeMemory,
  NO_OFFSET,
  type Offset,
  storageFailure,
  toOffset,
} from "../../storage/mod.ts";
import { findListedOffset, NOTHING_LISTED } from "./listed_offsets.ts";
import { type Flusher, PartitionFlushes } from "./partition_flushes.ts";
import { readPartition } from "./partition_reads.ts";
import { type Consequence, ReplicaState } from "../replication/replica_state.ts";
import type {
  DeletionOutcome,
  EpochEndOutcome,
  ListOffsetOutcome,
  ReadOutcome,
  ReadRequest,
} from "../requests/outcomes.ts";
import type { WatermarkTable } from "../shared/watermarks.ts";

/** What a partition tells whoever holds it. */
export interface PartitionOwner extends Flusher {
  /** The high watermark or the log start moved, or the partition went away. */
  onProgress(slot: number): void;
  /** The log start moved: segments may lie below it. */
  onLogStartMoved(slot: number): void;
}

/** Said of a flush that the next append, roll or `flush.ms` tries again. */
const POSTPONED = "Cannot flush at the moment: a file or directory could not be opened";

/** What a partition needs beside its log. */
export interface PartitionParts {
  /** Its row in the table. */
  readonly slot: number;
  /** In which this broker leads it. */
  readonly leaderEpoch: number;
  /** The topic's, resolved. */
  readonly config: LogConfig;
  readonly table: WatermarkTable;
  readonly owner: PartitionOwner;
  /** What the row says of a log that another shard handed over; 0 where absent. */
  readonly logEndBytes?: number;
}

/** One partition, led here. */
export class Partition {
  readonly slot: number;
  readonly log: Log;
  readonly replica: ReplicaState;
  readonly #table: WatermarkTable;
  readonly #owner: PartitionOwner;
  readonly #flushes: PartitionFlushes;
  #config: LogConfig;

  /** @param log open, and owned by the partition from now on @param parts where its row is, and whom it tells */
  constructor(log: Log, parts: PartitionParts) {
    const { slot, owner } = parts;
    this.slot = slot;
    this.log = log;
    this.#config = parts.config;
    this.#table = parts.table;
    this.#owner = owner;
    this.replica = new ReplicaState(log, parts.leaderEpoch, parts.logEndBytes);
    this.#flushes = new PartitionFlushes(log, { slot, flusher: owner, onEnd: (outcome) => this.#endFlush(outcome) });
    log.becomeLeader(parts.leaderEpoch);
    this.#follow("publish");
  }

  /** Epoch of this leadership. */
  get leaderEpoch(): number {
    return this.replica.leaderEpoch;
  }

  /** All below it may be served. */
  get highWatermark(): Offset {
    return this.replica.row.highWatermark;
  }

  /** Whether it is led here and its log takes appends. */
  get isOpen(): boolean {
    return this.replica.isOpen;
  }

  /** The topic's configuration, resolved. */
  get config(): LogConfig {
    return this.#config;
  }

  /** The topic's configuration or the leader epoch changed. */
  update(change: { leaderEpoch: number; config: LogConfig }): void {
    this.#config = change.config;
    this.log.configure(change.config);
    if (this.replica.lead(change.leaderEpoch)) this.log.becomeLeader(change.leaderEpoch);
  }

  /**
   * Appends a producer's batch and, once `flush.messages` asks for it, makes it durable. Written, not durable, otherwise.
   * @param batch where its bytes lie; base offset and leader epoch are stamped in place
   * @param nowMs wall-clock time
   */
  append(batch: { memory: NativeMemory; start: number; length: number }, nowMs: number): AppendResult {
    const { log, replica } = this;
    const options = { leaderEpoch: replica.leaderEpoch, nowMs };
    const result = log.appendAsLeader(batch.memory, batch.start, batch.length, options);
    if (result.refusal !== null) {
      if (result.refusal === "log-offline") this.#owner.onTrouble(this.slot, result.message);
      if (log.offlineReason !== null) this.#fail();
      return result;
    }
    if (!result.duplicate) replica.appended(log.logEndOffset, batch.length);
    if (log.logEndOffset - log.recoveryPoint >= this.#config.flushMessages && !this.flush()) {
      this.#follow("publish");
      return { ...result, refusal: "log-offline", message: "The batch could not be made durable" };
    }
    this.#flushes.beginAfterRoll();
    // Of a duplicate, too: its first append may not have been made durable.
    this.#follow(replica.acknowledged());
    return result;
  }

  /** Makes everything appended durable. @returns false when it is not: the disk failed, and the partition is offline; or not now */
  flush(): boolean {
    return this.#flushes.flushNow();
  }

  /** Begins a flush when `flush.ms` has passed since the last one. @param nowMs monotonic time */
  flushIfDue(nowMs: number): void {
    this.#flushes.beginIfDue(nowMs, this.#config.flushMs);
  }

  /** Makes what was appended until now durable, without waiting; does nothing while that is under way. */
  flushLater(): void {
    this.#flushes.begin();
  }

  /**
   * Lends a slice to a fetch.
   * @param outcome is filled @param deferCold whether cold files are to be loaded first
   * @returns null when it is done; otherwise the files to load before it is asked again
   */
  read(request: ReadRequest, outcome: ReadOutcome, deferCold = false): readonly string[] | null {
    return readPartition(this, request, outcome, deferCold);
  }

  /** Finds the offset for a timestamp (ms) or a special timestamp. */
  listOffset(query: { timestamp: number; currentLeaderEpoch: number; committedOnly: boolean }): ListOffsetOutcome {
    const refusal = this.replica.refusalOf(query.currentLeaderEpoch);
    if (refusal !== null) return { ...NOTHING_LISTED, refusal };
    const { highWatermark, lastStableOffset } = this.replica.row;
    const end = query.committedOnly ? lastStableOffset : highWatermark;
    try {
      return findListedOffset(this.log, query.timestamp, { end, leaderEpoch: this.leaderEpoch });
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
    const { highWatermark } = this;
    const start = toOffset(offset === -1 ? highWatermark : offset);
    const isOutside = start < 0 || start > highWatermark;
    const refusal = this.replica.refusalOf(-1) ?? (isOutside ? "offset-out-of-range" : null);
    if (refusal !== null) return { refusal, logStartOffset: NO_OFFSET };
    if (start > this.log.logStartOffset) {
      this.log.incrementLogStartOffset(start);
      this.#follow(this.replica.logStartMoved(start));
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
    const refusal = this.replica.refusalOf(query.currentLeaderEpoch);
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
    const isAsAsked = this.log.close(options);
    this.#follow(this.replica.closed(this.log.recoveryPoint, isAsAsked && options.clean));
    return isAsAsked;
  }

  /**
   * Hands the partition over to another shard: its log is whole, and its row says so. Nobody is told: waiting requests keep waiting for
   * the next owner. @returns false when it cannot go now: a flush is under way, or the disk refused
   */
  handOver(): boolean {
    if (this.#flushes.isUnderWay || !this.isOpen) return false;
    const isClosed = this.log.handOver();
    if (isClosed) this.#follow(this.replica.handedOver(this.log.recoveryPoint));
    else if (this.log.offlineReason !== null) this.#fail();
    return isClosed;
  }

  /** Closes the log for good; slices on loan stay readable. @returns its directory, to remove @throws when it cannot be renamed */
  remove(): ReturnType<Log["remove"]> {
    try {
      return this.log.remove();
    } finally {
      this.#follow(this.replica.removed());
    }
  }

  /** Does what follows from an event of the replica. */
  #follow(consequence: Consequence): void {
    if (consequence === "nothing") return;
    this.#table.write(this.slot, this.replica.row);
    if (consequence === "complete") this.#owner.onProgress(this.slot);
  }

  #endFlush(outcome: FlushOutcome): void {
    if (outcome === "flushed") this.#follow(this.replica.flushed(this.log.recoveryPoint));
    else if (outcome === "failed") this.#fail();
    else this.#owner.onTrouble(this.slot, POSTPONED);
  }

  #fail(): void {
    if (this.isOpen) {
      const reason = this.log.offlineReason ?? "a flush failed";
      this.#owner.onTrouble(this.slot, `The log is offline until a restart: ${reason}`);
    }
    this.#follow(this.replica.failed());
  }
}
