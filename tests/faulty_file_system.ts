/**
 * A file system that refuses the n-th call of a kind, like a failing disk or a kernel without free descriptors, mappings or blocks.
 * It counts open descriptors and mappings. Tests of code that uses files refuse every call in turn, one per run, and check that
 * nothing is lost or left open.
 */
import assert from "node:assert/strict";
import type { LogResources } from "../storage/log/log_resources.ts";
import type { FileSystem, MappedFile } from "../storage/sys/file_system.ts";
import { SystemError } from "../storage/sys/libc.ts";

/**
 * The kinds of call that can be refused, by name. `syncDirectory` has two: the directory cannot be opened (EMFILE), or the disk
 * fails. A refused `pwrite` writes a part, a refused `pread` reads nothing.
 */
export const faults = [
  "open",
  "map",
  "allocate",
  "truncate",
  "rename",
  "fdatasync",
  "openDirectory",
  "syncDirectory",
  "pwrite",
  "pread",
  "remove",
  "list",
  "readFile",
  "makeDirectory",
] as const;

/** A kind of call. */
export type Fault = (typeof faults)[number];

/** The file system; tests pass `fileSystem` to storage. */
export class FaultyFileSystem {
  readonly fileSystem: FileSystem;
  /** Which calls are refused: `count` of them from the `nth` on, counted from 1. */
  refused: { readonly fault: Fault; readonly nth: number; readonly count: number } | null = null;
  /** Number of refused calls. */
  refusals = 0;
  readonly #inner: FileSystem;
  readonly #calls = new Map<Fault, number>();
  readonly #open = new Set<number>();
  readonly #mapped = new Set<MappedFile>();

  /** @param inner makes the calls that are not refused */
  constructor(inner: FileSystem) {
    this.#inner = inner;
    this.fileSystem = this.#build();
  }

  /** Number of open descriptors. */
  get openCount(): number {
    return this.#open.size;
  }

  /** Number of mappings. */
  get mappedCount(): number {
    return this.#mapped.size;
  }

  /** Calls of a kind so far. */
  callsOf(fault: Fault): number {
    return this.#calls.get(fault) ?? 0;
  }

  #build(): FileSystem {
    const inner = this.#inner;
    return {
      ...inner,
      open: (path, mode) => {
        if (this.#isRefused("open")) throw new SystemError(`open ${path} (EMFILE, simulated)`);
        const fd = inner.open(path, mode);
        this.#open.add(fd);
        return fd;
      },
      close: (fd) => {
        if (!this.#open.delete(fd)) throw new TypeError(`descriptor ${fd} is closed twice`);
        inner.close(fd);
      },
      map: (fd, length) => this.#map(fd, length),
      allocate: (fd, position, length) => !this.#isRefused("allocate") && inner.allocate(fd, position, length),
      truncate: (fd, size) => {
        if (this.#isRefused("truncate")) throw new SystemError(`set the size of a file to ${size} (EIO, simulated)`);
        inner.truncate(fd, size);
      },
      rename: (from, to) => {
        this.#refuse("rename", from);
        inner.rename(from, to);
      },
      fdatasync: (fd) => !this.#isRefused("fdatasync") && inner.fdatasync(fd),
      syncDirectory: (path) => {
        if (this.#isRefused("openDirectory")) throw new SystemError(`open ${path} (EMFILE, simulated)`);
        return !this.#isRefused("syncDirectory") && inner.syncDirectory(path);
      },
      pwrite: (fd, memory, start, length, position) => {
        if (!this.#isRefused("pwrite")) return inner.pwrite(fd, memory, start, length, position);
        inner.pwrite(fd, memory, start, Math.floor(length / 2), position);
        return length < 2 ? -1 : Math.floor(length / 2);
      },
      pread: (fd, memory, start, length, position) =>
        this.#isRefused("pread") ? -1 : inner.pread(fd, memory, start, length, position),
      remove: (path) => {
        this.#refuse("remove", path);
        inner.remove(path);
      },
      list: (path) => {
        this.#refuse("list", path);
        return inner.list(path);
      },
      readFile: (path) => {
        this.#refuse("readFile", path);
        return inner.readFile(path);
      },
      makeDirectory: (path) => {
        this.#refuse("makeDirectory", path);
        inner.makeDirectory(path);
      },
    };
  }

  #map(fd: number, length: number): MappedFile {
    if (this.#isRefused("map")) throw new SystemError(`map ${length} bytes of a file (ENOMEM, simulated)`);
    const inner = this.#inner.map(fd, length);
    const mapped: MappedFile = {
      ...inner,
      unmap: () => {
        this.#mapped.delete(mapped);
        inner.unmap();
      },
    };
    this.#mapped.add(mapped);
    return mapped;
  }

  /** Counts a call. */
  #isRefused(fault: Fault): boolean {
    const call = this.callsOf(fault) + 1;
    this.#calls.set(fault, call);
    const { refused } = this;
    if (refused === null || refused.fault !== fault || call < refused.nth || call >= refused.nth + refused.count) {
      return false;
    }
    this.refusals++;
    return true;
  }

  /** Throws as the runtime's own calls do. */
  #refuse(fault: Fault, path: string): void {
    if (this.#isRefused(fault)) throw Object.assign(new Error(`EMFILE (simulated): ${path}`), { code: "EMFILE" });
  }
}

/** Asserts that a test has given back everything: of the file system, of the one below it, and what the log has lent. */
export function assertNothingOpen(
  { faulty, disk, resources }: {
    readonly faulty: FaultyFileSystem;
    readonly disk: { readonly openCount: number };
    readonly resources: LogResources;
  },
): void {
  const left = [
    faulty.openCount,
    disk.openCount,
    faulty.mappedCount,
    resources.leases.size,
    resources.mappings.count,
  ];
  assert.deepEqual(left, [0, 0, 0, 0, 0], "descriptors, mappings and leases that are left");
}
