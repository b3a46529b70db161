/**
 * Changes of topics on their way to a shard's partitions, a few partitions a turn: a topic of 10,000 partitions is created or deleted
 * while others are served. Runs on shards.
 *
 * Always: changes happen in their order, each topic's partitions too; a change is done once all its partitions are. Until then requests for
 * a new partition are told that there is none, as on any other broker that has not heard of it; a Produce waits (net/requests/produce/topic_waits.ts).
 */
import type { PartitionImage, TopicImage } from "../metadata/image.ts";

/** Partitions in a turn: opening a new one takes up to 0.7 ms, removing one 0.1 ms (bench/compare.ts, footprint). */
const PARTITIONS_PER_TURN = 8;

/** What the image's change means for partitions. */
export interface TopicChange {
  /** New and changed topics, as they are now. */
  readonly changed: readonly TopicImage[];
  /** Topics that are gone, as they were. */
  readonly deleted: readonly TopicImage[];
}

/** What is done to one partition. @param failures gets a sentence when the disk refuses */
export type PartitionStep = (topic: TopicImage, place: PartitionImage, failures: string[]) => void;

interface Queued {
  readonly steps: Iterator<void>;
  readonly failures: string[];
  readonly done: (failures: readonly string[]) => void;
}

/** The changes of one shard. */
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

  /** Whether nothing is left to do. */
  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  /** Adds a change. @param done gets what the disk refused, on a later turn */
  add(change: TopicChange, done: Queued["done"]): void {
    const failures: string[] = [];
    this.#queue.push({ steps: this.#stepsOf(change, failures), failures, done });
  }

  /** Does a turn's share. */
  run(): void {
    this.#run(PARTITIONS_PER_TURN);
  }

  /** Does all that is left: nobody is served any more, or yet. */
  finish(): void {
    this.#run(Infinity);
  }

  #run(partitionsMax: number): void {
    let left = partitionsMax;
    for (let queued = this.#queue[0]; queued !== undefined; queued = this.#queue[0]) {
      for (; left > 0; left--) if (queued.steps.next().done === true) break;
      if (left === 0) return;
      this.#queue.shift();
      queued.done(queued.failures);
    }
  }

  *#stepsOf({ changed, deleted }: TopicChange, failures: string[]): Generator<void, void> {
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
