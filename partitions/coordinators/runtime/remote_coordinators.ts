/**
 * Asks the coordinators of other shards: the request travels in a parcel, and so does the answer. Runs on shards; the answering side is
 * coordinator_service.ts. It works for every coordinator, because it carries the requests and responses of the coordinator's APIs.
 *
 *   handle(request) ─ encode into a parcel ─ coordinatorCall ─► decode, handle ─► (coordinatorCallTaken: the parcel is free again)
 *   decode the answer ◄── coordinatorAnswer ── encode into a parcel   … at once or minutes later
 *            └─────────── coordinatorAnswerTaken ─► (the answer's parcel is free again)
 *
 * Always: every call is answered once, even when the connection that sent it is closed. A call that waits for its answer holds no
 * memory of an arena. Calls to one shard arrive in their order.
 */
import { Reader } from "../../../net/protocol/reader.ts";
import type { Message } from "../../../net/protocol/schema.ts";
import { EncodeError, Writer } from "../../../net/protocol/writer.ts";
import { assert } from "../../../storage/base/assert.ts";
import type { NativeMemory } from "../../../storage/mod.ts";
import { type Parcel, Parcels, reportTaken } from "../../remote/parcels.ts";
import { Operations } from "../../requests/operations.ts";
import { type Arena, BLOCK_BYTES_MAX } from "../../shared/arena.ts";
import type { Outbox } from "../../shared/mail.ts";
import * as message from "../../shared/messages.ts";
import type { RingRecord } from "../../shared/ring.ts";
import type { CoordinatorApis, CoordinatorClient, KeyOf, Reply, RequestHandler } from "./coordinator.ts";

/** The messages of an API, to send its requests and responses to another shard. */
export interface ApiMessages {
  readonly request: Message;
  readonly response: Message;
}

/** The messages of a coordinator's APIs, by API key. */
export type MessagesOf<Apis extends CoordinatorApis<Apis>> = {
  readonly [Key in keyof Apis]: {
    readonly request: Message<Apis[Key]["request"], unknown>;
    readonly response: Message<unknown, Apis[Key]["response"]>;
  };
};

/** The arenas and outboxes that connect a shard to the coordinators of other shards. */
export interface ShardLinks {
  readonly shard: number;
  /** This shard's arena. */
  readonly arena: Arena;
  /** The outbox to each shard, by its number. */
  readonly outboxes: readonly Outbox[];
  /** The arena of each shard. */
  readonly arenas: readonly NativeMemory[];
}

/** Given in place of an answer when the protocol cannot carry the request, or its answer, between shards. */
export type NotCarried = null;

interface Waiter {
  readonly messages: ApiMessages;
  readonly apiVersion: number;
  readonly reply: Reply<never>;
}

/** A request on its way. */
interface Call {
  readonly shard: number;
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly operation: number;
}

/** The asking side. */
export class RemoteCoordinators<Apis extends CoordinatorApis<Apis>> {
  readonly #links: ShardLinks;
  readonly #messages: MessagesOf<Apis>;
  readonly #parcels: Parcels;
  readonly #operations = new Operations<Waiter>();
  readonly #writer = new Writer();
  readonly #reader: Reader;

  /** @param messages of the APIs that may be called */
  constructor(links: ShardLinks, messages: MessagesOf<Apis>) {
    this.#links = links;
    this.#messages = messages;
    this.#parcels = new Parcels(links.arena, { inOrder: true });
    this.#reader = new Reader((links.arenas[links.shard] as NativeMemory).bytes);
  }

  /** How many calls wait for another shard's answer. */
  get inFlight(): number {
    return this.#operations.count;
  }

  /** Returns the coordinator of another shard. */
  at(shard: number): RequestHandler<Apis, NotCarried> {
    return {
      handle: (apiKey, request, client, reply) => this.#call({ shard, apiKey, request, client }, reply),
    };
  }

  /** Sends requests that waited for room. */
  sendWaiting(): void {
    this.#parcels.sendWaiting();
  }

  /** Takes a ring record of another shard. @returns false when the record is not for the asking side */
  receive(sender: number, { ints, int }: RingRecord): boolean {
    switch (ints[int]) {
      case message.kind.coordinatorCallTaken:
        this.#parcels.release(ints[int + message.taken.block] as number);
        return true;
      case message.kind.coordinatorAnswer: {
        const at = message.coordinatorAnswer;
        const parcel = {
          block: ints[int + at.block] as number,
          start: ints[int + at.start] as number,
          length: ints[int + at.length] as number,
        };
        this.#onAnswer(sender, ints[int + at.operation] as number, parcel);
        return true;
      }
      default:
        return false;
    }
  }

  #call<Key extends KeyOf<Apis>>(
    asked: { shard: number; apiKey: Key; request: unknown; client: CoordinatorClient },
    reply: Reply<Apis[Key]["response"] | NotCarried>,
  ): void {
    const { shard, apiKey, request, client } = asked;
    const messages = this.#messages[apiKey] as ApiMessages;
    const { apiVersion } = client;
    const writer = this.#writer;
    const ok = encodeWhole(writer, () => {
      writer.string(client.clientId);
      writer.string(client.clientHost);
      messages.request.encode(writer, apiVersion, request);
    });
    if (!ok) return reply(null);
    const operation = this.#operations.add({ messages, apiVersion, reply }, 0);
    const call = { shard, apiKey, apiVersion, operation };
    this.#parcels.send(writer.bytes, writer.position, (parcel) => this.#announce(call, parcel));
  }

  #announce({ shard, apiKey, apiVersion, operation }: Call, parcel: Parcel): void {
    const outbox = this.#links.outboxes[shard];
    assert(outbox !== undefined, "every shard has an outbox");
    const { ints, int } = outbox.begin(message.kind.coordinatorCall);
    ints[int + message.coordinatorCall.operation] = operation;
    ints[int + message.coordinatorCall.apiKey] = apiKey;
    ints[int + message.coordinatorCall.apiVersion] = apiVersion;
    ints[int + message.coordinatorCall.block] = parcel.block;
    ints[int + message.coordinatorCall.start] = parcel.start;
    ints[int + message.coordinatorCall.length] = parcel.length;
    outbox.commit();
  }

  #onAnswer(sender: number, operation: number, { block, start, length }: Parcel): void {
    const { messages, apiVersion, reply } = this.#operations.take(operation);
    if (length < 0) return reply(null as never);
    const reader = this.#reader;
    reader.reset((this.#links.arenas[sender] as NativeMemory).bytes, start, start + length);
    const response = messages.response.decode(reader, apiVersion);
    const { failure } = reader;
    reportTaken(this.#links.outboxes[sender] as Outbox, message.kind.coordinatorAnswerTaken, block);
    reply((failure === null ? response : null) as never);
  }
}

/** Encodes a message that has to fit into one block. @returns false when the protocol, or a block, cannot carry it */
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
