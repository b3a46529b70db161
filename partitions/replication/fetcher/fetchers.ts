/**
 * What a shard follows, and from whom: a fetcher for each broker that leads a partition of which this shard has the replica. Runs on shards.
 *
 *   row names another leader, or another epoch ─► the old fetcher lets go ─► the follower's state begins anew ─► the new fetcher gets it
 *   row names this broker or none, the replica is gone, offline or handed over ─► the old fetcher lets go
 *
 * Must always hold: a partition has at most one fetcher, and is asked for in the leader epoch that its replica knows (KAFKA-13266).
 * Source: Kafka's ReplicaFetcherManager.
 */
import type { NativeMemory } from "../../../storage/mod.ts";
import { type PartitionImage, type TopicImage } from "../../metadata/image.ts";
import { type FetchedPartition, FollowedReplica, type ReplicaSurroundings } from "./followed_replica.ts";
import { FetcherRequests, type FetchSettings } from "./fetcher_requests.ts";
import { LeaderFetcher, type LinkOwner } from "./leader_fetcher.ts";

/** Settings by Kafka's names (partitions/config/broker). */
export interface FetcherSettings extends FetchSettings {
  /** `replica.fetch.backoff.ms` */
  readonly backoffMs: number;
  /** `replica.socket.timeout.ms` */
  readonly socketTimeoutMs: number;
}

/** What the fetchers of a shard have around them. */
export interface FetchersParts extends Omit<ReplicaSurroundings, "backoffMs"> {
  readonly settings: FetcherSettings;
  /** Memory of the arena, where the answers lie. */
  readonly memory: NativeMemory;
  /** Monotonic time in ms. */
  nowMs(): number;
  /** Epoch of this process's registration, -1 while it has none. */
  brokerEpoch(): number;
  /** Where other brokers reach one, as text; null while it is not known. */
  endpointOf(broker: number): string | null;
  /** Begins to connect. @returns ends that, or null when the broker cannot be reached now */
  connect(broker: number, owner: LinkOwner): (() => void) | null;
}

interface Fetcher {
  readonly fetcher: LeaderFetcher;
  endpoint: string | null;
}

interface Followed {
  readonly replica: FollowedReplica;
  readonly leader: number;
  readonly leaderEpoch: number;
}

/** The fetchers of one shard. */
export class Fetchers {
  readonly #parts: FetchersParts;
  readonly #around: ReplicaSurroundings;
  readonly #byLeader = new Map<number, Fetcher>();
  readonly #bySlot = new Map<number, Followed>();
  #isStopped = false;

  /** @param parts of the shard */
  constructor(parts: FetchersParts) {
    this.#parts = parts;
    this.#around = {
      backoffMs: parts.settings.backoffMs,
      wallMs: () => parts.wallMs(),
      onFetched: (bytes) => parts.onFetched(bytes),
      abortCleaning: (slot) => parts.abortCleaning(slot),
      report: (text) => parts.report(text),
    };
  }

  /** Partitions that are followed. */
  get count(): number {
    return this.#bySlot.size;
  }

  /** When `run()` is due, monotonic ms. */
  get nextDeadlineMs(): number {
    let next = Infinity;
    for (const { fetcher } of this.#byLeader.values()) next = Math.min(next, fetcher.nextDeadlineMs);
    return next;
  }

  /** The row of a partition of this shard has been applied to it. */
  onRow(topic: TopicImage, place: PartitionImage, partition: FetchedPartition): void {
    const { leader, leaderEpoch, replicas, slot } = place;
    const last = this.#bySlot.get(slot);
    const { nodeId } = this.#parts.settings;
    const isFollowed = leader >= 0 && leader !== nodeId && replicas.includes(nodeId) && partition.isOpen;
    if (!isFollowed || this.#isStopped) return this.onGone(slot);
    const isSame = last?.replica.partition === partition;
    if (isSame && last.leader === leader && last.leaderEpoch === leaderEpoch) return;
    this.#letGo(slot);
    const name = { topicId: topic.id, topicName: topic.name, partition: place.partition };
    const replica = isSame ? last.replica : new FollowedReplica(name, partition, this.#around);
    replica.follow({ leader, leaderEpoch });
    this.#bySlot.set(slot, { replica, leader, leaderEpoch });
    this.#fetcherOf(leader).fetcher.add(replica);
  }

  /** The partition is not followed any more: it is led, closed, handed over or removed. */
  onGone(slot: number): void {
    const { replica } = this.#bySlot.get(slot) ?? {};
    this.#letGo(slot);
    replica?.stop();
    this.#bySlot.delete(slot);
  }

  /** The brokers of the image are others: who has another address is connected anew. */
  onBrokers(): void {
    for (const [leader, entry] of this.#byLeader) {
      const endpoint = this.#parts.endpointOf(leader);
      if (endpoint === entry.endpoint) continue;
      entry.endpoint = endpoint;
      entry.fetcher.close();
    }
  }

  /** Does what is due; called every turn. @param nowMs monotonic time */
  run(nowMs: number): void {
    for (const [leader, { fetcher }] of this.#byLeader) {
      fetcher.run(nowMs);
      if (fetcher.isEmpty) this.#byLeader.delete(leader);
    }
  }

  /** Ends all connections, and follows nothing any more. Idempotent. */
  stop(): void {
    this.#isStopped = true;
    for (const slot of [...this.#bySlot.keys()]) this.onGone(slot);
    this.run(this.#parts.nowMs());
  }

  #letGo(slot: number): void {
    const followed = this.#bySlot.get(slot);
    if (followed !== undefined) this.#byLeader.get(followed.leader)?.fetcher.remove(followed.replica);
  }

  #fetcherOf(leader: number): Fetcher {
    const known = this.#byLeader.get(leader);
    if (known !== undefined) return known;
    const { settings, memory } = this.#parts;
    const fetcher = new LeaderFetcher({
      leader,
      memory,
      requests: new FetcherRequests(settings, () => this.#parts.brokerEpoch()),
      backoffMs: settings.backoffMs,
      answerMsMax: settings.socketTimeoutMs,
      nowMs: () => this.#parts.nowMs(),
      connect: (owner) => this.#parts.connect(leader, owner),
    });
    const entry = { fetcher, endpoint: this.#parts.endpointOf(leader) };
    this.#byLeader.set(leader, entry);
    return entry;
  }
}
