/**
 * What the next flush of a log makes durable besides its segments: directories whose entries changed, and small files, such as that
 * of the leader epochs. Creating a partition needs no flush: it has nothing to lose before its first record is flushed, and that flush
 * includes these. With flushes, each partition took 9 ms to create, nearly all of it waiting for the disk.
 *
 * Runs on the shard that owns the log.
 */
import type { FileSystem } from "../sys/file_system.ts";

/** The part of a flush request for names and small files. */
export interface UnflushedNames {
  readonly directories: readonly string[];
  /** Descriptors of small files, to be closed when the flush has ended. */
  readonly smallFds: readonly number[];
  /** Number of the last change that it includes, for `markDurable()`. */
  readonly changesUpTo: number;
}

/** The names. Each stays until a flush that includes it succeeded: of two overlapping flushes, either may end first. */
export class Unflushed {
  /** Number of the last change of each. */
  readonly #directories = new Map<string, number>();
  readonly #files = new Map<string, number>();
  #changes = 0;

  /** Whether nothing has to be flushed. */
  get isEmpty(): boolean {
    return this.#directories.size + this.#files.size === 0;
  }

  /** Whether changes of a directory's entries may not be durable. */
  hasDirectory(path: string): boolean {
    return this.#directories.has(path);
  }

  /** Adds a directory whose entries changed. */
  addDirectory(path: string): void {
    this.#directories.set(path, ++this.#changes);
  }

  /** Adds a file that was written; its directory has to be added too. The file may be gone before the flush. */
  addFile(path: string): void {
    this.#files.set(path, ++this.#changes);
  }

  /** Opens everything for a flush. @throws SystemError when a file cannot be opened */
  openForFlush(fs: FileSystem): UnflushedNames {
    const smallFds: number[] = [];
    try {
      for (const path of this.#files.keys()) {
        if (fs.modifiedMs(path) !== null) smallFds.push(fs.open(path, { write: true }));
      }
    } catch (error) {
      for (const fd of smallFds) fs.close(fd);
      throw error;
    }
    return { directories: [...this.#directories.keys()], smallFds, changesUpTo: this.#changes };
  }

  /**
   * Removes what a successful flush made durable: everything that did not change since it began.
   * @param changesUpTo of that flush
   */
  markDurable(changesUpTo: number): void {
    for (const names of [this.#directories, this.#files]) {
      for (const [path, change] of names) if (change <= changesUpTo) names.delete(path);
    }
  }
}
