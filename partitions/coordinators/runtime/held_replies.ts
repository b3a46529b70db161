/**
 * Replies that wait until the records appended before them are below the high watermark. An acknowledged commit then survives every
 * change of the partition's leader, and a loss of power if its topic flushes (`flush.messages`). Otherwise nothing waits with one
 * replica. Runs on shards.
 *
 * Always: replies leave in their order, each exactly once. A reply that waits longer than `offsets.commit.timeout.ms` becomes
 * COORDINATOR_NOT_AVAILABLE, and NOT_COORDINATOR when a flush failed or the leadership of the partition ended, even if another one has
 * begun (KAFKA-20634); the change may have been made nevertheless.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import type { Offset } from "../../../storage/mod.ts";
import type { DelayedOperation, Purgatory } from "../../requests/purgatory.ts";

/** The part of a partition that held replies need. */
export interface ReplicatedLog {
  /** Row in the watermark table. */
  readonly slot: number;
  readonly highWatermark: Offset;
  /** Whether it serves requests. */
  readonly isOpen: boolean;
  /** Tells leaderships apart (shared/watermarks.ts). */
  readonly leadership: number;
  readonly log: { readonly logEndOffset: Offset };
}

/** Sends an answer. @param code 0 for the intended answer, else the error to send instead */
export type Send = (code: number) => void;

interface Held {
  /** The high watermark must reach this offset. */
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
  readonly #leadership: number;
  #held: Held[] = [];

  /** @param log with the high watermark to wait for @param parts the shard's purgatory, monotonic time, the longest wait in ms */
  constructor(log: ReplicatedLog, parts: { purgatory: Purgatory; nowMs: () => number; waitMsMax: number }) {
    this.#log = log;
    this.#leadership = log.leadership;
    this.#purgatory = parts.purgatory;
    this.#nowMs = parts.nowMs;
    this.#waitMsMax = parts.waitMsMax;
  }

  /** How many replies wait. */
  get count(): number {
    return this.#held.length;
  }

  /** Sends the reply as soon as all records appended so far are below the high watermark, at once if they already are. */
  add(send: Send): void {
    if (this.#log.leadership !== this.#leadership) return send(errorCode.NOT_COORDINATOR);
    const offset = this.#log.log.logEndOffset;
    if (this.#held.length === 0 && this.#log.highWatermark >= offset) return send(errorCode.NONE);
    this.#held.push({ offset, untilMs: this.#nowMs() + this.#waitMsMax, send });
    if (this.#held.length > 1) return;
    this.#purgatory.watch(this.#log.slot, this);
    this.#wait();
    this.onProgress(); // the watermark may have moved before it was watched
  }

  /** Answers all waiting replies with an error. */
  fail(code: number): void {
    const held = this.#held.splice(0);
    this.#rest();
    for (const { send } of held) send(code);
  }

  onProgress(): void {
    const { highWatermark, isOpen, leadership } = this.#log;
    if (leadership !== this.#leadership) return this.fail(errorCode.NOT_COORDINATOR);
    const waiting = this.#held.findIndex(({ offset }) => offset > highWatermark);
    this.#release(waiting === -1 ? this.#held.length : waiting, errorCode.NONE);
    if (!isOpen) this.fail(errorCode.NOT_COORDINATOR);
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

  /** Waits for the remaining replies, or stops watching when none are left. */
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
