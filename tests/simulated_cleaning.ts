/**
 * One cleaning of the storage simulation, in steps: what the shard, the cleaner worker and the main isolate do in turn
 * (partitions/owned/owned_cleanings.ts, storage/cleaner_workers/cleaner_worker.ts, partitions/cleaning/log_cleaner.ts). Test code.
 */
import { strict as assert } from "node:assert";
import { toOffset } from "../storage/base/units.ts";
import type { Cleaning, CleaningResult } from "../storage/cleaner/cleaning_job.ts";
import { cleaningOf, cleaningOrder } from "../storage/cleaner/cleaning_orders.ts";
import { cleanLog } from "../storage/cleaner/log_cleaning.ts";
import type { Log } from "../storage/log/log.ts";
import type { LogConfig } from "../storage/log/log_config.ts";
import type { SegmentSwap } from "../storage/log/segment_swap.ts";
import { partitionFileName } from "../storage/segments/segment_names.ts";
import type { FileSystem } from "../storage/sys/file_system.ts";
import type { BegunCleaning } from "./storage_model.ts";

/** What a cleaning works on. */
export interface CleaningScene {
  readonly fs: FileSystem;
  readonly log: Log;
  readonly config: LogConfig;
  readonly highWatermark: number;
  /** Where the last cleaning ended, null for none. */
  readonly cleanBelow: number | null;
  readonly nowMs: number;
  readonly dedupeBufferBytes: number;
}

/** A cleaning under way. */
export class SimulatedCleaning {
  /** What it may do. */
  readonly begun: BegunCleaning;
  readonly #scene: CleaningScene;
  readonly #cleaning: Cleaning;
  #result: CleaningResult | null = null;
  #swap: SegmentSwap | null = null;

  private constructor(scene: CleaningScene, cleaning: Cleaning, begun: BegunCleaning) {
    this.#scene = scene;
    this.#cleaning = cleaning;
    this.begun = begun;
  }

  /** Begins a cleaning. @returns null when none is due */
  static begin(scene: CleaningScene): SimulatedCleaning | null {
    const { fs, log: { compacted }, config, nowMs, cleanBelow, dedupeBufferBytes } = scene;
    const choice = cleaningOf(compacted, {
      config,
      nowMs,
      lastStableOffset: toOffset(scene.highWatermark),
      checkpointed: cleanBelow === null ? null : toOffset(cleanBelow),
    });
    if (choice === null) return null;
    const order = cleaningOrder(compacted, choice, {
      config,
      nowMs,
      buffer: { dedupeBufferBytes, dedupeLoadFactor: 0.9 },
    });
    const segments = order.segments.map((segment) => {
      const path = `${order.directory}/${partitionFileName(segment.baseOffset, ".log")}`;
      return { ...segment, modifiedMs: fs.modifiedMs(path) ?? 0 };
    });
    const rewrittenBelow = segments.at(-1)?.endOffset ?? 0;
    const begun = { below: choice.firstUncleanableOffset, rewrittenBelow, nowMs };
    return new SimulatedCleaning(scene, cleanLog({ ...order, segments }, { fs }), begun);
  }

  /** Whether segments are being put in place: it cannot be aborted any more. */
  get isSwapping(): boolean {
    return this.#swap !== null;
  }

  /** Where the log will be clean below; null as long as that is not known. */
  get nextDirtyOffset(): number | null {
    return this.#result?.nextDirtyOffset ?? null;
  }

  /** Paths of files to be removed later, since the last call. */
  takeRemovedPaths(): string[] {
    return this.#swap?.takeRemovedPaths() ?? [];
  }

  /** Takes the next step. @param stepsMax most segments of a swap that are renamed in it @returns whether everything is done */
  continue(stepsMax: number): boolean {
    const { fs, log, config } = this.#scene;
    if (this.#swap !== null) {
      const step = this.#swap.next(stepsMax);
      if (step === "flush") fs.syncDirectory(log.compacted.directory);
      return step === "done";
    }
    if (this.#cleaning.next()) return false;
    this.#result = this.#cleaning.result;
    this.#swap = log.compacted.replaceSegments(this.#result.replacements, config);
    assert.ok(this.#swap !== null, "the log has the segments that were cleaned");
    return false;
  }

  /** Ends it, and removes what a worker has written. */
  [Symbol.dispose](): void {
    this.#cleaning[Symbol.dispose]();
  }
}
