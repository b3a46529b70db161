/**
 * The removal of a partition's oldest segments, which has to wait until what follows them is durable. Runs on the owning shard.
 */
import { type Log, storageFailure } from "../../storage/mod.ts";
import type { PartitionOwner } from "./partition_parts.ts";

/** The removals of one partition. */
export class PartitionRemovals {
  readonly #log: Log;
  readonly #slot: number;
  readonly #owner: Pick<PartitionOwner, "onTrouble" | "onSegmentsBelowStart">;
  /** Whether segments below the log start are removed once the next flush has ended. */
  #isWaiting = false;

  /** @param of the partition's row, and its owner */
  constructor(log: Log, of: { slot: number; owner: Pick<PartitionOwner, "onTrouble" | "onSegmentsBelowStart"> }) {
    this.#log = log;
    this.#slot = of.slot;
    this.#owner = of.owner;
  }

  /** Removes the oldest segment, of `log.removableSegments`. @returns paths of the renamed files; null when the disk refused */
  removeOldest(): string[] | null {
    try {
      return this.#log.deleteOldestSegments(1);
    } catch (error) {
      this.#owner.onTrouble(this.#slot, `Cannot remove segments: ${storageFailure(error)}`);
      return null;
    }
  }

  /** The owner is told when the segments may be removed. */
  wait(): void {
    this.#isWaiting = true;
  }

  /**
   * A flush has ended. It may have begun before the segment that has to be durable was there.
   * @returns whether another one is needed
   */
  flushed(): boolean {
    if (!this.#isWaiting) return false;
    if (this.#log.removableSegments === 0) return true;
    this.#isWaiting = false;
    this.#owner.onSegmentsBelowStart(this.#slot);
    return false;
  }
}
