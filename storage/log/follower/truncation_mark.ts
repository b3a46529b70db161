/**
 * The mark of a truncation (`truncation-checkpoint`) in a partition's directory. Runs on the shard that owns the log.
 *
 *   "0\n1\n" · endOffset " " highestRecoveryPoint "\n"
 *
 * The checkpoint of recovery points is written by another isolate, later, for all partitions together. After a truncation it may still
 * say that records are durable which were cut off, and a start would refuse the log because they are missing (log_recovery.ts). So the mark
 * is durable before anything is cut off: a start takes the recovery point from it if that is the lower one.
 *
 * Must always hold: the mark stays until all below the highest recovery point that any checkpoint may have is durable again. A mark that
 * comes back with a loss of power only makes a start check more.
 *
 * Kafka has no such file: it writes the checkpoint of its directory after a truncation, and opens a log that ends below it.
 */
import { type Offset, toOffset } from "../../base/units.ts";
import { readText, replaceFile } from "../../directory/atomic_file.ts";
import { encodeCheckpoint, parseCheckpoint, wholeNumber } from "../../directory/checkpoint_format.ts";
import type { FileSystem } from "../../sys/file_system.ts";

/** Name of the file. */
export const TRUNCATION_FILE = "truncation-checkpoint";

/** What a mark says. */
export interface TruncationMark {
  /** The log may end here: no recovery point above it counts. */
  readonly endOffset: Offset;
  /** No checkpoint has a higher recovery point. */
  readonly highestRecoveryPoint: Offset;
}

/**
 * Reads the mark of a partition.
 * @param directory the partition's
 * @returns null when there is none; for a damaged one a mark by which a start checks all of the log
 * @throws the runtime's errors when the disk refuses
 */
export function readTruncationMark(fs: FileSystem, directory: string): TruncationMark | null {
  const text = readText(fs, `${directory}/${TRUNCATION_FILE}`);
  if (text === null) return null;
  const lines = parseCheckpoint(text);
  const [endOffset = -1, highest = -1] = typeof lines === "string" ? [] : (lines[0] ?? "").split(" ").map(wholeNumber);
  const isSound = endOffset >= 0 && highest >= 0;
  return {
    endOffset: toOffset(isSound ? endOffset : 0),
    highestRecoveryPoint: toOffset(isSound ? highest : Number.MAX_SAFE_INTEGER),
  };
}

/** Writes the mark of a partition: it is durable when this returns. @throws SystemError, or the runtime's errors, when the disk refuses */
export function writeTruncationMark(fs: FileSystem, directory: string, mark: TruncationMark): void {
  const line = `${mark.endOffset} ${mark.highestRecoveryPoint}`;
  replaceFile(fs, `${directory}/${TRUNCATION_FILE}`, encodeCheckpoint([line]));
}
