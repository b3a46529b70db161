/**
 * Decides when freed memory goes back to the kernel (storage/sys/memory_return.ts): every few seconds while the shards work, the last
 * time after they did. An idle broker is left alone. Runs on the main isolate.
 */
import { systemTimers, type Timers } from "../../../partitions/control.ts";

/** Time between two looks. */
const LOOK_MS = 5000;
/** So many turns of all shards between two looks count as work. An idle shard takes five. */
const TURNS_MIN = 200;

/** What it uses of the broker. */
export interface MemoryReturnParts {
  /** How many turns all shards took since the start. */
  readonly turnsCount: () => number;
  readonly returnMemory: () => Promise<void>;
  readonly timers?: Timers;
}

/** Looks from its construction until `stop()`. */
export class MemoryReturn {
  readonly #parts: MemoryReturnParts;
  readonly #end: () => void;
  #turns = 0;
  #isUnderWay = false;

  constructor(parts: MemoryReturnParts) {
    this.#parts = parts;
    this.#end = (parts.timers ?? systemTimers).every(LOOK_MS, () => this.#look());
  }

  /** Ends the looks. */
  stop(): void {
    this.#end();
  }

  #look(): void {
    const turns = this.#parts.turnsCount();
    const grown = turns - this.#turns;
    this.#turns = turns;
    if (this.#isUnderWay || grown < TURNS_MIN) return;
    this.#isUnderWay = true;
    void this.#parts.returnMemory().finally(() => this.#isUnderWay = false);
  }
}
