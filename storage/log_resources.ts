/**
 * What the logs of one shard share: leases on segment files, the closed segments whose files are open, a window for
 * headers. Runs on the shard; never leaves it. What crosses to another isolate is a lease's number.
 *
 * A lease keeps a descriptor open: a fetch slice may be sent by another shard long after retention or the removal of the
 * topic took the segment away, and a descriptor number that was closed meanwhile could name another file.
 */
import { assert } from "./base/assert.ts";
import { HeaderWindow } from "./header_window.ts";
import type { FileSystem } from "./sys/file_system.ts";

/** What can be leased, and closed when nobody leases it. */
export interface LeasedFile {
  /** Number of the file on this shard; never used twice. It is the lease's number too. */
  readonly id: number;
  /** Leases that were not given back. */
  leaseCount: number;
  /** Called when the last lease was given back. */
  onLastRelease(): void;
}

/** The leases of one shard. */
export class Leases {
  readonly #leased = new Map<number, LeasedFile>();
  #nextId = 1;

  /** A number for a new file. */
  nextId(): number {
    return this.#nextId++;
  }

  /** How many files are leased. */
  get size(): number {
    return this.#leased.size;
  }

  /** Takes a lease. @returns its number, for `release()`; several leases of a file have the same number */
  take(file: LeasedFile): number {
    if (file.leaseCount++ === 0) this.#leased.set(file.id, file);
    return file.id;
  }

  /** Gives a lease back, once for every `take()`. @param leaseId the number that `take()` returned */
  release(leaseId: number): void {
    const file = this.#leased.get(leaseId);
    assert(file !== undefined, "a lease is given back once");
    if (--file.leaseCount > 0) return;
    this.#leased.delete(leaseId);
    file.onLastRelease();
  }
}

/** A closed segment that holds descriptors or mappings for reading. */
export interface WarmFile {
  /** Closes and unmaps what is not needed at the moment; it opens again at the next read. */
  coolDown(): void;
}

/** Closed segments that keep files open: mappings and descriptors are limited by the kernel (vm.max_map_count is 65530). */
const WARM_SEGMENTS_MAX = 256;

/** Which closed segments have files open, least recently opened first. */
export class WarmFiles {
  readonly #files = new Set<WarmFile>();
  readonly #filesMax: number;

  /** @param filesMax most closed segments with open files */
  constructor(filesMax = WARM_SEGMENTS_MAX) {
    this.#filesMax = filesMax;
  }

  /** Notes that a closed segment opened its files, and cools the oldest down when there are too many. */
  add(file: WarmFile): void {
    this.#files.delete(file);
    this.#files.add(file);
    if (this.#files.size <= this.#filesMax) return;
    const [oldest] = this.#files;
    assert(oldest !== undefined, "a full set has a first element");
    this.#files.delete(oldest);
    oldest.coolDown();
  }

  /** Forgets a segment that was closed for good. */
  delete(file: WarmFile): void {
    this.#files.delete(file);
  }
}

/** Everything that the logs of a shard share. */
export class LogResources {
  readonly leases = new Leases();
  readonly warm: WarmFiles;
  readonly window: HeaderWindow;

  /** @param fs where the logs are @param warmSegmentsMax most closed segments with open files */
  constructor(fs: FileSystem, warmSegmentsMax = WARM_SEGMENTS_MAX) {
    this.warm = new WarmFiles(warmSegmentsMax);
    this.window = new HeaderWindow(fs);
  }
}
