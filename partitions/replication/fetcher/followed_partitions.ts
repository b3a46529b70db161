/**
 * The partitions of a shard that follow other brokers, as their owner tells of them. What fetches them is loaded by a broker that is one of
 * several, before it opens its logs; without it nothing happens here. Runs on the owning shard.
 */
import type { PartitionImage, TopicImage } from "../../metadata/image.ts";
import type { FetchedPartition } from "./followed_replica.ts";
import type { Fetchers } from "./fetchers.ts";

/** The partitions. */
export class FollowedPartitions {
  #fetchers: Fetchers | null = null;

  /** Fetches them from now on; called before the first partition is opened. */
  use(fetchers: Fetchers): void {
    this.#fetchers = fetchers;
  }

  /** When `run()` is due, monotonic ms. */
  get nextDeadlineMs(): number {
    return this.#fetchers?.nextDeadlineMs ?? Infinity;
  }

  /** Does what is due; called every turn. @param nowMs monotonic time */
  run(nowMs: number): void {
    this.#fetchers?.run(nowMs);
  }

  /** The row of a partition has been applied to it. */
  onRow(topic: TopicImage, place: PartitionImage, partition: FetchedPartition): void {
    this.#fetchers?.onRow(topic, place, partition);
  }

  /** A partition is not open here any more. */
  onGone(slot: number): void {
    this.#fetchers?.onGone(slot);
  }

  /** The brokers of the image are others. */
  onBrokers(): void {
    this.#fetchers?.onBrokers();
  }
}
