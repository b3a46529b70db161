/**
 * The producer snapshots of a log: files that hold the state of all producers at an offset, so that opening the log does not read
 * it from its start. Runs on the shard that owns the log.
 *
 * The snapshots at the base offsets of segments are kept as long as their segment, and so is the newest one above them (from a
 * clean close, or from a flush that shortens recovery). Opening the log removes all others, and those outside the log; a recovery makes
 * that durable (log_recovery.ts).
 * Source: Kafka's ProducerStateManager (removeStraySnapshots, truncateAndReload, takeSnapshot).
 */
import { type Offset, toOffset } from "../../base/units.ts";
import { parsePartitionFileName, partitionFileName, SNAPSHOT_KIND } from "../../segments/segment_names.ts";
import type { FileSystem } from "../../sys/file_system.ts";
import { SystemError } from "../../sys/libc.ts";
import { allocateNative } from "../../sys/memory.ts";
import type { Unflushed } from "../unflushed.ts";

/** The snapshot files of one log. */
export class ProducerSnapshotFiles {
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #offsets = new Set<Offset>();

  /** Lists the existing snapshots. @param directory the partition's @throws the runtime's error when it cannot be listed */
  constructor(fs: FileSystem, directory: string) {
    this.#fs = fs;
    this.#directory = directory;
    for (const { name } of fs.list(directory)) {
      const parsed = parsePartitionFileName(name);
      if (parsed !== null && parsed.kind === SNAPSHOT_KIND && parsed.suffix === "") this.#offsets.add(parsed.offset);
    }
  }

  /** Offset of the newest snapshot, -1 when there is none. */
  get latest(): Offset {
    let latest = -1;
    for (const offset of this.#offsets) latest = Math.max(latest, offset);
    return toOffset(latest);
  }

  /** Offsets of the snapshots that do not lie above one, the newest first. */
  atMost(offset: Offset): Offset[] {
    return [...this.#offsets].filter((each) => each <= offset).sort((a, b) => b - a);
  }

  /** Whether there is a snapshot at the offset. */
  has(offset: Offset): boolean {
    return this.#offsets.has(offset);
  }

  /**
   * Writes a snapshot without waiting for the disk, because a roll must not wait. If a crash tears it, its CRC is wrong and the
   * next older one is used.
   * @param bytes from `ProducerState.encodeSnapshot()` @throws SystemError when the disk refuses
   */
  write(offset: Offset, bytes: Uint8Array): void {
    const path = this.#path(offset);
    const memory = allocateNative(bytes.length);
    memory.bytes.set(bytes);
    const fd = this.#fs.open(path, { write: true, create: true, truncate: true });
    const written = this.#fs.pwrite(fd, memory, 0, bytes.length, 0);
    this.#fs.close(fd);
    if (written !== bytes.length) {
      const error = new SystemError(`write ${path}`);
      this.#fs.remove(path);
      throw error;
    }
    this.#offsets.add(offset);
  }

  /** Adds a snapshot to the log's next flush. */
  flushNext(offset: Offset, unflushed: Unflushed): void {
    unflushed.addFile(this.#path(offset));
    unflushed.addDirectory(this.#directory);
  }

  /** Removes the snapshots above one offset and below another. */
  removeBetween(from: Offset, to: Offset): void {
    for (const offset of this.#offsets) if (offset > from && offset < to) this.remove(offset);
  }

  /** Content of a snapshot, or null. */
  read(offset: Offset): Uint8Array | null {
    return this.#fs.readFile(this.#path(offset));
  }

  /** Removes a snapshot; missing is fine. @throws the runtime's errors when the disk refuses; another call tries again */
  remove(offset: Offset): void {
    if (!this.#offsets.has(offset)) return;
    this.#fs.remove(this.#path(offset));
    this.#offsets.delete(offset);
  }

  /** Removes all snapshots. @throws as `remove()` does */
  removeAll(): void {
    for (const offset of this.#offsets) this.remove(offset);
  }

  /**
   * Removes snapshots at which no segment begins, except the newest one above all segments.
   * @param baseOffsets of the segments, ascending
   */
  removeStray(baseOffsets: readonly Offset[]): void {
    const bases = new Set(baseOffsets);
    const strays = [...this.#offsets].filter((offset) => !bases.has(offset)).sort((a, b) => a - b);
    const newest = strays.at(-1);
    const kept = newest !== undefined && newest >= (baseOffsets.at(-1) ?? -1) ? newest : null;
    for (const offset of strays) if (offset !== kept) this.remove(offset);
  }

  /**
   * Removes snapshots outside the log: the batches after a snapshot must all exist, and it must not lie above the log's end.
   * @param range base offset of the oldest segment that is read, and the log's end
   */
  removeOutside(range: { firstOffset: Offset; logEndOffset: Offset }): void {
    for (const offset of this.#offsets) {
      if (offset > range.logEndOffset || offset < range.firstOffset) this.remove(offset);
    }
  }

  #path(offset: Offset): string {
    return `${this.#directory}/${partitionFileName(offset, SNAPSHOT_KIND)}`;
  }
}
