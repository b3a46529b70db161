/**
 * A partition's directory and the topic id in it. Runs on the shard that opens the log.
 */
import type { LogOptions } from "./log_types.ts";
import { readPartitionMetadata, writePartitionMetadata } from "./partition_metadata.ts";
import { LogDamagedError } from "./storage_failure.ts";

/**
 * Creates the directory and `partition.metadata` where they are missing.
 * @returns directories whose entries changed
 * @throws LogDamagedError when the directory belongs to another topic @throws when the disk refuses
 */
export function settlePartitionMetadata(options: LogOptions): string[] {
  const { fs, directory, topicId } = options;
  const dirty: string[] = [];
  if (fs.modifiedMs(directory) === null) {
    fs.makeDirectory(directory);
    dirty.push(directory.slice(0, Math.max(0, directory.lastIndexOf("/"))) || "/");
  }
  if (topicId === undefined) return dirty;
  const found = readPartitionMetadata(fs, directory);
  if (found === null) writePartitionMetadata(fs, directory, topicId);
  else if (found !== topicId) {
    throw new LogDamagedError(`Cannot open ${directory}: it belongs to topic id ${found}, not to ${topicId}`);
  }
  return dirty;
}
