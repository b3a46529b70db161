/**
 * Puts compacted segments in the place of the segments that they were made of. Runs on the shard that owns the log, a few renames at a
 * time; between the phases another thread flushes the directory.
 *
 *   phase      names on the disk                                          a crash during or after it leaves
 *   commit     .cleaned -> .swap, the .log file last           flush      the old segments; after the flush the new ones
 *   replace    the new segment replaces the old ones in the    flush      the new ones: the start removes what is left of the old
 *              list; the old files -> .deleted
 *   settle     .swap -> no suffix, the .log file first         flush      the new ones
 *
 * Replacements that are neighbours go through the phases together. Others follow one after the other: a start removes every old segment
 * between the first and the last `.swap` file, and would remove the segments between two replacements (leftover_files.ts).
 *
 * Must always hold: the names of the `.cleaned` files are durable when it begins. Otherwise a loss of power during the commit may leave a
 * `.swap` index without its `.log` file, and a start would give it to the old `.log` file. No flush is left out, because after a loss of
 * power any rename since the last flush may be missing. A read finds the old segments or the new one. A call that the disk refuses
 * changes nothing that is read, and the next call tries again.
 *
 * Kafka's order of the phases is the same, with one flush at the end (LocalLog.replaceSegments). It finishes what this leaves, and the
 * other way round.
 */
import { assert } from "../base/assert.ts";
import type { Offset } from "../base/units.ts";
import type { Segment } from "../segments/segment.ts";
import { markDeleted } from "../segments/segment_deletion.ts";
import type { SegmentList } from "../segments/segment_list.ts";
import {
  CLEANED_SUFFIX,
  DELETED_SUFFIX,
  partitionFileName,
  segmentFileKinds,
  SWAP_SUFFIX,
} from "../segments/segment_names.ts";
import type { FileSystem } from "../sys/file_system.ts";

/** A compacted segment, whose files lie in the directory with the suffix `.cleaned`, and the segments that it replaces. */
export interface ReplacedSegments {
  readonly baseOffset: Offset;
  /** Base offsets of neighbours, ascending; the first one is `baseOffset`. */
  readonly sources: readonly Offset[];
}

/** What follows a call of `next()`: a further one, one after a flush of the directory, or nothing. */
export type SwapStep = "continue" | "flush" | "done";

/** What a swap works on. */
export interface SwapParts {
  readonly fs: FileSystem;
  readonly directory: string;
  readonly segments: SegmentList;
  /** Makes a closed segment whose files are not open. */
  readonly newSegment: (baseOffset: Offset) => Segment;
  /** A segment is gone, and no other one begins at its base offset. */
  readonly onRemoved: (baseOffset: Offset) => void;
}

/** The phases, in their order. */
const phases = ["commit", "replace", "settle"] as const;

/** The replacement of segments of one log. */
export class SegmentSwap {
  readonly #parts: SwapParts;
  /** Replacements that go through the phases together. */
  readonly #runs: ReplacedSegments[][];
  #phase = 0;
  /** Steps of the current phase; each may be repeated after the disk refused it. */
  #steps: (() => void)[];
  /** New segments of the current run whose files have the suffix `.swap`. */
  #unsettled: Segment[] = [];
  #removedPaths: string[] = [];

  private constructor(parts: SwapParts, runs: ReplacedSegments[][]) {
    this.#parts = parts;
    this.#runs = runs;
    this.#steps = this.#stepsOfPhase();
  }

  /** @returns null when the log does not have these closed segments, in this order */
  static begin(replacements: readonly ReplacedSegments[], parts: SwapParts): SegmentSwap | null {
    const runs = runsOf(replacements, parts.segments);
    return runs === null ? null : new SegmentSwap(parts, runs);
  }

  /** Whether everything was done. */
  get isDone(): boolean {
    return this.#runs.length === 0;
  }

  /**
   * Does the next renames.
   * @param stepsMax most segments whose files are renamed, about 30 µs each
   * @throws SystemError, or the runtime's errors, when the disk refuses; another call tries again
   */
  next(stepsMax: number): SwapStep {
    if (this.isDone) return "done";
    if (this.#steps.length === 0) this.#beginPhase();
    for (let count = 0; count < stepsMax; count++) {
      const step = this.#steps[0];
      if (step === undefined) break;
      step();
      this.#steps.shift();
    }
    if (this.isDone) return "done";
    return this.#steps.length > 0 ? "continue" : "flush";
  }

  /** Paths of files that were renamed since the last call, to be removed after `file.delete.delay.ms`. */
  takeRemovedPaths(): string[] {
    const paths = this.#removedPaths;
    this.#removedPaths = [];
    return paths;
  }

  /** The directory is flushed: the next phase begins, or the next run. */
  #beginPhase(): void {
    this.#phase = (this.#phase + 1) % phases.length;
    if (this.#phase === 0) this.#runs.shift();
    this.#steps = this.#stepsOfPhase();
  }

  #stepsOfPhase(): (() => void)[] {
    const run = this.#runs[0] ?? [];
    switch (phases[this.#phase]) {
      case "commit":
        return run.map((replacement) => () => this.#commit(replacement));
      case "replace":
        return run.map((replacement) => () => this.#replace(replacement));
      default:
        return this.#unsettled.splice(0).map((segment) => () => this.#settle(segment));
    }
  }

  #commit({ baseOffset }: ReplacedSegments): void {
    const { directory } = this.#parts;
    for (const kind of segmentFileKinds.toReversed()) {
      const path = `${directory}/${partitionFileName(baseOffset, kind)}`;
      this.#rename(path + CLEANED_SUFFIX, path + SWAP_SUFFIX);
    }
  }

  #replace({ baseOffset, sources }: ReplacedSegments): void {
    const { segments, newSegment, onRemoved } = this.#parts;
    const segment = newSegment(baseOffset);
    segment.suffix = SWAP_SUFFIX;
    segment.openExisting();
    for (const old of segments.replace(segments.floorIndex(baseOffset), sources.length, segment)) {
      old.retire();
      this.#steps.push(() => {
        this.#markDeleted(old);
        if (old.baseOffset !== baseOffset) onRemoved(old.baseOffset);
      });
    }
    this.#unsettled.push(segment);
  }

  #markDeleted(old: Segment): void {
    // The next compaction may replace a segment with the same base offset before this one is unlinked. Each name is used once, because a
    // rename over an old file would free its bytes on this thread.
    const suffix = `.${old.id}${DELETED_SUFFIX}`;
    for (const path of markDeleted(this.#parts.fs, old, suffix)) this.#removedPaths.push(path);
  }

  #settle(segment: Segment): void {
    const swapped = segmentFileKinds.map((kind) => segment.path(kind));
    for (const path of swapped) {
      this.#rename(path, path.slice(0, -SWAP_SUFFIX.length));
      // From now on an index that still has its old name is missing, and a look-up would rebuild it.
      segment.suffix = "";
    }
  }

  #rename(from: string, to: string): void {
    const { fs } = this.#parts;
    if (fs.modifiedMs(from) !== null) fs.rename(from, to);
  }
}

/** Groups neighbours. @returns null when the list does not have the segments */
function runsOf(replacements: readonly ReplacedSegments[], segments: SegmentList): ReplacedSegments[][] | null {
  const runs: ReplacedSegments[][] = [];
  let next = -1;
  for (const replacement of replacements) {
    const { baseOffset, sources } = replacement;
    assert(sources[0] === baseOffset, "a segment begins where the first one that it replaces begins");
    const index = segments.floorIndex(baseOffset);
    const isThere = sources.every((source, i) => segments.all[index + i]?.baseOffset === source);
    if (!isThere || index < next || index + sources.length >= segments.length) return null;
    if (index === next) runs.at(-1)?.push(replacement);
    else runs.push([replacement]);
    next = index + sources.length;
  }
  return runs;
}
