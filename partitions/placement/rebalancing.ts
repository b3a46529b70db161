/**
 * Decides when a partition moves to another shard, and which: only when one shard has been the bottleneck for a while. Runs on the main
 * isolate. Pure: decisions depend only on what `look()` was given.
 *
 * Each look gets the part of the time in which every shard was busy. When the same shard is above `BUSY_MIN` in `LOOKS_NEEDED` looks in a
 * row, and the idlest shard is below `ROOM_MAX`, the partition moves that balances the two best. The load of a partition is estimated by
 * its share of the bytes appended on its shard in these looks; consumers are not counted.
 *
 * Always: by that estimate, a move lowers the load of the busier of the two shards by at least `GAIN_MIN`. Hence nothing moves while all
 * shards are busy, while all have room, or while one partition makes the load, and no partition moves back under the same load.
 * A move is followed by a pause, in which connections move to the new shard, and the moved partition stays there for a while.
 */

/** A shard that is busy for more than this part of its time is a bottleneck; the rest of the time is short waits. */
const BUSY_MIN = 0.9;
/** A shard that is busy for less than this part of its time has room for more. */
const ROOM_MAX = 0.6;
/** The least gain of a move, as part of a shard's time. */
const GAIN_MIN = 0.1;
const LOOKS_NEEDED = 3;
/** Looks in which nothing moves after a move. */
const PAUSE_LOOKS = 10;
/** Looks in which a moved partition does not move again. */
const STAY_LOOKS = 200;

/** A partition's load, as given to a look. */
export interface PartitionLoad {
  /** Row in the watermark table, which identifies the partition. */
  readonly slot: number;
  /** Bytes appended since the log was opened. */
  readonly bytes: number;
  /** Whether it may move at all. */
  readonly mayGo: boolean;
}

/** A move to make. */
export interface Rebalance {
  readonly slot: number;
  /** The shard it moves to. */
  readonly shard: number;
}

/** Decides the moves of one broker. */
export class Rebalancing {
  #looks = 0;
  #busiest = -1;
  /** Looks in a row in which `#busiest` was the bottleneck. */
  #streak = 0;
  #before = new Map<number, number>();
  #pausedUntil = 0;
  /** The look until which a partition must not move, by slot. */
  readonly #stays = new Map<number, number>();

  /**
   * Takes the load of the shards since the last look.
   * @param busy by shard, the part of that time in which it was busy, 0 to 1
   * @param loadsOf the partitions of a shard; called for a bottleneck only
   * @returns which partition to hand over now, or null; the caller reports a completed move with `handedOver()`
   */
  look(busy: readonly number[], loadsOf: (shard: number) => readonly PartitionLoad[]): Rebalance | null {
    this.#looks++;
    const from = indexOfBest(busy, (a, b) => a > b);
    const to = indexOfBest(busy, (a, b) => a < b);
    const isBottleneck = (busy[from] as number) >= BUSY_MIN && (busy[to] as number) <= ROOM_MAX;
    if (!isBottleneck || this.#looks <= this.#pausedUntil) {
      this.#busiest = -1;
      return null;
    }
    const loads = loadsOf(from);
    if (from !== this.#busiest) {
      [this.#busiest, this.#streak] = [from, 0];
      this.#before = new Map(loads.map(({ slot, bytes }) => [slot, bytes]));
    }
    this.#streak++;
    if (this.#streak < LOOKS_NEEDED) return null;
    const slot = this.#choose(loads, { from: busy[from] as number, to: busy[to] as number });
    return slot === null ? null : { slot, shard: to };
  }

  /** The partition that the last look named was handed over. */
  handedOver({ slot }: Rebalance): void {
    this.#busiest = -1;
    this.#pausedUntil = this.#looks + PAUSE_LOOKS;
    for (const [stayed, until] of this.#stays) if (until <= this.#looks) this.#stays.delete(stayed);
    this.#stays.set(slot, this.#looks + STAY_LOOKS);
  }

  /** The partition whose move leaves the busier of the two shards the least load; null when no move gains enough. */
  #choose(loads: readonly PartitionLoad[], busy: { from: number; to: number }): number | null {
    const grown = loads.map((load) => ({
      ...load,
      bytes: Math.max(0, load.bytes - (this.#before.get(load.slot) ?? 0)),
    }));
    const total = grown.reduce((sum, { bytes }) => sum + bytes, 0);
    let best: number | null = null;
    let least = busy.from - GAIN_MIN;
    for (const { slot, bytes, mayGo } of grown) {
      if (!mayGo || bytes === 0 || (this.#stays.get(slot) ?? 0) > this.#looks) continue;
      const cost = busy.from * bytes / total;
      const left = Math.max(busy.from - cost, busy.to + cost);
      if (left > least || left === least && best !== null) continue;
      [best, least] = [slot, left];
    }
    return best;
  }
}

/** Index of the first of the best values. */
function indexOfBest(values: readonly number[], beats: (a: number, b: number) => boolean): number {
  return values.reduce((best, value, index) => beats(value, values[best] as number) ? index : best, 0);
}
