/**
 * Removes segments below the log start from the disk, a few a turn. Their files are renamed at once and unlinked by another thread after
 * `file.delete.delay.ms`, because freeing a gigabyte of extents takes a disk tens of milliseconds. The renamed directories of deleted
 * topics are removed at once. Directories with lent slices wait for the delay, too: otherwise the shard would close the last descriptor of
 * a removed file, and so free its bytes itself. Runs on shards.
 *
 * Always: a segment is removed only after a log start above it was published. The next start removes renamed files that a stop or crash
 * left (storage/log/leftover_files.ts).
 * Source: Kafka's UnifiedLog.deleteLogStartOffsetBreachedSegments, which waits for the next check of retention.
 */
import type { RenamedDirectory } from "../../storage/mod.ts";
import type { Partition } from "./partition.ts";

/** Segments renamed per turn: 32 cost about a millisecond. */
const SEGMENTS_PER_TURN = 32;
/** Time between two checks of the renamed files. */
const UNLINK_CHECK_MS = 1000;

/** Renamed files or directories. */
interface RenamedFiles {
  readonly dueMs: number;
  readonly paths: readonly string[];
}

/** The pending removals of one shard. */
export class SegmentRemoval {
  readonly #partitions: ReadonlyMap<number, Partition>;
  readonly #unlink: (paths: readonly string[]) => void;
  /** Slots of partitions that may have segments below their log start. */
  readonly #slots = new Set<number>();
  #renamed: RenamedFiles[] = [];
  /** When the first of the renamed files is due, monotonic ms; Infinity for none. */
  #firstDueMs = Infinity;
  #nextUnlinkMs = -Infinity;
  /** Directories that were renamed in this turn. */
  #directories: { directory: RenamedDirectory; delayMs: number }[] = [];

  /** @param partitions of the shard, by slot @param unlink removes files on another thread */
  constructor(partitions: ReadonlyMap<number, Partition>, unlink: (paths: readonly string[]) => void) {
    this.#partitions = partitions;
    this.#unlink = unlink;
  }

  /** Notes that a log start moved or a log was opened. */
  note(slot: number): void {
    this.#slots.add(slot);
  }

  /** Adds the directory of a partition whose topic was deleted. @param delayMs `file.delete.delay.ms`, when slices of it are lent */
  removeDirectory(directory: RenamedDirectory, delayMs: number): void {
    this.#directories.push({ directory, delayMs });
  }

  /** When `run()` is due, monotonic ms. */
  get nextDeadlineMs(): number {
    if (this.#slots.size > 0 || this.#directories.length > 0) return 0;
    return Math.max(this.#firstDueMs, this.#nextUnlinkMs);
  }

  /** Does the removals of one turn. @param nowMs monotonic time */
  run(nowMs: number): void {
    let room = SEGMENTS_PER_TURN;
    for (const slot of this.#slots) {
      if (room === 0) break;
      const partition = this.#partitions.get(slot);
      const before = partition?.log.segmentsBelowStart ?? 0;
      const count = Math.min(before, room);
      const renamed = count === 0 ? [] : partition?.removeOldestSegments(count) ?? [];
      if (partition !== undefined && renamed.length > 0) {
        this.#unlinkAt(nowMs + partition.config.fileDeleteDelayMs, renamed);
      }
      // Done, or refused by the disk. In that case the next change of the log start tries again.
      if ((partition?.log.segmentsBelowStart ?? 0) === 0 || renamed.length === 0) this.#slots.delete(slot);
      room -= count;
    }
    if (this.#directories.length > 0) this.#takeDirectories(nowMs);
    if (nowMs >= this.#firstDueMs && nowMs >= this.#nextUnlinkMs) this.#unlinkDue(nowMs);
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
    const { due = [], later = [] } = Object.groupBy(this.#renamed, ({ dueMs }) => dueMs <= nowMs ? "due" : "later");
    this.#renamed = later;
    this.#firstDueMs = later.reduce((first, { dueMs }) => Math.min(first, dueMs), Infinity);
    this.#unlink(due.flatMap(({ paths }) => paths));
  }
}
