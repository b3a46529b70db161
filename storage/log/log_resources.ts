/**
 * What the logs of one shard share: leases on segment files, the closed segments with open files, a window for headers, and searches in
 * batches. It stays on its shard; only lease numbers cross to other isolates, and, when the broker has failed, descriptors to be closed.
 *
 * A lease keeps a descriptor open. Another shard may send a fetch slice long after retention or the removal of the topic deleted
 * the segment. If the descriptor were closed by then, its number could refer to another file.
 */
import { assert } from "../base/assert.ts";
import { HeaderWindow } from "../segments/header_window.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { RecordSearches, type SearchElsewhere } from "./record_searches.ts";

/** A file that can be leased, and that closes after its last lease. */
export interface LeasedFile {
  /** Number of the file on this shard, never used twice. It is also the lease's number. */
  readonly id: number;
  /** The descriptor that leases keep open. */
  readonly fd: number;
  /** Leases that are not released yet. */
  leaseCount: number;
  /** Called when the last lease was released. */
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

  /** Number of leased files. */
  get size(): number {
    return this.#leased.size;
  }

  /** Takes a lease. @returns its number, for `release()`; several leases of a file have the same number */
  take(file: LeasedFile): number {
    if (file.leaseCount++ === 0) this.#leased.set(file.id, file);
    return file.id;
  }

  /** Releases a lease, once for every `take()`. @param leaseId the number that `take()` returned */
  release(leaseId: number): void {
    const file = this.#leased.get(leaseId);
    assert(file !== undefined, "a lease is released once");
    if (--file.leaseCount > 0) return;
    this.#leased.delete(leaseId);
    file.onLastRelease();
  }

  /** Ends all leases of a shard that ends, because nobody will release them. @returns their descriptors, which the caller closes */
  abandon(): number[] {
    const fds = [...this.#leased.values()].map(({ fd }) => fd);
    this.#leased.clear();
    return fds;
  }
}

/** A closed segment that holds descriptors or mappings for reading. */
export interface WarmFile {
  /** Closes and unmaps the files that nothing uses; the next read opens them again. */
  coolDown(): void;
}

/** Default number of closed segments with open files; each holds a descriptor and up to two mappings. */
const WARM_SEGMENTS_MAX = 256;

/** The closed segments with open files, least recently opened first. */
export class WarmFiles {
  readonly #files = new Set<WarmFile>();
  readonly #filesMax: number;

  /** @param filesMax most closed segments with open files */
  constructor(filesMax = WARM_SEGMENTS_MAX) {
    this.#filesMax = filesMax;
  }

  /** Adds a closed segment that opened its files, and closes the files of the oldest one when there are too many. */
  add(file: WarmFile): void {
    this.#files.delete(file);
    this.#files.add(file);
    if (this.#files.size <= this.#filesMax) return;
    const [oldest] = this.#files;
    assert(oldest !== undefined, "a full set has a first element");
    this.#files.delete(oldest);
    oldest.coolDown();
  }

  /** Removes a segment that was closed for good. */
  delete(file: WarmFile): void {
    this.#files.delete(file);
  }
}

/** Default number of mappings of a shard's logs: a quarter of the kernel's usual limit. */
const MAPPINGS_MAX = 16_384;

/**
 * Limits the mappings of a shard's logs. A process has a limit of them (vm.max_map_count, usually 65530), beyond which it cannot
 * even allocate memory, so a refusal by the kernel comes too late. An index that gets no mapping here stays in memory.
 */
export class Mappings {
  readonly #most: number;
  #count = 0;

  /** @param most at a time */
  constructor(most = MAPPINGS_MAX) {
    this.#most = most;
  }

  /** Number of mappings in use. */
  get count(): number {
    return this.#count;
  }

  /** Takes a mapping. @returns false when all are in use */
  take(): boolean {
    if (this.#count >= this.#most) return false;
    this.#count++;
    return true;
  }

  /** Releases a mapping that was taken. */
  release(): void {
    assert(this.#count > 0, "a mapping is released once");
    this.#count--;
  }
}

/** Limits of what the logs of a shard keep open; defaults where absent. */
export interface ResourceLimits {
  /** Closed segments with open files. */
  readonly warmSegmentsMax?: number;
  /** Mappings of files. */
  readonly mappingsMax?: number;
  /** Recovery has checked so many bytes more. */
  readonly onChecked?: (bytes: number) => void;
  /** Lets a codec worker search in a large batch; where absent, the shard does it. */
  readonly search?: SearchElsewhere;
}

/** Bytes of one read of a recovery; larger batches get memory of their own. */
const RECOVERY_WINDOW_BYTES = 1024 * 1024;

/** Everything that the logs of a shard share. */
export class LogResources {
  readonly leases = new Leases();
  /** Descriptors that flushes under way have opened, in addition to leased ones. */
  readonly flushedFds = new Set<number>();
  readonly warm: WarmFiles;
  readonly mappings: Mappings;
  readonly window: HeaderWindow;
  readonly searches: RecordSearches;
  /** Told how many bytes recoveries check. */
  readonly onChecked: (bytes: number) => void;
  readonly #fs: FileSystem;
  #recoveryWindow: HeaderWindow | null = null;

  /** @param fs where the logs are @param limits of what they keep open, and what they let others do */
  constructor(fs: FileSystem, limits: ResourceLimits = {}) {
    this.warm = new WarmFiles(limits.warmSegmentsMax);
    this.mappings = new Mappings(limits.mappingsMax);
    this.window = new HeaderWindow(fs);
    this.searches = new RecordSearches(limits.search);
    this.onChecked = limits.onChecked ?? (() => {});
    this.#fs = fs;
  }

  /** A window for whole batches, while logs are recovered. */
  get recoveryWindow(): HeaderWindow {
    return this.#recoveryWindow ??= new HeaderWindow(this.#fs, RECOVERY_WINDOW_BYTES);
  }

  /**
   * Gives up what other threads may use yet, once all logs are closed: the broker failed, and nobody returns it.
   * @returns descriptors, to be closed when those threads have ended
   */
  abandon(): number[] {
    const fds = [...this.leases.abandon(), ...this.flushedFds];
    this.flushedFds.clear();
    return fds;
  }

  /** Frees the memory for recoveries; another one allocates it again. */
  freeRecoveryWindow(): void {
    this.#recoveryWindow = null;
  }
}
