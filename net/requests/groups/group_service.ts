/**
 * The coordinator's side of group requests from other shards: reads them from the sender's arena, lets this shard's coordinator handle
 * them, and sends the answers. Runs on shards; the asking side, and how both play together, is group_calls.ts.
 */
import type { GroupApiKey, GroupRequest } from "../../../partitions/coordinators/groups/group_requests.ts";
import { message, type Outbox, type RingRecord } from "../../../partitions/mod.ts";
import { assert } from "../../../storage/base/assert.ts";
import type { NativeMemory } from "../../../storage/mod.ts";
import { encodeWhole, groupMessagesOf, type GroupPost } from "./group_calls.ts";
import { type ParcelPlace, Parcels } from "./parcels.ts";
import type { Message } from "../../protocol/schema.ts";
import { Reader } from "../../protocol/reader.ts";
import { Writer } from "../../protocol/writer.ts";

/** No bytes: the protocol cannot carry the answer. */
const NO_PLACE: ParcelPlace = { block: 0, start: 0, length: -1 };

/** Whom to answer. */
interface Asker {
  readonly shard: number;
  readonly operation: number;
  readonly response: Message;
  readonly apiVersion: number;
}

/** The answering side. */
export class GroupService {
  readonly #post: GroupPost;
  readonly #parcels: Parcels;
  readonly #reader: Reader;
  readonly #writer = new Writer();

  /** @param post what both sides share */
  constructor(post: GroupPost) {
    this.#post = post;
    // Who asked puts answers into order; a large one that waits for room must not keep heartbeats waiting.
    this.#parcels = new Parcels(post.arena, { inOrder: false });
    this.#reader = new Reader((post.arenas[post.shard] as NativeMemory).bytes);
  }

  /** Sends answers that waited for room. */
  postWaiting(): void {
    this.#parcels.postWaiting();
  }

  /** Takes a ring record of another shard. @returns false when it is none of the answering side's */
  receive(sender: number, record: RingRecord): boolean {
    const { ints, int } = record;
    switch (ints[int]) {
      case message.kind.groupCall:
        this.#onCall(sender, record);
        return true;
      case message.kind.groupRelease:
        this.#parcels.release(ints[int + message.groupRelease.block] as number);
        return true;
      default:
        return false;
    }
  }

  #onCall(sender: number, { ints, int }: RingRecord): void {
    const at = message.groupCall;
    const apiKey = ints[int + at.apiKey] as GroupApiKey;
    const apiVersion = ints[int + at.apiVersion] as number;
    const start = ints[int + at.start] as number;
    const messages = groupMessagesOf(apiKey);
    const asker = {
      shard: sender,
      operation: ints[int + at.operation] as number,
      response: messages.response,
      apiVersion,
    };
    const reader = this.#reader;
    reader.reset((this.#post.arenas[sender] as NativeMemory).bytes, start, start + (ints[int + at.length] as number));
    const client = { clientId: reader.string(), clientHost: reader.string(), apiVersion };
    const request = messages.request.decode(reader, apiVersion) as GroupRequest<GroupApiKey>;
    assert(reader.failure === null, "a shard reads what a shard wrote");
    this.#tellTaken(sender, ints[int + at.block] as number);
    this.#post.coordinator.handle(apiKey, request, client, (response) => this.#answer(asker, response));
  }

  #tellTaken(shard: number, block: number): void {
    const outbox = this.#outbox(shard);
    const { ints, int } = outbox.begin(message.kind.groupTaken);
    ints[int + message.groupTaken.block] = block;
    outbox.commit();
  }

  #answer(asker: Asker, response: unknown): void {
    const writer = this.#writer;
    const ok = encodeWhole(writer, () => asker.response.encode(writer, asker.apiVersion, response));
    if (!ok) return this.#send(asker, NO_PLACE);
    this.#parcels.post(writer.bytes, writer.position, (place) => this.#send(asker, place));
  }

  #send({ shard, operation }: Asker, place: ParcelPlace): void {
    const outbox = this.#outbox(shard);
    const { ints, int } = outbox.begin(message.kind.groupAnswer);
    ints[int + message.groupAnswer.operation] = operation;
    ints[int + message.groupAnswer.block] = place.block;
    ints[int + message.groupAnswer.start] = place.start;
    ints[int + message.groupAnswer.length] = place.length;
    outbox.commit();
  }

  #outbox(shard: number): Outbox {
    const outbox = this.#post.outboxes[shard];
    assert(outbox !== undefined, "every shard has an outbox");
    return outbox;
  }
}
