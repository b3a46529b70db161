/**
 * Cuts off the end of a log, where a follower's history differs from its leader's. Runs on the shard that owns the log; rare.
 *
 *     segment 0           segment 1000        segment 2000, active
 *   ├───────────────────┼───────────────────┼──────────────┤                     truncateTo(1500)
 *   ├───────────────────┼─────────┤ 1500, new and active                         segment 1000 is cut and stays closed
 *
 *   step                                                     a crash during or after it leaves
 *   announce, where a checkpoint may call durable what is    the old log
 *   cut off (truncation_mark.ts)
 *   close the active segment                                 the old log
 *   remove later segments, the last one first, each durably  the old log up to the removed ones
 *   cut the indexes and the file of the segment that holds   the truncated log, or the old log up to the removed segments
 *   the new end
 *   producers, epochs                                        so too
 *   create a segment at the new end, durably                 so too, see below
 *
 * Must always hold:
 * - No byte of a file is overwritten: what is appended later goes to a new file. So a slice that is lent reads what it was lent for, or
 *   comes to the file's end, and then its connection is closed. Slices below the new end stay whole. Consumers get no other ones, because a
 *   truncation goes below the high watermark only after an unclean election.
 * - No file has records of two histories, and after a loss of power a segment of the new one does not continue the old one: the names are
 *   durable before anything is appended. If the cut is lost, the new segment overlaps the old one and is set aside (log_recovery.ts).
 * - A removed or cut segment is another object afterwards: cursors, caches and searches know objects or their ids.
 *
 * A refusal before the first removal changes nothing. After a later one the log takes no writes, and another truncation to the same or
 * a lower offset continues; so does a start.
 *
 * The caller sees to it that no cleaner reads what is cut off, and that no swap of segments is under way (partitions/owned). As in Kafka, a
 * start after a truncation below the log start may find the former log start in its checkpoint: it removes what lies below.
 *
 * The batch that holds the offset goes too, and then the log ends where that batch began. (Kafka's log ends at the offset in this case.
 * The offsets that followers truncate to begin batches.)
 * Source: Kafka's UnifiedLog.truncateTo, truncateFullyAndStartAt; LocalLog.truncateTo; LogSegment.truncateTo.
 */
import { type Offset, toOffset } from "../../base/units.ts";
import type { LogAppends } from "../log_appends.ts";
import type { LogDurability } from "../log_durability.ts";
import type { LoadedLog } from "../log_loader.ts";
import type { LogOptions } from "../log_types.ts";
import { loadProducers } from "../producers/producer_loading.ts";
import { storageFailure } from "../storage_failure.ts";
import { baseOffset, nextOffset } from "../../records/record_batch.ts";
import { keptBelow } from "../../segments/index_resume.ts";
import type { Segment } from "../../segments/segment.ts";
import { markDeleted } from "../../segments/segment_deletion.ts";
import { SegmentList } from "../../segments/segment_list.ts";
import { DELETED_SUFFIX } from "../../segments/segment_names.ts";
import { describeBatch, type SegmentReader } from "../../segments/segment_reader.ts";
import { abortedBytesBelow } from "../../segments/transaction_index.ts";
import { SystemError } from "../../sys/libc.ts";

/** What a truncation works on. */
export interface LogTruncationParts {
  readonly options: LogOptions;
  readonly loaded: Pick<LoadedLog, "segments" | "producers" | "epochs" | "unflushed">;
  readonly reader: SegmentReader;
  readonly appends: LogAppends;
  readonly durability: LogDurability;
}

/** How a truncation ended. */
export interface Truncation {
  /** Sentence about what the disk refused; null when the log was truncated. */
  readonly refusal: string | null;
  /** Paths of renamed files (`.deleted`), to be removed after `file.delete.delay.ms`; leases stay valid. */
  readonly removedPaths: readonly string[];
  /** Whether another truncation can complete it: until then the log takes no writes. */
  readonly isUnfinished: boolean;
}

/** Where the log will end. */
interface NewEnd {
  readonly offset: Offset;
  /** Number of segments that stay. */
  readonly segmentsKept: number;
  /** The last of them, where it is cut; null when it stays as it is. */
  readonly cut: { readonly segment: Segment; readonly position: number } | null;
  /** Lowest end that the log may have until the new segment is there. */
  readonly lowest: Offset;
}

/** The truncations of one log. */
export class LogTruncation {
  readonly #parts: LogTruncationParts;
  /** Where the truncation ends that the disk refused to complete, else null. */
  #target: Offset | null = null;
  /** Whether the files of the only segment in the list are removed. */
  #isEmptied = false;
  #offlineReason: string | null = null;
  readonly #removedPaths = new Set<string>();

  /** @param parts of the log */
  constructor(parts: LogTruncationParts) {
    this.#parts = parts;
  }

  /** Whether the disk refused to complete one: the log takes no writes until another one is complete. */
  get isUnfinished(): boolean {
    return this.#target !== null;
  }

  /** Why the log takes no writes, or null. */
  get offlineReason(): string | null {
    return this.#offlineReason;
  }

  /** Cuts off all from an offset on, and the batch that holds it. If that is below the first segment, nothing is left. */
  truncateTo(offset: Offset): Truncation {
    const { loaded: { segments, epochs, unflushed }, appends } = this.#parts;
    return this.#attempt(() => {
      const target = toOffset(Math.min(offset, this.#target ?? offset));
      if (target < appends.logEndOffset || this.isUnfinished) {
        return target < segments.first.baseOffset ? this.#restart(target) : this.#truncate(target);
      }
      // An epoch that began here and has no record is not one of the leader's (KAFKA-10706).
      epochs.truncateFromEnd(target);
      epochs.save(unflushed);
      return null;
    });
  }

  /** Removes everything, and continues at an offset. */
  startAt(offset: Offset): Truncation {
    return this.#attempt(() => this.#restart(offset));
  }

  /** @param run returns a sentence about damage that it found before it changed anything, or null */
  #attempt(run: () => string | null): Truncation {
    let refusal: string | null;
    try {
      refusal = run();
    } catch (error) {
      refusal = storageFailure(error);
      if (this.isUnfinished) this.#offlineReason = `It is being truncated to offset ${this.#target}: ${refusal}`;
    }
    const removedPaths = [...this.#removedPaths];
    this.#removedPaths.clear();
    return { refusal, removedPaths, isUnfinished: this.isUnfinished };
  }

  #truncate(target: Offset): string | null {
    const { loaded: { segments, producers, epochs, unflushed }, durability, options, reader } = this.#parts;
    const end = this.#findEnd(target);
    if (end === "damaged") return `Cannot truncate to offset ${target}: no sound batch was found there`;
    const { offset, cut } = end;
    durability.announceTruncation(end.lowest);
    this.#closeActive();
    this.#begin(offset, cut?.segment.baseOffset ?? offset);
    while (segments.length > end.segmentsKept && !this.#isEmptied) this.#removeLast();
    if (cut !== null) this.#cut(cut.segment, cut.position, offset);
    producers.state.clear();
    const left = this.#isEmptied ? new SegmentList() : segments;
    const report = (message: string) => options.report?.(`${options.directory}: ${message}`);
    // Also where no segment is left: there may be a snapshot of producers whose batches were deleted.
    const range = { logStartOffset: segments.first.baseOffset, logEndOffset: offset };
    loadProducers({ segments: left, reader, producers, options, report }, range);
    epochs.truncateFromEnd(offset);
    epochs.save(unflushed);
    this.#complete(offset);
    return null;
  }

  #restart(offset: Offset): null {
    const { loaded: { segments, producers, epochs, unflushed }, durability } = this.#parts;
    durability.announceTruncation(toOffset(0)); // a crash may leave any part of the log
    this.#closeActive();
    this.#begin(offset, segments.first.baseOffset);
    while (!this.#isEmptied) this.#removeLast();
    producers.state.clear();
    producers.snapshots.removeAll();
    epochs.clear();
    epochs.save(unflushed);
    this.#complete(offset);
    return null;
  }

  #findEnd(target: Offset): NewEnd | "damaged" {
    const { loaded: { segments }, reader } = this.#parts;
    const lowest = toOffset(0);
    if (this.#isEmptied) return { offset: target, segmentsKept: 0, cut: null, lowest };
    const index = segments.floorIndex(target);
    const segment = segments.at(index);
    let outcome = reader.findOffset(segment, target);
    if (outcome === "damaged" && reader.repairIndexes(segment)) outcome = reader.findOffset(segment, target);
    if (outcome === "damaged") return "damaged";
    if (outcome === "end" && segment.baseOffset < target) {
      return { offset: target, segmentsKept: index + 1, cut: null, lowest: segment.baseOffset };
    }
    const first = outcome === "end" ? target : baseOffset(reader.window.view, reader.headerAt);
    const offset = toOffset(Math.min(target, first));
    const position = outcome === "end" ? 0 : reader.position;
    if (position > 0) {
      const cut = { segment, position };
      return { offset, segmentsKept: index + 1, cut, lowest: this.#endBefore(segment, position) };
    }
    return { offset, segmentsKept: index, cut: null, lowest: segments.all[index - 1]?.baseOffset ?? lowest };
  }

  /** Offset after the last batch of a segment below the position of another one. */
  #endBefore(segment: Segment, position: number): Offset {
    const { offsetIndex } = segment;
    const from = offsetIndex.positionAt(offsetIndex.lookupPosition(position - 1));
    let end = segment.baseOffset;
    this.#parts.reader.scan(segment, { from, to: position }, (view, at) => end = nextOffset(view, at));
    return end;
  }

  #closeActive(): void {
    const { loaded: { segments }, appends } = this.#parts;
    appends.clearRefusedRoll();
    if (segments.active.isActive) segments.active.deactivate();
  }

  /** From here on only another truncation, or a start, brings the log into order. */
  #begin(offset: Offset, changedFrom: Offset): void {
    this.#parts.durability.truncate(offset, toOffset(Math.min(offset, changedFrom)));
    this.#target = offset;
  }

  /** The files of the last segment get other names, durably: without the flush, an older segment could be lost and a later one not. */
  #removeLast(): void {
    const { loaded: { segments }, options: { fs } } = this.#parts;
    const segment = segments.active;
    // Each name is used once: a segment with the same base offset may follow, and be removed too.
    for (const path of markDeleted(fs, segment, `.${segment.id}${DELETED_SUFFIX}`)) this.#removedPaths.add(path);
    this.#flushNames();
    if (segments.length > 1) segments.pop().retire();
    else this.#isEmptied = true; // it stays in the list until another one can take its place
  }

  /** Cuts the last segment, and puts a new object in the place of its own. @param end new end of the log */
  #cut(old: Segment, position: number, end: Offset): void {
    const { loaded: { segments }, appends, reader } = this.#parts;
    const cut = appends.reopenedSegment(old.baseOffset);
    try {
      cut.openExisting();
      cut.beginRebuild("in place", keptBelow(cut, end, reader));
      reader.scan(cut, { from: cut.logFileBytes, to: position }, (view, at) => cut.replay(describeBatch(view, at)));
      cut.endRebuild(position);
      this.#cutAborted(cut, end);
      cut.cutFile(position, false);
    } catch (error) {
      cut.retire();
      throw error;
    }
    segments.pop().retire();
    segments.push(cut);
  }

  /** Cuts the index of aborted transactions, durably: with entries of records that are gone, a cleaning would remove those in their place. */
  #cutAborted(segment: Segment, end: Offset): void {
    const { fs } = this.#parts.options;
    const path = segment.path(".txnindex");
    const bytes = fs.readFile(path);
    const kept = bytes === null ? 0 : abortedBytesBelow(bytes, end);
    if (bytes === null || kept === bytes.length) return;
    if (kept === 0) return fs.remove(path);
    const fd = fs.open(path, { write: true });
    try {
      fs.truncate(fd, kept);
      if (!fs.fdatasync(fd)) this.#fail(`flush ${path}`);
    } finally {
      fs.close(fd);
    }
  }

  /** The new active segment is durably there before anything is appended. */
  #complete(offset: Offset): void {
    const { loaded: { segments }, appends, options: { clock } } = this.#parts;
    const next = appends.beginSegment(offset, clock.wallMs());
    if (this.#isEmptied) segments.pop().retire();
    this.#isEmptied = false;
    segments.push(next);
    this.#flushNames();
    appends.truncated(offset);
    this.#target = null;
    this.#offlineReason = null;
  }

  #flushNames(): void {
    const { fs, directory } = this.#parts.options;
    if (!fs.syncDirectory(directory)) this.#fail(`flush directory ${directory}`);
  }

  /** A failed flush takes the log offline for good: no later one would prove anything. */
  #fail(action: string): never {
    const error = new SystemError(action);
    this.#offlineReason = error.message;
    this.#target = null;
    throw error;
  }
}
