/**
 * Creates a partition's directory with its topic id, and renames it for removal. Runs on the shard that owns the log.
 */
import { deletedDirectoryName } from "../segments/segment_names.ts";
import type { LogOptions } from "../log/log_types.ts";
import { readPartitionMetadata, writePartitionMetadata } from "./partition_metadata.ts";
import { LogDamagedError } from "../log/storage_failure.ts";
import type { FileSystem } from "../sys/file_system.ts";
import type { Unflushed } from "../log/unflushed.ts";

/**
 * Creates the directory and `partition.metadata` where they are missing.
 * @param unflushed gets everything that was written
 * @throws LogDamagedError when the directory belongs to another topic @throws when the disk refuses
 */
export function ensurePartitionMetadata(options: LogOptions, unflushed: Unflushed): void {
  const { fs, directory, topicId } = options;
  const isNew = fs.modifiedMs(directory) === null;
  if (isNew) {
    fs.makeDirectory(directory);
    unflushed.addDirectory(directory.slice(0, Math.max(0, directory.lastIndexOf("/"))) || "/");
  }
  if (topicId === undefined) return;
  const found = isNew ? null : readPartitionMetadata(fs, directory);
  if (found === null) {
    unflushed.addFile(writePartitionMetadata(fs, directory, topicId));
    unflushed.addDirectory(directory);
  } else if (found !== topicId) {
    throw new LogDamagedError(`Cannot open ${directory}: it belongs to topic id ${found}, not to ${topicId}`);
  }
}

/** A renamed partition directory that waits for its removal. */
export interface RenamedDirectory {
  readonly path: string;
  /** Whether slices of its files are lent. The close of a removed file's last descriptor frees its bytes. */
  readonly isLent: boolean;
}

/**
 * Renames a partition's directory for another thread to remove, because freeing a gigabyte takes a disk tens of milliseconds. After
 * a crash in between no partition has missing files, the next start removes the renamed directory, and a new topic can use the old
 * name.
 * @returns the new path @throws the runtime's errors when the disk refuses
 */
export function renameForRemoval(fs: FileSystem, directory: string): string {
  const slash = directory.lastIndexOf("/") + 1;
  const name = deletedDirectoryName(directory.slice(slash), crypto.randomUUID().replaceAll("-", ""));
  const renamed = directory.slice(0, slash) + name;
  fs.rename(directory, renamed);
  return renamed;
}
