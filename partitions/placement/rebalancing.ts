/**
 * When a partition moves to another shard, and which: only when one shard has been the bottleneck for a while. Runs on the
 * main isolate; pure: what it decides follows from what it was shown.
 *
 * At each look every shard has a share of the time in which it was busy. When the same shard is above `BUSY_MIN` in
 * `LOOKS_NEEDED` looks in a row, while the idlest is below `ROOM_MAX`, the partition moves that evens the two best. What
 * a partition costs is estimated by its part of the bytes appended on its shard in these looks; so consumers do not count.
 *
 * Always: a move brings the busier of the two down by `GAIN_MIN` at least, by that estimate. Hence nothing moves while
 * all are busy, or all have room, or one partition makes the load, and no partition goes back under the same load.
 * Beside that, a move is followed by a pause, in which connections settle anew, and what moved stays for a while.
 */

/** A shard that is busy this part of its time is the bottleneck; the rest of it goes by in single waits. */
const BUSY_MIN = 0.9;
/** A shard has room for more below this part. */
const ROOM_MAX = 0.6;
/** What a move has to be worth, as part of a shard's time. */
const GAIN_MIN = 0.1;
const LOOKS_NEEDED = 3;
/** Looks without a move after one. */
const PAUSE_LOOKS = 10;
/** Looks for which a partition that moved stays where it is. */
const STAY_LOOKS = 200;

/** A partition as a look sees it. */
export interface PartitionLoad {
  /** Row in the watermark table: which partition it is. */
  readonly slot: number;
  /** Bytes ever appended. */
  readonly bytes: number;
  /** Whether it may move at all. */
  readonly mayGo: boolean;
}

/** What is to be done. */
export interface Rebalance {
  readonly slot: number;
  /** The shard it moves to. */
  readonly shard: number;
}

/** The decisions of one broker. */
export class Rebalancing {
  #looks = 0;
  #busiest = -1;
  /** Looks in a row in which `#busiest` was the bottleneck. */
  #streak = 0;
  #before = new Map<number, number>();
  #pausedUntil = 0;
  /** Until which look a partition stays, by slot. */
  readonly #stays = new Map<number, number>();

  /**
   * Looks at the shards.
   * @param busy part of the time since the last look in which each shard was busy, 0 to 1
   * @param loadsOf what lies on a shard; asked only of a bottleneck
   * @returns which partition to hand over now, or null; tell `handedOver()` when it was made
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

  /** The partition whose move leaves the least to the busier of two shards, by their busy parts; null when none is worth it. */
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

/** Index of the first value that no other one beats. */
function indexOfBest(values: readonly number[], beats: (a: number, b: number) => boolean): number {
  return values.reduce((best, value, index) => beats(value, values[best] as number) ? index : best, 0);
}
