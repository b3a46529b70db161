/**
 * What the reactor of a shard does for groups in each of its turns: mail of other shards, timers and loading, commits that are written
 * at the turn's end, and parcels that waited for room. Runs on shards.
 */
import type { GroupCoordination } from "../../../partitions/coordinators/groups/group_coordinator.ts";
import type { MetadataImage, RingRecord } from "../../../partitions/mod.ts";
import type { TopicChange } from "../../../partitions/owned/topic_changes.ts";
import { GroupCalls, type GroupPost } from "./group_calls.ts";
import { GroupService } from "./group_service.ts";

/** Groups as the reactor sees them. */
export interface GroupTurns {
  /** When `expire()` has something to do, monotonic ms. */
  readonly nextDeadlineMs: number;
  /** Runs what is due; every turn. @param nowMs monotonic */
  expire(nowMs: number): void;
  /** Whether `settle()` has something to write. */
  readonly isUnsettled: boolean;
  /** Writes what the requests of this turn gathered. */
  settle(): void;
  /** Sends what waited for room, now that this turn gave its memory back. */
  postWaiting(): void;
  /** Takes a ring record. @returns false when it is none of groups' */
  receive(sender: number, record: RingRecord): boolean;
}

/** The groups of one shard. */
export class ShardGroups implements GroupTurns {
  /** The way to all coordinators. */
  readonly calls: GroupCalls;
  readonly #service: GroupService;
  readonly #coordinator: GroupCoordination;

  /** @param post this shard's coordinator and the ways to the others @param image tells where groups are */
  constructor(post: GroupPost, image: MetadataImage) {
    this.#coordinator = post.coordinator;
    this.calls = new GroupCalls(post, image);
    this.#service = new GroupService(post);
  }

  get nextDeadlineMs(): number {
    return this.#coordinator.nextDeadlineMs;
  }

  get isUnsettled(): boolean {
    return this.#coordinator.isUnsettled;
  }

  expire(nowMs: number): void {
    this.#coordinator.expire(nowMs);
  }

  settle(): void {
    if (this.#coordinator.isUnsettled) this.#coordinator.settle();
  }

  postWaiting(): void {
    this.calls.postWaiting();
    this.#service.postWaiting();
  }

  receive(sender: number, record: RingRecord): boolean {
    return this.calls.receive(sender, record) || this.#service.receive(sender, record);
  }

  /** The image changed, and the shard's partitions with it. */
  onImage(change: TopicChange): void {
    this.#coordinator.onImage(change);
  }

  /** The shard serves nobody any more: who waits for a rebalance is let go, here and on the shards that asked for somebody. */
  drain(): void {
    this.#coordinator.dispose();
  }
}
