/**
 * Where requests wait: a fetch for enough bytes, an acks=all produce for its replicas. A waiting operation watches partitions. When the
 * high watermark of one of them moves, the operation is checked again, at most once per turn of the reactor. Runs on shards; each has its
 * own purgatory, for its own connections.
 *
 * A partition of another shard is watched through the interest table: set the word, then read the watermark again, because
 * the owner publishes the watermark first and reads the word second (shared/watermarks.ts). Source: Kafka's DelayedOperationPurgatory.
 */
import { Deadlines, type Timed } from "./deadlines.ts";
import type { InterestTable } from "../shared/watermarks.ts";

/** An operation that waits. */
export interface DelayedOperation extends Timed {
  /** Whether it will be checked in this turn; written by the purgatory only. */
  isMarked: boolean;
  /** Bytes of memory that it holds while it waits; not set when they are too few to count. */
  readonly heldBytes?: number;
  /** What waits, by the names of Kafka's purgatories: "Fetch"; not set for what Kafka has no purgatory for. */
  readonly purgatory?: string;
  /** A watched partition progressed or was removed: complete and `cancel()`, or keep waiting. */
  onProgress(): void;
  /** The deadline passed: complete now. The operation is no longer scheduled. */
  onExpired(): void;
}

/** Watches partitions for longer than one operation. */
export interface ProgressListener {
  /** A partition progressed or was removed. */
  onProgress(slot: number): void;
}

/** When waiting operations hold more memory, those that wait longest are completed early: a fetch then answers with what is available. */
export const WAITING_BYTES_MAX = 32 * 1024 * 1024;

/** The waiting operations of one shard. */
export class Purgatory {
  readonly #watchers = new Map<number, Set<DelayedOperation>>();
  readonly #listeners = new Map<number, Set<ProgressListener>>();
  readonly #deadlines = new Deadlines<DelayedOperation>();
  readonly #interest: InterestTable;
  readonly #shard: number;
  #marked: DelayedOperation[] = [];
  /** Bytes held by each operation that holds any, in order of arrival. */
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

  /** How many operations wait with a deadline, by their `purgatory`. */
  waitingByKind(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { purgatory = "other" } of this.#deadlines.entries) counts[purgatory] = (counts[purgatory] ?? 0) + 1;
    return counts;
  }

  /** When `expire()` is due, monotonic ms: Infinity when nothing waits, 0 while waiting operations hold too much memory. */
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

  /** Watches a partition. The caller must read its watermark again afterwards. @param slot the partition's row */
  watch(slot: number, operation: DelayedOperation): void {
    const watchers = this.#watchers.get(slot);
    if (watchers !== undefined) {
      watchers.add(operation);
      return;
    }
    this.#watchers.set(slot, new Set([operation]));
    this.#interest.set(this.#shard, slot, true);
  }

  /** Ends a watch; does nothing when there is none. */
  unwatch(slot: number, operation: DelayedOperation): void {
    const watchers = this.#watchers.get(slot);
    if (watchers === undefined || !watchers.delete(operation) || watchers.size > 0) return;
    this.#watchers.delete(slot);
    if (!this.#listeners.has(slot)) this.#interest.set(this.#shard, slot, false);
  }

  /** Tells a listener of a partition's progress from now on. The caller must read its watermark afterwards. @param slot the partition's row */
  listen(slot: number, listener: ProgressListener): void {
    const listeners = this.#listeners.get(slot);
    if (listeners !== undefined) return void listeners.add(listener);
    this.#listeners.set(slot, new Set([listener]));
    this.#interest.set(this.#shard, slot, true);
  }

  /** Ends that; does nothing when it was not told. */
  unlisten(slot: number, listener: ProgressListener): void {
    const listeners = this.#listeners.get(slot);
    if (listeners === undefined || !listeners.delete(listener) || listeners.size > 0) return;
    this.#listeners.delete(slot);
    if (!this.#watchers.has(slot)) this.#interest.set(this.#shard, slot, false);
  }

  /** Removes an operation's deadline: the operation completed, or its connection closed. */
  cancel(operation: DelayedOperation): void {
    this.#deadlines.remove(operation);
    this.#forget(operation);
  }

  /** Marks the operations that watch a partition: its high watermark, or the log end that followers wait for, moved, or it was removed. */
  markProgress(slot: number): void {
    if (this.#listeners.size > 0) { for (const listener of this.#listeners.get(slot) ?? []) listener.onProgress(slot); }
    const watchers = this.#watchers.get(slot);
    if (watchers === undefined) return;
    for (const operation of watchers) this.mark(operation);
  }

  /** Has a waiting operation checked in this turn. */
  mark(operation: DelayedOperation): void {
    if (operation.isMarked) return;
    operation.isMarked = true;
    this.#marked.push(operation);
  }

  /** Whether marked operations have not been checked yet. */
  get hasMarked(): boolean {
    return this.#marked.length > 0;
  }

  /**
   * Checks each marked operation once, in the order in which they were marked.
   * @param mayContinue asked after each; the next call checks the others
   * @returns whether any was marked
   */
  checkMarked(mayContinue: () => boolean = () => true): boolean {
    if (this.#marked.length === 0) return false;
    const marked = this.#marked;
    this.#marked = [];
    for (const [index, operation] of marked.entries()) {
      operation.isMarked = false;
      // An operation that completed meanwhile has no deadline any more.
      if (operation.heapIndex !== -1) operation.onProgress();
      if (mayContinue()) continue;
      this.#marked = [...marked.slice(index + 1), ...this.#marked];
      break;
    }
    return true;
  }

  /**
   * Completes overdue operations, and those that wait longest while all together hold too much memory.
   * @param nowMs monotonic time @param mayContinue asked after each; the next call completes the others
   */
  expire(nowMs: number, mayContinue: () => boolean = () => true): void {
    let late = this.#takeExpired(nowMs);
    while (late !== null) {
      this.#forget(late);
      late.onExpired();
      late = mayContinue() ? this.#takeExpired(nowMs) : null;
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
