/**
 * Names of a partition's files. A segment's files share a stem, its base offset in 20 digits; what a crash may leave
 * behind is told by a suffix after the kind. Pure; any isolate.
 *
 *   00000000000000000042.log        batches          .cleaned  a compaction that was not finished: removed on opening
 *   00000000000000000042.index      offset index     .swap     a compaction that was: renamed on opening
 *   00000000000000000042.timeindex  time index       .deleted  retention took it: removed on opening
 *   00000000000000000042.txnindex   aborted transactions (only when there are some)
 *   00000000000000000042.snapshot   producer state of all records below 42
 *
 * Recovery takes segments that follow a torn batch out of the log (`.set-aside`, `.set-aside-2`, …). Nothing but the removal of
 * the whole directory touches these names again, here or in Kafka: what the records are worth is for a person to say.
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

/** Suffix of what waits for its removal. */
export const DELETED_SUFFIX = ".deleted";
/** Suffix of a compacted segment that is complete and replaces the segments it was made of. */
export const SWAP_SUFFIX = ".swap";
/** Suffix of a compacted segment that is still being written. */
export const CLEANED_SUFFIX = ".cleaned";
/** Suffix of what recovery took out of the log. */
export const SET_ASIDE_SUFFIX = ".set-aside";
/** Suffix of a small file that is being replaced. */
export const TEMPORARY_SUFFIX = ".tmp";
/** Suffix of a partition's directory that is being removed. */
export const DELETE_DIRECTORY_SUFFIX = "-delete";

/** A name taken apart. */
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

/** Takes a name apart. @returns null for a name that is not of a segment or snapshot */
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
 * Name under which a partition's directory waits for its removal: the topic is cut where the whole would be too long.
 * @param directoryName `<topic>-<partition>` @param uniqueId 32 hexadecimal digits
 */
export function deletedDirectoryName(directoryName: string, uniqueId: string): string {
  const dash = directoryName.lastIndexOf("-");
  assert(dash > 0, "a partition's directory is named <topic>-<partition>");
  const ending = `${directoryName.slice(dash)}.${uniqueId}${DELETE_DIRECTORY_SUFFIX}`;
  return directoryName.slice(0, Math.min(dash, NAME_CHARACTERS_MAX - ending.length)) + ending;
}
