/**
 * The periodic work for the partitions of a shard: idle producers expire, and `flush.ms` is checked. Runs on shards.
 */
/** What it needs of a partition. */
export interface Kept {
  flushIfDue(nowMs: number): void;
  readonly log: { expireProducers(wallMs: number): void };
}

/** Time between two checks for idle producers (`producer.id.expiration.check.interval.ms`). */
const PRODUCER_EXPIRY_CHECK_MS = 600_000;
/** Partitions whose producers are checked in one turn. */
const EXPIRIES_PER_TURN = 64;

/** The periodic work of one shard. */
export class PartitionUpkeep {
  readonly #partitions: ReadonlyMap<number, Kept>;
  readonly #flushCheckMs: number;
  #nextExpiryMs: number;
  #nextFlushMs: number;
  /** Partitions whose producers are still to be checked; null between two checks. */
  #expiring: Iterator<Kept> | null = null;

  /**
   * @param partitions of the shard, by slot @param times monotonic time in ms, and `log.flush.scheduler.interval.ms`: time between two
   * checks of `flush.ms`
   */
  constructor(partitions: ReadonlyMap<number, Kept>, { nowMs, flushCheckMs }: { nowMs: number; flushCheckMs: number }) {
    this.#partitions = partitions;
    this.#flushCheckMs = flushCheckMs;
    this.#nextExpiryMs = nowMs + PRODUCER_EXPIRY_CHECK_MS;
    this.#nextFlushMs = nowMs + flushCheckMs;
  }

  /** When `run()` is due, monotonic ms. */
  get nextDeadlineMs(): number {
    return this.#expiring === null ? Math.min(this.#nextExpiryMs, this.#nextFlushMs) : 0;
  }

  /** Runs the work that is due. @param nowMs monotonic time @param wallMs wall-clock time, by which producers expire */
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
