/**
 * Where a connection belongs: on the shard that owns most of the partitions it asks for, because a hop between shards costs the
 * wake-up of another core (5 to 50 µs when that is idle). Counts what each request touches and says when to move. Pure.
 *
 *   a request touches partitions ──► the shard with more than half of them ──► MOVE_AFTER such requests in a row ──► move
 *
 * Each move doubles what the next one takes, so that a connection between two shards comes to rest. A connection with a fetch session
 * stays: the session lives on its shard.
 */

/** Requests in a row that must concern mostly one other shard. */
const MOVE_AFTER = 8;
/** A connection that has moved this often stays where it is. */
const MOVES_MAX = 4;

/** The count of one connection. */
export class Affinity {
  /** How often the connection has moved. */
  readonly moves: number;
  readonly #own: number;
  readonly #streakNeeded: number;
  readonly #mayMove: boolean;
  #isPinned = false;
  /** Partitions touched in this request: by shard, and altogether. */
  readonly #counts: number[] = [];
  #touches = 0;
  #target = -1;
  #streak = 0;

  /** @param own the connection's shard @param moves how often it has moved */
  constructor(own: number, moves: number) {
    this.#own = own;
    this.moves = moves;
    this.#streakNeeded = MOVE_AFTER << Math.min(moves, MOVES_MAX);
    this.#mayMove = moves < MOVES_MAX;
  }

  /** The request being handled touches a partition of this shard. */
  touch(shard: number): void {
    this.#touches++;
    this.#counts[shard] = (this.#counts[shard] ?? 0) + 1;
  }

  /** Something of the connection lives on its shard: it never moves. */
  pin(): void {
    this.#isPinned = true;
  }

  /** The request has been handled. Requests that touch no partition (metadata, heartbeats) do not count. */
  endRequest(): void {
    if (this.#touches === 0) return;
    let winner = this.#own;
    for (let shard = 0; shard < this.#counts.length; shard++) {
      if (2 * (this.#counts[shard] ?? 0) > this.#touches) winner = shard;
      this.#counts[shard] = 0;
    }
    this.#streak = winner === this.#target ? this.#streak + 1 : 1;
    this.#target = winner;
    this.#touches = 0;
  }

  /** The shard it should move to, -1 while it is well where it is. */
  get destination(): number {
    const settled = this.#target === -1 || this.#target === this.#own || this.#streak < this.#streakNeeded;
    return settled || this.#isPinned || !this.#mayMove ? -1 : this.#target;
  }
}
