/**
 * The removal of a partition's oldest segments, one after the other: each waits until what follows it, and the removal before it, is
 * durable. Runs on the owning shard.
 */
import { type Log, storageFailure } from "../../storage/mod.ts";
import type { PartitionOwner } from "./partition_parts.ts";

/** The removals of one partition. */
export class PartitionRemovals {
  readonly #log: Log;
  readonly #slot: number;
  readonly #owner: Pick<PartitionOwner, "onTrouble" | "onSegmentsBelowStart">;
  /** Whether a segment below the log start is removed once the next flush has ended. */
  #isWaiting = false;

  /** @param of the partition's row, and its owner */
  constructor(log: Log, of: { slot: number; owner: Pick<PartitionOwner, "onTrouble" | "onSegmentsBelowStart"> }) {
    this.#log = log;
    this.#slot = of.slot;
    this.#owner = of.owner;
  }

  /** Removes the oldest segment, where `log.maySegmentBeDeleted`. @returns paths of the renamed files; null when the disk refused */
  removeOldest(): string[] | null {
    try {
      return this.#log.deleteOldestSegment();
    } catch (error) {
      this.#owner.onTrouble(this.#slot, `Cannot remove segments: ${storageFailure(error)}`);
      return null;
    }
  }

  /** The owner is told when the next segment may be removed. */
  wait(): void {
    this.#isWaiting = true;
  }

  /**
   * A flush has ended. It may have begun before what has to be durable was there.
   * @returns whether another one is needed
   */
  flushed(): boolean {
    if (!this.#isWaiting) return false;
    if (this.#log.segmentsBelowStart === 0) return this.#isWaiting = false; // they were removed by a truncation
    if (!this.#log.maySegmentBeDeleted) return true;
    this.#isWaiting = false;
    this.#owner.onSegmentsBelowStart(this.#slot);
    return false;
  }
}
