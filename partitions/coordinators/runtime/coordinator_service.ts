/**
 * The answering side of requests from other shards: reads them from the sender's arena, passes them to this shard's coordinator, and
 * sends the answers. Runs on shards. The asking side and the protocol of both are in remote_coordinators.ts.
 */
import { Reader } from "../../../net/protocol/reader.ts";
import { Writer } from "../../../net/protocol/writer.ts";
import { assert } from "../../../storage/base/assert.ts";
import type { NativeMemory } from "../../../storage/mod.ts";
import { type Parcel, Parcels, reportTaken } from "../../remote/parcels.ts";
import type { Outbox } from "../../shared/mail.ts";
import * as message from "../../shared/messages.ts";
import type { RingRecord } from "../../shared/ring.ts";
import type { CoordinatorApis, KeyOf, RequestHandler } from "./coordinator.ts";
import { type ApiMessages, encodeWhole, type MessagesOf, type ShardLinks } from "./remote_coordinators.ts";

/** Sent in place of a parcel when the protocol cannot carry the answer. */
const NO_PARCEL: Parcel = { block: 0, start: 0, length: -1 };

/** Where an answer goes. */
interface Asker {
  readonly shard: number;
  readonly operation: number;
  readonly messages: ApiMessages;
  readonly apiVersion: number;
}

/** The answering side. */
export class CoordinatorService<Apis extends CoordinatorApis<Apis>> {
  readonly #coordinator: RequestHandler<Apis>;
  readonly #links: ShardLinks;
  readonly #messages: MessagesOf<Apis>;
  readonly #parcels: Parcels;
  readonly #reader: Reader;
  readonly #writer = new Writer();

  /** @param coordinator this shard's coordinator @param messages of its APIs */
  constructor(coordinator: RequestHandler<Apis>, links: ShardLinks, messages: MessagesOf<Apis>) {
    this.#coordinator = coordinator;
    this.#links = links;
    this.#messages = messages;
    // The asking side matches answers by operation, so their order is free: a large answer that waits for room must not delay heartbeats.
    this.#parcels = new Parcels(links.arena, { inOrder: false });
    this.#reader = new Reader((links.arenas[links.shard] as NativeMemory).bytes);
  }

  /** Sends answers that waited for room. */
  sendWaiting(): void {
    this.#parcels.sendWaiting();
  }

  /** Takes a ring record of another shard. @returns false when the record is not for the answering side */
  receive(sender: number, record: RingRecord): boolean {
    const { ints, int } = record;
    switch (ints[int]) {
      case message.kind.coordinatorCall:
        this.#onCall(sender, record);
        return true;
      case message.kind.coordinatorAnswerTaken:
        this.#parcels.release(ints[int + message.taken.block] as number);
        return true;
      default:
        return false;
    }
  }

  #onCall(sender: number, { ints, int }: RingRecord): void {
    const at = message.coordinatorCall;
    const apiKey = ints[int + at.apiKey] as KeyOf<Apis>;
    const apiVersion = ints[int + at.apiVersion] as number;
    const start = ints[int + at.start] as number;
    const messages = this.#messages[apiKey] as ApiMessages | undefined;
    assert(messages !== undefined, "a shard asks for what a coordinator answers");
    const asker = { shard: sender, operation: ints[int + at.operation] as number, messages, apiVersion };
    const reader = this.#reader;
    reader.reset((this.#links.arenas[sender] as NativeMemory).bytes, start, start + (ints[int + at.length] as number));
    const client = { clientId: reader.string(), clientHost: reader.string(), apiVersion };
    const request = messages.request.decode(reader, apiVersion);
    assert(reader.failure === null, "a shard reads what a shard wrote");
    reportTaken(this.#outbox(sender), message.kind.coordinatorCallTaken, ints[int + at.block] as number);
    this.#coordinator.handle(apiKey, request as Apis[KeyOf<Apis>]["request"], client, (response) => {
      this.#answer(asker, response);
    });
  }

  #answer(asker: Asker, response: unknown): void {
    const writer = this.#writer;
    const ok = encodeWhole(writer, () => asker.messages.response.encode(writer, asker.apiVersion, response));
    if (!ok) return this.#announce(asker, NO_PARCEL);
    this.#parcels.send(writer.bytes, writer.position, (parcel) => this.#announce(asker, parcel));
  }

  #announce({ shard, operation }: Asker, parcel: Parcel): void {
    const outbox = this.#outbox(shard);
    const { ints, int } = outbox.begin(message.kind.coordinatorAnswer);
    ints[int + message.coordinatorAnswer.operation] = operation;
    ints[int + message.coordinatorAnswer.block] = parcel.block;
    ints[int + message.coordinatorAnswer.start] = parcel.start;
    ints[int + message.coordinatorAnswer.length] = parcel.length;
    outbox.commit();
  }

  #outbox(shard: number): Outbox {
    const outbox = this.#links.outboxes[shard];
    assert(outbox !== undefined, "every shard has an outbox");
    return outbox;
  }
}
