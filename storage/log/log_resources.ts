/**
 * What the logs of one shard share: leases on segment files, the closed segments whose files are open, a window for
 * headers. Runs on the shard; never leaves it. What crosses to another isolate is a lease's number.
 *
 * A lease keeps a descriptor open: a fetch slice may be sent by another shard long after retention or the removal of the
 * topic took the segment away, and a descriptor number that was closed meanwhile could name another file.
 */
import { assert } from "../base/assert.ts";
import { HeaderWindow } from "../segments/header_window.ts";
import type { FileSystem } from "../sys/file_system.ts";

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

/** Closed segments that keep files open, a descriptor and up to two mappings each, where nobody says how many. */
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

/** Mappings of a shard's logs, where nobody says how many it may have: a quarter of the kernel's usual limit. */
const MAPPINGS_MAX = 16_384;

/**
 * How many mappings the logs of a shard may have at a time. A process has a limit of them (vm.max_map_count, 65530 as a rule), beyond
 * which not even memory can be had, so that a refusal by the kernel comes too late. Whoever gets none here does without.
 */
export class Mappings {
  readonly #most: number;
  #count = 0;

  /** @param most at a time */
  constructor(most = MAPPINGS_MAX) {
    this.#most = most;
  }

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** Takes one. @returns false when all are taken */
  take(): boolean {
    if (this.#count >= this.#most) return false;
    this.#count++;
    return true;
  }

  /** Gives one back that was taken. */
  giveBack(): void {
    assert(this.#count > 0, "a mapping is given back once");
    this.#count--;
  }
}

/** Most of what the logs of a shard keep open; usual figures where absent. */
export interface ResourceLimits {
  /** Closed segments with open files. */
  readonly warmSegmentsMax?: number;
  /** Mappings of files. */
  readonly mappingsMax?: number;
}

/** Everything that the logs of a shard share. */
export class LogResources {
  readonly leases = new Leases();
  readonly warm: WarmFiles;
  readonly mappings: Mappings;
  readonly window: HeaderWindow;

  /** @param fs where the logs are @param limits of what they keep open */
  constructor(fs: FileSystem, limits: ResourceLimits = {}) {
    this.warm = new WarmFiles(limits.warmSegmentsMax);
    this.mappings = new Mappings(limits.mappingsMax);
    this.window = new HeaderWindow(fs);
  }
}
