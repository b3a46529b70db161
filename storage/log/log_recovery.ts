/**
 * Recovery of a log after an unclean stop. It checks the segments from the first one that may hold unflushed bytes on
 * (segment_recovery.ts), and takes out of the log what no longer belongs to it. Runs on the shard that opens the log.
 *
 *   a gap between segments                kept; reported unless the log is compacted. Compaction or a loss of power may have made
 *                                         it, and the bytes do not tell which. The configured policy does not tell either: it may
 *                                         have been changed, and an adopted directory has none
 *   bytes without a batch, but the next   cut off: nothing is missing (the room was preallocated)
 *   segment begins where this one ends
 *   a torn batch, or segments that        the later segments are set aside (renamed to `.set-aside`, never removed), then the torn
 *   overlap, above the recovery point     bytes are cut off and the log continues from there
 *   the same below the recovery point,    `LogDamagedError`, and the files stay unchanged: the partition is offline until an
 *   or a log that ends below it           operator restores it, because durable records are missing
 *
 * A loss of power may bring back what a truncation has cut off a segment. The segment that follows a truncation then overlaps it and is
 * set aside, as one that nothing of was flushed: the log is as it was before the truncation (follower/log_truncation.ts). Where it begins
 * below the log start, the other one is removed: its records are deleted, except for those that were cut off.
 *
 * Must always hold: no sound segment with records that are served is removed, and a segment with a torn batch loses only that batch and
 * the bytes after it. Later segments are durably set aside before the torn bytes are cut off. After a loss of power in between, the next
 * start finds the same damage and does the same.
 *
 * Producer snapshots go, too, that may know batches which are not in the log. They are durably gone before anything is appended: else a
 * loss of power would bring one back when the log reaches as far again, with other batches.
 *
 * Pages above the recovery point are read from the disk, not from the page cache. After a failed fdatasync the kernel marks pages
 * clean that the disk does not have. A log that went offline for it and is reopened in the same boot would find them sound, and the
 * next flush would succeed without writing them. Dirty pages stay in the cache: a later flush writes them or fails. Correctness won
 * over speed: after a kill, 376 MB above the recovery point took 1.9 s instead of 0.5 s on a disk of 200 MB/s.
 *
 * The page cache is believed in one case: the process alone died, in this boot, and no flush has failed (boot_mark.ts). Then only the
 * end of the last segment is checked (`recoverAfterKill()`).
 *
 * A stop in the middle leaves indexes that are rebuilt in place without entries. So this is done only where the next start, which finds
 * the same recovery point, rebuilds them again. It trusts those of a segment if the following one begins below the recovery point.
 *
 * Kafka cuts at the first torn batch, removes all later segments, and trusts the page cache (LogLoader.recoverLog). It removes snapshots
 * above the log's end without a flush (ProducerStateManager.truncateAndReload).
 */
import { type Offset, toOffset } from "../base/units.ts";
import type { LeaderEpochFile } from "./epochs/leader_epoch_file.ts";
import type { LogOptions } from "./log_types.ts";
import { ProducerSnapshotFiles } from "./producers/producer_snapshot_files.ts";
import { baseOffset, isControl, partitionLeaderEpoch } from "../records/record_batch.ts";
import type { RecoveredSegment, SegmentRecovery } from "../segments/segment_recovery.ts";
import type { Segment } from "../segments/segment.ts";
import { markDeleted } from "../segments/segment_deletion.ts";
import type { SegmentList } from "../segments/segment_list.ts";
import { segmentFileKinds, SET_ASIDE_SUFFIX } from "../segments/segment_names.ts";
import { LogDamagedError } from "./storage_failure.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { SystemError } from "../sys/libc.ts";
import type { Unflushed } from "./unflushed.ts";

/** What a recovery works on. */
export interface LogRecoveryParts {
  readonly options: LogOptions;
  readonly segments: SegmentList;
  readonly recovery: SegmentRecovery;
  /** Receives the epochs of the kept batches. */
  readonly epochs: LeaderEpochFile;
  readonly unflushed: Unflushed;
  readonly report: (message: string) => void;
}

/** The result of a recovery. */
export interface RecoveredLog {
  readonly endOffset: Offset;
  /** Whether torn or corrupt bytes were cut off, or segments set aside. */
  readonly hasCut: boolean;
  /** Whether control batches were read. */
  readonly hasMarkers: boolean;
  /** The start of the first gap that is not below the recovery point, or null: see `LoadedLog`. */
  readonly lostFrom: Offset | null;
}

/**
 * Recovers a log whose last owner was killed, while the page cache survived: everything that it wrote is there, except for the rest of
 * a write that the kill interrupted. So only the end of the last segment is checked; what is cut off there was never a whole batch.
 * @returns null when the end is another one: then the log has to be recovered in full
 * @throws SystemError, or the runtime's errors, of the disk
 */
export function recoverAfterKill(
  parts: Pick<LogRecoveryParts, "segments" | "recovery" | "report">,
): RecoveredLog | null {
  const { segments, recovery, report } = parts;
  let [endOffset, hasCut] = [-1, false];
  const last = segments.length - 1;
  // A roll creates the next segment before it closes the old one: a kill in between leaves two segments unfinished. Earlier ones stay
  // unchanged, also where compaction has emptied those after them: the next start trusts their indexes.
  for (let index = last; index >= Math.max(0, last - 1); index--) {
    const segment = segments.at(index);
    const next = segments.all[index + 1]?.baseOffset ?? Infinity;
    const found = recovery.recoverEnd(segment);
    const follows = found !== null &&
      (found.cutBytes > 0 && next < Infinity ? found.endOffset === next : found.endOffset <= next);
    if (!follows) {
      for (const one of segments.all) one.openExisting();
      return null;
    }
    if (found.cutBytes > 0) segment.cutFile(found.endPosition, false);
    if (found.isTorn) {
      hasCut = true;
      reportCut(segment, found, report);
    }
    endOffset = Math.max(endOffset, found.endOffset);
    if (found.endPosition > 0) break;
  }
  return { endOffset: toOffset(endOffset), hasCut, hasMarkers: false, lostFrom: null };
}

/**
 * Recovers the segments from an index on. It is at most the index of the segment that holds the recovery point.
 * @throws LogDamagedError when durable records are missing, or for batches of an old format
 * @throws SystemError, or the runtime's errors, of the disk
 */
export function recoverSegments(from: number, parts: LogRecoveryParts): RecoveredLog {
  const { options, segments, recovery, epochs, unflushed } = parts;
  const { fs, directory, config } = options;
  const gaps: string[] = [];
  let end = segments.at(from).baseOffset;
  let hasCut = false;
  let hasMarkers = false;
  let isFirst = true;
  let overlapping = -1;
  let lostFrom: Offset | null = null;
  unflushed.addDirectory(directory);
  for (let index = from; index < segments.length; index++) {
    const segment = segments.at(index);
    if (segment.baseOffset > end) gaps.push(`${end} to ${segment.baseOffset - 1}`);
    const isLost = segment.baseOffset > Math.max(end, options.recoveryPoint);
    if (isLost) lostFrom ??= toOffset(Math.max(end, options.recoveryPoint));
    fs.dropCached(segment.fd);
    const isTrusted = (segments.all[index + 1]?.baseOffset ?? Infinity) < options.recoveryPoint;
    const by = { durableBelow: options.recoveryPoint, mode: isTrusted ? "new file" : "in place" } as const;
    const found = recovery.recover(segment, by, (view, at) => {
      // The file may know an epoch by batches that a loss of power has replaced by those of before a truncation.
      if (isFirst) epochs.truncateFromEnd(baseOffset(view, at));
      isFirst = false;
      hasMarkers ||= isControl(view, at);
      epochs.note(partitionLeaderEpoch(view, at), baseOffset(view, at));
    });
    end = found.endOffset;
    if (repairSegment(index, { ...found, lostFrom }, parts)) hasCut = true;
    if ((segments.all[index + 1]?.baseOffset ?? Infinity) < end) overlapping = index;
  }
  removeFirst(overlapping + 1, parts);
  if (gaps.length > 0 && !config.compact) {
    parts.report(
      `There are no records at offsets ${gaps[0]}${gaps.length > 1 ? `, and in ${gaps.length - 1} more gaps` : ""}`,
    );
  }
  return { endOffset: end, hasCut, hasMarkers, lostFrom };
}

/**
 * Refuses a log that ends below the recovery point, also after a clean stop, unless the missing records were deleted.
 * @throws LogDamagedError when it does
 */
export function refuseMissing(logEndOffset: Offset, { directory, recoveryPoint, logStartOffset }: LogOptions): void {
  if (logEndOffset >= recoveryPoint || logStartOffset >= recoveryPoint) return;
  throw damaged(directory, `the log ends at offset ${logEndOffset}`, recoveryPoint);
}

/** Removes the producer snapshots above an offset, also where a start that was killed has removed them. Durable when it returns. */
export function removeSnapshots(above: number, { fs, directory }: Pick<LogOptions, "fs" | "directory">): void {
  new ProducerSnapshotFiles(fs, directory).removeOutside({ firstOffset: toOffset(0), logEndOffset: toOffset(above) });
  if (!fs.syncDirectory(directory)) throw new SystemError(`flush directory ${directory}`);
}

/**
 * Cuts damaged bytes off a segment and sets the later segments aside, or refuses the log.
 * @param found in the segment; `lostFrom` as in `RecoveredLog`, so far @returns whether anything was lost to the log
 */
function repairSegment(
  index: number,
  found: RecoveredSegment & Pick<RecoveredLog, "lostFrom">,
  parts: LogRecoveryParts,
): boolean {
  const { options, segments, report } = parts;
  const { directory, recoveryPoint, logStartOffset } = options;
  const { endOffset, endPosition, cutBytes, lostFrom } = found;
  const segment = segments.at(index);
  const next = segments.all[index + 1]?.baseOffset ?? Infinity;
  const isTorn = cutBytes > 0 && next !== endOffset;
  if (isTorn || next < endOffset) {
    const damagedFrom = Math.min(endOffset, next);
    const problem = isTorn
      ? `the bytes at position ${endPosition} of ${segment.path(".log")} (offset ${endOffset}) are torn or corrupt`
      : `segment ${next} begins below offset ${endOffset}, where the one before it ends`;
    if (damagedFrom < recoveryPoint && logStartOffset < recoveryPoint && next > logStartOffset) {
      throw damaged(directory, problem, recoveryPoint);
    }
    // Records below the log start were deleted, so no readable record is missing.
    if (next > logStartOffset) {
      // Those above may be of the history that is set aside. First, because the next start sees no overlap any more.
      if (next < endOffset) removeSnapshots(next, options);
      setAside(index + 1, problem, parts);
    }
  }
  // A later one knows batches that are lost: their producers send them again, and nobody may take that for a repetition.
  if (index === segments.length - 1) removeSnapshots(Math.min(endOffset, lostFrom ?? Infinity), options);
  if (cutBytes > 0) {
    segment.cutFile(endPosition, true);
    if (isTorn) reportCut(segment, found, report);
  }
  return next < endOffset || (isTorn && found.isTorn);
}

function reportCut(segment: Segment, found: RecoveredSegment, report: (message: string) => void): void {
  report(
    `Segment ${segment.baseOffset} was cut by ${found.cutBytes} torn or corrupt bytes at offset ${found.endOffset}`,
  );
}

function damaged(directory: string, problem: string, recoveryPoint: Offset): LogDamagedError {
  return new LogDamagedError(
    `Cannot open ${directory}: ${problem}, but all below offset ${recoveryPoint} had been made durable. Nothing was cut off. ` +
      `Restore the directory from a backup; or, to go on with what is left, set the partition's offset in ` +
      `recovery-point-offset-checkpoint to 0 while the broker is stopped`,
  );
}

/** Removes the oldest segments, of which no record is served. Durable with the next flush: until then a start finds the same. */
function removeFirst(count: number, { options: { fs }, segments, report }: LogRecoveryParts): void {
  for (let index = 0; index < count; index++) {
    report(`Segment ${segments.first.baseOffset} is removed: it lies below the log start, and overlaps the next one`);
    for (const path of markDeleted(fs, segments.first)) fs.remove(path);
    segments.shift().retire();
  }
}

/**
 * Takes the segments from an index on out of the log and renames their files; empty ones are removed. `removeSnapshots()` makes that
 * durable, also where a start that was killed has renamed them: else a loss of power would bring them back behind what is appended now.
 */
function setAside(from: number, problem: string, { options: { fs }, segments, report }: LogRecoveryParts): void {
  while (segments.length > from) {
    const segment = segments.pop();
    if (segment.logFileBytes > 0) {
      if (!fs.fdatasync(segment.fd)) throw new SystemError(`flush ${segment.path(".log")}`);
      report(`Segment ${segment.baseOffset} is set aside as ${renameAside(fs, segment)}: ${problem}`);
    } else for (const path of markDeleted(fs, segment)) fs.remove(path);
    segment.retire();
  }
}

/**
 * Renames a segment's files, with a number where an earlier recovery has used the name. The `.log` file comes last: until then the
 * segment exists, and an interrupted recovery finds it again.
 * @returns the new name of the `.log` file
 */
function renameAside(fs: FileSystem, segment: Segment): string {
  const log = segment.path(".log");
  let suffix = SET_ASIDE_SUFFIX;
  for (let n = 2; fs.modifiedMs(log + suffix) !== null; n++) suffix = `${SET_ASIDE_SUFFIX}-${n}`;
  for (const kind of segmentFileKinds.toReversed()) {
    const path = segment.path(kind);
    if (fs.modifiedMs(path) !== null) fs.rename(path, path + suffix);
  }
  return log.slice(log.lastIndexOf("/") + 1) + suffix;
}
