/**
 * The flushes of one partition's log: at once, where the topic asks for it, and in the background, by another thread. Runs on the shard
 * that owns the partition.
 *
 * Always: one flush in the background at a time. It goes on until no closed segment is left to flush, so that recovery stays short.
 */
import { type FlushOutcome, type FlushRequest, type Log, storageFailure } from "../../storage/mod.ts";

/** Who makes the flushes of the background, and is told what keeps them from beginning. */
export interface Flusher {
  /** Whether a flush may begin now; otherwise the partition's `flushLater()` is called when one may. */
  mayFlush(slot: number): boolean;
  /** Wants files made durable on another thread; `done` runs on a later turn. */
  onFlush(request: FlushRequest, done: (outcome: FlushOutcome) => void): void;
  /** The disk refuses something; a sentence for the operator. */
  onTrouble(slot: number, text: string): void;
}

/** The flushes. */
export class PartitionFlushes {
  readonly #log: Log;
  readonly #slot: number;
  readonly #flusher: Flusher;
  readonly #onEnd: (outcome: FlushOutcome) => void;
  #isUnderWay = false;
  #lastFlushMs = -Infinity;
  /** The active segment at the last look. */
  #activeBaseOffset: number;

  /** @param log of the partition @param by the partition's row, who makes its flushes, and who is told how each ended */
  constructor(log: Log, by: { slot: number; flusher: Flusher; onEnd: (outcome: FlushOutcome) => void }) {
    this.#log = log;
    this.#slot = by.slot;
    this.#flusher = by.flusher;
    this.#onEnd = by.onEnd;
    this.#activeBaseOffset = log.activeBaseOffset;
  }

  /** Whether one is under way in the background. */
  get isUnderWay(): boolean {
    return this.#isUnderWay;
  }

  /** Makes everything appended durable. @returns false when it is not: the disk failed, and the log is offline; or not now */
  flushNow(): boolean {
    const isDurable = this.#log.flush();
    this.#onEnd(isDurable ? "flushed" : this.#log.offlineReason === null ? "postponed" : "failed");
    return isDurable;
  }

  /** Begins one when `flush.ms` has passed since the last. @param nowMs monotonic time */
  beginIfDue(nowMs: number, flushMs: number): void {
    if (nowMs - this.#lastFlushMs < flushMs) return;
    this.#lastFlushMs = nowMs;
    this.begin();
  }

  /** Begins one when the log has rolled since the last look. */
  beginAfterRoll(): void {
    const base = this.#log.activeBaseOffset;
    if (base === this.#activeBaseOffset) return;
    this.#activeBaseOffset = base;
    this.begin();
  }

  /** Begins to make durable what was appended until now. Does nothing while one is under way. */
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

  /** @returns null when all is durable, or when a file cannot be opened at the moment; the next roll tries again */
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
