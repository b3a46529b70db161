/**
 * Assigns each partition a shard and a row of the watermark table. Neither is stored: each start of the broker assigns them again. A
 * partition that moves to another shard keeps its row. Runs on the main isolate.
 *
 * The partitions of a topic are spread over the shards, because they share the topic's load: each goes to the shard with the fewest
 * partitions of the topic, and among those to the one with the fewest of all. Freed rows are reused last, so that a late reader of one
 * finds its old partition closed instead of another one open. A partition without a replica on this broker has neither.
 */
import { assert } from "../../storage/base/assert.ts";
import { ELSEWHERE } from "../metadata/image.ts";

/** A partition's shard and row, both ELSEWHERE without a replica on this broker. */
export interface Placed {
  readonly shard: number;
  readonly slot: number;
}

/** The shards and rows of all partitions of this broker. */
export class Placement {
  readonly #slotsMax: number;
  readonly #partitionsOfShard: number[];
  #freed: number[] = [];
  /** How many rows of `#freed` are in use again. */
  #freedTaken = 0;
  #neverUsed = 0;

  /** @param shardsCount at least 1 @param slotsMax rows of the watermark table */
  constructor(shardsCount: number, slotsMax: number) {
    assert(shardsCount >= 1, "there is a shard");
    this.#slotsMax = slotsMax;
    this.#partitionsOfShard = new Array(shardsCount).fill(0);
  }

  /** How many more partitions fit. */
  get freeCount(): number {
    return this.#slotsMax - this.#neverUsed + this.#freed.length - this.#freedTaken;
  }

  /** Assigns new partitions of a topic. @param count at most `freeCount` @param existing places of the topic's partitions so far */
  assign(count: number, existing: readonly Placed[] = []): Placed[] {
    assert(count <= this.freeCount, "partitions are placed only while there is room");
    const ofTopic: number[] = new Array(this.#partitionsOfShard.length).fill(0);
    for (const { shard } of existing) if (shard !== ELSEWHERE) ofTopic[shard] = (ofTopic[shard] ?? 0) + 1;
    return Array.from({ length: count }, () => {
      const shard = this.#leastLoaded(ofTopic);
      ofTopic[shard] = (ofTopic[shard] ?? 0) + 1;
      this.#count(shard, 1);
      return { shard, slot: this.#takeSlot() };
    });
  }

  /** Counts a partition that was handed over. @param from its shard so far @param to its shard from now on */
  handOver(from: number, to: number): void {
    this.#count(from, -1);
    this.#count(to, 1);
  }

  /** Frees the places of partitions that no shard knows any more. */
  release(places: readonly Placed[]): void {
    for (const { shard, slot } of places) {
      if (slot === ELSEWHERE) continue;
      this.#count(shard, -1);
      this.#freed.push(slot);
    }
  }

  #count(shard: number, more: number): void {
    this.#partitionsOfShard[shard] = (this.#partitionsOfShard[shard] ?? 0) + more;
  }

  #leastLoaded(ofTopic: readonly number[]): number {
    let best = 0;
    for (let shard = 1; shard < ofTopic.length; shard++) {
      const fewer = (ofTopic[shard] as number) - (ofTopic[best] as number) ||
        (this.#partitionsOfShard[shard] as number) - (this.#partitionsOfShard[best] as number);
      if (fewer < 0) best = shard;
    }
    return best;
  }

  #takeSlot(): number {
    if (this.#neverUsed < this.#slotsMax) return this.#neverUsed++;
    const slot = this.#freed[this.#freedTaken++] as number;
    if (this.#freedTaken * 2 > this.#freed.length) {
      this.#freed = this.#freed.slice(this.#freedTaken);
      this.#freedTaken = 0;
    }
    return slot;
  }
}
