/**
 * How long the fetches of followers wait when this broker has just begun to lead partitions. A follower has one fetch under way; while that
 * waits for what other partitions get, the follower cannot ask for those that it follows from now on, and nothing is committed there. So
 * fetches that wait are answered when a leadership begins, and the next ones wait only briefly: the follower may learn later than this
 * broker who leads. Runs on shards, for the connections of each.
 *
 * Without it, acks=all took up to `replica.fetch.wait.max.ms` longer after an election (as in Kafka).
 */
import type { MetadataImage, TopicImage } from "../../../partitions/metadata/image.ts";

/** A fetch that waits. */
export interface WaitingFetch {
  /** It is answered now, with what there is. */
  onExpired(): void;
}

/** So long after a leadership has begun, all followers know it. */
const SETTLED_MS = 1000;
/** What a fetch waits meanwhile: some hundred requests of a follower in all. */
const WAIT_MS_MAX = 10;

/** The leaderships that have begun, as one shard knows it. */
export class NewLeaderships {
  readonly #waiting = new Set<WaitingFetch>();
  #settledAtMs = -Infinity;

  /** Leaderships begin. @param nowMs monotonic time */
  begin(nowMs: number): void {
    this.#settledAtMs = nowMs + SETTLED_MS;
    for (const fetch of [...this.#waiting]) fetch.onExpired();
  }

  /** How long a fetch of a follower waits. @param maxWaitMs as it asks for */
  waitMsOf(maxWaitMs: number, nowMs: number): number {
    return nowMs < this.#settledAtMs ? Math.min(maxWaitMs, WAIT_MS_MAX) : maxWaitMs;
  }

  /** A fetch of a follower waits from now on. */
  add(fetch: WaitingFetch): void {
    this.#waiting.add(fetch);
  }

  /** It does not wait any more. */
  delete(fetch: WaitingFetch): void {
    this.#waiting.delete(fetch);
  }
}

/** Whether a change of the image makes a broker the leader of a partition that others follow. @param image before the change */
export function beginsLeadership(changed: readonly TopicImage[], image: MetadataImage, nodeId: number): boolean {
  return changed.some(({ id, partitions }) => {
    const before = image.topicById(id)?.partitions;
    return partitions.some(({ partition, leader, leaderEpoch, replication }) => {
      if (leader !== nodeId || replication === undefined) return false;
      return before?.[partition]?.leaderEpoch !== leaderEpoch;
    });
  });
}
