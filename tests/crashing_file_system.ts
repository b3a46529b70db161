/**
 * A file system in memory that stops at a chosen call, loses unflushed data, and can be full. Tests of code that writes files run
 * until call n, crash, check what survived, and open the files again.
 *
 *   volatile (what the process sees)   --fdatasync-->      durable content of a file
 *                                      --syncDirectory-->  durable names in a directory
 *
 * A crash of the process keeps the volatile content and names, and they stay volatile: a later loss of power loses them. A loss of
 * power keeps the durable state and, page by page at random, some of the rest, because a kernel writes back in any order. Stores
 * into a mapping are volatile until fdatasync. A store beyond the file's end throws, where the real one kills the process.
 *
 * After a failed fdatasync the kernel treats pages as clean that the disk does not have (ext4, XFS): they can be read, no later
 * fdatasync writes them, and they are lost with the power or when the cache drops them.
 */
import { Buffer } from "node:buffer";
import type { FileSystem, MappedFile, OpenMode } from "../storage/sys/file_system.ts";
import { SystemError } from "../storage/sys/libc.ts";
import type { NativeMemory } from "../storage/sys/memory.ts";

/** Thrown by the call at which the machine stops, and by every later call. No code may treat it as an error of the disk. */
export class Crash extends Error {
  override name = "Crash";
}

/**
 * How much unflushed data survives: "all" is a crash of the process, after which the data is still volatile; the other two are
 * losses of power.
 */
export type Survival = "all" | "none" | "random";

const FILE_BYTES_MAX = 1 << 21;
const PAGE_BYTES = 4096;

class Inode {
  readonly buffer = new ArrayBuffer(0, { maxByteLength: FILE_BYTES_MAX });
  durable = new Uint8Array(0);
  modifiedMs = 0;
  /** Content at the last fdatasync, whether it succeeded or not. The kernel treats pages that still agree with it as clean. */
  #flushed = new Uint8Array(0);

  get bytes(): Uint8Array {
    return new Uint8Array(this.buffer, 0, this.buffer.byteLength);
  }

  resize(size: number): void {
    if (size < this.#flushed.length) this.#flushed = this.#flushed.slice(0, size);
    this.buffer.resize(size);
  }

  /** Writes the dirty pages to the disk; they become clean even if the disk fails. */
  flush(diskFails: boolean): void {
    if (!diskFails) this.durable = this.#mix(this.bytes.length, (isDirty) => isDirty);
    this.#flushed = this.bytes.slice();
  }

  /** Drops clean pages: the next reads come from the disk. */
  dropCached(): void {
    const bytes = this.#mix(this.bytes.length, (isDirty) => isDirty);
    for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
      if (!this.#isDirty(at)) {
        this.#flushed.set(bytes.subarray(at, Math.min(at + PAGE_BYTES, this.#flushed.length)), at);
      }
    }
    this.bytes.set(bytes);
  }

  /** Loses the power. @param random uniform in [0, 1), decides which dirty pages were written; null for none */
  losePower(random: (() => number) | null): void {
    const [before, now] = [this.durable.length, this.bytes.length];
    const size = random === null ? before : Math.min(before, now) + Math.floor(random() * (Math.abs(now - before) + 1));
    this.durable = this.#mix(size, (isDirty) => random !== null && random() < 0.5 && isDirty);
    this.buffer.resize(size);
    this.bytes.set(this.durable);
    this.#flushed = this.durable.slice();
  }

  /** Mixes pages: of the volatile content where `takes` returns true, else of the durable content. */
  #mix(size: number, takes: (isDirty: boolean) => boolean): Uint8Array<ArrayBuffer> {
    const mixed = new Uint8Array(size);
    for (let at = 0; at < size; at += PAGE_BYTES) {
      const source = takes(this.#isDirty(at)) ? this.bytes : this.durable;
      mixed.set(source.subarray(at, Math.min(at + PAGE_BYTES, size)), at);
    }
    return mixed;
  }

  #isDirty(at: number): boolean {
    return Buffer.compare(this.bytes.subarray(at, at + PAGE_BYTES), this.#flushed.subarray(at, at + PAGE_BYTES)) !== 0;
  }
}

/** A directory's entries; null stands for a directory. */
type Names = Map<string, Inode | null>;

/** The file system; tests pass `fileSystem` to storage. */
export class CrashingFileSystem {
  readonly fileSystem: FileSystem;
  /** Number of calls so far that could change something. */
  calls = 0;
  /** Number of the call at which to stop; a write takes effect in part. */
  crashAt = Infinity;
  /** Total bytes of all files at which the disk is full. */
  capacityBytes = Infinity;
  /** Whether fdatasync fails. */
  flushFails = false;
  #crashed = false;
  #names: Names = new Map();
  #durableNames: Names = new Map();
  readonly #open = new Map<number, Inode>();
  #nextFd = 3;
  readonly #random: () => number;

  /** @param random uniform in [0, 1), decides what survives and how much of a torn write is written */
  constructor(random: () => number) {
    this.#random = random;
    this.fileSystem = this.#build();
  }

  /** Number of open descriptors. */
  get openCount(): number {
    return this.#open.size;
  }

  /** Whether the chosen call was reached. */
  get crashed(): boolean {
    return this.#crashed;
  }

  /** Restarts the process or the machine with the surviving data. */
  restart(survival: Survival): void {
    this.#crashed = false;
    this.crashAt = Infinity;
    this.#open.clear();
    if (survival === "all") return;
    const names: Names = new Map(this.#durableNames);
    for (const [path, inode] of this.#names) {
      if (survival === "random" && this.#random() < 0.5) names.set(path, inode);
    }
    for (const path of [...names.keys()]) if (!this.#isReachable(path, names)) names.delete(path);
    const random = survival === "random" ? this.#random : null;
    for (const inode of new Set(names.values())) inode?.losePower(random);
    this.#names = names;
    this.#durableNames = new Map(names);
  }

  /** Paths of all files, sorted, with their content. */
  files(): [path: string, bytes: Uint8Array][] {
    const files: [string, Uint8Array][] = [];
    for (const [path, inode] of this.#names) if (inode !== null) files.push([path, inode.bytes.slice()]);
    return files.sort(([a], [b]) => a < b ? -1 : 1);
  }

  /** Whether the directory of a file survived; the root, which no call created, always does. */
  #isReachable(path: string, names: Names): boolean {
    const parent = path.slice(0, path.lastIndexOf("/"));
    return !this.#names.has(parent) || names.has(parent);
  }

  #build(): FileSystem {
    return {
      open: (path, mode) => this.#openFile(path, mode),
      close: (fd) => void this.#open.delete(fd),
      size: (fd) => this.#inode(fd).bytes.length,
      pwrite: (fd, memory, start, length, position) => this.#write(fd, { memory, start, length }, position),
      pread: (fd, memory, start, length, position) => {
        const bytes = this.#inode(fd).bytes.subarray(position, position + length);
        memory.bytes.set(bytes, start);
        return bytes.length;
      },
      fdatasync: (fd) => this.#flush(fd),
      dropCached: (fd) => this.#inode(fd).dropCached(),
      truncate: (fd, size) => this.#resize(fd, size),
      allocate: (fd, position, length) => this.#allocate(fd, position + length),
      map: (fd, length) => this.#map(fd, length),
      tryLock: () => true,
      lastError: () => "ENOSPC, no space left on device (simulated)",
      makeDirectory: (path) => this.#change(() => void this.#names.set(path, null)),
      list: (path) => this.#list(path),
      rename: (from, to) => this.#change(() => this.#rename(from, to)),
      remove: (path) => this.#change(() => this.#remove(path)),
      syncDirectory: (path) => this.#syncDirectory(path),
      readFile: (path) => this.#lookup(path)?.bytes.slice() ?? null,
      modifiedMs: (path) => this.#names.has(path) ? this.#lookup(path)?.modifiedMs ?? 0 : null,
      setModifiedMs: (path, modifiedMs) => void Object.assign(this.#lookup(path)!, { modifiedMs }),
    };
  }

  /** Counts a call that changes something; from the chosen call on nothing happens. */
  #change<T>(action: () => T): T {
    if (this.#crashed || ++this.calls >= this.crashAt) {
      this.#crashed = true;
      throw new Crash(`the machine stopped at call ${this.calls}`);
    }
    return action();
  }

  #lookup(path: string): Inode | null {
    if (this.#crashed) throw new Crash("the machine has stopped");
    return this.#names.get(path) ?? null;
  }

  #inode(fd: number): Inode {
    if (this.#crashed) throw new Crash("the machine has stopped");
    const inode = this.#open.get(fd);
    if (inode === undefined) throw new TypeError(`descriptor ${fd} is not open`);
    return inode;
  }

  #openFile(path: string, mode: OpenMode): number {
    let inode = this.#lookup(path);
    if (inode === null) {
      if (!mode.create) throw new Deno.errors.NotFound(path);
      inode = this.#change(() => new Inode());
      this.#names.set(path, inode);
    } else if (mode.truncate) this.#change(() => inode!.resize(0));
    this.#open.set(this.#nextFd, inode);
    return this.#nextFd++;
  }

  #write(fd: number, source: { memory: NativeMemory; start: number; length: number }, position: number): number {
    const inode = this.#inode(fd);
    const { memory, start, length } = source;
    const torn = this.calls + 1 >= this.crashAt;
    const room = Math.max(0, this.capacityBytes - this.#usedBytes() + inode.bytes.length - position);
    const written = Math.min(torn ? Math.floor(this.#random() * (length + 1)) : length, room);
    if (inode.bytes.length < position + written) inode.resize(position + written);
    inode.bytes.set(memory.bytes.subarray(start, start + written), position);
    return this.#change(() => written < length && written === 0 ? -1 : written);
  }

  #flush(fd: number): boolean {
    const inode = this.#inode(fd);
    return this.#change(() => {
      inode.flush(this.flushFails);
      return !this.flushFails;
    });
  }

  #resize(fd: number, size: number): void {
    const inode = this.#inode(fd);
    this.#change(() => {
      if (size > inode.bytes.length && !this.#hasRoom(inode, size)) throw new SystemError("grow a file");
      inode.resize(size);
    });
  }

  #allocate(fd: number, end: number): boolean {
    const inode = this.#inode(fd);
    return this.#change(() => {
      if (!this.#hasRoom(inode, end)) return false;
      if (end > inode.bytes.length) inode.resize(end);
      return true;
    });
  }

  #map(fd: number, length: number): MappedFile {
    const inode = this.#inode(fd);
    if (length > inode.bytes.length) throw new SystemError(`map ${length} bytes of a shorter file`);
    const bytes = new Uint8Array(inode.buffer, 0, length);
    return { bytes, view: new DataView(inode.buffer, 0, length), address: 0, unmap: () => {} };
  }

  #list(path: string): { name: string; isDirectory: boolean }[] {
    if (this.#crashed) throw new Crash("the machine has stopped");
    return [...this.#names].filter(([name]) => isIn(name, path)).map(([name, inode]) => ({
      name: name.slice(name.lastIndexOf("/") + 1),
      isDirectory: inode === null,
    }));
  }

  #rename(from: string, to: string): void {
    if (!this.#names.has(from)) throw new Deno.errors.NotFound(from);
    for (const [path, inode] of [...this.#names]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue;
      this.#names.delete(path);
      this.#names.set(to + path.slice(from.length), inode);
    }
  }

  #remove(path: string): void {
    for (const name of [...this.#names.keys()]) {
      if (name === path || name.startsWith(`${path}/`)) this.#names.delete(name);
    }
  }

  #syncDirectory(path: string): boolean {
    return this.#change(() => {
      if (this.flushFails) return false;
      for (const name of [...this.#durableNames.keys()]) if (isIn(name, path)) this.#durableNames.delete(name);
      for (const [name, inode] of this.#names) if (isIn(name, path)) this.#durableNames.set(name, inode);
      return true;
    });
  }

  #usedBytes(): number {
    let bytes = 0;
    for (const inode of new Set(this.#names.values())) bytes += inode?.bytes.length ?? 0;
    return bytes;
  }

  #hasRoom(inode: Inode, size: number): boolean {
    return this.#usedBytes() + Math.max(0, size - inode.bytes.length) <= this.capacityBytes;
  }
}

function isIn(path: string, directory: string): boolean {
  const prefix = directory === "/" ? "/" : `${directory}/`;
  return path.startsWith(prefix) && !path.slice(prefix.length).includes("/");
}
