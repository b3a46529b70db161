/**
 * What the next flush of a log makes durable beside its segments: directories whose entries changed, and small files. A new partition
 * is made without a single flush: it has nothing to lose before its first record is flushed, and these go with that. Creating
 * partitions took 9 ms each before, nearly all of it waiting for the disk.
 *
 * Runs on the shard that owns the log.
 */
import type { FileSystem } from "./sys/file_system.ts";

/** What a flush gets of it. */
export interface UnflushedNames {
  readonly directories: readonly string[];
  /** Descriptors of small files, to be closed when the flush has ended. */
  readonly smallFds: readonly number[];
}

/** The names. */
export class Unflushed {
  readonly #directories = new Set<string>();
  readonly #files = new Set<string>();

  /** Whether there is nothing. */
  get isEmpty(): boolean {
    return this.#directories.size + this.#files.size === 0;
  }

  /** The entries of a directory changed. */
  addDirectory(path: string): void {
    this.#directories.add(path);
  }

  /** A file was written, in a directory that is added, too. One that is gone by then is fine. */
  addFile(path: string): void {
    this.#files.add(path);
  }

  /** Hands everything over to a flush. @throws SystemError when a file cannot be opened; all stays here then */
  take(fs: FileSystem): UnflushedNames {
    const smallFds: number[] = [];
    try {
      for (const path of this.#files) {
        if (fs.modifiedMs(path) !== null) smallFds.push(fs.open(path, { write: true }));
      }
    } catch (error) {
      for (const fd of smallFds) fs.close(fd);
      throw error;
    }
    const directories = [...this.#directories];
    this.#directories.clear();
    this.#files.clear();
    return { directories, smallFds };
  }
}
