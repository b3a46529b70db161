/**
 * The file operations of the log, behind an interface. Below is the Linux implementation; tests use others that fail, crash or lose
 * what was not flushed. Every call blocks. Runs on shards; the main isolate reads and writes the small files of a log
 * directory with it, at its start and end.
 *
 * Byte counts decide: a write that moved fewer bytes than asked has failed there (full disk, limit). errno serves the message only.
 */
import { Allocation, type AllocationCalls } from "./allocation.ts";
import { IO_BYTES_MAX, lastErrorText, libc, SystemError, word64 } from "./libc.ts";
import { assert } from "../base/assert.ts";
import type { NativeMemory } from "./memory.ts";

/** A file mapped into memory, readable and writable. The views must not be touched after `unmap()`. */
export interface MappedFile extends NativeMemory {
  /** Ends the mapping. An access to the views afterwards crashes the process, so the owner drops them too. Idempotent. */
  unmap(): void;
}

/** How a file is opened. */
export interface OpenMode {
  /** Writable, not only readable. */
  write: boolean;
  /** Created when it is missing. */
  create?: boolean;
  /** Emptied. */
  truncate?: boolean;
}

/** What the log needs of a file system. Paths are absolute or relative to the working directory. */
export interface FileSystem {
  /** Opens a file. @returns its descriptor @throws SystemError */
  open(path: string, mode: OpenMode): number;
  /** Closes a descriptor. */
  close(fd: number): void;
  /** Size of an open file in bytes. */
  size(fd: number): number;
  /** Writes from memory. @returns bytes written: fewer than `length`, or -1, when the disk refused */
  pwrite(fd: number, memory: NativeMemory, start: number, length: number, position: number): number;
  /** Reads into memory. @returns bytes read: fewer than `length` at the end of the file, -1 on an error */
  pread(fd: number, memory: NativeMemory, start: number, length: number, position: number): number;
  /** Makes the file's data durable. @returns false when the disk failed; do not retry: the kernel may have dropped the pages */
  fdatasync(fd: number): boolean;
  /**
   * Drops the file's clean, unmapped pages from the page cache, so the next reads come from the disk. After a failed write the
   * kernel marks pages clean that the disk does not have (man 2 fsync, NOTES). This is only advice to the kernel: it cannot fail.
   */
  dropCached(fd: number): void;
  /** Sets the file's size. @throws SystemError */
  truncate(fd: number, size: number): void;
  /** Reserves disk blocks and extends the file over them. @returns false when the disk is full or refuses @throws as `Allocation` */
  allocate(fd: number, position: number, length: number): boolean;
  /** Maps the first `length` bytes; all of them must be allocated. @throws SystemError */
  map(fd: number, length: number): MappedFile;
  /** Locks a file against other processes (POSIX, as Apache Kafka does) and other brokers of this one. */
  tryLock(fd: number): boolean;
  /** Text of the last failure, for a message. */
  lastError(): string;

  /** Creates a directory and its parents where missing. */
  makeDirectory(path: string): void;
  /** Names in a directory with their kind, in no order. */
  list(path: string): { name: string; isDirectory: boolean }[];
  /** Renames or replaces atomically. */
  rename(from: string, to: string): void;
  /** Removes a file, or a directory with all in it; missing is fine. */
  remove(path: string): void;
  /** Makes renames, creations and removals in a directory durable. @returns false when the disk failed */
  syncDirectory(path: string): boolean;
  /** Whole content of a file, or null where there is none. */
  readFile(path: string): Uint8Array | null;
  /** Modification time in milliseconds since 1970, or null where there is no such file. */
  modifiedMs(path: string): number | null;
  /** Sets the modification time. */
  setModifiedMs(path: string, modifiedMs: number): void;
}

const O_RDWR = 0o2;
const O_CREAT = 0o100;
const O_TRUNC = 0o1000;
const O_CLOEXEC = 0o2000000;
const SEEK_END = 2;
const F_TLOCK = 2;
const LOCK_EX_NB = 2 | 4;
const PROT_READ_WRITE = 1 | 2;
const MAP_SHARED = 1;
const POSIX_FADV_DONTNEED = 4;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

const encoder = new TextEncoder();

function openFile(path: string, mode: OpenMode): number {
  const flags = O_CLOEXEC | (mode.write ? O_RDWR : 0) | (mode.create ? O_CREAT : 0) | (mode.truncate ? O_TRUNC : 0);
  const fd = libc.open(encoder.encode(path + "\0"), flags, 0o644);
  if (fd < 0) throw new SystemError(`open ${path}`);
  return fd;
}

function mapFile(fd: number, length: number): MappedFile {
  const result = libc.mmap(word64(0), word64(length), PROT_READ_WRITE, MAP_SHARED, fd, word64(0));
  if (result === MAP_FAILED) throw new SystemError(`map ${length} bytes of a file`);
  const pointer = Deno.UnsafePointer.create(result);
  assert(pointer !== null, "mmap returns an address");
  const buffer = Deno.UnsafePointerView.getArrayBuffer(pointer, length);
  let mapped = true;
  return {
    bytes: new Uint8Array(buffer),
    view: new DataView(buffer),
    address: Number(result),
    unmap() {
      if (mapped) libc.munmap(result, word64(length));
      mapped = false;
    },
  };
}

function remove(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Opens a directory to flush it. @returns its descriptor, -1 when the system refuses */
export function openDirectoryFd(path: string): number {
  return libc.open(encoder.encode(path + "\0"), O_CLOEXEC, 0);
}

function syncDirectory(path: string): boolean {
  const fd = openFile(path, { write: false });
  const ok = libc.fsync(fd) === 0;
  libc.close(fd);
  return ok;
}

function readFile(path: string): Uint8Array | null {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function modifiedMs(path: string): number | null {
  try {
    return Deno.statSync(path).mtime?.getTime() ?? null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

const bytesOfFiles: AllocationCalls = {
  fallocate: (fd, position, length) => libc.fallocate(fd, 0, word64(position), word64(length)) === 0,
  size: (fd) => Number(libc.lseek(fd, word64(0), SEEK_END)),
  pwrite: (fd, memory, start, length, position) => {
    assert(
      start >= 0 && length <= IO_BYTES_MAX && start + length <= memory.bytes.length,
      "a write stays in its memory",
    );
    return libc.pwrite(fd, word64(memory.address + start), word64(length), word64(position));
  },
  pread: (fd, memory, start, length, position) => {
    assert(start >= 0 && length <= IO_BYTES_MAX && start + length <= memory.bytes.length, "a read stays in its memory");
    return libc.pread(fd, word64(memory.address + start), word64(length), word64(position));
  },
  truncate: (fd, size) => {
    if (libc.ftruncate(fd, word64(size)) !== 0) throw new SystemError(`set the size of a file to ${size}`);
  },
};

const allocation = new Allocation(bytesOfFiles);

/** The machine's file system. */
export const linuxFileSystem: FileSystem = {
  open: openFile,
  close: (fd) => void libc.close(fd),
  size: bytesOfFiles.size,
  pwrite: bytesOfFiles.pwrite,
  pread: bytesOfFiles.pread,
  fdatasync: (fd) => libc.fdatasync(fd) === 0,
  dropCached: (fd) => void libc.posix_fadvise(fd, word64(0), word64(0), POSIX_FADV_DONTNEED),
  truncate: bytesOfFiles.truncate,
  allocate: (fd, position, length) => allocation.allocate(fd, position, length),
  map: mapFile,
  tryLock: (fd) => libc.flock(fd, LOCK_EX_NB) === 0 && libc.lockf(fd, F_TLOCK, word64(0)) === 0,
  lastError: lastErrorText,
  makeDirectory: (path) => Deno.mkdirSync(path, { recursive: true }),
  list: (path) => [...Deno.readDirSync(path)].map(({ name, isDirectory }) => ({ name, isDirectory })),
  rename: (from, to) => Deno.renameSync(from, to),
  remove,
  syncDirectory,
  readFile,
  modifiedMs,
  setModifiedMs: (path, ms) => Deno.utimeSync(path, new Date(ms), new Date(ms)),
};
