/**
 * How far a log is durable, and what its next flush has to make durable. Runs on the shard that owns the log; another thread makes
 * most of the flushes.
 *
 * Records and segments become durable at different times. A flush of the active segment makes its records durable. When the segment
 * closes later, its indexes are written and trimmed, and this final form needs another flush:
 *
 *     segment 0           segment 1000        segment 2000        segment 3000, active
 *   ├───────────────────┼───────────────────┼───────────────────┼──────────────────┤ log end
 *     records that are durable      ─────────────────────┤ recoveryPoint 2600, when segment 2000 was active
 *     segments in their final form  ───────┤ closedDurableBelow 2000
 *                                          └── the next flush begins here, with segment 2000
 *
 * A log that is handed over reports `recoveryPoint` 2000: its next owner trusts closed segments below it to be complete.
 *
 * Must always hold: everything below `recoveryPoint` was flushed, with the directory entries and small files that it needs. Some
 * events do not raise it:
 *
 *   a flush that failed, and all     when pages are lost, the kernel reports it to only one of two flushes of a file, the first
 *   flushes that end after it        that asks (man 2 fsync): the success of the other one proves nothing
 *   a flush that began before a      the records above the end of then are gone, and others may have their offsets
 *   truncation
 *   a log start that moves           the checkpoint of log starts may be written later, and recovery treats records that are
 *                                    missing below the recovery point as lost (log_recovery.ts). Kafka raises it
 */
import { type Offset, toOffset } from "../base/units.ts";
import type { LoadedLog } from "./log_loader.ts";
import type { LogResources } from "./log_resources.ts";
import type { FlushRequest } from "./log_types.ts";
import { TRUNCATION_FILE, type TruncationMark, writeTruncationMark } from "./follower/truncation_mark.ts";
import type { SegmentList } from "../segments/segment_list.ts";
import { attempt, storageFailure } from "./storage_failure.ts";
import type { FileSystem } from "../sys/file_system.ts";
import type { FlushOutcome } from "../sys/flush_outcome.ts";
import type { Unflushed } from "./unflushed.ts";

/** Segments of one flush: each holds three descriptors until it is on the disk, and a disk may be slower than the appends. */
const FLUSHED_SEGMENTS_MAX = 2;

/** Tracks the durable part of one log. */
export class LogDurability {
  /** Directories and small files that the next flush makes durable too. */
  readonly unflushed: Unflushed;
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #resources: LogResources;
  readonly #onFailed: (reason: string) => void;
  readonly #segments: SegmentList;
  readonly #producers: LoadedLog["producers"];
  #recoveryPoint: Offset;
  /** Segments below it are durable in their final form, with their indexes and their size. */
  #closedDurableBelow: Offset;
  /** No checkpoint has a higher recovery point. */
  #highestRecoveryPoint: Offset;
  /** What the directory says about truncations, null for nothing. */
  #mark: TruncationMark | null;
  /** Number of truncations so far. */
  #truncations = 0;
  /** Flushes that began and did not end. */
  #underWay = 0;
  #hasFailed = false;

  /**
   * @param by the file system, the partition's directory, the leases of the shard, and a callback for a flush that failed
   * @param loaded what the log starts with
   */
  constructor(
    by: { fs: FileSystem; directory: string; resources: LogResources; onFailed: (reason: string) => void },
    loaded: LoadedLog,
  ) {
    this.#onFailed = by.onFailed;
    this.#fs = by.fs;
    this.#directory = by.directory;
    this.#resources = by.resources;
    this.#segments = loaded.segments;
    this.#producers = loaded.producers;
    this.unflushed = loaded.unflushed;
    this.#recoveryPoint = loaded.recoveryPoint;
    this.#closedDurableBelow = loaded.closedDurableBelow;
    this.#mark = loaded.truncationMark;
    this.#highestRecoveryPoint = loaded.highestRecoveryPoint;
  }

  /** All records below it are durable. */
  get recoveryPoint(): Offset {
    return this.#recoveryPoint;
  }

  /** Whether a flush has failed: nothing that is written later can be proved durable. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** Whether no flush is under way. If one fails, everything that was flushed in the meantime may be lost too. */
  get isIdle(): boolean {
    return this.#underWay === 0;
  }

  /**
   * Lists what has to be flushed and leases its segments, a few at a time; null when all is durable.
   * @param shortensRecovery whether the producers, and the indexes of the active segment, become durable, too
   * @throws SystemError when a file cannot be opened; nothing is leased then
   */
  begin(logEndOffset: Offset, shortensRecovery: boolean): FlushRequest | null {
    if (shortensRecovery) {
      const by = { segmentBase: this.#segments.active.baseOffset, unflushed: this.unflushed };
      attempt(() => this.#producers.snapshotForFlush(logEndOffset, by)); // refused: a recovery reads from the one before
    }
    if (this.#recoveryPoint >= logEndOffset && this.unflushed.isEmpty) return null;
    const first = this.#segments.floorIndex(this.finalBelow);
    const end = first + FLUSHED_SEGMENTS_MAX;
    const request = { fds: [] as number[], ownedFds: [] as number[], leaseIds: [] as number[] };
    const { fds, ownedFds, leaseIds } = request;
    try {
      for (const segment of this.#segments.all.slice(first, end)) {
        leaseIds.push(segment.lease()); // first: opening the next segment may close one without a lease
        const opened = segment.openForFlush(shortensRecovery);
        for (const fd of opened.fds) fds.push(fd);
        for (const fd of opened.owned) ownedFds.push(fd);
      }
      const { directories, smallFds, changesUpTo } = this.unflushed.openForFlush(this.#fs);
      for (const fd of smallFds) fds.push(fd), ownedFds.push(fd);
      const nextBase = this.#segments.all[end]?.baseOffset;
      const closedBelow = nextBase ?? this.#segments.active.baseOffset;
      this.#underWay++;
      for (const fd of ownedFds) this.#resources.flushedFds.add(fd);
      const upTo = nextBase ?? logEndOffset;
      return { ...request, directories, changesUpTo, upTo, closedBelow, truncations: this.#truncations };
    } catch (error) {
      this.#releaseFiles(request);
      throw error;
    }
  }

  /** Makes a request's files durable on this thread; call `end()` afterwards. */
  flush(request: Pick<FlushRequest, "fds" | "directories">): FlushOutcome {
    if (!request.fds.every((fd) => this.#fs.fdatasync(fd))) return "failed";
    try {
      return request.directories.every((directory) => this.#fs.syncDirectory(directory)) ? "flushed" : "failed";
    } catch (error) {
      storageFailure(error);
      return "postponed";
    }
  }

  /** Makes all below an offset durable, on this thread. @returns false when a flush failed, or has to be tried again */
  flushAll(logEndOffset: Offset): boolean {
    let outcome: FlushOutcome = "flushed";
    const failure = attempt(() => {
      while (outcome === "flushed") {
        const request = this.begin(logEndOffset, false);
        if (request === null) return;
        outcome = this.flush(request);
        this.end(request, outcome);
      }
    });
    return failure === null && outcome === "flushed";
  }

  /** Makes the last segment durable in its final form, on this thread. @throws SystemError when a file cannot be opened */
  flushClosed(directory: string): FlushOutcome {
    const { fds, owned } = this.#segments.active.openForFlush(true);
    const outcome = this.flush({ fds, directories: [directory] });
    this.#releaseFiles({ leaseIds: [], ownedFds: owned });
    return outcome;
  }

  /** Ends a flush: releases its leases and notes what is durable. */
  end(request: FlushRequest, outcome: FlushOutcome): void {
    this.#releaseFiles(request);
    this.#underWay--;
    if (outcome === "failed") {
      this.#hasFailed = true;
      this.#onFailed(`Cannot make records below offset ${request.upTo} durable: a flush failed`);
    }
    if (outcome !== "flushed" || this.#hasFailed) return;
    this.unflushed.markDurable(request.changesUpTo);
    if (request.truncations !== this.#truncations) return;
    this.#recoveryPoint = toOffset(Math.max(this.#recoveryPoint, request.upTo));
    this.#closedDurableBelow = toOffset(Math.max(this.#closedDurableBelow, request.closedBelow));
    this.#highestRecoveryPoint = toOffset(Math.max(this.#highestRecoveryPoint, this.#recoveryPoint));
    if (this.#mark !== null && this.#recoveryPoint >= this.#mark.highestRecoveryPoint) this.#removeMark();
  }

  /**
   * Makes durable that the log may end at an offset, before anything is cut off.
   * @param endOffset lowest end that a crash during the truncation may leave
   * @throws SystemError, or the runtime's errors, when the disk refuses; nothing is cut off then
   */
  announceTruncation(endOffset: Offset): void {
    const known = this.#mark?.endOffset ?? this.#highestRecoveryPoint;
    if (known <= endOffset) return;
    const mark = { endOffset, highestRecoveryPoint: this.#highestRecoveryPoint };
    writeTruncationMark(this.#fs, this.#directory, mark);
    this.#mark = mark;
  }

  /**
   * The log is about to be cut off. Flushes that are under way prove nothing about what comes later.
   * @param endOffset the new log end @param changedFrom base offset of the first segment whose files change
   */
  truncate(endOffset: Offset, changedFrom: Offset): void {
    this.#truncations++;
    this.#recoveryPoint = toOffset(Math.min(this.#recoveryPoint, endOffset));
    this.#closedDurableBelow = toOffset(Math.min(this.#closedDurableBelow, changedFrom));
  }

  /** Counts only files in their final form as durable from now on, because the log's next owner opens it without a scan. */
  handOver(): void {
    this.#recoveryPoint = this.finalBelow;
  }

  #removeMark(): void {
    const removal = () => this.#fs.remove(`${this.#directory}/${TRUNCATION_FILE}`);
    if (attempt(removal) === null) this.#mark = null; // refused: the next flush tries again
  }

  #releaseFiles({ leaseIds, ownedFds }: { leaseIds: readonly number[]; ownedFds: readonly number[] }): void {
    for (const leaseId of leaseIds) this.#resources.leases.release(leaseId);
    for (const fd of ownedFds) {
      this.#resources.flushedFds.delete(fd);
      this.#fs.close(fd);
    }
  }

  /** All records and segments below it are durable in their final form, and so is the name of the segment that begins there. */
  get finalBelow(): Offset {
    return toOffset(Math.min(this.#recoveryPoint, this.#closedDurableBelow));
  }
}
