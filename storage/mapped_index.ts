/**
 * What the offset index and the time index share: a file of fixed-size entries, sorted, mapped into memory. Runs on the
 * shard that owns the log.
 *
 * Must always hold: every mapped byte lies over allocated disk blocks (a store into a hole of a full disk is SIGBUS, the
 * end of the process), so the file grows by `fs.allocate` in doubling steps and a refused step is a refused append. The
 * unused tail is zeros and is cut off when the segment closes. A file that was closed properly holds whole entries only.
 * Source: Kafka's AbstractIndex.
 */
import { assert } from "./base/assert.ts";
import type { Offset } from "./base/units.ts";
import type { FileSystem, MappedFile } from "./sys/file_system.ts";

/** First range that is allocated for an index. */
const FIRST_STEP_BYTES = 4096;

/** Where an index lives and how large it may grow. */
export interface IndexPlace {
  readonly fs: FileSystem;
  readonly path: string;
  /** Base offset of the segment: entries store offsets relative to it. */
  readonly baseOffset: Offset;
  /** `segment.index.bytes` */
  readonly bytesMax: number;
}

/** One index file. Closed at first; `openForAppend()` or `openForLookup()` maps it. */
export abstract class MappedIndex implements Disposable {
  protected readonly place: IndexPlace;
  protected view: DataView = NOTHING;
  readonly #entryBytes: number;
  readonly #entriesMax: number;
  #fd = -1;
  #mapped: MappedFile | null = null;
  #capacity = 0;
  #count = 0;

  protected constructor(place: IndexPlace, entryBytes: number) {
    this.place = place;
    this.#entryBytes = entryBytes;
    this.#entriesMax = Math.max(1, Math.floor(place.bytesMax / entryBytes));
  }

  /** Descriptor while open, for flushing; -1 when closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Number of entries. */
  get count(): number {
    return this.#count;
  }

  /** Most entries the file may hold. */
  get entriesMax(): number {
    return this.#entriesMax;
  }

  /** Whether the entries are in memory. */
  get isMapped(): boolean {
    return this.#mapped !== null;
  }

  /** Whether no further entry fits. */
  abstract get isFull(): boolean;

  /**
   * Maps the file for appending, with room for the first entries, and creates it where missing.
   * @param options empty: what is in it goes
   * @returns false when the disk has no room @throws SystemError
   */
  openForAppend(options: { empty: boolean }): boolean {
    this.#reopen({ truncate: options.empty });
    if (this.reserve(2)) return true;
    this[Symbol.dispose]();
    return false;
  }

  /** Maps the whole file for lookups only. @returns false when its size is not one of whole entries @throws SystemError */
  openForLookup(): boolean {
    if (this.#mapped !== null) return true;
    const size = this.#reopen({ truncate: false });
    this.#capacity = this.#count;
    if (size > 0) this.#map(size);
    return size % this.#entryBytes === 0;
  }

  /**
   * Makes room for `entries` more, as far as the file's limit allows; what does not fit is the business of `isFull`.
   * @returns false when the disk has no room; nothing has changed then
   */
  reserve(entries: number): boolean {
    const wanted = Math.max(this.#count, Math.min(this.#count + entries, this.#entriesMax));
    if (wanted <= this.#capacity && this.#mapped !== null) return true;
    const bytes = Math.max(FIRST_STEP_BYTES, 2 * this.#capacity * this.#entryBytes, wanted * this.#entryBytes);
    const capacity = Math.max(wanted, Math.min(Math.floor(bytes / this.#entryBytes), this.#entriesMax));
    if (!this.place.fs.allocate(this.#fd, 0, capacity * this.#entryBytes)) return false;
    this.#map(capacity * this.#entryBytes);
    this.#capacity = capacity;
    return true;
  }

  /** Cuts the unused tail off; afterwards the file is closed for appending and unmapped. @throws SystemError */
  trim(): void {
    this.#unmap();
    if (this.#fd >= 0) this.place.fs.truncate(this.#fd, this.#count * this.#entryBytes);
    this.#capacity = this.#count;
  }

  /** Unmaps and closes; the file stays as it is. Idempotent. */
  [Symbol.dispose](): void {
    this.#unmap();
    if (this.#fd >= 0) this.place.fs.close(this.#fd);
    this.#fd = -1;
  }

  /** Byte index of the entry that is appended next; counts it. */
  protected appendedEntryAt(): number {
    assert(this.#count < this.#capacity, "an index entry is reserved before it is written");
    return this.#count++ * this.#entryBytes;
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

  #reopen(options: { truncate: boolean }): number {
    this.#unmap();
    const { fs, path } = this.place;
    // An open descriptor is kept: a flush on another thread may be using it.
    if (this.#fd < 0) this.#fd = fs.open(path, { write: true, create: true, truncate: options.truncate });
    else if (options.truncate) fs.truncate(this.#fd, 0);
    const size = fs.size(this.#fd);
    this.#count = Math.floor(size / this.#entryBytes);
    this.#capacity = 0;
    return size;
  }

  #map(bytes: number): void {
    this.#unmap();
    this.#mapped = this.place.fs.map(this.#fd, bytes);
    this.view = this.#mapped.view;
  }

  #unmap(): void {
    this.view = NOTHING;
    this.#mapped?.unmap();
    this.#mapped = null;
  }
}

/** What an index that is not mapped looks at: any access throws, where a stale view would crash the process. */
const NOTHING = new DataView(new ArrayBuffer(0));
