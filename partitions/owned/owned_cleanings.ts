/**
 * The part of a shard in the compaction of its logs: it finds the filthiest one, keeps its segments as they are while a cleaner worker
 * reads them, and puts the new segments in their place, a few renames a turn. The main isolate decides what is cleaned when
 * (cleaning/log_cleaner.ts). Runs on shards.
 *
 *   choose ──► begin ──► (a worker writes new segments) ──► swap ──► renames and flushes in turns (storage/log/segment_swap.ts) ──► done
 *                │             │                             │
 *                │             └── damaged batches: the partition goes offline
 *                └── hand-over, topic deleted, no longer     └── a hand-over is refused; when the topic is deleted, its directory goes
 *                    compacted: aborted                          with what is in it
 *
 * Always: while `partition.isBeingCleaned`, no segment is removed: log starts move, and the removal follows (segment_removal.ts).
 */
import {
  cleaningOf,
  cleaningOrder,
  type CleaningTerms,
  type FlushOutcome,
  type SegmentSwap,
  storageFailure,
  toOffset,
} from "../../storage/mod.ts";
import type { CleaningAnswer, CleaningRequest } from "../cleaning/cleaning_calls.ts";
import type { Partition } from "./partition.ts";

/** Segments whose files are renamed in one turn: 32 cost about a millisecond. */
const STEPS_PER_TURN = 32;
/** Partitions that are looked at in one turn: each takes some microseconds for each of its segments. */
const LOOKS_PER_TURN = 64;
/** Closed segments whose timestamps are read from their files in one turn, once in their lives: each takes about 0.1 ms. */
const LEARNED_PER_TURN = 8;
/** Pause after which a rename or flush that the disk refused is tried again, and how often: a stop of the broker waits for it. */
const RETRY_MS = 1000;
const REFUSALS_MAX = 5;

/** Answers a request; called once, during the call or on a later turn. */
export type CleaningDone = (answer: CleaningAnswer) => void;

/** What the cleanings of a shard need. */
export interface OwnedCleaningsParts {
  /** The shard's partitions, by slot. */
  readonly partitions: ReadonlyMap<number, Partition>;
  readonly wallMs: () => number;
  /** Makes a directory's entries durable on another thread; `done` runs on a later turn. */
  readonly flushDirectory: (directory: string, done: (outcome: FlushOutcome) => void) => void;
  /** Removes renamed files after `file.delete.delay.ms` of their partition. */
  readonly onRemoved: (partition: Partition, paths: readonly string[]) => void;
  /** The cleaning of a partition has ended here: its segments may be removed again. */
  readonly onEnded: (slot: number) => void;
  /** The worker's result is not wanted any more. */
  readonly onAborted: (slot: number) => void;
  /** Reports a sentence about a partition to the operator. */
  readonly onTrouble: (slot: number, text: string) => void;
}

interface Choosing {
  readonly request: Extract<CleaningRequest, { kind: "choose" }>;
  readonly done: CleaningDone;
  next: number;
  /** Index of the segment of the next partition whose timestamps are read next. */
  segment: number;
  best: CleaningAnswer & { dirtyRatio?: number };
}

interface Swapping {
  readonly swap: SegmentSwap;
  done: CleaningDone;
  /** "given up": the disk refused too often, or a flush failed. */
  flush: "none" | "due" | "under way" | "given up";
  /** No step before it, monotonic ms. */
  notBeforeMs: number;
  /** How often the disk has refused. */
  refusals: number;
}

interface Cleaning {
  readonly partition: Partition;
  /** null while a worker cleans. */
  swapping: Swapping | null;
}

/** The cleanings of one shard. */
export class OwnedCleanings {
  readonly #parts: OwnedCleaningsParts;
  readonly #bySlot = new Map<number, Cleaning>();
  readonly #choosing: Choosing[] = [];
  /** Monotonic time of the turn. */
  #nowMs = 0;

  /** @param parts the shard's pieces */
  constructor(parts: OwnedCleaningsParts) {
    this.#parts = parts;
  }

  /** Serves a request of the main isolate. */
  handle(request: CleaningRequest, done: CleaningDone): void {
    switch (request.kind) {
      case "choose":
        this.#choosing.push({ request, done, next: 0, segment: 0, best: { kind: "nothing" } });
        return;
      case "begin":
        return done(this.#begin(request));
      case "swap":
        return this.#swap(request, done);
      case "end":
        this.#endWithout(request);
        return done({ kind: "nothing" });
    }
  }

  /** The topic's configuration has changed. */
  onUpdated(slot: number): void {
    const cleaning = this.#bySlot.get(slot);
    if (cleaning !== undefined && !cleaning.partition.config.compact) this.abort(slot);
  }

  /** Aborts the cleaning of a partition, because it is handed over. @returns false when its new segments are being put in place */
  abort(slot: number): boolean {
    const cleaning = this.#bySlot.get(slot);
    if (cleaning === undefined) return true;
    if (cleaning.swapping !== null) return false;
    this.#end(slot);
    this.#parts.onAborted(slot);
    return true;
  }

  /** The partition was removed. */
  onPartitionRemoved(slot: number): void {
    const swapping = this.#bySlot.get(slot)?.swapping ?? null;
    if (swapping === null) this.abort(slot);
    else this.#finish(slot, swapping, { kind: "nothing" });
  }

  /** When `run()` is due, monotonic ms. */
  get nextDeadlineMs(): number {
    if (this.#choosing.length > 0) return 0;
    let next = Infinity;
    for (const { swapping } of this.#bySlot.values()) {
      if (swapping !== null && isReady(swapping)) next = Math.min(next, swapping.notBeforeMs);
    }
    return next;
  }

  /** Does the work of one turn. @param nowMs monotonic time @param mayContinue asked after each partition that was looked at */
  run(nowMs: number, mayContinue: () => boolean): void {
    this.#nowMs = nowMs;
    if (this.#choosing.length > 0) this.#choose(mayContinue);
    if (this.#bySlot.size === 0) return;
    for (const [slot, { partition, swapping }] of this.#bySlot) {
      if (swapping === null || !isReady(swapping) || nowMs < swapping.notBeforeMs) continue;
      this.#continue(slot, partition, swapping, nowMs);
    }
  }

  #choose(mayContinue: () => boolean): void {
    const choosing = this.#choosing[0] as Choosing;
    const { slots, checkpointed } = choosing.request;
    for (let count = 0; choosing.next < slots.length; count++) {
      if (count === LOOKS_PER_TURN || (count > 0 && !mayContinue())) return;
      if (!this.#learn(choosing)) return;
      choosing.segment = 0;
      const index = choosing.next++;
      const slot = slots[index] as number;
      const dirtyRatio = this.#dirtyRatioOf(slot, checkpointed[index] as number);
      if (dirtyRatio > (choosing.best.dirtyRatio ?? 0)) choosing.best = { kind: "chosen", slot, dirtyRatio };
    }
    this.#choosing.shift();
    choosing.done(choosing.best);
  }

  /**
   * Reads the timestamps that the rules of the next partition compare, a few a turn: a log may have 10,000 segments of an earlier process.
   * @returns whether all are known, or the disk refuses, which the decision reports
   */
  #learn(choosing: Choosing): boolean {
    const { slots, checkpointed } = choosing.request;
    const partition = this.#cleanable(slots[choosing.next] as number);
    if (partition === null) return true;
    const cleanBelow = checkpointed[choosing.next] as number;
    const { minCompactionLagMs, maxCompactionLagMs } = partition.config;
    const { segments } = partition.log.compacted;
    let learned = 0;
    for (; choosing.segment < segments.length - 1; choosing.segment++) {
      if (learned === LEARNED_PER_TURN) return false;
      const segment = segments[choosing.segment] as (typeof segments)[number];
      const needs = {
        last: minCompactionLagMs > 0 && segment.knownRetentionTimestamp === null,
        first: maxCompactionLagMs !== Infinity && !segment.firstIsKnown,
      };
      const isClean = (segments[choosing.segment + 1]?.baseOffset ?? 0) <= cleanBelow;
      if (isClean || (!needs.last && !needs.first)) continue;
      learned++;
      try {
        if (needs.first) void segment.firstBatchTimestamp;
        if (needs.last) segment.learnRetentionTimestamp();
      } catch (error) {
        storageFailure(error);
        return true;
      }
    }
    return true;
  }

  #dirtyRatioOf(slot: number, checkpointed: number): number {
    const partition = this.#cleanable(slot);
    if (partition === null) return 0;
    const terms = this.#termsOf(partition, checkpointed);
    try {
      rollIfLate(partition, terms.nowMs);
      // A start may have found closed segments that were not flushed, and only durable records are cleaned: the next look finds them.
      if (partition.log.recoveryPoint < partition.log.activeBaseOffset) partition.flushLater();
      return cleaningOf(partition.log.compacted, terms)?.dirtyRatio ?? 0;
    } catch (error) {
      this.#parts.onTrouble(slot, `Cannot look for what to compact: ${storageFailure(error)}`);
      return 0;
    }
  }

  /** A partition that may be cleaned now, or null. */
  #cleanable(slot: number): Partition | null {
    const partition = this.#parts.partitions.get(slot);
    if (partition === undefined || !partition.isOpen || partition.isBeingCleaned) return null;
    return partition.config.compact ? partition : null;
  }

  #termsOf(partition: Partition, checkpointed: number): CleaningTerms {
    return {
      config: partition.config,
      lastStableOffset: partition.replica.row.lastStableOffset,
      checkpointed: checkpointed < 0 ? null : toOffset(checkpointed),
      nowMs: this.#parts.wallMs(),
    };
  }

  #begin(request: Extract<CleaningRequest, { kind: "begin" }>): CleaningAnswer {
    const { slot } = request;
    const partition = this.#cleanable(slot);
    if (partition === null) return { kind: "nothing" };
    const terms = this.#termsOf(partition, request.checkpointed);
    try {
      const { compacted } = partition.log;
      const choice = cleaningOf(compacted, terms);
      if (choice === null) return { kind: "nothing" };
      const order = cleaningOrder(compacted, choice, { ...terms, buffer: request });
      partition.isBeingCleaned = true;
      this.#bySlot.set(slot, { partition, swapping: null });
      return { kind: "begun", order };
    } catch (error) {
      this.#parts.onTrouble(slot, `Cannot begin a compaction: ${storageFailure(error)}`);
      return { kind: "nothing" };
    }
  }

  #swap({ slot, replacements }: Extract<CleaningRequest, { kind: "swap" }>, done: CleaningDone): void {
    const cleaning = this.#bySlot.get(slot);
    if (cleaning === undefined) return done({ kind: "nothing" });
    const { partition } = cleaning;
    const swap = partition.isOpen ? partition.log.compacted.replaceSegments(replacements, partition.config) : null;
    if (swap === null) {
      this.#end(slot);
      return done({ kind: "nothing" });
    }
    cleaning.swapping = { swap, done, flush: "none", notBeforeMs: 0, refusals: 0 };
  }

  #continue(slot: number, partition: Partition, swapping: Swapping, nowMs: number): void {
    const { swap } = swapping;
    // It went offline: the next start goes on from the names that its files have now.
    if (!partition.isOpen) return this.#finish(slot, swapping, { kind: "nothing" });
    if (swapping.flush === "due") return this.#flush(slot, partition, swapping);
    try {
      const step = swap.next(STEPS_PER_TURN);
      if (step === "done") this.#finish(slot, swapping, { kind: "swapped" });
      else if (step === "flush") this.#flush(slot, partition, swapping);
    } catch (error) {
      const message = `compacted segments cannot be put in place: ${storageFailure(error)}`;
      if (swapping.refusals === 0) this.#parts.onTrouble(slot, `${message}; trying again`);
      retryLater(swapping, nowMs, message);
    }
    const removed = swap.takeRemovedPaths();
    if (removed.length > 0) this.#parts.onRemoved(partition, removed);
  }

  #flush(slot: number, partition: Partition, swapping: Swapping): void {
    const { directory } = partition.log.compacted;
    swapping.flush = "under way";
    this.#parts.flushDirectory(directory, (outcome) => {
      // Otherwise the partition was removed meanwhile.
      if (this.#bySlot.get(slot)?.swapping !== swapping) return;
      switch (outcome) {
        case "flushed":
          swapping.flush = "none";
          return;
        case "postponed":
          swapping.flush = "due";
          return retryLater(swapping, this.#nowMs, `${directory} cannot be opened for a flush`);
        case "failed":
          return giveUp(swapping, `a flush of ${directory} failed`); // no later flush would prove anything
      }
    });
  }

  /** Ends a cleaning without new segments. One that was aborted has ended: what its worker found says nothing of the files of now. */
  #endWithout({ slot, damage }: Extract<CleaningRequest, { kind: "end" }>): void {
    const cleaning = this.#bySlot.get(slot);
    if (cleaning === undefined) return;
    this.#end(slot);
    if (damage !== null) cleaning.partition.onDamage(damage);
  }

  #finish(slot: number, { done }: Swapping, answer: CleaningAnswer): void {
    this.#end(slot);
    done(answer);
  }

  #end(slot: number): void {
    const cleaning = this.#bySlot.get(slot);
    if (cleaning === undefined) return;
    this.#bySlot.delete(slot);
    cleaning.partition.isBeingCleaned = false;
    this.#parts.onEnded(slot);
  }
}

/** Whether the next step of a swap may be done. */
function isReady({ flush }: Swapping): boolean {
  return flush === "none" || flush === "due";
}

function retryLater(swapping: Swapping, nowMs: number, message: string): void {
  swapping.notBeforeMs = nowMs + RETRY_MS;
  if (++swapping.refusals > REFUSALS_MAX) giveUp(swapping, message);
}

/** The files have names from which a start goes on. Until then no segment of the log is removed. */
function giveUp(swapping: Swapping, message: string): void {
  const { done } = swapping;
  swapping.flush = "given up";
  swapping.done = () => {};
  done({ kind: "failed", message });
}

/** Rolls the active segment when its first record has waited for `max.compaction.lag.ms`. Kafka waits for the next append. */
function rollIfLate(partition: Partition, nowMs: number): void {
  const { maxCompactionLagMs } = partition.config;
  if (maxCompactionLagMs === Infinity) return;
  const first = partition.log.compacted.segments.at(-1)?.firstBatchTimestamp ?? -1;
  if (first > 0 && nowMs - first > maxCompactionLagMs) partition.roll(nowMs);
}
