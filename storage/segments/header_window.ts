/**
 * Reads batch headers from a file through a window: one pread loads a part of the file, and its headers are read in place. Runs on
 * the shard that owns the log; one window serves all its logs, one operation at a time.
 *
 * Must always hold: the bytes of a segment below its size do not change during an operation, so a window may serve several steps of one operation.
 * `begin()` empties it between operations, because the kernel reuses descriptor numbers. Bytes from the disk are checked here
 * before anything relies on them.
 */
import { assert } from "../base/assert.ts";
import { NO_TIMESTAMP } from "../base/units.ts";
import {
  baseOffset,
  BATCH_HEADER_BYTES,
  batchBytes,
  isControl,
  lastOffsetDelta,
  magic,
  MAGIC_V2,
  maxTimestamp,
} from "../records/record_batch.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { SystemError } from "../sys/libc.ts";
import { allocateNative, type NativeMemory } from "../sys/memory.ts";

/**
 * Bytes of one pread of a lookup. Between two index entries lie at most 4 KiB and one batch. So a scan over small batches needs one
 * read, and a scan over large ones reads one header at a time.
 */
const WINDOW_BYTES = 8192;
/**
 * Bytes of a read behind a batch that is larger than the window: the next one is probably as large, so only its header is wanted. A start
 * after a kill reads the headers of gigabytes for the producers: a header alone takes half the time of a window.
 */
const HEADER_READ_BYTES = 256;

/** A file whose batches are scanned. */
export interface BatchFile {
  readonly fd: number;
  /** No offset in the file is smaller. */
  readonly baseOffset: number;
}

/** A view of a file's batch headers. */
export class HeaderWindow {
  readonly #fs: FileSystem;
  readonly #memory: NativeMemory;
  #fd = -1;
  #from = 0;
  #length = 0;

  /** @param fs where the files are @param windowBytes bytes a read */
  constructor(fs: FileSystem, windowBytes = WINDOW_BYTES) {
    assert(windowBytes >= BATCH_HEADER_BYTES, "a window holds at least one header");
    this.#fs = fs;
    this.#memory = allocateNative(windowBytes);
  }

  /** The bytes that `locate()` and `locateBatch()` point into. */
  get view(): DataView {
    return this.#memory.view;
  }

  /** The memory of `view`. */
  get memory(): NativeMemory {
    return this.#memory;
  }

  /** Empties the window. Call it at the start of every operation. */
  begin(): void {
    this.#fd = -1;
  }

  /**
   * Loads `length` bytes at a position into the view.
   * @param fd the file @param position of the first byte @param length at most the window's size
   * @returns byte index in `view`, -1 when the file is shorter
   * @throws SystemError when the disk refuses to read: recovery would cut off sound batches if this counted as the file's end
   */
  locate(fd: number, position: number, length: number): number {
    const at = position - this.#from;
    if (fd === this.#fd && at >= 0 && at + length <= this.#length) return at;
    const isBehindLarge = fd === this.#fd && position > this.#from + this.#length;
    const wanted = isBehindLarge ? Math.max(length, HEADER_READ_BYTES) : Infinity;
    this.#fd = -1;
    const read = this.#fs.pread(fd, this.#memory, 0, Math.min(wanted, this.#memory.bytes.length), position);
    if (read < 0) throw new SystemError(`read a file at position ${position}`);
    if (read < length) return -1;
    [this.#fd, this.#from, this.#length] = [fd, position, read];
    return 0;
  }

  /**
   * Finds the header of the batch at a position and checks that it can be one.
   * @param file the file @param position of the batch's first byte @param fileEnd bytes of the file that count
   * @returns byte index of the header in `view`; -1 when no whole batch of format v2 can begin there
   */
  locateBatch(file: BatchFile, position: number, fileEnd: number): number {
    if (position + BATCH_HEADER_BYTES > fileEnd) return -1;
    const at = this.locate(file.fd, position, BATCH_HEADER_BYTES);
    if (at < 0) return -1;
    const view = this.#memory.view;
    const bytes = batchBytes(view, at);
    const sound = magic(view, at) === MAGIC_V2 && bytes >= BATCH_HEADER_BYTES && position + bytes <= fileEnd &&
      baseOffset(view, at) >= file.baseOffset && lastOffsetDelta(view, at) >= 0;
    if (!sound) return -1;
    // Producer state needs the records of control batches too, so a whole control batch is loaded (usually 78 bytes).
    return isControl(view, at) ? this.locate(file.fd, position, Math.min(bytes, this.#memory.bytes.length)) : at;
  }

  /** Largest timestamp of a file's first batch in ms, -1 for none. @throws SystemError when the disk refuses */
  firstTimestamp(fd: number): number {
    this.begin();
    const at = this.locate(fd, 0, BATCH_HEADER_BYTES);
    return at < 0 ? NO_TIMESTAMP : maxTimestamp(this.#memory.view, at);
  }
}
