/**
 * One look at all partitions of a shard by the rules of retention, in slices: a turn does a little, and the next one continues.
 *
 *   next partition ──► decide ──► act, and decide again if there may be more
 *                      ▲    └──a timestamp is not known──► another thread brings the indexes into the page cache
 *                      └──── learn, a few a step ◄─────────┘
 *
 * Closed segments of an earlier process do not know their largest timestamp until it was read once. Only the oldest ones are read, up to
 * the first that stays: a look at 10,000 segments of which all stay reads one.
 *
 * Always: what was decided about a partition is done in the same turn, and nothing is decided about it again until then. Runs on shards.
 */
import { type DatedSegment, type RetentionDecision, storageFailure } from "../../storage/mod.ts";
import type { Partition } from "../owned/partition.ts";

/** Segments whose timestamps are read in one step: each takes about 0.1 ms when its files are in the page cache. */
const LEARNED_PER_STEP = 4;
/** Most segments whose indexes are loaded at a time. */
const LOADED_MAX = 32;

/**
 * Reads files into the page cache on another thread; `done` runs on a later turn, also when the disk refuses.
 * @param tails files of which only the end is read
 */
export type LoadFiles = (files: readonly string[], done: () => void, tails?: readonly string[]) => void;

/** What a pass calls. */
export interface PassParts {
  /** Decides about a partition; null for one that is left alone. */
  decide(partition: Partition): RetentionDecision | null;
  /** Carries out, or notes, what was decided. */
  act(partition: Partition, decision: RetentionDecision): void;
  readonly load: LoadFiles;
  /** The disk refuses something; a sentence for the operator. */
  onTrouble(slot: number, text: string): void;
}

/** One pass. */
export class RetentionPass {
  readonly #partitions: ReadonlyMap<number, Partition>;
  readonly #left: Iterator<Partition>;
  readonly #parts: PassParts;
  /** The partition that is looked at. */
  #current: Partition | null = null;
  /** Its segments whose files are loaded, and whose timestamps are read next. */
  #loaded: DatedSegment[] = [];
  /** How many segments the next load covers; it doubles while a partition needs more. */
  #ahead = 1;
  #isLoading = false;
  #isDone = false;

  /** @param partitions of the shard, by slot; it may change during the pass */
  constructor(partitions: ReadonlyMap<number, Partition>, parts: PassParts) {
    this.#partitions = partitions;
    this.#left = partitions.values();
    this.#parts = parts;
  }

  /** Whether all partitions were looked at. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Whether it has to wait for another thread. */
  get isLoading(): boolean {
    return this.#isLoading;
  }

  /** Continues. @param mayContinue asked after each step */
  run(mayContinue: () => boolean): void {
    do this.#step(); while (!this.#isDone && !this.#isLoading && mayContinue());
  }

  #step(): void {
    if (this.#isDone || this.#isLoading) return;
    const partition = this.#current ?? this.#next();
    if (partition === null) return;
    // It may have been closed, removed or handed over since the last turn.
    if (!partition.isOpen || this.#partitions.get(partition.slot) !== partition) return this.#leave();
    if (this.#loaded.length > 0) return this.#learn(partition);
    const decision = this.#parts.decide(partition);
    if (decision !== null && decision.unknownAt >= 0) return this.#load(partition, decision.unknownAt);
    if (decision !== null) this.#parts.act(partition, decision);
    if (decision?.isCut !== true) this.#leave();
  }

  #next(): Partition | null {
    const { value, done } = this.#left.next();
    this.#isDone = done === true;
    return this.#current = this.#isDone ? null : value;
  }

  #leave(): void {
    this.#current = null;
    this.#loaded = [];
    this.#ahead = 1;
  }

  #learn(partition: Partition): void {
    try {
      for (const segment of this.#loaded.splice(0, LEARNED_PER_STEP)) segment.learnRetentionTimestamp();
    } catch (error) {
      // The files are unchanged, and the next pass tries again.
      this.#parts.onTrouble(partition.slot, `Cannot read how old segments are: ${storageFailure(error)}`);
      this.#leave();
    }
  }

  #load(partition: Partition, from: number): void {
    const { segments } = partition.log.retained(partition.highWatermark);
    const unknown = segments.slice(from, from + this.#ahead).filter((segment) =>
      segment.knownRetentionTimestamp === null
    );
    this.#ahead = Math.min(LOADED_MAX, 2 * this.#ahead);
    this.#isLoading = true;
    const indexes = unknown.flatMap((segment) => [segment.path(".index"), segment.path(".timeindex")]);
    const loaded = () => {
      this.#isLoading = false;
      this.#loaded = unknown;
    };
    // An index is compared with the batch that it names, and the largest timestamp is usually that of one of the last batches.
    this.#parts.load(indexes, loaded, unknown.map((segment) => segment.path(".log")));
  }
}
