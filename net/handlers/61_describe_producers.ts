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
import { assert } from "../../storage/base/assert.ts";
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
import { plainConstructor } from "../protocol/plain_constructor.ts";
import { api, type Handler } from "../requests/api.ts";
import {
  gather,
  type GatheredTopic,
  type Gathering,
  gatherMore,
  type NamedTopic,
  namedTopic,
} from "../requests/gather.ts";
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
/** Most memory for the producers of a shard's unfinished answers together; one in each of 16,000 partitions fits. */
const HELD_BYTES_MAX = 12 * 1024 * 1024;
/** Memory of a list, and of each producer in it. */
const LIST_BYTES = 512;
const PRODUCER_BYTES = 37;
const TOO_MANY = "There are too many producers for an answer: ask for fewer partitions at a time, or later";
/** Kafka's sentence for an unknown topic; it has none for an unknown partition. */
const UNKNOWN_TOPIC = "This server does not host this topic-partition.";
/** Below all producer ids. */
const NO_PRODUCER_ID = -1;
const FROM_FIRST = { above: NO_PRODUCER_ID };
const NO_PRODUCERS: readonly ActiveProducer[] = [];

/** A partition that was asked, and what is known of it so far. Others have a code alone, which gather() keeps as a number. */
interface Listed {
  errorCode: number;
  /** Encoded as they arrive: encoding 100,000 at the end would take 40 ms. */
  list: EncodedList<ActiveProducer> | null;
  /** Producers with higher ids are still to be asked for; null when there are none. */
  above: number | null;
  /** Whether the answer has the list. */
  isAnswered: boolean;
}

/** A partition of the answer: what was named, and the code of one that was not asked. */
interface Part {
  readonly partitionIndex: number;
  readonly code: number;
}

type Named = NamedTopic<number>;
type Answer = typeof activeProducers.nothing;
type AnsweredPartition = DescribeProducersTopic["partitions"][number];

// What is made for each partition of a request is not made by literals (plain_constructor.ts).
const NewlyListed = plainConstructor<Listed>()("errorCode", "list", "above", "isAnswered");
const Coded = plainConstructor<Part>()("partitionIndex", "code");
const Answered = plainConstructor<AnsweredPartition>()(
  "partitionIndex",
  "errorCode",
  "errorMessage",
  "activeProducers",
);

/** Memory of a shard's unfinished answers. */
interface Held {
  bytes: number;
}

/** Makes the handler of one shard, which limits what its unfinished answers hold. */
function describeProducersHandlerOf(): Handler<DescribeProducersRequest, DescribeProducersResponse> {
  const held = { bytes: 0 };
  return (request, exchange, services) => new Description({ exchange, services, held }).start(request);
}

/** One answer, which grows until all partitions have listed their producers. */
class Description {
  readonly #exchange: Exchange<DescribeProducersResponse>;
  readonly #services: ShardServices;
  readonly #held: Held;
  /** The partitions that were asked, by topic and index. */
  readonly #listed = new Map<string, Map<number, Listed>>();
  /** The topics as the request names them, once all partitions were asked. */
  #parts: MadeList<GatheredTopic<Part>> | null = null;
  /** Its part of what the shard holds. */
  #heldBytes = 0;
  #answerBytes = 0;
  #isFull = false;
  #isAbandoned = false;

  constructor(of: { exchange: Exchange<DescribeProducersResponse>; services: ShardServices; held: Held }) {
    this.#exchange = of.exchange;
    this.#services = of.services;
    this.#held = of.held;
  }

  start({ topics }: DescribeProducersRequest): void {
    this.#exchange.onAbandoned(() => {
      this.#isAbandoned = true;
      this.#hold(-this.#heldBytes);
    });
    const named = topics.map(({ name, partitionIndexes }) => namedTopic(name, partitionIndexes));
    gather(this.#gathering(named, (name, index) => this.#askFirst(name, index)), this.#exchange, this.#services);
  }

  #gathering(
    topics: readonly Named[],
    ask: (name: string, index: number) => { above: number } | number | null,
  ): Gathering<number, { above: number }, Answer, Part> {
    return {
      question: activeProducers,
      topics,
      repeated: "each",
      operation: "READ",
      indexOf: (index) => index,
      ask: (index, name) => {
        // Whatever is asked from now on would be refused, or read by nobody.
        return this.#isFull || this.#isAbandoned ? errorCode.THROTTLING_QUOTA_EXCEEDED : ask(name, index);
      },
      receive: ({ topic, named }, code, answer) => this.#add(this.#listedAt(topic, named), code, answer),
      part: (index, code) => new Coded(index, code),
      respond: (parts) => this.#advance(parts),
    };
  }

  /** A partition is asked once, and answered as often as it is named. */
  #askFirst(name: string, index: number): { above: number } | null {
    let ofTopic = this.#listed.get(name);
    if (ofTopic === undefined) this.#listed.set(name, ofTopic = new Map());
    if (ofTopic.has(index)) return null;
    ofTopic.set(index, new NewlyListed(errorCode.NONE, null, null, false));
    return FROM_FIRST;
  }

  #listedAt(name: string, index: number): Listed | undefined {
    return this.#listed.get(name)?.get(index);
  }

  /** Adds an answer to a partition's list, which is complete or refused as a whole. */
  #add(listed: Listed | undefined, code: number, { producers, hasMore }: Answer): void {
    assert(listed !== undefined, "only listed partitions are asked");
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
    listed.errorCode = code;
    listed.list = null;
    listed.above = null;
  }

  /** Counts memory. @param bytes negative when they are returned */
  #hold(bytes: number): void {
    this.#heldBytes += bytes;
    this.#held.bytes += bytes;
  }

  /** Asks the partitions that have more producers, or answers. */
  #advance(parts: MadeList<GatheredTopic<Part>>): void {
    if (this.#isAbandoned) return this.#exchange.respondNothing();
    if (this.#parts === null) this.#parts = parts;
    else this.#refuseUnasked(parts);
    const unfinished = this.#unfinished();
    if (unfinished.length > 0) {
      const askAbove = (name: string, index: number) => ({
        above: this.#listedAt(name, index)?.above ?? NO_PRODUCER_ID,
      });
      return gatherMore(this.#gathering(unfinished, askAbove), this.#exchange, this.#services);
    }
    const topics = this.#parts.map(({ name, partitions }) => this.#describe(name, partitions));
    this.#exchange.respond({ topics: topics.asArray });
    this.#hold(-this.#heldBytes);
  }

  /** Refuses the partitions that had more producers and could not be asked for them. */
  #refuseUnasked(parts: MadeList<GatheredTopic<Part>>): void {
    for (const { name, partitions } of parts) {
      for (const { partitionIndex, code } of partitions) {
        const listed = this.#listedAt(name, partitionIndex);
        if (code !== errorCode.NONE && listed !== undefined) this.#refuse(listed, code);
      }
    }
  }

  /** The partitions that have more producers. */
  #unfinished(): Named[] {
    const topics: Named[] = [];
    for (const [name, ofTopic] of this.#listed) {
      const partitions: number[] = [];
      for (const [index, { above }] of ofTopic) if (above !== null) partitions.push(index);
      if (partitions.length > 0) topics.push({ name, partitions });
    }
    return topics;
  }

  /** Describes a topic while the answer is encoded. */
  #describe(name: string, parts: MadeList<Part>): DescribeProducersTopic {
    const invalid = refuseTopicName(name);
    const isKnown = this.#services.image.topic(name) !== undefined;
    const partitions = parts.map((part) => {
      const { partitionIndex } = part;
      if (invalid !== null) return refused(partitionIndex, errorCode.INVALID_TOPIC_EXCEPTION, invalid);
      const listed = part.code === errorCode.NONE ? this.#listedAt(name, partitionIndex) : undefined;
      const code = listed === undefined ? part.code : this.#codeOf(listed);
      if (code !== errorCode.NONE) return refused(partitionIndex, code, messageOf(code, isKnown));
      return new Answered(partitionIndex, code, null, listed?.list?.asArray ?? NO_PRODUCERS);
    });
    return { name, partitions: partitions.asArray };
  }

  /** The code of a partition, which is refused when the answer has no room for its list. Called once each time it is named. */
  #codeOf(listed: Listed): number {
    if (listed.list === null) return listed.errorCode;
    const bytes = this.#answerBytes + listed.list.bytes.length;
    if (bytes > (listed.isAnswered ? REPEATED_BYTES_MAX : ANSWER_BYTES_MAX)) return errorCode.THROTTLING_QUOTA_EXCEEDED;
    listed.isAnswered = true;
    this.#answerBytes = bytes;
    return errorCode.NONE;
  }
}

function heldBytesOf({ list }: Listed): number {
  return list === null ? 0 : LIST_BYTES + list.count * PRODUCER_BYTES;
}

function refused(partitionIndex: number, code: number, message: string | null): AnsweredPartition {
  return new Answered(partitionIndex, code, message, NO_PRODUCERS);
}

/** @param isKnown whether there is such a topic */
function messageOf(code: number, isKnown: boolean): string | null {
  switch (code) {
    case errorCode.THROTTLING_QUOTA_EXCEEDED:
      return TOO_MANY;
    case errorCode.TOPIC_AUTHORIZATION_FAILED:
      return errorMessage(code);
    case errorCode.UNKNOWN_TOPIC_OR_PARTITION:
      return isKnown ? null : UNKNOWN_TOPIC;
  }
  return null;
}
