/**
 * How far a log is durable, and what the next flush of it has to make durable. Runs on the shard that owns the log; the flushes
 * themselves are mostly made by another thread.
 *
 * Must always hold: what is below `recoveryPoint` was flushed, with the names and small files that it needs. A flush that failed
 * raises nothing.
 */
import { type Offset, toOffset } from "./base/units.ts";
import type { LoadedLog } from "./log_loader.ts";
import type { LogResources } from "./log_resources.ts";
import type { FlushRequest } from "./log_types.ts";
import type { SegmentList } from "./segment_list.ts";
import type { FileSystem } from "./sys/file_system.ts";
import type { Unflushed } from "./unflushed.ts";

/** The durable part of one log. */
export class LogDurability {
  /** Directories and small files that the next flush makes durable, too. */
  readonly unflushed: Unflushed;
  readonly #fs: FileSystem;
  readonly #resources: LogResources;
  readonly #segments: SegmentList;
  #recoveryPoint: Offset;
  /** Segments below it are durable with their indexes and their size, not only up to their last record. */
  #closedDurableBelow: Offset;

  /** @param by where the files are, and the leases of the shard @param loaded what the log starts with */
  constructor(by: { fs: FileSystem; resources: LogResources }, loaded: LoadedLog) {
    this.#fs = by.fs;
    this.#resources = by.resources;
    this.#segments = loaded.segments;
    this.unflushed = loaded.unflushed;
    this.#recoveryPoint = loaded.recoveryPoint;
    this.#closedDurableBelow = loaded.recoveryPoint;
  }

  /** All records below it are durable. */
  get recoveryPoint(): Offset {
    return this.#recoveryPoint;
  }

  /** Names what has to be flushed, a few segments at a time; null when all is durable. @throws SystemError when a file cannot be opened */
  begin(logEndOffset: Offset): FlushRequest | null {
    if (this.#recoveryPoint >= logEndOffset && this.unflushed.isEmpty) return null;
    const others = () => this.unflushed.lend(this.#fs);
    return this.#segments.leaseForFlush({ from: this.#finalBelow, logEndOffset }, others);
  }

  /** Ends a flush: gives back what it leased, and takes note of what is durable. @param ok whether all of it was flushed */
  end(request: FlushRequest, ok: boolean): void {
    for (const leaseId of request.leaseIds) this.#resources.leases.release(leaseId);
    for (const fd of request.smallFds) this.#fs.close(fd);
    if (!ok) return;
    this.unflushed.settle(request.changesUpTo);
    this.raiseTo(request.upTo);
    this.#closedDurableBelow = toOffset(Math.max(this.#closedDurableBelow, request.closedBelow));
  }

  /** Nothing below an offset has to be flushed any more: it was, or it lies below the log start. */
  raiseTo(offset: Offset): void {
    this.#recoveryPoint = toOffset(Math.max(this.#recoveryPoint, offset));
  }

  /** From now on only files in their final form count as durable. For a log that its next owner opens without a scan. */
  handOver(logStartOffset: Offset): void {
    this.#recoveryPoint = toOffset(Math.max(this.#finalBelow, logStartOffset));
  }

  get #finalBelow(): Offset {
    return toOffset(Math.min(this.#recoveryPoint, this.#closedDurableBelow));
  }
}
