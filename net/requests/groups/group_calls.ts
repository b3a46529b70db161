/**
 * Requests to group coordinators: a group is coordinated on the shard that owns its partition of `__consumer_offsets`. That of this
 * shard is called, those of others are asked through the rings. Runs on shards; the coordinator's side is group_service.ts.
 *
 *   call(shard, request) ── own ────► GroupCoordination.handle()
 *            │              other
 *            ▼
 *   encode into a parcel ─ groupCall ─► decode, handle ─► (groupTaken: the parcel is free again)
 *   decode the answer ◄── groupAnswer ── encode into a parcel   … at once or minutes later
 *            └─────────── groupRelease ─► (the answer's parcel is free again)
 *
 * Always: every call is answered once, also when the connection that sent it has gone; a call that waits for its answer holds no memory
 * of an arena; calls to one shard arrive in their order.
 */
import type { GroupCoordination } from "../../../partitions/coordinators/groups/group_coordinator.ts";
import type {
  GroupApiKey,
  GroupRequest,
  GroupResponse,
} from "../../../partitions/coordinators/groups/group_requests.ts";
import type { GroupClient } from "../../../partitions/coordinators/runtime/ports.ts";
import {
  type Arena,
  BLOCK_BYTES_MAX,
  groupMessages,
  message,
  type MetadataImage,
  OFFSETS_TOPIC,
  offsetsPartitionOf,
  Operations,
  type Outbox,
  type RingRecord,
} from "../../../partitions/mod.ts";
import { assert } from "../../../storage/base/assert.ts";
import type { NativeMemory } from "../../../storage/mod.ts";
import { type ParcelPlace, Parcels } from "./parcels.ts";
import type { Message } from "../../protocol/schema.ts";
import { Reader } from "../../protocol/reader.ts";
import { EncodeError, Writer } from "../../protocol/writer.ts";

/** What both sides are built from. */
export interface GroupPost {
  readonly shard: number;
  readonly coordinator: GroupCoordination;
  /** This shard's arena. */
  readonly arena: Arena;
  /** The way to each shard, by number. */
  readonly outboxes: readonly Outbox[];
  /** The arena of each shard. */
  readonly arenas: readonly NativeMemory[];
}

/** A request and whom it goes to. */
export interface GroupCall<Key extends GroupApiKey> {
  /** From `ownerOf()`. */
  readonly shard: number;
  readonly apiKey: Key;
  readonly request: GroupRequest<Key>;
  readonly client: GroupClient;
}

/** Takes the answer; null when the protocol cannot carry the request or its answer to the other shard. */
export type GroupDone<Key extends GroupApiKey> = (response: GroupResponse<Key> | null) => void;

interface Waiter {
  readonly response: Message;
  readonly apiVersion: number;
  readonly done: (response: never) => void;
}

/** The asking side. */
export class GroupCalls {
  readonly #post: GroupPost;
  readonly #image: MetadataImage;
  readonly #parcels: Parcels;
  readonly #operations = new Operations<Waiter>();
  readonly #writer = new Writer();
  readonly #reader: Reader;

  /** @param image tells where groups are */
  constructor(post: GroupPost, image: MetadataImage) {
    this.#post = post;
    this.#image = image;
    this.#parcels = new Parcels(post.arena, { inOrder: true });
    this.#reader = new Reader((post.arenas[post.shard] as NativeMemory).bytes);
  }

  /** Calls that wait for another shard's answer. */
  get inFlight(): number {
    return this.#operations.count;
  }

  /** Numbers of all shards. */
  get shards(): number[] {
    return [...this.#post.arenas.keys()];
  }

  /** The shard whose coordinator to ask; this one, which refuses, as long as nobody coordinates the group. */
  ownerOf(groupId: string): number {
    const partitions = this.#image.topic(OFFSETS_TOPIC)?.partitions ?? [];
    if (partitions.length === 0) return this.#post.shard;
    return partitions[offsetsPartitionOf(groupId, partitions.length)]?.shard ?? this.#post.shard;
  }

  /** Asks a coordinator. @param done runs once, at once or on a later turn, unless the shard stops first */
  call<Key extends GroupApiKey>(call: GroupCall<Key>, done: GroupDone<Key>): void {
    const { shard, apiKey, request, client } = call;
    if (shard === this.#post.shard) return this.#post.coordinator.handle(apiKey, request, client, done);
    const messages = groupMessagesOf(apiKey);
    const { apiVersion } = client;
    const writer = this.#writer;
    const ok = encodeWhole(writer, () => {
      writer.string(client.clientId);
      writer.string(client.clientHost);
      messages.request.encode(writer, apiVersion, request);
    });
    if (!ok) return done(null);
    const operation = this.#operations.add({ response: messages.response, apiVersion, done }, 0);
    this.#parcels.post(writer.bytes, writer.position, (place) => this.#send(call, operation, place));
  }

  /** Sends requests that waited for room. */
  postWaiting(): void {
    this.#parcels.postWaiting();
  }

  /** Takes a ring record of another shard. @returns false when it is none of the asking side's */
  receive(sender: number, { ints, int }: RingRecord): boolean {
    switch (ints[int]) {
      case message.kind.groupTaken:
        this.#parcels.release(ints[int + message.groupTaken.block] as number);
        return true;
      case message.kind.groupAnswer: {
        const at = message.groupAnswer;
        const place = {
          block: ints[int + at.block] as number,
          start: ints[int + at.start] as number,
          length: ints[int + at.length] as number,
        };
        this.#onAnswer(sender, ints[int + at.operation] as number, place);
        return true;
      }
      default:
        return false;
    }
  }

  #send({ shard, apiKey, client }: GroupCall<GroupApiKey>, operation: number, place: ParcelPlace): void {
    const outbox = this.#post.outboxes[shard];
    assert(outbox !== undefined, "every shard has an outbox");
    const { ints, int } = outbox.begin(message.kind.groupCall);
    ints[int + message.groupCall.operation] = operation;
    ints[int + message.groupCall.apiKey] = apiKey;
    ints[int + message.groupCall.apiVersion] = client.apiVersion;
    ints[int + message.groupCall.block] = place.block;
    ints[int + message.groupCall.start] = place.start;
    ints[int + message.groupCall.length] = place.length;
    outbox.commit();
  }

  #onAnswer(sender: number, operation: number, { block, start, length }: ParcelPlace): void {
    const { response, apiVersion, done } = this.#operations.take(operation);
    if (length < 0) return done(null as never);
    const reader = this.#reader;
    reader.reset((this.#post.arenas[sender] as NativeMemory).bytes, start, start + length);
    const answer = response.decode(reader, apiVersion);
    const { failure } = reader;
    const outbox = this.#post.outboxes[sender] as Outbox;
    const { ints, int } = outbox.begin(message.kind.groupRelease);
    ints[int + message.groupRelease.block] = block;
    outbox.commit();
    done((failure === null ? answer : null) as never);
  }
}

/** The messages of a group's API, whichever it is. */
export function groupMessagesOf(apiKey: GroupApiKey): { readonly request: Message; readonly response: Message } {
  return groupMessages[apiKey];
}

/** Encodes what has to travel as a whole. @returns false when the protocol, or a block, cannot carry it */
export function encodeWhole(writer: Writer, encode: () => void): boolean {
  writer.reset();
  try {
    encode();
  } catch (error) {
    if (!(error instanceof EncodeError)) throw error;
    return false;
  }
  return writer.position <= BLOCK_BYTES_MAX;
}
