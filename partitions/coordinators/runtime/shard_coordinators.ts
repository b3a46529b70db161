/**
 * The coordinators as one shard sees them: its own is called, those of other shards are asked through rings and parcels; and what the
 * reactor does for its own in each of its turns. Runs on shards.
 *
 * A key (a group id) belongs to a partition of the coordinator's internal topic, and the shard that leads the partition coordinates it.
 */
import type { MetadataImage } from "../../metadata/image.ts";
import type { TopicChange } from "../../owned/topic_changes.ts";
import type { RingRecord } from "../../shared/ring.ts";
import { partitionOfKey } from "../key_partition.ts";
import type { Coordinator, CoordinatorApis, RequestHandler } from "./coordinator.ts";
import { CoordinatorService } from "./coordinator_service.ts";
import { type MessagesOf, type NotCarried, RemoteCoordinators, type ShardLinks } from "./remote_coordinators.ts";

/** Coordinators as the reactor sees them. */
export interface CoordinatorTurns {
  /** When `runTurn()` has something to do, monotonic ms. */
  readonly nextDeadlineMs: number;
  /** Runs what is due; every turn. @param nowMs monotonic */
  runTurn(nowMs: number): void;
  /** Whether `writeGathered()` has something to write. */
  readonly hasGathered: boolean;
  /** Writes what requests gathered. @param mayContinue whether there is time for another partition */
  writeGathered(mayContinue: () => boolean): void;
  /** Sends what waited for room, now that this turn gave its memory back. */
  sendWaiting(): void;
  /** Takes a ring record. @returns false when it is none of coordinators' */
  receive(sender: number, record: RingRecord): boolean;
}

/** Coordinators as handlers see them. */
export interface CoordinatorAccess<Apis extends CoordinatorApis<Apis>> {
  /** Numbers of all shards. */
  readonly shards: readonly number[];
  /**
   * The shard whose coordinator to ask; this one, which refuses, as long as nobody coordinates the key.
   * @param topic that the coordinator keeps its state in
   */
  ownerOf(topic: string, key: string): number;
  /** The coordinator of a shard, this one or another. Never answers twice, and not at all if a shard stops first. */
  at(shard: number): RequestHandler<Apis, NotCarried>;
}

/** What it is built from. */
export interface ShardCoordinatorsParts<Apis extends CoordinatorApis<Apis>> extends ShardLinks {
  /** This shard's own. */
  readonly coordinator: Coordinator<Apis>;
  /** The messages of its APIs. */
  readonly messages: MessagesOf<Apis>;
  /** Tells which shard leads a partition. */
  readonly image: MetadataImage;
}

/** The coordinators. */
export class ShardCoordinators<Apis extends CoordinatorApis<Apis>>
  implements CoordinatorTurns, CoordinatorAccess<Apis> {
  readonly shards: readonly number[];
  readonly #shard: number;
  readonly #image: MetadataImage;
  readonly #own: Coordinator<Apis>;
  readonly #remote: RemoteCoordinators<Apis>;
  readonly #service: CoordinatorService<Apis>;
  readonly #handlers: readonly RequestHandler<Apis, NotCarried>[];

  /** @param parts this shard's coordinator and the ways to the others */
  constructor(parts: ShardCoordinatorsParts<Apis>) {
    const { shard, coordinator, messages } = parts;
    this.#shard = shard;
    this.#image = parts.image;
    this.#own = coordinator;
    this.#remote = new RemoteCoordinators(parts, messages);
    this.#service = new CoordinatorService(coordinator, parts, messages);
    this.shards = [...parts.arenas.keys()];
    this.#handlers = this.shards.map((other) => other === shard ? coordinator : this.#remote.at(other));
  }

  /** Requests that wait for another shard's answer. */
  get inFlight(): number {
    return this.#remote.inFlight;
  }

  ownerOf(topic: string, key: string): number {
    const partitions = this.#image.topic(topic)?.partitions ?? [];
    if (partitions.length === 0) return this.#shard;
    return partitions[partitionOfKey(key, partitions.length)]?.shard ?? this.#shard;
  }

  at(shard: number): RequestHandler<Apis, NotCarried> {
    return this.#handlers[shard] as RequestHandler<Apis, NotCarried>;
  }

  get nextDeadlineMs(): number {
    return this.#own.nextDeadlineMs;
  }

  get hasGathered(): boolean {
    return this.#own.hasGathered;
  }

  runTurn(nowMs: number): void {
    this.#own.runTurn(nowMs);
  }

  writeGathered(mayContinue: () => boolean): void {
    if (this.#own.hasGathered) this.#own.writeGathered(mayContinue);
  }

  sendWaiting(): void {
    this.#remote.sendWaiting();
    this.#service.sendWaiting();
  }

  receive(sender: number, record: RingRecord): boolean {
    return this.#remote.receive(sender, record) || this.#service.receive(sender, record);
  }

  /** The image changed, and the shard's partitions with it. */
  onImage(change: TopicChange): void {
    this.#own.onImage(change);
  }

  /** The shard serves nobody any more: who waits is let go, here and on the shards that asked for somebody. */
  drain(): void {
    this.#own.dispose();
  }
}
