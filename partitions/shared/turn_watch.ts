/**
 * Whether the shards turn their loops, as the main isolate sees in shared memory: a shard waits for work, or has ended a turn lately. Main
 * isolate.
 */
import type { Clock } from "../../storage/base/clock.ts";
import type { IsolateTable } from "./mail.ts";
import { TURN_TIME_BOUNDS_MS } from "./turn_times.ts";
import { ISOLATE } from "./words.ts";

/** A shard that ends no turn for so long hangs: turns take about 10 ms, and openings of many logs some hundreds. */
const TURN_MS_MAX = 2000;

interface Seen {
  turns: number;
  atMs: number;
}

/** Watches the shards of a broker. */
export class TurnWatch {
  readonly #isolates: IsolateTable;
  readonly #clock: Clock;
  readonly #seen: Seen[];

  /** @param isolates the shared table @param shardsCount how many have a row there */
  constructor(isolates: IsolateTable, shardsCount: number, clock: Clock) {
    this.#isolates = isolates;
    this.#clock = clock;
    const atMs = clock.monotonicMs();
    this.#seen = Array.from({ length: shardsCount }, (_, shard) => ({ turns: this.#turnsOf(shard), atMs }));
  }

  /** Looks at the shards; called more often than a turn may take. @returns whether none of them hangs */
  allTurn(): boolean {
    const nowMs = this.#clock.monotonicMs();
    for (const [shard, seen] of this.#seen.entries()) {
      const turns = this.#turnsOf(shard);
      const isParked = this.#isolates.get(shard, ISOLATE.parked) === 1;
      if (isParked || turns !== seen.turns) [seen.turns, seen.atMs] = [turns, nowMs];
    }
    return this.#seen.every(({ atMs }) => nowMs - atMs <= TURN_MS_MAX);
  }

  /** Turns of a shard since the start; wraps, and only its changes count. */
  #turnsOf(shard: number): number {
    let turns = 0;
    for (let bucket = 0; bucket <= TURN_TIME_BOUNDS_MS.length; bucket++) {
      turns = (turns + this.#isolates.get(shard, ISOLATE.turns + bucket)) | 0;
    }
    return turns;
  }
}
