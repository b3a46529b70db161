/**
 * Limits how many flushes of a shard are under way; the other partitions wait for their turn. Each flush keeps files of closed segments
 * open, and net/accept/descriptor_budget.ts relies on the limit. Runs on shards.
 *
 * Always: refused partitions may try again in the order of their refusals, once a flush may begin. After `stop()` no flush begins.
 */
import type { FlushOutcome, FlushRequest } from "../../storage/mod.ts";

/** Most flushes of one shard under way. */
const FLUSHES_MAX = 4;

/** Makes files durable on another thread; `done` runs on a later turn. */
export type Flush = (request: FlushRequest, done: (outcome: FlushOutcome) => void) => void;

/** The gate of one shard. */
export class FlushGate {
  readonly #flush: Flush;
  readonly #retry: (slot: number) => void;
  #runningCount = 0;
  /** Slots of partitions that wait to flush, in order of arrival. */
  readonly #waiting = new Set<number>();
  #isStopped = false;

  /** @param flush begins a flush @param retry makes a refused partition try again */
  constructor(flush: Flush, retry: (slot: number) => void) {
    this.#flush = flush;
    this.#retry = retry;
  }

  /** Whether a partition's flush may begin now. If not, `retry` is called for it later, unless the gate was stopped. */
  mayBegin(slot: number): boolean {
    if (this.#isStopped) return false;
    if (this.#runningCount < FLUSHES_MAX) return true;
    this.#waiting.add(slot);
    return false;
  }

  /** Begins a flush that `mayBegin()` allowed. @param done runs on a later turn */
  begin(request: FlushRequest, done: (outcome: FlushOutcome) => void): void {
    this.#runningCount++;
    this.#flush(request, (outcome) => {
      this.#runningCount--;
      done(outcome);
      for (const slot of this.#waiting) {
        if (this.#runningCount === FLUSHES_MAX) break;
        this.#waiting.delete(slot);
        this.#retry(slot);
      }
    });
  }

  /** From now on no flush begins. */
  stop(): void {
    this.#isStopped = true;
  }
}
