/**
 * Rolls a log: makes the segment that it goes on in, and closes the one before. Runs on the shard that owns the log.
 *
 * Must always hold: the old segment stays active until the new one is complete and the old one closed, so a refusal leaves the log as it
 * was. Where not even the new file can be removed then, nothing is appended to the old segment any more: the next append rolls again, at
 * the same offset. A start that finds an empty segment there goes on in it; batches of the old one beyond that offset would overlap it.
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

  /** Whether the files of a roll that was refused may be there: the next append has to roll. */
  get isDue(): boolean {
    return this.#isDue;
  }

  /**
   * Rolls.
   * @param old the active segment @param offset base of the new one, the log's end @param by rules of the new one, and wall-clock time
   * @returns the new active segment
   * @throws SystemError, or the runtime's errors, when the disk refuses; the old segment is active then
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

  /** Closes a segment that the log does not go on in, and removes its files. @throws the runtime's errors when the disk refuses */
  #discard(segment: Segment): void {
    segment.retire();
    for (const kind of segmentFileKinds) this.#place.fs.remove(segment.path(kind));
    this.#isDue = false;
  }
}
