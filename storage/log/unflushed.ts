/**
 * What the next flush of a log makes durable beside its segments: directories whose entries changed, and small files. A new partition
 * is made without a single flush: it has nothing to lose before its first record is flushed, and these go with that. Creating
 * partitions took 9 ms each before, nearly all of it waiting for the disk.
 *
 * Runs on the shard that owns the log.
 */
import type { FileSystem } from "../sys/file_system.ts";

/** What a flush gets of it. */
export interface UnflushedNames {
  readonly directories: readonly string[];
  /** Descriptors of small files, to be closed when the flush has ended. */
  readonly smallFds: readonly number[];
  /** For `settle()`: what was added up to then is in it. */
  readonly changesUpTo: number;
}

/** The names. Each stays until a flush that has it succeeded: of two flushes that overlap, either may end first. */
export class Unflushed {
  /** Number of the last change of each. */
  readonly #directories = new Map<string, number>();
  readonly #files = new Map<string, number>();
  #changes = 0;

  /** Whether there is nothing. */
  get isEmpty(): boolean {
    return this.#directories.size + this.#files.size === 0;
  }

  /** The entries of a directory changed. */
  addDirectory(path: string): void {
    this.#directories.set(path, ++this.#changes);
  }

  /** A file was written, in a directory that is added, too. One that is gone by then is fine. */
  addFile(path: string): void {
    this.#files.set(path, ++this.#changes);
  }

  /** Hands all of it to a flush. @throws SystemError when a file cannot be opened */
  lend(fs: FileSystem): UnflushedNames {
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

  /** A flush succeeded: what did not change since it began is durable. @param changesUpTo as the flush got it */
  settle(changesUpTo: number): void {
    for (const names of [this.#directories, this.#files]) {
      for (const [path, change] of names) if (change <= changesUpTo) names.delete(path);
    }
  }
}
