/**
 * Files and directories of the file system in memory (crashing_file_system.ts): each has the content that the process sees, and what a
 * loss of power would leave of it.
 *
 *   file        pages since the last fdatasync are lost or kept one by one, because a kernel writes back in any order
 *   directory   changes of names since the last flush of the directory: a journal keeps those up to some moment, another file system any
 *               of them. A rename never loses the file, but the old name may stay beside the new one (man 2 rename)
 *
 * After a failed fdatasync the kernel treats pages as clean that the disk does not have (ext4, XFS): they can be read, no later fdatasync
 * writes them, and they are lost with the power or when the cache drops them.
 */
import { Buffer } from "node:buffer";
import type { MappedFile } from "../storage/sys/file_system.ts";

const FILE_BYTES_MAX = 1 << 21;
const PAGE_BYTES = 4096;

/** A file. */
export class FileInode {
  readonly #buffer = new ArrayBuffer(0, { maxByteLength: FILE_BYTES_MAX });
  #size = 0;
  #mappingsCount = 0;
  modifiedMs = 0;
  #durable = new Uint8Array(0);
  /** Content at the last fdatasync, whether it succeeded or not. The kernel treats pages that still agree with it as clean. */
  #flushed = new Uint8Array(0);

  /** What the process sees. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.#buffer, 0, this.#size);
  }

  /** Its length in bytes. */
  get size(): number {
    return this.#size;
  }

  /** Maps the first bytes. A store beyond the file's end throws. */
  map(length: number): MappedFile {
    this.#mappingsCount++;
    let isMapped = true;
    const unmap = () => {
      if (isMapped) this.#mappingsCount--;
      isMapped = false;
    };
    const bytes = new Uint8Array(this.#buffer, 0, length);
    return { bytes, view: new DataView(this.#buffer, 0, length), address: 0, unmap };
  }

  /** Cuts it, or extends it by zeros. */
  resize(size: number): void {
    if (size < this.#flushed.length) this.#flushed = this.#flushed.slice(0, size);
    const before = this.#size;
    this.#size = size;
    // To shrink a buffer takes long; only mappings notice it.
    if (size > this.#buffer.byteLength || this.#mappingsCount > 0) this.#buffer.resize(size);
    if (size > before) this.bytes.fill(0, before);
  }

  /** Writes the dirty pages to the disk; they become clean even if the disk fails. */
  flush(diskFails: boolean): void {
    if (!diskFails) this.#durable = this.#mix(this.bytes.length, (isDirty) => isDirty);
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
    const [before, now] = [this.#durable.length, this.bytes.length];
    const size = random === null ? before : sizeBetween(before, now, random);
    this.#durable = this.#mix(size, (isDirty) => random !== null && random() < 0.5 && isDirty);
    this.#mappingsCount = 0;
    this.resize(size);
    this.bytes.set(this.#durable);
    this.#flushed = this.#durable.slice();
  }

  /** Mixes pages: of the volatile content where `takes` returns true, else of the durable content. */
  #mix(size: number, takes: (isDirty: boolean) => boolean): Uint8Array<ArrayBuffer> {
    const mixed = new Uint8Array(size);
    for (let at = 0; at < size; at += PAGE_BYTES) {
      const source = takes(this.#isDirty(at)) ? this.bytes : this.#durable;
      mixed.set(source.subarray(at, Math.min(at + PAGE_BYTES, size)), at);
    }
    return mixed;
  }

  #isDirty(at: number): boolean {
    return Buffer.compare(this.bytes.subarray(at, at + PAGE_BYTES), this.#flushed.subarray(at, at + PAGE_BYTES)) !== 0;
  }
}

/** Any size between that on the disk and that which the process saw. Often a cut is lost as a whole, and growth is kept as a whole. */
function sizeBetween(before: number, now: number, random: () => number): number {
  if (random() < 0.5) return Math.max(before, now);
  return Math.min(before, now) + Math.floor(random() * (Math.abs(now - before) + 1));
}

/** A file or a directory. */
export type Inode = FileInode | DirectoryInode;

/** A change of names that is not durable yet. */
interface Change {
  /** The name that ends, if it still is that of the inode; null for none. */
  readonly from: string | null;
  /** The name that begins; null for none. */
  readonly to: string | null;
  readonly inode: Inode;
}

/** A directory. */
export class DirectoryInode {
  readonly #entries = new Map<string, Inode>();
  #durable = new Map<string, Inode>();
  #changes: Change[] = [];

  /** What the process sees. */
  get entries(): ReadonlyMap<string, Inode> {
    return this.#entries;
  }

  /** Gives an inode a name, in the place of another one that has it. @param isDurable as if the directory was flushed after it */
  set(name: string, inode: Inode, { isDurable = false } = {}): void {
    if (isDurable) this.#durable.set(name, inode);
    this.#change({ from: null, to: name, inode });
  }

  /** Removes a name. */
  remove(name: string): void {
    const inode = this.#entries.get(name);
    if (inode !== undefined) this.#change({ from: name, to: null, inode });
  }

  /** Renames within the directory. */
  rename(from: string, to: string): void {
    const inode = this.#entries.get(from);
    if (inode !== undefined) this.#change({ from, to, inode });
  }

  /** Makes the names durable. */
  flush(): void {
    this.#durable = new Map(this.#entries);
    this.#changes = [];
  }

  /** Loses the power, with all below it. @param random uniform in [0, 1), decides what was written; null for nothing */
  losePower(random: (() => number) | null): void {
    const names = new Map(this.#durable);
    if (random !== null) this.#keepSome(names, random);
    this.#entries.clear();
    for (const [name, inode] of names) this.#entries.set(name, inode);
    this.flush();
    for (const inode of new Set(names.values())) inode.losePower(random);
  }

  #keepSome(names: Map<string, Inode>, random: () => number): void {
    const journalEnd = random() < 0.5 ? Math.floor(random() * (this.#changes.length + 1)) : -1;
    for (const [index, change] of this.#changes.entries()) {
      if (journalEnd >= 0 ? index >= journalEnd : random() < 0.5) continue;
      const keepsBoth = journalEnd < 0 && change.from !== null && change.to !== null && random() < 0.5;
      apply(keepsBoth ? { ...change, from: null } : change, names);
    }
  }

  #change(change: Change): void {
    this.#changes.push(change);
    apply(change, this.#entries);
  }
}

function apply({ from, to, inode }: Change, names: Map<string, Inode>): void {
  if (from !== null && names.get(from) === inode) names.delete(from);
  if (to !== null) names.set(to, inode);
}
