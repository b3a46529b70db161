/**
 * What is due for the partitions of a shard once in a while: idle producers are forgotten, and `flush.ms` is looked at. Runs on shards.
 */
/** What of a partition it looks after. */
export interface Kept {
  flushIfDue(nowMs: number): void;
  readonly log: { expireProducers(wallMs: number): void };
}

/** How often idle producers are looked for (`producer.id.expiration.check.interval.ms`). */
const PRODUCER_EXPIRY_CHECK_MS = 600_000;
/** Partitions whose producers are looked at in a turn. */
const EXPIRIES_PER_TURN = 64;

/** The upkeep. */
export class PartitionUpkeep {
  readonly #partitions: ReadonlyMap<number, Kept>;
  readonly #flushCheckMs: number;
  #nextExpiryMs: number;
  #nextFlushMs: number;
  /** Partitions whose producers are still to be looked at; null between two checks. */
  #expiring: Iterator<Kept> | null = null;

  /**
   * @param partitions of the shard, by slot @param times monotonic time, and `log.flush.scheduler.interval.ms`: how often
   * `flush.ms` is looked at
   */
  constructor(partitions: ReadonlyMap<number, Kept>, { nowMs, flushCheckMs }: { nowMs: number; flushCheckMs: number }) {
    this.#partitions = partitions;
    this.#flushCheckMs = flushCheckMs;
    this.#nextExpiryMs = nowMs + PRODUCER_EXPIRY_CHECK_MS;
    this.#nextFlushMs = nowMs + flushCheckMs;
  }

  /** When `run()` has something to do, monotonic ms. */
  get nextDeadlineMs(): number {
    return this.#expiring === null ? Math.min(this.#nextExpiryMs, this.#nextFlushMs) : 0;
  }

  /** Does what is due. @param nowMs monotonic time @param wallMs by which producers are idle */
  run(nowMs: number, wallMs: () => number): void {
    if (nowMs >= this.#nextExpiryMs) {
      this.#nextExpiryMs = nowMs + PRODUCER_EXPIRY_CHECK_MS;
      this.#expiring = this.#partitions.values();
    }
    if (this.#expiring !== null) this.#expire(this.#expiring, wallMs());
    if (nowMs < this.#nextFlushMs) return;
    this.#nextFlushMs = nowMs + this.#flushCheckMs;
    // Beginning a flush is little work, and few begin at a time (FLUSHES_MAX).
    for (const partition of this.#partitions.values()) partition.flushIfDue(nowMs);
  }

  #expire(partitions: Iterator<Kept>, wallMs: number): void {
    for (let count = 0; count < EXPIRIES_PER_TURN; count++) {
      const { value: partition, done } = partitions.next();
      if (done === true) {
        this.#expiring = null;
        return;
      }
      partition.log.expireProducers(wallMs);
    }
  }
}
