/**
 * Takes segments below the log start off the disk, a few a turn: their files are renamed at once and unlinked by another thread
 * after `file.delete.delay.ms`, because freeing a gigabyte of extents takes a disk tens of milliseconds. Runs on shards.
 *
 * Always: a segment goes only after the log start that leaves it behind was published; what a stop or crash leaves renamed, the next
 * start removes (storage/leftover_files.ts).
 * Source: Kafka's UnifiedLog.deleteLogStartOffsetBreachedSegments, which waits for the next check of retention.
 */
import type { Partition } from "./partition.ts";

/** Segments renamed in a turn: 32 cost about a millisecond. */
const SEGMENTS_PER_TURN = 32;
/** How often renamed files are looked at. */
const UNLINK_CHECK_MS = 1000;

interface RenamedFiles {
  readonly dueMs: number;
  readonly paths: readonly string[];
}

/** The removal of one shard. */
export class SegmentRemoval {
  readonly #partitions: ReadonlyMap<number, Partition>;
  readonly #unlink: (paths: readonly string[]) => void;
  /** Slots of partitions that may have segments below their log start. */
  readonly #slots = new Set<number>();
  #renamed: RenamedFiles[] = [];
  #nextUnlinkMs = 0;

  /** @param partitions of the shard, by slot @param unlink removes files on another thread */
  constructor(partitions: ReadonlyMap<number, Partition>, unlink: (paths: readonly string[]) => void) {
    [this.#partitions, this.#unlink] = [partitions, unlink];
  }

  /** Notes that a log start moved, or that a log was opened. */
  note(slot: number): void {
    this.#slots.add(slot);
  }

  /** Does this turn's share. @param nowMs monotonic time */
  run(nowMs: number): void {
    let room = SEGMENTS_PER_TURN;
    for (const slot of this.#slots) {
      if (room === 0) break;
      const partition = this.#partitions.get(slot);
      const before = partition?.log.segmentsBelowStart ?? 0;
      const count = Math.min(before, room);
      const renamed = count === 0 ? [] : partition?.removeOldestSegments(count) ?? [];
      if (partition !== undefined && renamed.length > 0) {
        this.#renamed.push({ dueMs: nowMs + partition.config.fileDeleteDelayMs, paths: renamed });
      }
      // Done, or refused by the disk: then the next change of the log start tries again.
      if ((partition?.log.segmentsBelowStart ?? 0) === 0 || renamed.length === 0) this.#slots.delete(slot);
      room -= count;
    }
    if (this.#renamed.length > 0 && nowMs >= this.#nextUnlinkMs) this.#unlinkDue(nowMs);
  }

  #unlinkDue(nowMs: number): void {
    this.#nextUnlinkMs = nowMs + UNLINK_CHECK_MS;
    const due = this.#renamed.filter(({ dueMs }) => dueMs <= nowMs).flatMap(({ paths }) => paths);
    if (due.length === 0) return;
    this.#renamed = this.#renamed.filter(({ dueMs }) => dueMs > nowMs);
    this.#unlink(due);
  }
}
