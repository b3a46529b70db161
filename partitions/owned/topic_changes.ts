/**
 * Applies changes of topics to a shard's partitions, a few partitions a turn: other partitions are served while a topic of 10,000
 * partitions is created or deleted. Runs on shards.
 *
 * Always: changes and the partitions of each topic are applied in order. A change is done once all its partitions are. Until then requests
 * for a new partition find none, as on a broker that does not know the topic yet; a Produce waits (net/requests/produce/topic_waits.ts).
 */
import type { PartitionFailure, PartitionImage, TopicImage } from "../metadata/image.ts";

/**
 * Most partitions per turn: opening a new one takes up to 0.7 ms, removing one 0.1 ms (bench/compare.ts, footprint). On a slow disk the
 * time of the turn ends it earlier.
 */
const PARTITIONS_PER_TURN = 8;

/** A change of the image, as it concerns partitions. */
export interface TopicChange {
  /** New and changed topics, after the change. */
  readonly changed: readonly TopicImage[];
  /** Deleted topics as they were before, and topics that lost partitions, with those. */
  readonly deleted: readonly TopicImage[];
}

/** Applies a change to one partition. @param failures gets what the disk refused */
export type PartitionStep = (topic: TopicImage, place: PartitionImage, failures: PartitionFailure[]) => void;

interface Queued {
  readonly steps: Iterator<void>;
  readonly failures: PartitionFailure[];
  readonly done: (failures: readonly PartitionFailure[]) => void;
}

/** The pending changes of one shard. */
export class TopicChanges {
  readonly #shard: number;
  readonly #apply: PartitionStep;
  readonly #remove: PartitionStep;
  readonly #queue: Queued[] = [];

  /** @param by opens or updates a partition, and removes one */
  constructor(shard: number, by: { apply: PartitionStep; remove: PartitionStep }) {
    this.#shard = shard;
    this.#apply = by.apply;
    this.#remove = by.remove;
  }

  /** Whether no change is pending. */
  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  /** Adds a change. @param done called on a later turn, with what the disk refused */
  add(change: TopicChange, done: Queued["done"]): void {
    const failures: PartitionFailure[] = [];
    this.#queue.push({ steps: this.#stepsOf(change, failures), failures, done });
  }

  /** Applies one turn's partitions. @param mayContinue asked after each of them */
  run(mayContinue: () => boolean): void {
    this.#run(PARTITIONS_PER_TURN, mayContinue);
  }

  /** Applies all pending changes; called while no requests are served. */
  finish(): void {
    this.#run(Infinity, () => true);
  }

  #run(partitionsMax: number, mayContinue: () => boolean): void {
    let left = partitionsMax;
    for (let queued = this.#queue[0]; queued !== undefined; queued = this.#queue[0]) {
      while (queued.steps.next().done !== true) if (--left === 0 || !mayContinue()) return;
      this.#queue.shift();
      queued.done(queued.failures);
    }
  }

  *#stepsOf({ changed, deleted }: TopicChange, failures: PartitionFailure[]): Generator<void, void> {
    for (const [topics, step] of [[deleted, this.#remove], [changed, this.#apply]] as const) {
      for (const topic of topics) {
        for (const place of topic.partitions) {
          if (place.shard !== this.#shard) continue;
          step(topic, place, failures);
          yield;
        }
      }
    }
  }
}
