/**
 * Rolls a log: creates the new active segment and closes the old one. Runs on the shard that owns the log.
 *
 * Must always hold: the old segment stays active until the new one is complete and the old one is closed, so a refusal leaves the
 * log unchanged. If the new files cannot be removed then, nothing more is appended to the old segment: the next append rolls again,
 * at the same offset, or removes them before. A start that finds the empty segment appends to it, and later batches of the old segment would overlap it.
 *
 * Source: Kafka's LocalLog.roll.
 */
import type { Offset } from "../base/units.ts";
import type { LogConfig } from "../log/log_config.ts";
import { Segment } from "./segment.ts";
import type { SegmentPlace } from "./segment_place.ts";
import { segmentFileKinds } from "./segment_names.ts";

/** The rolls of one log. */
export class SegmentRoll {
  readonly #place: Omit<SegmentPlace, "config">;
  /** The new segment of a refused roll whose files could not be removed, else null. */
  #left: Segment | null = null;

  /** @param place where the segments live */
  constructor(place: Omit<SegmentPlace, "config">) {
    this.#place = place;
  }

  /** Whether files of a refused roll may be left: the next append has to roll. */
  get isDue(): boolean {
    return this.#left !== null;
  }

  /**
   * Rolls.
   * @param old the active segment @param offset base of the new one, the log's end @param by rules of the new segment, and
   * wall-clock time
   * @returns the new active segment
   * @throws SystemError, or the runtime's errors, when the disk refuses; the old segment then stays active
   */
  roll(old: Segment, offset: Offset, by: { config: LogConfig; nowMs: number }): Segment {
    return this.#create(offset, by, () => old.deactivate());
  }

  /**
   * Creates an active segment where no other one is active, after a truncation.
   * @throws as `roll()` does; the next call tries again
   */
  begin(offset: Offset, by: { config: LogConfig; nowMs: number }): Segment {
    return this.#create(offset, by, () => {});
  }

  /** A closed segment whose files exist. @param by rules of the log */
  reopened(offset: Offset, by: { config: LogConfig }): Segment {
    return this.#newSegment(offset, by.config);
  }

  /** Removes what a refused roll has left. @throws the runtime's errors when the disk refuses */
  clear(): void {
    const left = this.#left;
    if (left === null) return;
    left.retire();
    for (const kind of segmentFileKinds) this.#place.fs.remove(left.path(kind));
    this.#left = null;
  }

  #create(offset: Offset, by: { config: LogConfig; nowMs: number }, then: () => void): Segment {
    if (this.#left !== null && this.#left.baseOffset !== offset) this.clear();
    const next = this.#left = this.#newSegment(offset, by.config);
    try {
      next.create(by.nowMs);
      then();
    } catch (error) {
      this.clear();
      throw error;
    }
    this.#left = null;
    return next;
  }

  #newSegment(offset: Offset, config: LogConfig): Segment {
    return new Segment({ ...this.#place, config }, offset);
  }
}
