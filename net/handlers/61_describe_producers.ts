/**
 * DescribeProducers, API key 61: what partitions know of their producers (KIP-664).
 *
 * v0 flexible. A producer that was idle for `producer.id.expiration.ms` is absent once the check every ten minutes has dropped it, as
 * in Kafka. Producers are listed in the order of their ids. A long list is asked for part by part (active_producers.ts), in later turns.
 *
 * Kafka has no limits. Here partitions whose producers do not fit (ANSWER_BYTES_MAX, REPEATED_BYTES_MAX, HELD_BYTES_MAX) are refused
 * with THROTTLING_QUOTA_EXCEEDED and a message.
 *
 * Not done: transactions. Coordinator epoch and start of a transaction are -1, unless Kafka wrote the log.
 */
import { refuseTopicName } from "../../partitions/metadata/topic_names.ts";
import { activeProducers } from "../../partitions/questions/active_producers.ts";
import { EncodedList } from "../protocol/encoded_list.ts";
import { errorCode, errorMessage } from "../protocol/error_codes.ts";
import {
  type ActiveProducer,
  activeProducerElement,
  type DescribeProducersRequest,
  describeProducersRequest,
  type DescribeProducersResponse,
  describeProducersResponse,
  type DescribeProducersTopic,
} from "../protocol/messages/61_describe_producers.ts";
import type { MadeList } from "../protocol/made_list.ts";
import { api, type Handler } from "../requests/api.ts";
import { gather, type GatheredTopic, type Gathering, gatherMore, type NamedTopic } from "../requests/gather.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";

/** The row of DescribeProducers. */
export const describeProducersApi = api({
  key: 61,
  name: "DescribeProducers",
  served: [0, 0],
  request: describeProducersRequest,
  response: describeProducersResponse,
  isReadOnly: true,
  handlerOf: describeProducersHandlerOf,
});

/** Most bytes of producers in an answer: 113,000. A log remembers 100,000 (PRODUCERS_MAX in producer_state.ts). */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
/** Size from which an answer repeats no list, so that 100 requests that name a partition 10,000 times take no 300 MB. */
const REPEATED_BYTES_MAX = 64 * 1024;
/** Most memory for the producers of a shard's unfinished answers together; one in each of 16,384 partitions fits. */
const HELD_BYTES_MAX = 12 * 1024 * 1024;
/** Memory of a list, and of each producer in it. */
const LIST_BYTES = 512;
const PRODUCER_BYTES = 37;
const TOO_MANY = "There are too many producers for an answer: ask for fewer partitions at a time, or later";
/** Kafka's sentence for an unknown topic; it has none for an unknown partition. */
const UNKNOWN_TOPIC = "This server does not host this topic-partition.";
/** Below all producer ids. */
const NO_PRODUCER_ID = -1;

/** A partition, and what is known of it so far. */
interface Listed {
  readonly partitionIndex: number;
  errorCode: number;
  errorMessage: string | null;
  /** Encoded as they arrive: encoding 100,000 at the end would take 40 ms. */
  list: EncodedList<ActiveProducer> | null;
  /** Producers with higher ids are still to be asked for; null when there are none. */
  above: number | null;
  /** Whether the answer has the list. */
  isAnswered: boolean;
}

type Answer = typeof activeProducers.nothing;
type Refusal = Pick<Listed, "errorCode" | "errorMessage" | "list">;

/** Memory of a shard's unfinished answers. */
interface Held {
  bytes: number;
}

/** Makes the handler of one shard, which limits what its unfinished answers hold. */
function describeProducersHandlerOf(): Handler<DescribeProducersRequest, DescribeProducersResponse> {
  const held = { bytes: 0 };
  return (request, exchange, services) => new Description(request, { exchange, services, held }).start();
}

/** One answer, which grows until all partitions have listed their producers. */
class Description {
  readonly #exchange: Exchange<DescribeProducersResponse>;
  readonly #services: ShardServices;
  readonly #held: Held;
  /** As the request names them; a partition that is named twice is the same object. */
  readonly #topics: readonly NamedTopic<Listed>[];
  /** Its part of what the shard holds. */
  #heldBytes = 0;
  #answerBytes = 0;
  #isFull = false;
  #isAbandoned = false;

  constructor(
    { topics }: DescribeProducersRequest,
    of: { exchange: Exchange<DescribeProducersResponse>; services: ShardServices; held: Held },
  ) {
    this.#exchange = of.exchange;
    this.#services = of.services;
    this.#held = of.held;
    this.#topics = listsFor(topics);
  }

  start(): void {
    this.#exchange.onAbandoned(() => {
      this.#isAbandoned = true;
      this.#hold(-this.#heldBytes);
    });
    gather(this.#gathering(this.#topics), this.#exchange, this.#services);
  }

  #gathering(topics: readonly NamedTopic<Listed>[]): Gathering<Listed, { above: number }, Answer, Listed> {
    return {
      question: activeProducers,
      topics,
      // Asked once, and answered as often as it is named.
      repeated: "last",
      operation: "READ",
      indexOf: ({ partitionIndex }) => partitionIndex,
      ask: ({ above }) => {
        // Whatever is asked from now on would be refused, or read by nobody.
        if (this.#isFull || this.#isAbandoned) return errorCode.THROTTLING_QUOTA_EXCEEDED;
        return { above: above ?? NO_PRODUCER_ID };
      },
      receive: (listed, code, answer) => this.#add(listed, code, answer),
      part: (listed) => listed,
      respond: (answered) => this.#advance(answered),
    };
  }

  /** Adds an answer to a partition's list, which is complete or refused as a whole. */
  #add(listed: Listed, code: number, { producers, hasMore }: Answer): void {
    listed.above = null;
    if (this.#isAbandoned) return;
    if (code !== errorCode.NONE) return this.#refuse(listed, code);
    if (producers.length === 0) return;
    const bytes = producers.length * PRODUCER_BYTES;
    const addedBytes = (listed.list === null ? LIST_BYTES : 0) + bytes;
    if (this.#held.bytes + addedBytes > HELD_BYTES_MAX) {
      this.#isFull = true;
      return this.#refuse(listed, errorCode.THROTTLING_QUOTA_EXCEEDED);
    }
    this.#hold(addedBytes);
    listed.list ??= new EncodedList(activeProducerElement, this.#exchange.apiVersion, { capacityBytes: bytes });
    for (const producer of producers) listed.list.add(producer);
    if (hasMore) listed.above = producers.at(-1)?.producerId ?? null;
  }

  #refuse(listed: Listed, code: number): void {
    this.#hold(-heldBytesOf(listed));
    Object.assign(listed, refusal(code, code === errorCode.THROTTLING_QUOTA_EXCEEDED ? TOO_MANY : null));
  }

  /** Counts memory. @param bytes negative when they are returned */
  #hold(bytes: number): void {
    this.#heldBytes += bytes;
    this.#held.bytes += bytes;
  }

  /** Asks the partitions that have more producers, or answers. */
  #advance(asked: MadeList<GatheredTopic<Listed>>): void {
    if (this.#isAbandoned) return this.#exchange.respondNothing();
    const topics = Array.from(asked, ({ name, partitions }) => {
      return { name, partitions: [...partitions].filter(({ above }) => above !== null) };
    }).filter(({ partitions }) => partitions.length > 0);
    if (topics.length > 0) return gatherMore(this.#gathering(topics), this.#exchange, this.#services);
    this.#exchange.respond({ topics: this.#topics.map((topic) => this.#describe(topic)) });
    this.#hold(-this.#heldBytes);
  }

  #describe({ name, partitions }: NamedTopic<Listed>): DescribeProducersTopic {
    const refused = this.#refuseTopic(name, partitions);
    return {
      name,
      partitions: partitions.map((listed) => {
        const { partitionIndex, errorCode, errorMessage, list } = {
          ...listed,
          ...(refused ?? this.#refuseExcess(listed)),
        };
        return { partitionIndex, errorCode, errorMessage, activeProducers: list?.asArray ?? [] };
      }),
    };
  }

  /** Refuses a list for which the answer has no room. */
  #refuseExcess(listed: Listed): Refusal | null {
    const bytes = this.#answerBytes + (listed.list?.bytes.length ?? 0);
    const bytesMax = listed.isAnswered ? REPEATED_BYTES_MAX : ANSWER_BYTES_MAX;
    if (listed.list !== null && bytes > bytesMax) return refusal(errorCode.THROTTLING_QUOTA_EXCEEDED, TOO_MANY);
    listed.isAnswered = true;
    this.#answerBytes = bytes;
    return null;
  }

  /** Refuses a topic as a whole: the code and sentence of all its partitions, or null. */
  #refuseTopic(name: string, [first]: readonly Listed[]): Refusal | null {
    const invalid = refuseTopicName(name);
    if (invalid !== null) return refusal(errorCode.INVALID_TOPIC_EXCEPTION, invalid);
    const code = first?.errorCode ?? errorCode.NONE;
    if (code === errorCode.TOPIC_AUTHORIZATION_FAILED) return refusal(code, errorMessage(code));
    const isUnknown = code === errorCode.UNKNOWN_TOPIC_OR_PARTITION && this.#services.image.topic(name) === undefined;
    return isUnknown ? refusal(code, UNKNOWN_TOPIC) : null;
  }
}

/** Empty lists for what a request names. */
function listsFor(topics: DescribeProducersRequest["topics"]): NamedTopic<Listed>[] {
  const named = new Map<string, Listed>();
  return topics.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((partitionIndex) => {
      const key = `${partitionIndex}/${name}`;
      const listed = named.get(key) ?? unlisted(partitionIndex);
      named.set(key, listed);
      return listed;
    }),
  }));
}

function unlisted(partitionIndex: number): Listed {
  return { partitionIndex, errorCode: errorCode.NONE, errorMessage: null, list: null, above: null, isAnswered: false };
}

function heldBytesOf({ list }: Listed): number {
  return list === null ? 0 : LIST_BYTES + list.count * PRODUCER_BYTES;
}

function refusal(code: number, message: string | null): Refusal {
  return { errorCode: code, errorMessage: message, list: null };
}
