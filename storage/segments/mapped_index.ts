/**
 * The common part of the offset index and the time index: a file of sorted entries of a fixed size. Runs on the shard that owns the
 * log.
 *
 *   up to 4 KiB   entries in memory; `trim()` writes them when the segment closes
 *   beyond        entries in a mapping of the file
 *
 * So a small partition costs no mapping (1,000 partitions took 90 instead of 2,100), and no index holds a descriptor: the file is
 * open only while it grows, is trimmed or is flushed. Mappings are limited (log_resources.ts). Where none is left, or the kernel
 * refuses one, the entries stay in memory whatever their size. Entries that a crash loses are rebuilt, because recovery reads every
 * segment that was active or not flushed since it was.
 *
 * Only the indexes of those segments are written in place. Any other index that is rebuilt (it is missing or contradicts the
 * batches) is written to a new file, flushed, and then renamed over the old one (`openForReplacement()`, `replace()`). An index
 * that lost entries at its end looks like one that never had them, and the next start would trust it.
 *
 * Must always hold: every entry has disk blocks before it is appended. So closing the segment cannot fail for lack of blocks, and a
 * store into a mapping never hits a hole of a full disk (SIGBUS kills the process). The file grows by `fs.allocate` in doubling
 * steps, and a refused step refuses the append. The unused tail is zeros and is cut off when the segment closes. A file that was
 * closed properly holds whole entries only.
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

/** First range that is allocated for an index, and most bytes of it that stay in memory while mappings are available. */
const FIRST_STEP_BYTES = 4096;
/** First memory for entries: with many partitions most indexes hold few entries or none. */
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
  /** The mapping in `#held`, or null where that is plain memory. */
  #mapped: MappedFile | null = null;
  /** Whether the entries belong to the new file that is to replace the index's file. */
  #isReplacement = false;
  /** Whether the entries may move into a mapping (segment_indexes.ts). */
  mayMap = true;
  /** Bytes of the file that have disk blocks; 0 while it is not appended to. */
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

  /** Whether the entries can be read. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether the entries are in a mapping, so that they outlive the process. */
  get isMapped(): boolean {
    return this.#mapped !== null;
  }

  /** Whether no further entry fits. */
  abstract get isFull(): boolean;

  /**
   * Opens the index for appending, with disk blocks for the first entries, and creates its file where missing.
   * @param options empty: existing entries are dropped
   * @returns false when the disk is full: the index is open, and `reserve()` tries again
   * @throws SystemError when the file cannot be opened; the index is then unchanged
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
    if (this.place.fs.modifiedMs(this.#currentPath) === null) return false; // a created file would count as an empty index
    return this.#withFile({}, (fd) => this.#load(fd) % this.#entryBytes === 0);
  }

  /**
   * Opens a new, empty file of the index for appending; the old file stays unchanged until `replace()`.
   * @returns false when the disk has no room @throws SystemError when the new file cannot be opened; the index is then unchanged
   */
  openForReplacement(): boolean {
    const isReplacement = this.#isReplacement;
    this.#isReplacement = true;
    try {
      return this.#withFile({ create: true, truncate: true }, (fd) => {
        this.#close();
        this.#load(fd);
        return this.#allocate(fd, 2);
      });
    } catch (error) {
      this.#isReplacement = isReplacement;
      throw error;
    }
  }

  /**
   * Replaces the index's file durably by the new one: after a crash its name stands for the old file or for the complete new one.
   * Blocks for the disk. Lookups remain possible.
   * @throws SystemError, or the runtime's errors, when the disk refuses; the file is then unchanged
   */
  replace(): void {
    assert(this.#isReplacement, "only a new file replaces the index's file");
    const { fs, path } = this.place;
    this.trim();
    this.#withFile({}, (fd) => {
      if (!fs.fdatasync(fd)) throw new SystemError(`flush ${this.#currentPath}`);
    });
    fs.rename(this.#currentPath, path);
    this.#isReplacement = false;
  }

  /** Closes the index and removes the new file. @throws the runtime's errors when the disk refuses */
  abandonReplacement(): void {
    const [isReplacement, newPath] = [this.#isReplacement, this.#currentPath];
    this[Symbol.dispose]();
    if (isReplacement) this.place.fs.remove(newPath);
  }

  /**
   * Makes room for `entries` more, up to the file's limit; `isFull` tells whether that is reached.
   * @returns false when the disk is full @throws SystemError when the file cannot be opened; in both cases nothing has changed
   */
  reserve(entries: number): boolean {
    assert(this.#isOpen, "an index is open while its segment is appended to");
    const wanted = this.#bytesFor(entries);
    if (wanted > this.#allocatedBytes) {
      return this.#withFile({}, (fd) => this.#allocate(fd, entries) && this.#makeRoom(fd, wanted));
    }
    return wanted <= this.#heldBytes || this.#makeRoom(-1, wanted);
  }

  /** Whether `entries` more need a larger mapping or a first one. */
  needsMapping(entries: number): boolean {
    const wanted = this.#bytesFor(entries);
    return wanted > FIRST_STEP_BYTES && (wanted > this.#allocatedBytes || wanted > this.#heldBytes);
  }

  /**
   * Moves the entries into a mapping, however few they are. Only while the index is open for appending.
   * @returns false when no mapping is left, or the kernel refuses one @throws SystemError when the file cannot be opened
   */
  moveToMapping(): boolean {
    return this.isMapped || this.#withFile({}, (fd) => this.#moveToMapping(fd, this.#allocatedBytes));
  }

  /** Moves the entries from the mapping into memory. */
  leaveMapping(): void {
    const memory = nativeMemory(new ArrayBuffer(this.#heldBytes));
    if (this.#held !== null) memory.bytes.set(this.#held.bytes.subarray(0, this.#usedBytes));
    this.#hold(memory, null);
  }

  /** Writes the entries to the file, where a kill leaves them; those in a mapping are there already. @throws SystemError */
  save(): void {
    if (!this.isMapped && this.#usedBytes > 0) this.#withFile({}, (fd) => this.#write(fd));
  }

  /** Drops the entries from a number on; the file keeps them until it is trimmed. */
  keep(count: number): void {
    assert(count <= this.#count, "an index keeps entries that it has");
    this.#count = count;
  }

  /**
   * Drops the entries from the first one on that does not follow the one before it. Where a stop left the index, its unused tail is
   * zeros; a loss of power may have left zeros in the middle.
   * @returns whether nothing but an unfinished entry and zeros was dropped
   */
  dropUnsound(): boolean {
    let sound = 0;
    while (sound < this.#count && this.follows(sound)) sound++;
    let at = (sound + 1) * this.#entryBytes;
    while (at < this.#usedBytes && this.view.getInt32(at) === 0) at += Int32Array.BYTES_PER_ELEMENT;
    const isWhole = at >= this.#usedBytes;
    this.#count = sound;
    return isWhole;
  }

  /** Whether an entry may come after the one before it. */
  protected abstract follows(entry: number): boolean;

  /**
   * Cuts off the unused tail and writes the entries that are in memory; nothing is reserved afterwards. Lookups remain possible,
   * and so do appends after a failure.
   * @throws SystemError
   */
  trim(): void {
    const bytes = this.#usedBytes;
    this.#withFile({}, (fd) => {
      const { fs } = this.place;
      if (this.#mapped === null) this.#write(fd);
      this.#allocatedBytes = 0;
      if (this.#mapped !== null) this.#makeRoom(fd, bytes); // a mapping does not reach beyond its file
      fs.truncate(fd, bytes);
    });
  }

  /** Frees the memory or the mapping; the file stays unchanged. Idempotent. */
  [Symbol.dispose](): void {
    this.#close();
    this.#isReplacement = false;
  }

  /** Counts a new entry and returns its byte index. */
  protected appendedEntryAt(): number {
    const at = this.#usedBytes;
    const end = at + this.#entryBytes;
    assert(end <= this.#allocatedBytes && end <= this.#heldBytes, "an index entry is reserved before it is written");
    this.#count++;
    return at;
  }

  /**
   * Binary search.
   * @param target the key to find @param keyAt byte index of the key in an entry, passed on to `key`
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

  /** Path of the file that holds the entries. */
  get #currentPath(): string {
    return this.#isReplacement ? this.place.path + TEMPORARY_SUFFIX : this.place.path;
  }

  get #usedBytes(): number {
    return this.#count * this.#entryBytes;
  }

  get #heldBytes(): number {
    return this.view.byteLength;
  }

  /** Bytes of the file with `entries` more in it, up to its limit. */
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

  #write(fd: number): void {
    const bytes = this.#usedBytes;
    if (this.#held !== null && this.place.fs.pwrite(fd, this.#held, 0, bytes, 0) !== bytes) {
      throw new SystemError(`write ${bytes} bytes to ${this.#currentPath}`);
    }
  }

  /** Reads the file's entries into memory, or maps them. @returns its size */
  #load(fd: number): number {
    const size = this.place.fs.size(fd);
    this.#count = Math.floor(size / this.#entryBytes);
    if (this.#usedBytes > 0) this.#makeRoom(fd, this.#usedBytes);
    this.#isOpen = true;
    return size;
  }

  /** Allocates blocks for `entries` more, and at least doubles the file. @returns false when the disk refused */
  #allocate(fd: number, entries: number): boolean {
    const allocated = this.#allocatedBytes;
    const step = Math.floor(Math.max(FIRST_STEP_BYTES, 2 * allocated) / this.#entryBytes);
    const bytes = Math.max(this.#bytesFor(entries), Math.min(step, this.#entriesMax) * this.#entryBytes);
    if (!this.place.fs.allocate(fd, allocated, bytes - allocated)) return false;
    this.#allocatedBytes = bytes;
    return true;
  }

  /**
   * Makes `#held` at least `wanted` bytes large: more memory, or a mapping of everything allocated.
   * @param fd -1 where no file is open
   */
  #makeRoom(fd: number, wanted: number): true {
    const { fs } = this.place;
    if (wanted > FIRST_STEP_BYTES && this.mayMap) {
      if (fd < 0) return this.#withFile({}, (opened) => this.#makeRoom(opened, wanted));
      if (this.#moveToMapping(fd, Math.max(wanted, this.#allocatedBytes))) return true;
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

  /** @returns false when the mapping is refused; the index is then unchanged, because the new mapping comes first */
  #moveToMapping(fd: number, bytes: number): boolean {
    const mapped = this.#map(fd, bytes);
    if (mapped === null) return false;
    if (this.#held !== null && this.#mapped === null) {
      mapped.bytes.set(this.#held.bytes.subarray(0, this.#usedBytes));
    }
    this.#hold(mapped, mapped);
    return true;
  }

  /** @returns null when there is no mapping left, or the kernel refuses one */
  #map(fd: number, bytes: number): MappedFile | null {
    const { fs, mappings } = this.place;
    const isFirst = this.#mapped === null; // otherwise it replaces one that is already counted
    if (isFirst && !mappings.take()) return null;
    try {
      return fs.map(fd, bytes);
    } catch (error) {
      if (isFirst) mappings.release();
      storageFailure(error); // Rethrows anything but a refusal of the system.
      return null;
    }
  }

  #hold(held: NativeMemory | null, mapped: MappedFile | null): void {
    this.view = held?.view ?? NOTHING;
    this.#mapped?.unmap();
    if (this.#mapped !== null && mapped === null) this.place.mappings.release();
    this.#held = held;
    this.#mapped = mapped;
  }
}

/** The view of an index without memory: an access throws, where a stale view would crash the process. */
const NOTHING = new DataView(new ArrayBuffer(0));
