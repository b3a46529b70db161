/**
 * The producer snapshots of a log: files that hold the state of all producers at an offset, so that reopening need not
 * read the log from its start. Runs on the shard that owns the log.
 *
 * Kept are the snapshots at the base offsets of segments, which go with their segment, and the newest one above them (that
 * of a clean close). Opening removes all others, and those outside of the log.
 * Source: Kafka's ProducerStateManager (removeStraySnapshots, truncateAndReload, takeSnapshot).
 */
import { type Offset, toOffset } from "../../base/units.ts";
import { parsePartitionFileName, partitionFileName, SNAPSHOT_KIND } from "../../segments/segment_names.ts";
import type { FileSystem } from "../../sys/file_system.ts";
import { SystemError } from "../../sys/libc.ts";
import { nativeMemory } from "../../sys/memory.ts";

/** Least size of memory that the kernel can be handed. */
const NATIVE_BYTES = 128;

/** The snapshot files of one log. */
export class ProducerSnapshotFiles {
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #offsets = new Set<Offset>();

  /** Lists what is there. @param directory the partition's @throws the runtime's error when it cannot be listed */
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

  /** Whether there is one at the offset. */
  has(offset: Offset): boolean {
    return this.#offsets.has(offset);
  }

  /**
   * Writes one, without waiting for the disk: a roll must not. One that a crash tears has a wrong CRC, and the next older
   * one serves.
   * @param bytes from `ProducerState.encodeSnapshot()` @throws SystemError when the disk refuses
   */
  write(offset: Offset, bytes: Uint8Array): void {
    const path = this.#path(offset);
    const memory = nativeMemory(new ArrayBuffer(Math.max(bytes.length, NATIVE_BYTES)));
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

  /** Content of one, or null. */
  read(offset: Offset): Uint8Array | null {
    return this.#fs.readFile(this.#path(offset));
  }

  /** Removes one; missing is fine. */
  remove(offset: Offset): void {
    if (this.#offsets.delete(offset)) this.#fs.remove(this.#path(offset));
  }

  /** Removes those that no segment begins at, except the newest above all segments. @param baseOffsets of the segments, ascending */
  removeStray(baseOffsets: readonly Offset[]): void {
    const bases = new Set(baseOffsets);
    const strays = [...this.#offsets].filter((offset) => !bases.has(offset)).sort((a, b) => a - b);
    const newest = strays.at(-1);
    const kept = newest !== undefined && newest >= (baseOffsets.at(-1) ?? -1) ? newest : null;
    for (const offset of strays) if (offset !== kept) this.remove(offset);
  }

  /**
   * Removes those that nothing can be replayed onto: what follows them must be there, and no longer log than this is known.
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
