/**
 * One shard's access to all coordinators: its own is called, those of other shards are asked through rings and parcels. It also gives
 * its own coordinator its share of each turn of the reactor. Runs on shards.
 *
 * A key (a group id) belongs to a partition of the coordinator's internal topic. The broker that leads the partition coordinates it, on the
 * shard that owns it.
 */
import { isHere, type MetadataImage } from "../../metadata/image.ts";
import type { TopicChange } from "../../owned/topic_changes.ts";
import type { RingRecord } from "../../shared/ring.ts";
import { partitionOfKey } from "../key_partition.ts";
import type { Coordinator, CoordinatorApis, RequestHandler } from "./coordinator.ts";
import { CoordinatorService } from "./coordinator_service.ts";
import { type MessagesOf, type NotCarried, RemoteCoordinators, type ShardLinks } from "./remote_coordinators.ts";

/** The reactor's interface to the coordinators. */
export interface CoordinatorTurns {
  /** When `runTurn()` has something to do, monotonic ms. */
  readonly nextDeadlineMs: number;
  /** Runs due timers and unfinished work. Called every turn. @param nowMs monotonic time */
  runTurn(nowMs: number): void;
  /** Whether `writeGathered()` has something to write. */
  readonly hasGathered: boolean;
  /** Writes the records that requests gathered. @param mayContinue whether there is time for another partition */
  writeGathered(mayContinue: () => boolean): void;
  /** Sends messages that waited for room, after this turn released memory. */
  sendWaiting(): void;
  /** Takes a ring record. @returns false when the record is not for coordinators */
  receive(sender: number, record: RingRecord): boolean;
}

/** The handlers' interface to the coordinators. */
export interface CoordinatorAccess<Apis extends CoordinatorApis<Apis>> {
  /** Numbers of all shards. */
  readonly shards: readonly number[];
  /**
   * Finds the shard whose coordinator to ask. While no shard of this broker coordinates the key it is this shard, which then refuses.
   * @param topic in which the coordinator keeps its state
   */
  ownerOf(topic: string, key: string): number;
  /** Returns the coordinator of a shard, this one or another. It never answers twice, and not at all if a shard stops first. */
  at(shard: number): RequestHandler<Apis, NotCarried>;
}

/** What ShardCoordinators is built from. */
export interface ShardCoordinatorsParts<Apis extends CoordinatorApis<Apis>> extends ShardLinks {
  /** This shard's own coordinator. */
  readonly coordinator: Coordinator<Apis>;
  /** The messages of its APIs. */
  readonly messages: MessagesOf<Apis>;
  /** Tells which broker leads a partition, and which shard of this one. */
  readonly image: MetadataImage;
  /** Id of this broker. */
  readonly nodeId: number;
}

/** The coordinators of all shards, seen from one of them. */
export class ShardCoordinators<Apis extends CoordinatorApis<Apis>>
  implements CoordinatorTurns, CoordinatorAccess<Apis> {
  readonly shards: readonly number[];
  readonly #shard: number;
  readonly #nodeId: number;
  readonly #image: MetadataImage;
  readonly #own: Coordinator<Apis>;
  readonly #remote: RemoteCoordinators<Apis>;
  readonly #service: CoordinatorService<Apis>;
  readonly #handlers: readonly RequestHandler<Apis, NotCarried>[];

  /** @param parts this shard's coordinator and the ways to the others */
  constructor(parts: ShardCoordinatorsParts<Apis>) {
    const { shard, coordinator, messages } = parts;
    this.#shard = shard;
    this.#nodeId = parts.nodeId;
    this.#image = parts.image;
    this.#own = coordinator;
    this.#remote = new RemoteCoordinators(parts, messages);
    this.#service = new CoordinatorService(coordinator, parts, messages);
    this.shards = [...parts.arenas.keys()];
    this.#handlers = this.shards.map((other) => other === shard ? coordinator : this.#remote.at(other));
  }

  /** How many requests wait for another shard's answer. */
  get inFlight(): number {
    return this.#remote.inFlight;
  }

  ownerOf(topic: string, key: string): number {
    const partitions = this.#image.topic(topic)?.partitions ?? [];
    if (partitions.length === 0) return this.#shard;
    const place = partitions[partitionOfKey(key, partitions.length)];
    return place !== undefined && isHere(place) && place.leader === this.#nodeId ? place.shard : this.#shard;
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

  /** The image changed, and the shard's partitions were updated with it. */
  onImage(change: TopicChange): void {
    this.#own.onImage(change);
  }

  /** The shard stops serving: all waiting requests are answered, those of other shards too. */
  drain(): void {
    this.#own.dispose();
  }
}
