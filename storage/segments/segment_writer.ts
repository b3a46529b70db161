/**
 * Writes bytes to the active segment's file by `pwrite` or by stores into a mapping. Both have one interface;
 * `barnabas.log.append.mode` chooses, and bench/append_bench.ts compares them. Runs on the shard that owns the log.
 *
 * Must always hold: a refused write changes nothing in the part of the file that is read. A short write is cut off again; if that
 * fails too, the file is damaged and the log has to go offline.
 */
import type { Mappings } from "../log/log_resources.ts";
import { storageFailure } from "../log/storage_failure.ts";
import type { FileSystem, MappedFile } from "../sys/file_system.ts";
import type { NativeMemory } from "../sys/memory.ts";

/** First range that is allocated for a mapped file; each further step doubles the file. */
const FIRST_MAPPED_STEP_BYTES = 1024 * 1024;
/** Largest step: limits what a log reserves beyond its end. */
const MAPPED_STEP_BYTES_MAX = 64 * 1024 * 1024;

/** How a write ended: after "refused" the file is unchanged, after "damaged" it is not. */
export type WriteOutcome = "written" | "refused" | "damaged";

/** Writes one file at its end. */
export interface SegmentWriter extends Disposable {
  /**
   * Writes `length` bytes of `memory` from `start` at the file's end, which is `position`. Four plain parameters, because an
   * options object would be one allocation per append.
   * @throws SystemError when a mapping is refused; the file is unchanged then, too
   */
  append(memory: NativeMemory, start: number, length: number, position: number): WriteOutcome;
  /** Makes the file `size` bytes long: cuts off the room that was allocated beyond its end. @throws SystemError */
  trim(size: number): void;
}

/** Writes by system call. */
export class PwriteSegmentWriter implements SegmentWriter {
  readonly #fs: FileSystem;
  readonly #fd: number;

  /** @param fd owned by the segment */
  constructor(fs: FileSystem, fd: number) {
    this.#fs = fs;
    this.#fd = fd;
  }

  append(memory: NativeMemory, start: number, length: number, position: number): WriteOutcome {
    if (this.#fs.pwrite(this.#fd, memory, start, length, position) === length) return "written";
    try {
      this.trim(position);
      return "refused";
    } catch (error) {
      storageFailure(error);
      return "damaged"; // the torn batch stays until recovery cuts it off
    }
  }

  trim(size: number): void {
    this.#fs.truncate(this.#fd, size);
  }

  [Symbol.dispose](): void {}
}

/** Writes by storing into a mapping of the file, which grows by allocated steps. */
export class MappedSegmentWriter implements SegmentWriter {
  readonly #fs: FileSystem;
  readonly #fd: number;
  readonly #mappings: Mappings;
  #isDisposed = false;
  #mapped: MappedFile | null = null;
  #mappedBytes = 0;

  /** @param fd owned by the segment @param mappings one of them was taken for this writer, which releases it */
  constructor(fs: FileSystem, fd: number, mappings: Mappings) {
    this.#fs = fs;
    this.#fd = fd;
    this.#mappings = mappings;
  }

  append(memory: NativeMemory, start: number, length: number, position: number): WriteOutcome {
    const end = position + length;
    if (end > this.#mappedBytes && !this.#grow(end)) return "refused";
    this.#mapped!.bytes.set(memory.bytes.subarray(start, start + length), position);
    return "written";
  }

  trim(size: number): void {
    this.#unmap();
    this.#fs.truncate(this.#fd, size);
  }

  [Symbol.dispose](): void {
    this.#unmap();
    if (!this.#isDisposed) this.#mappings.release();
    this.#isDisposed = true;
  }

  #unmap(): void {
    this.#mapped?.unmap();
    this.#mapped = null;
    this.#mappedBytes = 0;
  }

  #grow(end: number): boolean {
    const step = Math.min(Math.max(FIRST_MAPPED_STEP_BYTES, this.#mappedBytes), MAPPED_STEP_BYTES_MAX);
    const bytes = Math.ceil(end / step) * step;
    if (!this.#fs.allocate(this.#fd, this.#mappedBytes, bytes - this.#mappedBytes)) return false;
    // The new mapping comes first: if the kernel refuses it, the old one stays and the next append tries again.
    const mapped = this.#fs.map(this.#fd, bytes);
    this.#unmap();
    this.#mapped = mapped;
    this.#mappedBytes = bytes;
    return true;
  }
}
