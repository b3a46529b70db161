/**
 * A partition's directory: its creation, the topic id in it, and its end. Runs on the shard that owns the log.
 */
import { deletedDirectoryName } from "../segments/segment_names.ts";
import type { LogOptions } from "../log/log_types.ts";
import { readPartitionMetadata, writePartitionMetadata } from "./partition_metadata.ts";
import { LogDamagedError } from "../log/storage_failure.ts";
import type { FileSystem } from "../sys/file_system.ts";
import type { Unflushed } from "../log/unflushed.ts";

/**
 * Creates the directory and `partition.metadata` where they are missing.
 * @param unflushed gets what was written
 * @throws LogDamagedError when the directory belongs to another topic @throws when the disk refuses
 */
export function settlePartitionMetadata(options: LogOptions, unflushed: Unflushed): void {
  const { fs, directory, topicId } = options;
  if (fs.modifiedMs(directory) === null) {
    fs.makeDirectory(directory);
    unflushed.addDirectory(directory.slice(0, Math.max(0, directory.lastIndexOf("/"))) || "/");
  }
  if (topicId === undefined) return;
  const found = readPartitionMetadata(fs, directory);
  if (found === null) {
    unflushed.addFile(writePartitionMetadata(fs, directory, topicId));
    unflushed.addDirectory(directory);
  } else if (found !== topicId) {
    throw new LogDamagedError(`Cannot open ${directory}: it belongs to topic id ${found}, not to ${topicId}`);
  }
}

/** A partition's directory that waits for its removal. */
export interface RenamedDirectory {
  readonly path: string;
  /** Whether slices of its files are lent: whoever closes the last descriptor of a removed file frees its bytes. */
  readonly isLent: boolean;
}

/**
 * Renames a partition's directory, for another thread to remove: freeing the bytes of a gigabyte takes a disk tens of milliseconds.
 * A crash in between leaves no partition with files missing, the next start removes what was renamed, and a new topic of that
 * name finds its place free.
 * @returns the new path @throws the runtime's errors when the disk refuses
 */
export function renameForRemoval(fs: FileSystem, directory: string): string {
  const slash = directory.lastIndexOf("/") + 1;
  const name = deletedDirectoryName(directory.slice(slash), crypto.randomUUID().replaceAll("-", ""));
  const renamed = directory.slice(0, slash) + name;
  fs.rename(directory, renamed);
  return renamed;
}
