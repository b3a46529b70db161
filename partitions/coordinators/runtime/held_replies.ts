/**
 * Replies that wait until what was appended before them is below the high watermark: a client that was told of a commit finds it
 * whoever leads the partition next. With one replica nothing ever waits. Runs on shards.
 *
 * Always: replies leave in their order, each exactly once; who waits longer than `offsets.commit.timeout.ms` gets
 * COORDINATOR_NOT_AVAILABLE and may find its change made all the same.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import type { Offset } from "../../../storage/mod.ts";
import type { DelayedOperation, Purgatory } from "../../requests/purgatory.ts";

/** What of a partition matters to replies. */
export interface ReplicatedLog {
  /** Row in the watermark table. */
  readonly slot: number;
  readonly highWatermark: Offset;
  readonly log: { readonly logEndOffset: Offset };
}

/** Sends an answer. @param code 0: as it was meant; else an error instead */
export type Send = (code: number) => void;

interface Held {
  /** The high watermark must reach it. */
  readonly offset: Offset;
  readonly untilMs: number;
  readonly send: Send;
}

/** The replies of one partition. */
export class HeldReplies implements DelayedOperation {
  deadlineMs = 0;
  heapIndex = -1;
  isMarked = false;
  readonly #log: ReplicatedLog;
  readonly #purgatory: Purgatory;
  readonly #nowMs: () => number;
  readonly #waitMsMax: number;
  #held: Held[] = [];

  /** @param log whose high watermark counts @param parts the shard's purgatory, monotonic time, how long to wait at most */
  constructor(log: ReplicatedLog, parts: { purgatory: Purgatory; nowMs: () => number; waitMsMax: number }) {
    this.#log = log;
    this.#purgatory = parts.purgatory;
    this.#nowMs = parts.nowMs;
    this.#waitMsMax = parts.waitMsMax;
  }

  /** How many wait. */
  get count(): number {
    return this.#held.length;
  }

  /** Sends now, or as soon as all that is appended until now is below the high watermark. */
  add(send: Send): void {
    const offset = this.#log.log.logEndOffset;
    if (this.#held.length === 0 && this.#log.highWatermark >= offset) return send(errorCode.NONE);
    this.#held.push({ offset, untilMs: this.#nowMs() + this.#waitMsMax, send });
    if (this.#held.length > 1) return;
    this.#purgatory.watch(this.#log.slot, this);
    this.#wait();
    this.onProgress(); // the watermark may have moved before it was watched
  }

  /** Answers all that wait with an error. */
  fail(code: number): void {
    const held = this.#held.splice(0);
    this.#rest();
    for (const { send } of held) send(code);
  }

  onProgress(): void {
    const { highWatermark } = this.#log;
    const waiting = this.#held.findIndex(({ offset }) => offset > highWatermark);
    this.#release(waiting === -1 ? this.#held.length : waiting, errorCode.NONE);
  }

  onExpired(): void {
    const nowMs = this.#nowMs();
    const waiting = this.#held.findIndex(({ untilMs }) => untilMs > nowMs);
    this.#release(waiting === -1 ? this.#held.length : waiting, errorCode.COORDINATOR_NOT_AVAILABLE);
  }

  #release(count: number, code: number): void {
    const released = this.#held.splice(0, count);
    this.#rest();
    for (const { send } of released) send(code);
  }

  /** Waits for what is left, if anything is. */
  #rest(): void {
    this.#purgatory.cancel(this);
    if (this.#held.length === 0) this.#purgatory.unwatch(this.#log.slot, this);
    else this.#wait();
  }

  #wait(): void {
    this.deadlineMs = (this.#held[0] as Held).untilMs;
    this.#purgatory.schedule(this);
  }
}
