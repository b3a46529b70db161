/**
 * Decides which shard serves a connection: the one that owns most of the partitions it asks for, because a hop between shards costs
 * the wake-up of another core (5 to 50 µs when that core is idle). Counts the partitions of each request and says when to transfer
 * the connection. Pure.
 *
 *   a request names partitions ──► the shard with more than half of them ──► TRANSFER_AFTER such requests in a row ──► transfer
 *
 * Each transfer doubles the number of requests that the next one needs, so that a connection between two shards stops moving.
 * A connection with a fetch session is never transferred, because the session lives on its shard.
 */

/** Requests in a row that must mostly concern one other shard. */
const TRANSFER_AFTER = 8;
/** A connection that was transferred this often stays on its shard. */
const TRANSFERS_MAX = 4;

/** The counts of one connection. */
export class Affinity {
  /** How often the connection was transferred. */
  readonly transfers: number;
  readonly #own: number;
  readonly #streakNeeded: number;
  readonly #mayTransfer: boolean;
  #isPinned = false;
  /** Partitions of the current request: by shard, and in all. */
  readonly #counts: number[] = [];
  #partitionsCount = 0;
  #target = -1;
  #streak = 0;

  /** @param own the connection's shard @param transfers how often it was transferred */
  constructor(own: number, transfers: number) {
    this.#own = own;
    this.transfers = transfers;
    this.#streakNeeded = TRANSFER_AFTER << Math.min(transfers, TRANSFERS_MAX);
    this.#mayTransfer = transfers < TRANSFERS_MAX;
  }

  /** Counts a partition of this shard for the current request. */
  countPartition(shard: number): void {
    this.#partitionsCount++;
    this.#counts[shard] = (this.#counts[shard] ?? 0) + 1;
  }

  /** Keeps the connection on its shard, because something of it lives there. */
  pin(): void {
    this.#isPinned = true;
  }

  /** Ends the current request. Requests that concern no partition (metadata, heartbeats) do not count. */
  endRequest(): void {
    if (this.#partitionsCount === 0) return;
    let winner = this.#own;
    for (let shard = 0; shard < this.#counts.length; shard++) {
      if (2 * (this.#counts[shard] ?? 0) > this.#partitionsCount) winner = shard;
      this.#counts[shard] = 0;
    }
    this.#streak = winner === this.#target ? this.#streak + 1 : 1;
    this.#target = winner;
    this.#partitionsCount = 0;
  }

  /** Starts the count again, because the connection could not be transferred: it asks again after the same number of requests. */
  startOver(): void {
    this.#streak = 0;
  }

  /** The shard that the connection should be transferred to, -1 while it should stay. */
  get destination(): number {
    const settled = this.#target === -1 || this.#target === this.#own || this.#streak < this.#streakNeeded;
    return settled || this.#isPinned || !this.#mayTransfer ? -1 : this.#target;
  }
}
