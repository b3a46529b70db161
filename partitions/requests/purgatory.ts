/**
 * Where requests wait: a fetch for enough bytes, an acks=all produce for its replicas. A waiting operation watches
 * partitions; when the high watermark of one moves it is looked at again, once per turn of the reactor however often it moved.
 * Runs on shards; each has its own, for the connections it owns.
 *
 * A partition of another shard is watched through the interest table: set the word, then read the watermark again, because
 * the owner publishes the watermark first and reads the word second (shared/watermarks.ts). Source: Kafka's DelayedOperationPurgatory.
 */
import { Deadlines, type Timed } from "./deadlines.ts";
import type { InterestTable } from "../shared/watermarks.ts";

/** An operation that waits. */
export interface DelayedOperation extends Timed {
  /** Whether it is on the list of this turn; belongs to the purgatory. */
  isMarked: boolean;
  /** Bytes of memory that it takes while it waits; where absent, too little to count. */
  readonly heldBytes?: number;
  /** A watched partition moved or went away: complete and `forget()`, or go on waiting. */
  onProgress(): void;
  /** The deadline passed (it is no longer scheduled): complete now. */
  onExpired(): void;
}

/** Memory of waiting operations beyond which those that wait longest are completed early: a fetch then answers with what there is. */
export const WAITING_BYTES_MAX = 32 * 1024 * 1024;

/** The waiting operations of one shard. */
export class Purgatory {
  readonly #watchers = new Map<number, Set<DelayedOperation>>();
  readonly #deadlines = new Deadlines<DelayedOperation>();
  readonly #interest: InterestTable;
  readonly #shard: number;
  #marked: DelayedOperation[] = [];
  /** Those whose memory counts, in the order of their coming, with what they take. */
  readonly #holders = new Map<DelayedOperation, number>();
  #heldBytes = 0;

  /** @param interest the shared table @param shard this shard's number */
  constructor(interest: InterestTable, shard: number) {
    this.#interest = interest;
    this.#shard = shard;
  }

  /** How many operations wait with a deadline. */
  get waitingCount(): number {
    return this.#deadlines.count;
  }

  /** When `expire()` has something to do, monotonic ms: Infinity when nothing waits, 0 while what waits takes too much memory. */
  get nextDeadlineMs(): number {
    return this.#heldBytes > WAITING_BYTES_MAX ? 0 : this.#deadlines.nextMs;
  }

  /** Lets an operation wait until its `deadlineMs` at most. */
  schedule(operation: DelayedOperation): void {
    this.#deadlines.add(operation);
    const { heldBytes = 0 } = operation;
    if (heldBytes === 0) return;
    this.#holders.set(operation, heldBytes);
    this.#heldBytes += heldBytes;
  }

  /** Watches a partition. The caller reads its watermark again afterwards. @param slot the partition's row */
  watch(slot: number, operation: DelayedOperation): void {
    const watchers = this.#watchers.get(slot);
    if (watchers !== undefined) {
      watchers.add(operation);
      return;
    }
    this.#watchers.set(slot, new Set([operation]));
    this.#interest.set(this.#shard, slot, true);
  }

  /** Ends a watch; one that does not exist is fine. */
  unwatch(slot: number, operation: DelayedOperation): void {
    const watchers = this.#watchers.get(slot);
    if (watchers === undefined || !watchers.delete(operation) || watchers.size > 0) return;
    this.#watchers.delete(slot);
    this.#interest.set(this.#shard, slot, false);
  }

  /** Takes an operation's deadline away: it completed or its connection went. */
  cancel(operation: DelayedOperation): void {
    this.#deadlines.remove(operation);
    this.#forget(operation);
  }

  /** A partition's high watermark moved, or the partition went away. */
  markProgress(slot: number): void {
    const watchers = this.#watchers.get(slot);
    if (watchers === undefined) return;
    for (const operation of watchers) {
      if (operation.isMarked) continue;
      operation.isMarked = true;
      this.#marked.push(operation);
    }
  }

  /** Whether operations are marked that were not looked at yet. */
  get hasMarked(): boolean {
    return this.#marked.length > 0;
  }

  /**
   * Looks once at the operations that were marked, the first of them first.
   * @param mayGoOn asked after each; the others are looked at next time
   * @returns whether there was any
   */
  checkMarked(mayGoOn: () => boolean = () => true): boolean {
    if (this.#marked.length === 0) return false;
    const marked = this.#marked;
    this.#marked = [];
    for (const [index, operation] of marked.entries()) {
      operation.isMarked = false;
      // One that completed meanwhile has left its deadline.
      if (operation.heapIndex !== -1) operation.onProgress();
      if (mayGoOn()) continue;
      this.#marked = [...marked.slice(index + 1), ...this.#marked];
      break;
    }
    return true;
  }

  /**
   * Completes what is overdue, and what has waited longest while all take too much memory.
   * @param nowMs monotonic time @param mayGoOn asked after each; the others are completed next time
   */
  expire(nowMs: number, mayGoOn: () => boolean = () => true): void {
    let late = this.#takeExpired(nowMs);
    while (late !== null) {
      this.#forget(late);
      late.onExpired();
      late = mayGoOn() ? this.#takeExpired(nowMs) : null;
    }
  }

  #takeExpired(nowMs: number): DelayedOperation | null {
    if (this.#heldBytes <= WAITING_BYTES_MAX) return this.#deadlines.takeExpired(nowMs);
    const [oldest] = this.#holders.keys();
    if (oldest !== undefined) this.#deadlines.remove(oldest);
    return oldest ?? null;
  }

  #forget(operation: DelayedOperation): void {
    this.#heldBytes -= this.#holders.get(operation) ?? 0;
    this.#holders.delete(operation);
  }
}
