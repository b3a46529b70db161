/**
 * The checkpoints that a log is opened with, as they are read at a start: by the shards that open logs, and before by the main
 * isolate, which looks for what must not be opened upon.
 * Source: Kafka's LogManager.loadLogs.
 */
import { readOffsetCheckpoint } from "../../storage/directory/offset_checkpoint.ts";
import type { FileSystem } from "../../storage/mod.ts";

/** From where on logs are recovered. */
export const RECOVERY_POINTS_FILE = "recovery-point-offset-checkpoint";
/** Where logs start: what lies below was deleted. */
export const LOG_STARTS_FILE = "log-start-offset-checkpoint";

/**
 * Reads one of the checkpoints.
 * @param place the log directory
 * @returns offsets by `partitionKey()`, empty where there is no file; or a sentence about its damage
 * @throws the runtime's errors when the disk refuses
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

/** Partitions of which a checkpoint of the directory speaks, by `partitionKey()`. @throws as `readCheckpoint()` does */
export function checkpointedPartitions(place: { fs: FileSystem; logDirectory: string }): ReadonlySet<string> | string {
  const logStarts = readCheckpoint(place, LOG_STARTS_FILE);
  if (typeof logStarts === "string") return logStarts;
  const recoveryPoints = readCheckpoint(place, RECOVERY_POINTS_FILE);
  return new Set([...logStarts.keys(), ...(typeof recoveryPoints === "string" ? [] : recoveryPoints.keys())]);
}
