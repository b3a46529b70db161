/**
 * Rolls a log: creates the new active segment and closes the old one. Runs on the shard that owns the log.
 *
 * Must always hold: the old segment stays active until the new one is complete and the old one is closed, so a refusal leaves the
 * log unchanged. If the new files cannot be removed then, nothing more is appended to the old segment: the next append rolls again,
 * at the same offset. A start that finds the empty segment appends to it, and later batches of the old segment would overlap it.
 *
 * Source: Kafka's LocalLog.roll.
 */
import type { Offset } from "../base/units.ts";
import type { LogConfig } from "../log/log_config.ts";
import { Segment, type SegmentPlace } from "./segment.ts";
import { segmentFileKinds } from "./segment_names.ts";

/** The rolls of one log. */
export class SegmentRoll {
  readonly #place: Omit<SegmentPlace, "config">;
  #isDue = false;

  /** @param place where the segments live */
  constructor(place: Omit<SegmentPlace, "config">) {
    this.#place = place;
  }

  /** Whether files of a refused roll may be left: the next append has to roll. */
  get isDue(): boolean {
    return this.#isDue;
  }

  /**
   * Rolls.
   * @param old the active segment @param offset base of the new one, the log's end @param by rules of the new segment, and
   * wall-clock time
   * @returns the new active segment
   * @throws SystemError, or the runtime's errors, when the disk refuses; the old segment then stays active
   */
  roll(old: Segment, offset: Offset, by: { config: LogConfig; nowMs: number }): Segment {
    const next = new Segment({ ...this.#place, config: by.config }, offset);
    this.#isDue = true;
    try {
      next.create(by.nowMs);
      old.deactivate();
    } catch (error) {
      this.#discard(next);
      throw error;
    }
    this.#isDue = false;
    return next;
  }

  /** Closes the segment of a refused roll and removes its files. @throws the runtime's errors when the disk refuses */
  #discard(segment: Segment): void {
    segment.retire();
    for (const kind of segmentFileKinds) this.#place.fs.remove(segment.path(kind));
    this.#isDue = false;
  }
}
