/**
 * Reads the batches of a `.log` file in order, whole and checked, for the commands that look at a directory without a broker
 * (main.ts dump, main.ts verify). The main isolate of the command. The file may be written at the same time: what is no whole batch
 * ends the reading.
 */
import { crc32c } from "../records/crc32c.ts";
import * as batches from "../records/record_batch.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { SystemError } from "../sys/libc.ts";
import { allocateNative, type NativeMemory } from "../sys/memory.ts";

/** Bytes of one read; a larger batch gets memory of its size, which the file has. */
const READ_BYTES = 4 * 1024 * 1024;

/** One `.log` file. */
export class StoredBatches implements Disposable {
  /** Bytes of the file when it was opened. */
  readonly fileBytes: number;
  /** The batch that `next()` found lies here. */
  memory: NativeMemory = allocateNative(READ_BYTES);
  /** Index of its first byte in the memory. */
  at = 0;
  /** Position of its first byte in the file. */
  position = 0;
  /** Position after it. */
  end = 0;
  readonly #fs: FileSystem;
  readonly #fd: number;
  #loadedFrom = 0;
  #loadedBytes = 0;

  /** @throws SystemError when the file cannot be opened */
  constructor(fs: FileSystem, path: string) {
    this.#fs = fs;
    this.#fd = fs.open(path, { write: false });
    this.fileBytes = fs.size(this.#fd);
  }

  /**
   * Moves to the next batch.
   * @returns "end" at the end of the file; otherwise a sentence about the bytes at `end`, which are no sound batch, and how many of them
   * `skip()` can pass because they claim to be one, 0 for none
   * @throws SystemError when the disk refuses to read
   */
  next(): "batch" | "end" | { readonly problem: string; readonly batchBytes: number } {
    const found = this.#find();
    return typeof found === "string" ? found : { batchBytes: 0, ...found };
  }

  /** Passes a damaged batch. @param batchBytes its size, as `next()` said it */
  skip(batchBytes: number): void {
    this.end += batchBytes;
  }

  #find(): "batch" | "end" | { readonly problem: string; readonly batchBytes?: number } {
    const position = this.end;
    const left = this.fileBytes - position;
    if (left === 0) return "end";
    if (left < batches.BATCH_HEADER_BYTES) return { problem: `${left} bytes are too few for the header of a batch` };
    if (!this.#load(position, batches.BATCH_HEADER_BYTES)) return { problem: "the file ends here" };
    const header = this.memory.view;
    const magic = batches.magic(header, this.at);
    const bytes = batches.batchBytes(header, this.at);
    if (magic !== batches.MAGIC_V2) return { problem: this.#describeNoBatch(magic, left) };
    if (bytes < batches.BATCH_HEADER_BYTES) return { problem: `the batch's length field says ${bytes} bytes in all` };
    if (bytes > left) return { problem: `the batch has ${bytes} bytes, of which the file has ${left}` };
    if (!this.#load(position, bytes)) return { problem: "the file ends in this batch" };
    const { view } = this.memory;
    const from = this.at + batches.CRC_COVERS_FROM;
    const crc = crc32c(this.memory.bytes, from, bytes - batches.CRC_COVERS_FROM);
    const stored = batches.storedCrc(view, this.at);
    if (crc !== stored) {
      return { problem: `the batch's CRC-32C is ${hex(crc)}, its header says ${hex(stored)}`, batchBytes: bytes };
    }
    if (batches.lastOffsetDelta(view, this.at) < 0) return { problem: "the batch ends before its base offset" };
    [this.position, this.end] = [position, position + bytes];
    return "batch";
  }

  [Symbol.dispose](): void {
    this.#fs.close(this.#fd);
  }

  #describeNoBatch(magic: number, left: number): string {
    const { bytes } = this.memory;
    const isZero = bytes.subarray(this.at, this.at + batches.BATCH_HEADER_BYTES).every((byte) => byte === 0);
    if (isZero) return `${left} bytes are left, which begin with zeros (a preallocated file, or a loss of power)`;
    return `no batch of format v2 begins here (format ${magic})`;
  }

  /** Loads bytes of the file; `at` is then the first one's index. @returns false when the file has become shorter */
  #load(position: number, length: number): boolean {
    const offset = position - this.#loadedFrom;
    if (offset >= 0 && offset + length <= this.#loadedBytes) {
      this.at = offset;
      return true;
    }
    if (length > this.memory.bytes.length) this.memory = allocateNative(length);
    const read = this.#fs.pread(this.#fd, this.memory, 0, this.memory.bytes.length, position);
    if (read < 0) throw new SystemError(`read a file at position ${position}`);
    [this.#loadedFrom, this.#loadedBytes, this.at] = [position, read, 0];
    return read >= length;
  }
}

/** A CRC as it is printed. */
export function hex(crc: number): string {
  return crc.toString(16).padStart(8, "0");
}
