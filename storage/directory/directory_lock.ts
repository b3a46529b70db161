/**
 * `.lock`: held while a broker uses a log directory, as by Apache Kafka (POSIX lock, and flock). Main isolate.
 */
import type { FileSystem } from "../sys/file_system.ts";

/** Name of the file. */
export const LOCK_FILE = ".lock";

/** Directories locked by this process. A second descriptor on `.lock` would end the first one's POSIX lock when it closes. */
const locked = new Set<string>();

/** A lock on a directory. */
export interface DirectoryLock {
  readonly fs: FileSystem;
  readonly path: string;
  readonly fd: number;
}

/** Locks a directory. @returns null when a broker uses it @throws SystemError when its `.lock` cannot be opened */
export function lockDirectory(fs: FileSystem, path: string): DirectoryLock | null {
  if (locked.has(path)) return null;
  const fd = fs.open(`${path}/${LOCK_FILE}`, { write: true, create: true });
  if (!fs.tryLock(fd)) {
    fs.close(fd);
    return null;
  }
  locked.add(path);
  return { fs, path, fd };
}

/** Ends a lock, once. */
export function unlockDirectory({ fs, path, fd }: DirectoryLock): void {
  fs.close(fd);
  locked.delete(path);
}
