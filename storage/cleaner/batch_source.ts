/**
 * Reads the batches of closed segments, large parts of a file at a time, into memory that is used again and again. Runs on the cleaner
 * worker; every call blocks.
 *
 * Must always hold: a batch that `next()` returns is whole, of format v2, and above all batches before it. Bytes come from the disk: they
 * are checked, never trusted. The memory grows for one larger batch up to a limit, and shrinks with the next file.
 */
import { assert } from "../base/assert.ts";
import { freeBytes } from "../base/freed_bytes.ts";
import { LogDamagedError } from "../log/storage_failure.ts";
import { crc32c } from "../records/crc32c.ts";
import type { DecompressionRefusal } from "../records/compression/refusal.ts";
import * as batches from "../records/record_batch.ts";
import { partitionFileName } from "../segments/segment_names.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { SystemError } from "../sys/libc.ts";
import { allocateNative, type NativeMemory } from "../sys/memory.ts";
import type { CleaningSegment } from "./cleaning_job.ts";
import { UncleanableError } from "./uncleanable.ts";

/** Bytes of one read. More is not faster: 1 MiB fits the cache of a core, and its system call is a small part of the work. */
const WINDOW_BYTES = 1024 * 1024;
/** Largest batch: that of the largest request (`socket.request.max.bytes`), which no batch of a client exceeds. */
const BATCH_BYTES_MAX = 104_857_600;

/** The batches of one segment at a time. */
export class BatchSource implements Disposable {
  readonly #fs: FileSystem;
  readonly #directory: string;
  #memory: NativeMemory;
  #segment: CleaningSegment | null = null;
  #fd = -1;
  /** Position in the file of the first byte in the memory. */
  #position = 0;
  /** Bytes in the memory. */
  #length = 0;
  /** Index in the memory of the batch after the current one. */
  #nextAt = 0;
  /** No further batch may begin below it. */
  #leastOffset = 0;
  #at = 0;

  /** @param directory the partition's */
  constructor(fs: FileSystem, directory: string) {
    this.#fs = fs;
    this.#directory = directory;
    this.#memory = allocateNative(WINDOW_BYTES);
  }

  /** The memory that `at` points into; another one after `load()`. */
  get memory(): NativeMemory {
    return this.#memory;
  }

  /** Index of the first byte of the current batch. */
  get at(): number {
    return this.#at;
  }

  /** Path of the file that is read. */
  get path(): string {
    return `${this.#directory}/${partitionFileName(this.#opened.baseOffset, ".log")}`;
  }

  /**
   * Opens a segment, in the place of the one before.
   * @param position of the first batch that is read
   * @throws LogDamagedError when its file is too short @throws SystemError
   */
  open(segment: CleaningSegment, position = 0): void {
    this[Symbol.dispose]();
    this.#segment = segment;
    this.#fd = this.#fs.open(this.path, { write: false });
    this.#length = 0;
    if (this.#memory.bytes.length > WINDOW_BYTES) this.#replaceMemory(WINDOW_BYTES);
    this.#position = position;
    this.#nextAt = 0;
    this.#leastOffset = segment.baseOffset;
    const size = this.#fs.size(this.#fd);
    if (size < segment.bytes) this.#refuse(size, `the file has ${size} bytes of ${segment.bytes}`);
  }

  /**
   * Reads the next part of the file, at least one whole batch.
   * @returns bytes read, 0 at the end of the file
   * @throws LogDamagedError when no whole batch follows @throws UncleanableError for a batch that is too large @throws SystemError
   */
  load(): number {
    this.#position += this.#nextAt;
    this.#memory.bytes.copyWithin(0, this.#nextAt, this.#length);
    this.#length -= this.#nextAt;
    this.#nextAt = 0;
    const left = this.#opened.bytes - this.#position;
    if (left === 0) return 0;
    const before = this.#length;
    this.#fill(Math.min(left, WINDOW_BYTES));
    if (left < batches.BATCH_HEADER_BYTES) this.#refuse(this.#position, `${left} bytes hold no batch`);
    const bytes = batches.batchBytes(this.#memory.view, 0);
    if (bytes > left) {
      this.#refuse(this.#position, `a batch of ${bytes} bytes does not fit into the ${left} that are left`);
    }
    if (bytes > BATCH_BYTES_MAX) {
      const message = `Cannot clean ${this.path}: the batch at position ${this.#position} has ${bytes} bytes, ` +
        `a cleaner takes ${BATCH_BYTES_MAX}`;
      throw new UncleanableError(message);
    }
    this.#fill(bytes);
    return this.#length - before;
  }

  /**
   * Moves to the next batch in memory.
   * @returns false when the rest of the memory has no whole batch: `load()` reads on
   * @throws LogDamagedError when the bytes are no batch
   */
  next(): boolean {
    const { view } = this.#memory;
    const at = this.#nextAt;
    const left = this.#length - at;
    if (left < batches.BATCH_HEADER_BYTES) return false;
    const bytes = batches.batchBytes(view, at);
    if (bytes > left && this.#position + at + bytes <= this.#opened.bytes) return false;
    const problem = this.#problemOf(at, bytes);
    if (problem !== null) this.#refuse(this.#position + at, problem);
    this.#leastOffset = batches.nextOffset(view, at);
    this.#nextAt = at + bytes;
    this.#at = at;
    return true;
  }

  /** Refuses the current batch. @throws LogDamagedError */
  refuse(problem: string): never {
    this.#refuse(this.#position + this.#at, problem);
  }

  /** Refuses the records of the current batch. @throws UncleanableError when they are too large @throws LogDamagedError otherwise */
  refuseContent(refusal: DecompressionRefusal): never {
    if (refusal !== "too-large") this.refuse(`the records cannot be decompressed (${refusal})`);
    const position = this.#position + this.#at;
    throw new UncleanableError(
      `Cannot clean ${this.path}: the batch at position ${position} unpacks to more than a cleaner takes`,
    );
  }

  /** Checks the CRC of the current batch. @throws LogDamagedError when it is wrong */
  checkCrc(): void {
    const { bytes, view } = this.#memory;
    const from = this.#at + batches.CRC_COVERS_FROM;
    if (crc32c(bytes, from, this.#nextAt - from) !== batches.storedCrc(view, this.#at)) {
      this.refuse("its CRC-32C is wrong");
    }
  }

  /** Closes the file. Idempotent. */
  [Symbol.dispose](): void {
    if (this.#fd >= 0) this.#fs.close(this.#fd);
    this.#fd = -1;
  }

  get #opened(): CleaningSegment {
    assert(this.#segment !== null, "a segment is open while its batches are read");
    return this.#segment;
  }

  /** Reads on until the memory has the first `length` bytes from the position on. */
  #fill(length: number): void {
    const wanted = length - this.#length;
    if (wanted <= 0) return;
    if (length > this.#memory.bytes.length) this.#replaceMemory(length);
    const from = this.#position + this.#length;
    const read = this.#fs.pread(this.#fd, this.#memory, this.#length, wanted, from);
    if (read < 0) throw new SystemError(`read ${wanted} bytes of ${this.path} at position ${from}`);
    if (read < wanted) this.#refuse(from + read, "the file ends there");
    this.#length = length;
  }

  /** Takes other memory, with the bytes of the old one that count. */
  #replaceMemory(bytes: number): void {
    const memory = allocateNative(bytes);
    memory.bytes.set(this.#memory.bytes.subarray(0, this.#length));
    freeBytes(this.#memory.bytes);
    this.#memory = memory;
  }

  /** Why the bytes at an index are no batch that can follow the one before, or null. */
  #problemOf(at: number, bytes: number): string | null {
    const { view } = this.#memory;
    const magic = batches.magic(view, at);
    if (magic !== batches.MAGIC_V2) return `a batch of format v${magic} is not cleaned`;
    if (bytes < batches.BATCH_HEADER_BYTES) return `a batch cannot have ${bytes} bytes`;
    if (bytes > this.#length - at) return `a batch of ${bytes} bytes goes beyond the end`;
    const [baseOffset, delta] = [batches.baseOffset(view, at), batches.lastOffsetDelta(view, at)];
    if (baseOffset < this.#leastOffset) return `offset ${baseOffset} does not follow ${this.#leastOffset - 1}`;
    const end = this.#opened.endOffset;
    if (delta < 0 || baseOffset + delta >= end) {
      return `a batch of offsets ${baseOffset} to ${baseOffset + delta} ends above ${end}`;
    }
    const count = batches.recordsCount(view, at);
    if (count < 0 || count > delta + 1) return `${count} records do not fit into ${delta + 1} offsets`;
    return null;
  }

  #refuse(position: number, problem: string): never {
    throw new LogDamagedError(`Cannot clean ${this.path}: damaged at position ${position}, ${problem}`);
  }
}
