/**
 * Where a connection belongs: on the shard that owns most of the partitions it asks for, because a hop between shards costs the
 * wake-up of another core (5 to 50 µs when that is idle). Counts the partitions of each request and says when to transfer the connection. Pure.
 *
 *   a request names partitions ──► the shard with more than half of them ──► TRANSFER_AFTER such requests in a row ──► transfer
 *
 * Each transfer doubles what the next one takes, so that a connection between two shards comes to rest. A connection with a fetch session
 * stays: the session lives on its shard.
 */

/** Requests in a row that must concern mostly one other shard. */
const TRANSFER_AFTER = 8;
/** A connection that was transferred this often stays where it is. */
const TRANSFERS_MAX = 4;

/** The count of one connection. */
export class Affinity {
  /** How often the connection was transferred. */
  readonly transfers: number;
  readonly #own: number;
  readonly #streakNeeded: number;
  readonly #mayTransfer: boolean;
  #isPinned = false;
  /** Partitions of this request: by shard, and altogether. */
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

  /** The request being handled concerns a partition of this shard. */
  countPartition(shard: number): void {
    this.#partitionsCount++;
    this.#counts[shard] = (this.#counts[shard] ?? 0) + 1;
  }

  /** Something of the connection lives on its shard: it is never transferred. */
  pin(): void {
    this.#isPinned = true;
  }

  /** The request has been handled. Requests that concern no partition (metadata, heartbeats) do not count. */
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

  /** It could not be transferred: it is asked for anew after as many requests. */
  startOver(): void {
    this.#streak = 0;
  }

  /** The shard it should be transferred to, -1 while it is well where it is. */
  get destination(): number {
    const settled = this.#target === -1 || this.#target === this.#own || this.#streak < this.#streakNeeded;
    return settled || this.#isPinned || !this.#mayTransfer ? -1 : this.#target;
  }
}
