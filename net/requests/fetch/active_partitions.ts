/**
 * The partitions of a follower's session that its next answer has to look at. A fetch costs what has changed, not what is followed: of the
 * others the follower has everything, and knows that.
 *
 *   named by a request, or the owner noted progress ──► active ──answered, and the row says nothing new──► quiet
 *
 * Always: a quiet partition is watched, so its next progress makes it active; the row is read after the watch began. The follower
 * has a quiet partition's whole log, its high watermark and its log start. Runs on shards, for the connections of each.
 */
import {
  type DelayedOperation,
  emptyWatermarks,
  isLed,
  partitionState,
  type ProgressListener,
  type Purgatory,
  type Watermarks,
  type WatermarkTable,
} from "../../../partitions/mod.ts";
import type { FetchInterest } from "./fetch_interest.ts";

const marks = emptyWatermarks();

/** What the sets of a shard share. */
export interface ActivePartitionsParts {
  readonly purgatory: Pick<Purgatory, "listen" | "unlisten" | "mark">;
  readonly watermarks: WatermarkTable;
}

/** The active partitions of one session. */
export class ActivePartitions implements ProgressListener {
  readonly #parts: ActivePartitionsParts;
  readonly #active = new Set<FetchInterest>();
  /** Rows of the partitions that are watched. */
  readonly #slots = new Map<FetchInterest, number>();
  readonly #bySlot = new Map<number, FetchInterest>();
  #waiting: DelayedOperation | null = null;

  /** @param parts of the shard */
  constructor(parts: ActivePartitionsParts) {
    this.#parts = parts;
  }

  /** The active partitions, in the order in which they are read. */
  list(): FetchInterest[] {
    return [...this.#active];
  }

  /** A request names a partition. */
  add(interest: FetchInterest): void {
    this.#active.add(interest);
  }

  /** The session does not have a partition any more. */
  remove(interest: FetchInterest): void {
    this.#active.delete(interest);
    const slot = this.#slots.get(interest);
    if (slot === undefined) return;
    this.#slots.delete(interest);
    this.#bySlot.delete(slot);
    this.#parts.purgatory.unlisten(slot, this);
  }

  /** A partition is about to be read: it is watched from now on. @param slot its row, another one if it was created anew */
  watch(interest: FetchInterest, slot: number): void {
    if (this.#slots.get(interest) === slot) return;
    const last = this.#bySlot.get(slot);
    if (last !== undefined) this.remove(last); // its topic was deleted
    const before = this.#slots.get(interest);
    if (before !== undefined) {
      this.#bySlot.delete(before);
      this.#parts.purgatory.unlisten(before, this);
    }
    this.#slots.set(interest, slot);
    this.#bySlot.set(slot, interest);
    this.#parts.purgatory.listen(slot, this);
  }

  /** A partition was read. It becomes quiet if the follower knows everything; else it goes behind the others. @param hasFailed whether there was an error */
  settle(interest: FetchInterest, hasFailed: boolean): void {
    this.#active.delete(interest);
    const row = this.#rowOf(interest);
    const isQuiet = !hasFailed && row !== null && row.logEndOffset === interest.fetchOffset &&
      row.highWatermark === interest.lastHighWatermark && row.logStartOffset === interest.lastLogStartOffset;
    if (!isQuiet) this.#active.add(interest);
  }

  /** Whether a read would find records, or an error. */
  hasGrown(): boolean {
    for (const interest of this.#active) {
      const row = this.#rowOf(interest);
      if (row === null || row.logEndOffset > interest.fetchOffset) return true;
    }
    return false;
  }

  /** The session's fetch waits: it is checked when a partition progresses. */
  wait(operation: DelayedOperation): void {
    this.#waiting = operation;
  }

  /** It waits no longer. */
  stopWaiting(): void {
    this.#waiting = null;
  }

  onProgress(slot: number): void {
    const interest = this.#bySlot.get(slot);
    if (interest !== undefined) this.#active.add(interest);
    if (this.#waiting !== null) this.#parts.purgatory.mark(this.#waiting);
  }

  /** The session has ended. Idempotent. */
  end(): void {
    for (const slot of this.#bySlot.keys()) this.#parts.purgatory.unlisten(slot, this);
    this.#bySlot.clear();
    this.#slots.clear();
    this.#active.clear();
    this.#waiting = null;
  }

  /** @returns null when it is not known, not open or not led */
  #rowOf(interest: FetchInterest): Readonly<Watermarks> | null {
    const slot = this.#slots.get(interest);
    if (slot === undefined) return null;
    this.#parts.watermarks.read(slot, marks);
    return marks.state === partitionState.open && isLed(marks) ? marks : null;
  }
}
