/**
 * The flushes of one partition's log: synchronous ones, which the topic's configuration asks for, and background ones on another thread.
 * Runs on the shard that owns the partition.
 *
 * Always: at most one background flush is under way. It continues until every closed segment is flushed, so that recovery stays short.
 */
import { type FlushOutcome, type FlushRequest, type Log, storageFailure } from "../../storage/mod.ts";

/** Executes background flushes. */
export interface Flusher {
  /** Whether a flush may begin now; otherwise the partition's `flushLater()` is called when one may. */
  mayFlush(slot: number): boolean;
  /** Makes files durable on another thread; `done` runs on a later turn. */
  onFlush(request: FlushRequest, done: (outcome: FlushOutcome) => void): void;
  /** The disk refuses something; a sentence for the operator. */
  onTrouble(slot: number, text: string): void;
}

/** The flushes of one log. */
export class PartitionFlushes {
  readonly #log: Log;
  readonly #slot: number;
  readonly #flusher: Flusher;
  readonly #onEnd: (outcome: FlushOutcome) => void;
  #isUnderWay = false;
  #lastFlushMs = -Infinity;
  /** The active segment at the last check. */
  #activeBaseOffset: number;

  /** @param log of the partition @param by the partition's row, what executes its flushes, and what is called when one ended */
  constructor(log: Log, by: { slot: number; flusher: Flusher; onEnd: (outcome: FlushOutcome) => void }) {
    this.#log = log;
    this.#slot = by.slot;
    this.#flusher = by.flusher;
    this.#onEnd = by.onEnd;
    this.#activeBaseOffset = log.activeBaseOffset;
  }

  /** Whether a background flush is under way. */
  get isUnderWay(): boolean {
    return this.#isUnderWay;
  }

  /** Makes everything appended durable. @returns false when it could not: the disk failed and the log is offline, or not now */
  flushNow(): boolean {
    const isDurable = this.#log.flush();
    this.#onEnd(isDurable ? "flushed" : this.#log.offlineReason === null ? "postponed" : "failed");
    return isDurable;
  }

  /** Begins a background flush when `flush.ms` has passed since the last flush. @param nowMs monotonic time */
  beginIfDue(nowMs: number, flushMs: number): void {
    if (nowMs - this.#lastFlushMs < flushMs) return;
    this.#lastFlushMs = nowMs;
    this.begin();
  }

  /** Begins a background flush when the log has rolled since the last check. */
  beginAfterRoll(): void {
    const base = this.#log.activeBaseOffset;
    if (base === this.#activeBaseOffset) return;
    this.#activeBaseOffset = base;
    this.begin();
  }

  /** Begins a background flush of the records appended so far. Does nothing while one is under way. */
  begin(): void {
    if (this.#isUnderWay || this.#log.offlineReason !== null || !this.#flusher.mayFlush(this.#slot)) return;
    const request = this.#request();
    if (request === null) return;
    this.#isUnderWay = true;
    this.#flusher.onFlush(request, (outcome) => {
      this.#isUnderWay = false;
      this.#end(request, outcome);
    });
  }

  /** @returns null when everything is durable, or when a file cannot be opened now; the next roll tries again */
  #request(): FlushRequest | null {
    try {
      return this.#log.beginFlush();
    } catch (error) {
      this.#flusher.onTrouble(this.#slot, `Cannot begin a flush: ${storageFailure(error)}`);
      return null;
    }
  }

  #end(request: FlushRequest, outcome: FlushOutcome): void {
    const wasOnline = this.#log.offlineReason === null;
    this.#log.endFlush(request, outcome);
    if (!wasOnline) return;
    this.#onEnd(outcome);
    if (outcome === "flushed" && this.#log.recoveryPoint < this.#log.activeBaseOffset) this.begin();
  }
}
