/**
 * Kafka's offset checkpoints in a log directory: one offset for each partition. Any isolate.
 *
 *   "0\n" · count "\n" · { topic " " partition " " offset "\n" }
 *   (recovery-point-offset-checkpoint, replication-offset-checkpoint, log-start-offset-checkpoint)
 *
 * Source: Kafka's OffsetCheckpointFile.
 */
import type { FileSystem } from "../sys/file_system.ts";
import { readText } from "./atomic_file.ts";
import { encodeCheckpoint, parseCheckpoint, wholeNumber } from "./checkpoint_format.ts";

/** The offsets from which logs are recovered. */
export const RECOVERY_POINTS_FILE = "recovery-point-offset-checkpoint";
/** The high watermarks: records below were committed. */
export const HIGH_WATERMARKS_FILE = "replication-offset-checkpoint";
/** The offsets at which logs start: records below were deleted. */
export const LOG_STARTS_FILE = "log-start-offset-checkpoint";

const INT32_MAX = 0x7fff_ffff;

/** Key of a partition in an offset checkpoint; topic names hold no space. */
export function partitionKey(topic: string, partition: number): string {
  return `${topic} ${partition}`;
}

/**
 * Reads an offset checkpoint.
 * @param fs where it is @param path of the file
 * @returns offsets by `partitionKey()`, empty where there is no file; or a sentence about the damage
 * @throws the runtime's errors when the disk refuses
 */
export function readOffsetCheckpoint(fs: FileSystem, path: string): Map<string, number> | string {
  const lines = parseCheckpoint(readText(fs, path) ?? "");
  if (typeof lines === "string") return lines;
  const offsets = new Map<string, number>();
  for (const [index, line] of lines.entries()) {
    const [topic, partitionText, offsetText, ...rest] = line.split(" ");
    const partition = wholeNumber(partitionText ?? "");
    const offset = wholeNumber(offsetText ?? "");
    if (!topic || partition < 0 || partition > INT32_MAX || offset < 0 || rest.length > 0) {
      return `entry ${index + 1} is no topic, partition and offset`;
    }
    offsets.set(partitionKey(topic, partition), offset);
  }
  if (offsets.size !== lines.length) return "it has two entries of one partition";
  return offsets;
}

/** The text of an offset checkpoint. @param offsets of partitions, in the order of the file's lines */
export function encodeOffsetCheckpoint(
  offsets: readonly { readonly topic: string; readonly partition: number; readonly offset: number }[],
): string {
  return encodeCheckpoint(offsets.map(({ topic, partition, offset }) => `${partitionKey(topic, partition)} ${offset}`));
}
