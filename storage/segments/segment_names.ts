/**
 * Names of a partition's files. A segment's files share a stem, its base offset in 20 digits; a suffix after the kind marks what a
 * crash may leave behind. Pure; any isolate.
 *
 *   00000000000000000042.log        batches          .cleaned  a compaction that was not finished: removed on opening
 *   00000000000000000042.index      offset index     .swap     a compaction that was: renamed on opening
 *   00000000000000000042.timeindex  time index       .deleted  retention took it: removed on opening
 *   00000000000000000042.txnindex   aborted transactions (only when there are some)
 *   00000000000000000042.snapshot   producer state of all records below 42
 *
 * Recovery renames segments that follow a torn batch (`.set-aside`, `.set-aside-2`, …). Only the removal of the whole directory
 * removes these files, here and in Kafka: a person must decide what the records are worth.
 *
 * Source: Kafka's LogFileUtils and LocalLog.logDeleteDirName.
 */
import { assert } from "../base/assert.ts";
import { type Offset, toOffset } from "../base/units.ts";

/** Kinds of file that belong to a segment; a snapshot shares the stem but belongs to the log. */
export const segmentFileKinds = [".log", ".index", ".timeindex", ".txnindex"] as const;
/** One kind of segment file. */
export type SegmentFileKind = (typeof segmentFileKinds)[number];
/** Kind of the producer snapshots. */
export const SNAPSHOT_KIND = ".snapshot";

/** Suffix of a file that waits for its removal. */
export const DELETED_SUFFIX = ".deleted";
/** Suffix of a compacted segment that is complete and replaces the segments it was made of. */
export const SWAP_SUFFIX = ".swap";
/** Suffix of a compacted segment that is still being written. */
export const CLEANED_SUFFIX = ".cleaned";
/** Suffix of a segment that recovery took out of the log. */
export const SET_ASIDE_SUFFIX = ".set-aside";
/** Suffix of a small file that is being replaced. */
export const TEMPORARY_SUFFIX = ".tmp";
/** Suffix of a partition's directory that is being removed. */
export const DELETE_DIRECTORY_SUFFIX = "-delete";
/** Suffix of a partition's directory that does not belong there. */
const STRAY_DIRECTORY_SUFFIX = "-stray";

/** The parts of a file name. */
export interface PartitionFileName {
  readonly offset: Offset;
  readonly kind: SegmentFileKind | typeof SNAPSHOT_KIND;
  /** "" for a file in use. */
  readonly suffix: "" | typeof DELETED_SUFFIX | typeof SWAP_SUFFIX | typeof CLEANED_SUFFIX;
}

const PATTERN = /^(\d{20})(\.log|\.index|\.timeindex|\.txnindex|\.snapshot)(\.deleted|\.swap|\.cleaned|)$/;

/** Name of a file of the segment, or of the snapshot, at an offset. @param kind with its dot */
export function partitionFileName(offset: Offset, kind: PartitionFileName["kind"]): string {
  return String(offset).padStart(20, "0") + kind;
}

/** Parses a file name. @returns null when it is not that of a segment or snapshot */
export function parsePartitionFileName(name: string): PartitionFileName | null {
  const match = PATTERN.exec(name);
  if (match === null) return null;
  const offset = Number(match[1]);
  if (!Number.isSafeInteger(offset)) return null;
  const kind = match[2] as PartitionFileName["kind"];
  return { offset: toOffset(offset), kind, suffix: match[3] as PartitionFileName["suffix"] };
}

/** Longest file name that Linux file systems take. */
const NAME_CHARACTERS_MAX = 255;

/**
 * Name of a partition's directory that waits for its removal: a long topic is cut so that the name fits.
 * @param directoryName `<topic>-<partition>` @param uniqueId 32 hexadecimal digits
 */
export function deletedDirectoryName(directoryName: string, uniqueId: string): string {
  return awayName(directoryName, `${uniqueId}${DELETE_DIRECTORY_SUFFIX}`);
}

/**
 * Name of a partition's directory that the cluster does not know at this place (Kafka's LogManager, "-stray"): nothing reads or removes it.
 * @param directoryName `<topic>-<partition>` @param uniqueId 32 hexadecimal digits
 */
export function strayDirectoryName(directoryName: string, uniqueId: string): string {
  return awayName(directoryName, `${uniqueId}${STRAY_DIRECTORY_SUFFIX}`);
}

function awayName(directoryName: string, suffix: string): string {
  const dash = directoryName.lastIndexOf("-");
  assert(dash > 0, "a partition's directory is named <topic>-<partition>");
  const ending = `${directoryName.slice(dash)}.${suffix}`;
  return directoryName.slice(0, Math.min(dash, NAME_CHARACTERS_MAX - ending.length)) + ending;
}
