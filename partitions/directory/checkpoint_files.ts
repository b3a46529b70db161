/**
 * Reads the checkpoints at a start. The main isolate reads them first: it refuses to start with damaged log starts, and looks for lines of
 * partitions that no longer exist. The shards then open logs with them.
 * Source: Kafka's LogManager.loadLogs.
 */
import {
  LOG_STARTS_FILE,
  readOffsetCheckpoint,
  RECOVERY_POINTS_FILE,
} from "../../storage/directory/offset_checkpoint.ts";
import type { FileSystem } from "../../storage/mod.ts";

export {
  HIGH_WATERMARKS_FILE,
  LOG_STARTS_FILE,
  RECOVERY_POINTS_FILE,
} from "../../storage/directory/offset_checkpoint.ts";

/**
 * Reads one of the checkpoints.
 * @param place the log directory
 * @returns offsets by `partitionKey()`, empty where there is no file; or a sentence about its damage
 * @throws Error of the runtime when the disk refuses
 */
export function readCheckpoint(
  place: { fs: FileSystem; logDirectory: string },
  name: string,
): Map<string, number> | string {
  const path = `${place.logDirectory}/${name}`;
  const found = readOffsetCheckpoint(place.fs, path);
  if (typeof found !== "string") return found;
  if (name !== LOG_STARTS_FILE) return `${path}: ${found}`;
  return `Cannot use ${path}: ${found}. It says which records were deleted: repair it, or remove it, and deleted records ` +
    `that are still in the segments are served again`;
}

/**
 * The partitions in the checkpoints of a directory.
 * @returns by `partitionKey()`, the highest offset that a checkpoint has; or a sentence about damage @throws as `readCheckpoint()` does
 */
export function checkpointedPartitions(
  place: { fs: FileSystem; logDirectory: string },
): ReadonlyMap<string, number> | string {
  const logStarts = readCheckpoint(place, LOG_STARTS_FILE);
  if (typeof logStarts === "string") return logStarts;
  const recoveryPoints = readCheckpoint(place, RECOVERY_POINTS_FILE);
  const highest = new Map(logStarts);
  for (const [key, offset] of typeof recoveryPoints === "string" ? [] : recoveryPoints) {
    highest.set(key, Math.max(offset, highest.get(key) ?? 0));
  }
  return highest;
}
