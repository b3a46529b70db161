/**
 * A file system in memory that stops at a chosen call, loses unflushed data, and can be full. Tests of code that writes files run
 * until call n, crash, check what survived, and open the files again.
 *
 *   volatile (what the process sees)   --fdatasync-->      durable content of a file
 *                                      --syncDirectory-->  durable names in a directory
 *
 * A crash of the process keeps the volatile content and names, and they stay volatile: a later loss of power loses them. A loss of
 * power keeps the durable state and, at random, some of the rest (crashing_inodes.ts). Stores into a mapping are volatile until fdatasync.
 * A store beyond the file's end throws, where the real one kills the process.
 */
import type { FileSystem, MappedFile, OpenMode } from "../storage/sys/file_system.ts";
import { SystemError } from "../storage/sys/libc.ts";
import type { NativeMemory } from "../storage/sys/memory.ts";
import { DirectoryInode, FileInode, type Inode } from "./crashing_inodes.ts";

/** Thrown by the call at which the machine stops, and by every later call. No code may treat it as an error of the disk. */
export class Crash extends Error {
  override name = "Crash";
}

/**
 * How much unflushed data survives: "all" is a crash of the process, after which the data is still volatile; the other two are
 * losses of power.
 */
export type Survival = "all" | "none" | "random";

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
  /** Number of the boot of the machine: a loss of power ends one. */
  boot = 1;
  #crashed = false;
  readonly #root = new DirectoryInode();
  readonly #open = new Map<number, FileInode>();
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
    this.boot++;
    this.#root.losePower(survival === "random" ? this.#random : null);
  }

  /** Paths of all files, sorted, with their content. */
  files(): [path: string, bytes: Uint8Array][] {
    const files: [string, Uint8Array][] = [];
    for (const [path, inode] of inodesIn(this.#root, "")) {
      if (inode instanceof FileInode) files.push([path, inode.bytes.slice()]);
    }
    return files.sort(([a], [b]) => a < b ? -1 : 1);
  }

  #build(): FileSystem {
    return {
      open: (path, mode) => this.#openFile(path, mode),
      close: (fd) => void this.#open.delete(fd),
      size: (fd) => this.#inode(fd).size,
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
      makeDirectory: (path) => this.#change(() => this.#makeDirectory(path)),
      list: (path) => this.#list(path),
      rename: (from, to) => this.#change(() => this.#rename(from, to)),
      remove: (path) => this.#change(() => this.#remove(path)),
      syncDirectory: (path) => this.#syncDirectory(path),
      readFile: (path) => this.#file(path)?.bytes.slice() ?? null,
      modifiedMs: (path) => this.#lookup(path) === null ? null : this.#file(path)?.modifiedMs ?? 0,
      setModifiedMs: (path, modifiedMs) => void Object.assign(this.#file(path)!, { modifiedMs }),
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
    let inode: Inode | undefined = this.#root;
    for (const name of namesIn(path)) inode = inode instanceof DirectoryInode ? inode.entries.get(name) : undefined;
    return inode ?? null;
  }

  #file(path: string): FileInode | null {
    const inode = this.#lookup(path);
    return inode instanceof FileInode ? inode : null;
  }

  /** A directory. One that no call created is there from the beginning. */
  #directory(names: readonly string[]): DirectoryInode {
    let directory = this.#root;
    for (const name of names) {
      const found = directory.entries.get(name) ?? new DirectoryInode();
      if (!(found instanceof DirectoryInode)) throw new Deno.errors.NotADirectory(name);
      if (!directory.entries.has(name)) directory.set(name, found, { isDurable: true });
      directory = found;
    }
    return directory;
  }

  #parentOf(path: string): { directory: DirectoryInode; name: string } {
    const names = namesIn(path);
    return { directory: this.#directory(names.slice(0, -1)), name: names.at(-1) ?? "" };
  }

  #inode(fd: number): FileInode {
    if (this.#crashed) throw new Crash("the machine has stopped");
    const inode = this.#open.get(fd);
    if (inode === undefined) throw new TypeError(`descriptor ${fd} is not open`);
    return inode;
  }

  #openFile(path: string, mode: OpenMode): number {
    let inode = this.#file(path);
    if (inode === null) {
      if (!mode.create) throw new Deno.errors.NotFound(path);
      const created = inode = this.#change(() => new FileInode());
      const { directory, name } = this.#parentOf(path);
      directory.set(name, created);
    } else if (mode.truncate) this.#change(() => inode!.resize(0));
    this.#open.set(this.#nextFd, inode);
    return this.#nextFd++;
  }

  #write(fd: number, source: { memory: NativeMemory; start: number; length: number }, position: number): number {
    const inode = this.#inode(fd);
    const { memory, start, length } = source;
    const torn = this.calls + 1 >= this.crashAt;
    const room = Math.max(0, this.#freeBytes + inode.size - position);
    const written = Math.min(torn ? Math.floor(this.#random() * (length + 1)) : length, room);
    if (inode.size < position + written) inode.resize(position + written);
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
      if (size > inode.size && !this.#hasRoom(inode, size)) throw new SystemError("grow a file");
      inode.resize(size);
    });
  }

  #allocate(fd: number, end: number): boolean {
    const inode = this.#inode(fd);
    return this.#change(() => {
      if (!this.#hasRoom(inode, end)) return false;
      if (end > inode.size) inode.resize(end);
      return true;
    });
  }

  #map(fd: number, length: number): MappedFile {
    const inode = this.#inode(fd);
    if (length > inode.size) throw new SystemError(`map ${length} bytes of a shorter file`);
    return inode.map(length);
  }

  #makeDirectory(path: string): void {
    const { directory, name } = this.#parentOf(path);
    if (!directory.entries.has(name)) directory.set(name, new DirectoryInode());
  }

  #list(path: string): { name: string; isDirectory: boolean }[] {
    const inode = this.#lookup(path);
    if (!(inode instanceof DirectoryInode)) return [];
    return [...inode.entries].map(([name, entry]) => ({ name, isDirectory: entry instanceof DirectoryInode }));
  }

  #rename(from: string, to: string): void {
    const inode = this.#lookup(from);
    if (inode === null) throw new Deno.errors.NotFound(from);
    const [source, target] = [this.#parentOf(from), this.#parentOf(to)];
    if (source.directory === target.directory) return source.directory.rename(source.name, target.name);
    source.directory.remove(source.name);
    target.directory.set(target.name, inode);
  }

  #remove(path: string): void {
    if (this.#lookup(path) === null) return;
    const { directory, name } = this.#parentOf(path);
    directory.remove(name);
  }

  #syncDirectory(path: string): boolean {
    return this.#change(() => {
      if (this.flushFails) return false;
      this.#directory(namesIn(path)).flush();
      return true;
    });
  }

  #usedBytes(): number {
    const files = new Set(
      inodesIn(this.#root, "").map(([, inode]) => inode).filter((inode) => inode instanceof FileInode),
    );
    let bytes = 0;
    for (const { size } of files) bytes += size;
    return bytes;
  }

  /** Bytes that the disk has room for; negative when its capacity was lowered. */
  get #freeBytes(): number {
    return this.capacityBytes === Infinity ? Infinity : this.capacityBytes - this.#usedBytes();
  }

  #hasRoom(inode: FileInode, size: number): boolean {
    return Math.max(0, size - inode.size) <= this.#freeBytes;
  }
}

function namesIn(path: string): string[] {
  return path.split("/").filter((name) => name !== "");
}

/** All inodes below a directory, by path. */
function inodesIn(directory: DirectoryInode, path: string): [path: string, inode: Inode][] {
  return [...directory.entries].flatMap(([name, inode]): [string, Inode][] => {
    const own = `${path}/${name}`;
    return inode instanceof DirectoryInode ? [[own, inode], ...inodesIn(inode, own)] : [[own, inode]];
  });
}
