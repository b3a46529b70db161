/**
 * What the offset index and the time index share: a file of fixed-size entries, sorted. Runs on the shard that owns the log.
 *
 *   up to 4 KiB   entries in memory; `trim()` writes them when the segment closes
 *   beyond        entries in a mapping of the file
 *
 * A partition that holds little therefore costs no mapping, and none costs a descriptor: the file is opened for the moment in which
 * it grows, is trimmed or flushed. Mappings are limited (log_resources.ts); where none is left, or the kernel refuses one, the
 * entries stay in memory, whatever their size. What a crash takes with it is built anew: recovery reads every segment that was
 * being appended to, and every one that was not flushed since.
 *
 * Those are the only files that are written in place. Any other index that is built anew (it is missing, or does not agree with the
 * batches) is written beside its file, flushed, and then takes the name (`openForReplacement()`, `replace()`). Nothing would tell an
 * index that lost its last entries, or all, from one that never had them, and the next start would believe it.
 *
 * Must always hold: every entry has disk blocks before it is appended, so that closing the segment cannot fail for want of them,
 * and a store into a mapping never hits a hole of a full disk (SIGBUS, the end of the process). The file grows by `fs.allocate` in
 * doubling steps, and a refused step is a refused append. The unused tail is zeros and is cut off when the segment closes. A file
 * that was closed properly holds whole entries only.
 * Source: Kafka's AbstractIndex.
 */
import { assert } from "../base/assert.ts";
import type { Offset } from "../base/units.ts";
import type { Mappings } from "../log/log_resources.ts";
import { storageFailure } from "../log/storage_failure.ts";
import { TEMPORARY_SUFFIX } from "./segment_names.ts";
import type { FileSystem, MappedFile } from "../sys/file_system.ts";
import { SystemError } from "../sys/libc.ts";
import { type NativeMemory, nativeMemory } from "../sys/memory.ts";

/** First range that is allocated for an index, and most bytes of one that are kept in memory while there are mappings. */
const FIRST_STEP_BYTES = 4096;
/** First memory for entries: most indexes of a broker with many partitions hold a few, or none. */
const FIRST_MEMORY_BYTES = 128;

/** Where an index lives and how large it may grow. */
export interface IndexPlace {
  readonly fs: FileSystem;
  readonly mappings: Mappings;
  readonly path: string;
  /** Base offset of the segment: entries store offsets relative to it. */
  readonly baseOffset: Offset;
  /** `segment.index.bytes` */
  readonly bytesMax: number;
}

/** One index file. Closed at first; `openForAppend()` or `openForLookup()` opens it. */
export abstract class MappedIndex implements Disposable {
  protected readonly place: IndexPlace;
  protected view: DataView = NOTHING;
  readonly #entryBytes: number;
  readonly #entriesMax: number;
  #isOpen = false;
  /** Holds the entries, with room for more; null until there is one. */
  #held: NativeMemory | null = null;
  /** The same as `#held` where that is a mapping. */
  #mapped: MappedFile | null = null;
  /** Whether the entries are those of a file that is to take the place of the index's. */
  #isBeside = false;
  /** Bytes of the file that have blocks; 0 while it is not appended to. */
  #allocatedBytes = 0;
  #count = 0;

  protected constructor(place: IndexPlace, entryBytes: number) {
    this.place = place;
    this.#entryBytes = entryBytes;
    this.#entriesMax = Math.max(1, Math.floor(place.bytesMax / entryBytes));
  }

  /** Path of the file. */
  get path(): string {
    return this.place.path;
  }

  /** Number of entries. */
  get count(): number {
    return this.#count;
  }

  /** Most entries the file may hold. */
  get entriesMax(): number {
    return this.#entriesMax;
  }

  /** Whether the entries can be looked at. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether no further entry fits. */
  abstract get isFull(): boolean;

  /**
   * Opens the index for appending, with blocks for the first entries, and creates its file where missing.
   * @param options empty: what is in it goes
   * @returns false when the disk has no room: it is open, and `reserve()` tries again
   * @throws SystemError when the file cannot be opened; the index is as it was then
   */
  openForAppend(options: { empty: boolean }): boolean {
    return this.#withFile({ create: true, truncate: options.empty }, (fd) => {
      this.#close();
      this.#load(fd);
      return this.#allocate(fd, 2);
    });
  }

  /**
   * Opens the index for lookups only.
   * @returns false when it is missing, or its size is not one of whole entries
   * @throws SystemError, or the runtime's errors, when the disk refuses
   */
  openForLookup(): boolean {
    if (this.#isOpen) return true;
    if (this.place.fs.modifiedMs(this.#currentPath) === null) return false; // an empty file would pass for an index without entries
    return this.#withFile({}, (fd) => this.#load(fd) % this.#entryBytes === 0);
  }

  /**
   * Opens the index for appending, empty, beside its file, which stays as it is until `replace()`.
   * @returns false when the disk has no room @throws SystemError when the new file cannot be opened; the index is as it was then
   */
  openForReplacement(): boolean {
    const isBeside = this.#isBeside;
    this.#isBeside = true;
    try {
      return this.#withFile({ create: true, truncate: true }, (fd) => {
        this.#close();
        this.#load(fd);
        return this.#allocate(fd, 2);
      });
    } catch (error) {
      this.#isBeside = isBeside;
      throw error;
    }
  }

  /**
   * Puts what was appended since `openForReplacement()` in the file's place, durable: after a crash the name stands for the old or for
   * all of the new. Blocks for the disk. Lookups go on.
   * @throws SystemError, or the runtime's errors, when the disk refuses; the file is as it was then
   */
  replace(): void {
    assert(this.#isBeside, "only what was written beside a file replaces it");
    const { fs, path } = this.place;
    this.trim();
    this.#withFile({}, (fd) => {
      if (!fs.fdatasync(fd)) throw new SystemError(`flush ${this.#currentPath}`);
    });
    fs.rename(this.#currentPath, path);
    this.#isBeside = false;
  }

  /** Closes the index and removes what was written beside its file. @throws the runtime's errors when the disk refuses */
  abandonReplacement(): void {
    const [isBeside, beside] = [this.#isBeside, this.#currentPath];
    this[Symbol.dispose]();
    if (isBeside) this.place.fs.remove(beside);
  }

  /**
   * Makes room for `entries` more, as far as the file's limit allows; what does not fit is the business of `isFull`.
   * @returns false when the disk has no room; nothing has changed then @throws SystemError when the file cannot be opened, likewise
   */
  reserve(entries: number): boolean {
    assert(this.#isOpen, "an index is open while its segment is appended to");
    const wanted = this.#bytesFor(entries);
    if (wanted > this.#allocatedBytes) {
      return this.#withFile({}, (fd) => this.#allocate(fd, entries) && this.#makeRoom(fd, wanted));
    }
    return wanted <= this.#heldBytes || this.#makeRoom(-1, wanted);
  }

  /**
   * Cuts the unused tail off, and writes the entries that are in memory; afterwards nothing is reserved. Lookups go on, and after a
   * failure appends can, too.
   * @throws SystemError
   */
  trim(): void {
    const bytes = this.#usedBytes;
    this.#withFile({}, (fd) => {
      const { fs } = this.place;
      if (this.#held !== null && this.#mapped === null && fs.pwrite(fd, this.#held, 0, bytes, 0) !== bytes) {
        throw new SystemError(`write ${bytes} bytes to ${this.#currentPath}`);
      }
      this.#allocatedBytes = 0;
      if (this.#mapped !== null) this.#makeRoom(fd, bytes); // a mapping does not reach beyond its file
      fs.truncate(fd, bytes);
    });
  }

  /** Gives the memory or the mapping back; the file stays as it is. Idempotent. */
  [Symbol.dispose](): void {
    this.#close();
    this.#isBeside = false;
  }

  /** Byte index of the entry that is appended next; counts it. */
  protected appendedEntryAt(): number {
    const at = this.#usedBytes;
    const end = at + this.#entryBytes;
    assert(end <= this.#allocatedBytes && end <= this.#heldBytes, "an index entry is reserved before it is written");
    this.#count++;
    return at;
  }

  /**
   * Binary search.
   * @param target what is looked for @param keyAt byte index of the key in an entry, passed on to `key`
   * @returns number of the last entry whose key is at most `target`, -1 when there is none
   */
  protected lastAtMost(target: number, keyAt: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.key(middle, keyAt) <= target) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Value of one of an entry's keys. */
  protected abstract key(entry: number, keyAt: number): number;

  #close(): void {
    this.#hold(null, null);
    this.#allocatedBytes = 0;
    this.#isOpen = false;
  }

  /** Of the file that holds the entries. */
  get #currentPath(): string {
    return this.#isBeside ? this.place.path + TEMPORARY_SUFFIX : this.place.path;
  }

  get #usedBytes(): number {
    return this.#count * this.#entryBytes;
  }

  get #heldBytes(): number {
    return this.view.byteLength;
  }

  /** Bytes of the file with `entries` more in it, as far as its limit allows. */
  #bytesFor(entries: number): number {
    return Math.max(this.#count, Math.min(this.#count + entries, this.#entriesMax)) * this.#entryBytes;
  }

  #withFile<T>(mode: { create?: boolean; truncate?: boolean }, use: (fd: number) => T): T {
    const { fs } = this.place;
    const fd = fs.open(this.#currentPath, { write: true, ...mode });
    try {
      return use(fd);
    } finally {
      fs.close(fd);
    }
  }

  /** Takes in what the file holds. @returns its size */
  #load(fd: number): number {
    const size = this.place.fs.size(fd);
    this.#count = Math.floor(size / this.#entryBytes);
    if (this.#usedBytes > 0) this.#makeRoom(fd, this.#usedBytes);
    this.#isOpen = true;
    return size;
  }

  /** Gives the file blocks for `entries` more, and for as many again as it has. @returns false when the disk refused */
  #allocate(fd: number, entries: number): boolean {
    const allocated = this.#allocatedBytes;
    const step = Math.floor(Math.max(FIRST_STEP_BYTES, 2 * allocated) / this.#entryBytes);
    const bytes = Math.max(this.#bytesFor(entries), Math.min(step, this.#entriesMax) * this.#entryBytes);
    if (!this.place.fs.allocate(fd, allocated, bytes - allocated)) return false;
    this.#allocatedBytes = bytes;
    return true;
  }

  /** Has at least `wanted` bytes held: more memory, or a mapping of all that is allocated. @param fd -1 where no file is open */
  #makeRoom(fd: number, wanted: number): true {
    const { fs } = this.place;
    if (wanted > FIRST_STEP_BYTES) {
      if (fd < 0) return this.#withFile({}, (opened) => this.#makeRoom(opened, wanted));
      // The new mapping first: a refused one leaves the index as it is.
      const mapped = this.#map(fd, Math.max(wanted, this.#allocatedBytes));
      if (mapped !== null) {
        if (this.#held !== null && this.#mapped === null) {
          mapped.bytes.set(this.#held.bytes.subarray(0, this.#usedBytes));
        }
        this.#hold(mapped, mapped);
        return true;
      }
    }
    const bytes = Math.max(FIRST_MEMORY_BYTES, wanted, Math.min(2 * this.#heldBytes, this.#allocatedBytes));
    const memory = nativeMemory(new ArrayBuffer(bytes));
    if (this.#held !== null) memory.bytes.set(this.#held.bytes.subarray(0, this.#usedBytes));
    else if (this.#usedBytes > 0 && fs.pread(fd, memory, 0, this.#usedBytes, 0) !== this.#usedBytes) {
      throw new SystemError(`read ${this.#currentPath}`);
    }
    this.#hold(memory, null);
    return true;
  }

  /** @returns null when there is no mapping left, or the kernel refuses one */
  #map(fd: number, bytes: number): MappedFile | null {
    const { fs, mappings } = this.place;
    const isFirst = this.#mapped === null; // else it replaces one, and is counted as that
    if (isFirst && !mappings.take()) return null;
    try {
      return fs.map(fd, bytes);
    } catch (error) {
      if (isFirst) mappings.giveBack();
      storageFailure(error); // Anything but a refusal goes on from here.
      return null;
    }
  }

  #hold(held: NativeMemory | null, mapped: MappedFile | null): void {
    this.view = held?.view ?? NOTHING;
    this.#mapped?.unmap();
    if (this.#mapped !== null && mapped === null) this.place.mappings.giveBack();
    this.#held = held;
    this.#mapped = mapped;
  }
}

/** What an index looks at that holds nothing: any access throws, where a stale view would crash the process. */
const NOTHING = new DataView(new ArrayBuffer(0));
