/**
 * The requests of a fetcher, and the answers about offsets. Their versions are fixed: brokers of a cluster do not negotiate. Shards.
 * Source: Kafka's RemoteLeaderEndPoint.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { decodeResponseHeader, encodeRequestHeader } from "../../../net/protocol/headers.ts";
import { fetchRequest } from "../../../net/protocol/messages/01_fetch.ts";
import { listOffsetsRequest, listOffsetsResponse } from "../../../net/protocol/messages/02_list_offsets.ts";
import { Reader } from "../../../net/protocol/reader.ts";
import type { Message } from "../../../net/protocol/schema.ts";
import { Writer } from "../../../net/protocol/writer.ts";
import { toOffset } from "../../../storage/base/units.ts";
import { FETCH_VERSION } from "./fetch_answer.ts";
import type { FetchNames, SessionPartition } from "./fetch_session.ts";
import type { AskedOffsets, OffsetAnswer } from "./offset_questions.ts";

/** Version of ListOffsets between brokers: the one of Kafka 3.9, as with Fetch. */
const LIST_OFFSETS_VERSION = 10;
/** Elements of an answer about offsets for each partition that was asked for: it, its topic and their tags. */
const ELEMENTS_PER_QUESTION = 4;
const SIZE_BYTES = 4;

/** The settings of fetchers. */
export interface FetchSettings {
  readonly nodeId: number;
  /** `replica.fetch.wait.max.ms` */
  readonly waitMaxMs: number;
  /** `replica.fetch.min.bytes` */
  readonly minBytes: number;
  /** `replica.fetch.response.max.bytes` */
  readonly responseMaxBytes: number;
  /** `replica.fetch.max.bytes`, of a partition */
  readonly maxBytes: number;
}

/** The requests to one leader. */
export class FetcherRequests {
  readonly #settings: FetchSettings;
  readonly #brokerEpoch: () => number;
  readonly #writer = new Writer();
  readonly #clientId: string;
  #correlationId = 0;
  #questionsCount = 0;

  /** @param brokerEpoch of this process, -1 while it is not registered */
  constructor(settings: FetchSettings, brokerEpoch: () => number) {
    this.#settings = settings;
    this.#brokerEpoch = brokerEpoch;
    this.#clientId = `broker-${settings.nodeId}-fetcher`;
  }

  /**
   * Whether requests may be sent: this process is registered. With the epoch of the last process, its leader would count it as in sync for
   * what that one had (KIP-903).
   */
  get isReady(): boolean {
    return this.#brokerEpoch() >= 0;
  }

  /** The number of the last request. */
  get correlationId(): number {
    return this.#correlationId;
  }

  /** A Fetch. @returns its frame, valid until the next one */
  fetch(names: FetchNames<unknown>): Uint8Array {
    const { nodeId, waitMaxMs, minBytes, responseMaxBytes, maxBytes } = this.#settings;
    const topics = byTopic(names.named).map(([topicId, named]) => ({
      topicId,
      partitions: named.map(({ partition, place, logStartOffset }) => ({
        partition,
        currentLeaderEpoch: place.leaderEpoch,
        fetchOffset: place.offset,
        lastFetchedEpoch: place.lastFetchedEpoch,
        logStartOffset,
        partitionMaxBytes: maxBytes,
      })),
    }));
    const forgottenTopicsData = byTopic(names.forgotten).map(([topicId, forgotten]) => ({
      topicId,
      partitions: forgotten.map(({ partition }) => partition),
    }));
    return this.#frame(fetchRequest as unknown as Message, FETCH_VERSION, {
      replicaState: { replicaId: nodeId, replicaEpoch: this.#brokerEpoch() },
      maxWaitMs: names.isPart ? 0 : waitMaxMs,
      minBytes,
      maxBytes: responseMaxBytes,
      sessionId: names.sessionId,
      sessionEpoch: names.sessionEpoch,
      topics,
      forgottenTopicsData,
    });
  }

  /** A ListOffsets. @returns its frame, valid until the next one */
  listOffsets({ timestamp, questions }: AskedOffsets): Uint8Array {
    this.#questionsCount = questions.length;
    const named = questions.map(({ replica: { name }, place }) => ({ ...name, leaderEpoch: place.leaderEpoch }));
    const topics = groupBy(named, ({ topicName }) => topicName).map(([name, partitions]) => ({
      name,
      partitions: partitions.map(({ partition: partitionIndex, leaderEpoch: currentLeaderEpoch }) => ({
        partitionIndex,
        currentLeaderEpoch,
        timestamp,
      })),
    }));
    const body = { replicaId: this.#settings.nodeId, topics };
    return this.#frame(listOffsetsRequest as unknown as Message, LIST_OFFSETS_VERSION, body);
  }

  /** Reads the answer to the last ListOffsets. @returns a sentence when it cannot be read */
  readOffsets(bytes: Uint8Array, { start, length }: { start: number; length: number }): OffsetAnswer[] | string {
    const reader = new Reader(bytes);
    reader.reset(bytes, start, start + length);
    reader.limitElements(ELEMENTS_PER_QUESTION * (1 + this.#questionsCount));
    const correlationId = decodeResponseHeader(reader, listOffsetsResponse, LIST_OFFSETS_VERSION);
    if (correlationId !== this.#correlationId) return "it has answered another request";
    const { topics } = listOffsetsResponse.decode(reader, LIST_OFFSETS_VERSION);
    if (reader.failure !== null) return `its answer cannot be read: ${reader.failure}`;
    return topics.flatMap(({ name: topicName, partitions }) =>
      partitions.map(({ partitionIndex: partition, errorCode: code, offset }) => {
        const isKnown = code === errorCode.NONE && Number.isSafeInteger(offset) && offset >= 0;
        return { topicName, partition, offset: isKnown ? toOffset(offset) : null };
      })
    );
  }

  #frame(message: Message, apiVersion: number, body: Record<string, unknown>): Uint8Array {
    const writer = this.#writer;
    this.#correlationId = (this.#correlationId + 1) & 0x7fff_ffff;
    writer.reset();
    writer.int32(0);
    const header = { apiVersion, correlationId: this.#correlationId, clientId: this.#clientId };
    encodeRequestHeader(writer, message, header);
    message.encode(writer, apiVersion, body);
    writer.view.setInt32(0, writer.position - SIZE_BYTES);
    return writer.bytes.subarray(0, writer.position);
  }
}

function byTopic<Named extends SessionPartition>(partitions: readonly Named[]): [string, Named[]][] {
  return groupBy(partitions, ({ topicId }) => topicId);
}

function groupBy<Value>(values: readonly Value[], keyOf: (value: Value) => string): [string, Value[]][] {
  const groups = new Map<string, Value[]>();
  for (const value of values) {
    const group = groups.get(keyOf(value));
    if (group === undefined) groups.set(keyOf(value), [value]);
    else group.push(value);
  }
  return [...groups];
}
