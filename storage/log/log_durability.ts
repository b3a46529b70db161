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
 * Must always hold: everything below `recoveryPoint` was flushed, with the directory entries and small files that it needs. Two
 * events do not raise it:
 *
 *   a flush that failed, and all     when pages are lost, the kernel reports it to only one of two flushes of a file, the first
 *   flushes that end after it        that asks (man 2 fsync): the success of the other one proves nothing
 *   a log start that moves           the checkpoint of log starts may be written later, and recovery treats records that are
 *                                    missing below the recovery point as lost (log_recovery.ts). Kafka raises it
 */
import { type Offset, toOffset } from "../base/units.ts";
import type { LoadedLog } from "./log_loader.ts";
import type { LogResources } from "./log_resources.ts";
import type { FlushRequest } from "./log_types.ts";
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
  readonly #resources: LogResources;
  readonly #segments: SegmentList;
  readonly #producers: LoadedLog["producers"];
  #recoveryPoint: Offset;
  /** Segments below it are durable in their final form, with their indexes and their size. */
  #closedDurableBelow: Offset;
  /** Flushes that began and did not end. */
  #underWay = 0;
  #hasFailed = false;

  /** @param by the file system, and the leases of the shard @param loaded what the log starts with */
  constructor(by: { fs: FileSystem; resources: LogResources }, loaded: LoadedLog) {
    this.#fs = by.fs;
    this.#resources = by.resources;
    this.#segments = loaded.segments;
    this.#producers = loaded.producers;
    this.unflushed = loaded.unflushed;
    this.#recoveryPoint = loaded.recoveryPoint;
    this.#closedDurableBelow = loaded.closedDurableBelow;
  }

  /** All records below it are durable. */
  get recoveryPoint(): Offset {
    return this.#recoveryPoint;
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
      return { ...request, directories, changesUpTo, upTo: nextBase ?? logEndOffset, closedBelow };
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
    this.#hasFailed ||= outcome === "failed";
    if (outcome !== "flushed" || this.#hasFailed) return;
    this.unflushed.markDurable(request.changesUpTo);
    this.#recoveryPoint = toOffset(Math.max(this.#recoveryPoint, request.upTo));
    this.#closedDurableBelow = toOffset(Math.max(this.#closedDurableBelow, request.closedBelow));
  }

  /** Counts only files in their final form as durable from now on, because the log's next owner opens it without a scan. */
  handOver(): void {
    this.#recoveryPoint = this.finalBelow;
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
