/**
 * Allocates disk blocks for a range of a file before it is written through a mapping. A store into a hole raises SIGBUS when the
 * disk is full, and the process dies. Runs on shards.
 *
 * Some file systems have no fallocate (ext2, some of NFS, FUSE and containers). There the range is written: existing bytes with
 * their own content, zeros after them. After the first success of fallocate a refusal means a full disk, because all files of a
 * process's logs lie in one log directory. errno does not decide it: a second call may read it wrongly (libc.ts).
 * Source: man 2 fallocate; man 3 posix_fallocate (glibc emulates it in the same way).
 */
import { type NativeMemory, nativeMemory } from "./memory.ts";

/** The calls, as in file_system.ts. */
export interface AllocationCalls {
  /** man 2 fallocate, with mode 0. @returns whether it succeeded */
  fallocate(fd: number, position: number, length: number): boolean;
  size(fd: number): number;
  pread(fd: number, memory: NativeMemory, start: number, length: number, position: number): number;
  pwrite(fd: number, memory: NativeMemory, start: number, length: number, position: number): number;
  truncate(fd: number, size: number): void;
}

/** Bytes of one write where there is no fallocate. */
const CHUNK_BYTES = 64 * 1024;

/** Allocates blocks in the files of one file system. */
export class Allocation {
  readonly #calls: AllocationCalls;
  #hasFallocate = false;
  #chunk: NativeMemory | null = null;

  /** @param calls of the file system */
  constructor(calls: AllocationCalls) {
    this.#calls = calls;
  }

  /**
   * Allocates a range and extends the file over it.
   * @returns false when the disk is full or refuses; the file then has its old size
   * @throws SystemError when the old size cannot be restored
   */
  allocate(fd: number, position: number, length: number): boolean {
    if (this.#calls.fallocate(fd, position, length)) return this.#hasFallocate = true;
    return !this.#hasFallocate && this.#write(fd, position, position + length);
  }

  #write(fd: number, from: number, to: number): boolean {
    const size = this.#calls.size(fd);
    const chunk = this.#chunk ??= nativeMemory(new ArrayBuffer(CHUNK_BYTES));
    for (let position = from; position < to; position += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, to - position);
      chunk.bytes.fill(0);
      const isRead = position >= size || this.#calls.pread(fd, chunk, 0, length, position) >= 0;
      if (isRead && this.#calls.pwrite(fd, chunk, 0, length, position) === length) continue;
      this.#calls.truncate(fd, size);
      return false;
    }
    return true;
  }
}
