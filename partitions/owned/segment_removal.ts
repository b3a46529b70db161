/**
 * Removes segments below the log start from the disk, a few a turn, whoever moved the log start: a client or retention. Their files are
 * renamed at once and unlinked by another thread after `file.delete.delay.ms`, because freeing a gigabyte of extents takes a disk tens of
 * milliseconds. The renamed directories of deleted topics are removed at once. Directories with lent slices wait for the delay, too:
 * otherwise the shard would close the last descriptor of a removed file, and so free its bytes itself. Runs on shards.
 *
 * Always: a segment is removed only after a log start above it was published, and after what follows it in the log is durable: otherwise
 * a loss of power could leave a directory without segments, and offsets would be assigned again. The next start removes renamed files
 * that a stop or crash left (storage/log/leftover_files.ts).
 *
 * A partition's next segment waits until the removal before it is durable, for the log start may not be written down yet, and a loss of
 * power keeps renames in any order: the oldest segment would be back, and served, with a gap behind it. One removal, as an interval of
 * retention usually brings, waits for nothing; each further one takes a flush that nobody else waits for.
 * Source: Kafka's UnifiedLog.deleteLogStartOffsetBreachedSegments, which waits for the next check of retention. Kafka renames without a
 * flush, and writes the log start down once a minute.
 */
import type { Clock, RenamedDirectory } from "../../storage/mod.ts";
import type { Partition } from "./partition.ts";

/** Most segments renamed in a turn, and when it stops earlier: a segment has four files, and a busy disk takes long for each of them. */
const SEGMENTS_PER_TURN = 32;
const STRETCH_MS = 1;
/** Time between two checks of the renamed files. */
const UNLINK_CHECK_MS = 1000;
/** Paths that one turn sends to the other thread: copying them takes half a millisecond. */
const UNLINKED_PER_TURN = 1000;

/** Renamed files or directories. */
interface RenamedFiles {
  readonly dueMs: number;
  readonly paths: readonly string[];
}

/** The pending removals of one shard. */
export class SegmentRemoval {
  readonly #partitions: ReadonlyMap<number, Partition>;
  readonly #unlink: (paths: readonly string[]) => void;
  readonly #clock: Clock;
  /** Slots of partitions that may have segments below their log start. */
  readonly #slots = new Set<number>();
  #renamed: RenamedFiles[] = [];
  /** When the first of the renamed files is due, monotonic ms; Infinity for none. */
  #firstDueMs = Infinity;
  #nextUnlinkMs = -Infinity;
  /** Directories that were renamed in this turn. */
  #directories: { directory: RenamedDirectory; delayMs: number }[] = [];

  /** @param partitions of the shard, by slot @param by unlink: removes files on another thread; clock: measures how long a turn takes */
  constructor(
    partitions: ReadonlyMap<number, Partition>,
    by: { unlink: (paths: readonly string[]) => void; clock: Clock },
  ) {
    this.#partitions = partitions;
    this.#unlink = by.unlink;
    this.#clock = by.clock;
  }

  /** Notes that a log start or recovery point moved, or that a log was opened. */
  note(slot: number): void {
    this.#slots.add(slot);
  }

  /** Adds the directory of a partition whose topic was deleted. @param delayMs `file.delete.delay.ms`, when slices of it are lent */
  removeDirectory(directory: RenamedDirectory, delayMs: number): void {
    this.#directories.push({ directory, delayMs });
  }

  /** Removes files that were renamed. @param dueMs when, monotonic time */
  removeFiles(paths: readonly string[], dueMs: number): void {
    this.#unlinkAt(dueMs, paths);
  }

  /** When `run()` is due, monotonic ms. */
  get nextDeadlineMs(): number {
    if (this.#slots.size > 0 || this.#directories.length > 0) return 0;
    return Math.max(this.#firstDueMs, this.#nextUnlinkMs);
  }

  /** Does the removals of one turn. @param nowMs monotonic time */
  run(nowMs: number): void {
    if (this.#slots.size > 0) this.#removeSegments(nowMs);
    if (this.#directories.length > 0) this.#takeDirectories(nowMs);
    if (nowMs >= this.#firstDueMs && nowMs >= this.#nextUnlinkMs) this.#unlinkDue(nowMs);
  }

  #removeSegments(nowMs: number): void {
    const endMs = this.#clock.monotonicMs() + STRETCH_MS;
    let room = SEGMENTS_PER_TURN;
    for (const slot of this.#slots) {
      const partition = this.#partitions.get(slot);
      if (partition?.isBeingCleaned) {
        this.#slots.delete(slot); // the end of the cleaning notes it again
        continue;
      }
      this.#slots.delete(slot);
      if (partition === undefined) continue;
      if (partition.log.maySegmentBeDeleted) {
        const renamed = partition.removeOldestSegment();
        if (renamed === null) continue; // refused by the disk: the next check of retention tries again
        this.#unlinkAt(nowMs + partition.config.fileDeleteDelayMs, renamed);
        room--;
      }
      if (partition.log.segmentsBelowStart > 0) partition.flushForRemoval();
      if (room === 0 || this.#clock.monotonicMs() >= endMs) return;
    }
  }

  #takeDirectories(nowMs: number): void {
    const free = this.#directories.filter(({ directory }) => !directory.isLent).map(({ directory }) => directory.path);
    if (free.length > 0) this.#unlink(free);
    for (const { directory: { path, isLent }, delayMs } of this.#directories) {
      if (isLent) this.#unlinkAt(nowMs + delayMs, [path]);
    }
    this.#directories = [];
  }

  #unlinkAt(dueMs: number, paths: readonly string[]): void {
    this.#renamed.push({ dueMs, paths });
    this.#firstDueMs = Math.min(this.#firstDueMs, dueMs);
  }

  #unlinkDue(nowMs: number): void {
    this.#nextUnlinkMs = nowMs + UNLINK_CHECK_MS;
    const unlinked: string[] = [];
    this.#renamed = this.#renamed.filter(({ dueMs, paths }) => {
      if (dueMs > nowMs || unlinked.length >= UNLINKED_PER_TURN) return true;
      for (const path of paths) unlinked.push(path);
      return false;
    });
    this.#firstDueMs = this.#renamed.reduce((first, { dueMs }) => Math.min(first, dueMs), Infinity);
    if (this.#firstDueMs <= nowMs) this.#nextUnlinkMs = nowMs;
    this.#unlink(unlinked);
  }
}
