/**
 * A small Kafka client for tests and benchmarks: fixed versions that every broker since Kafka 4.0 serves, one connection, no
 * retries, answers matched in order. Main isolate.
 *
 * Source: message definitions of Apache Kafka; `API` has keys and versions.
 */
import { waitFor } from "./processes.ts";
import { ByteReader, ByteWriter } from "./wire_bytes.ts";

/** Key and version of every request that this client sends; none is flexible (KIP-482). */
const API = {
  produce: [0, 3],
  fetch: [1, 4],
  listOffsets: [2, 1],
  metadata: [3, 1],
  apiVersions: [18, 0],
  createTopics: [19, 2],
  deleteTopics: [20, 1],
  initProducerId: [22, 0],
  incrementalAlterConfigs: [44, 0],
} as const;

/** The code "no error". */
export const NONE = 0;

/** A partition's answer to a produce. */
export interface ProduceAnswer {
  readonly errorCode: number;
  readonly baseOffset: number;
}

/** A partition's answer to a fetch. */
export interface FetchAnswer {
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly records: Uint8Array;
}

/** A partition of a topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** One connection to a broker. */
export class WireClient implements Disposable {
  readonly #connection: Deno.TcpConn;
  #correlationId = 0;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  /** Connects to a port of 127.0.0.1, or of another host. */
  static async connect(port: number, host = "127.0.0.1"): Promise<WireClient> {
    const connection = await Deno.connect({ hostname: host, port });
    connection.setNoDelay(true);
    return new WireClient(connection);
  }

  [Symbol.dispose](): void {
    try {
      this.#connection.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error; // closed already
    }
  }

  /** Sends bytes as they are. */
  async sendRaw(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
  }

  /** Closes the sending half only. */
  closeWrite(): Promise<void> {
    return this.#connection.closeWrite();
  }

  /**
   * The next answer, without its length.
   * @returns null when the broker has closed the connection
   */
  async receive(): Promise<Uint8Array | null> {
    const head = await this.#readExactly(4);
    if (head === null) return null;
    return await this.#readExactly(new DataView(head.buffer).getInt32(0));
  }

  /**
   * Sends a request and waits for its answer.
   * @returns a reader behind the correlation id
   * @throws Error when the broker closes the connection instead, or answers another request
   */
  async request(api: readonly [key: number, version: number], body: Uint8Array): Promise<ByteReader> {
    await this.send(api, body);
    const answer = await this.receive();
    if (answer === null) throw new Error(`Cannot finish request ${api.join(" v")}: the broker closed the connection`);
    const reader = new ByteReader(answer);
    const correlationId = reader.int32();
    if (correlationId !== this.#correlationId) {
      throw new Error(`Cannot match the answer: correlation id ${correlationId}, expected ${this.#correlationId}`);
    }
    return reader;
  }

  /** Sends a request without waiting. */
  send(api: readonly [key: number, version: number], body: Uint8Array): Promise<void> {
    return this.sendRaw(requestFrame(api, ++this.#correlationId, body));
  }

  /** The API keys that the broker advertises, each with its range. */
  async apiVersions(): Promise<Map<number, { min: number; max: number }>> {
    const answer = await this.request(API.apiVersions, new Uint8Array());
    expectNone(answer.int16(), "ApiVersions");
    return new Map(answer.array((r) => [r.int16(), { min: r.int16(), max: r.int16() }]));
  }

  /** Creates a topic with one replica unless it exists. */
  async createTopic(topic: string, partitions: number, configs: Readonly<Record<string, string>> = {}): Promise<void> {
    const body = new ByteWriter().int32(1).string(topic).int32(partitions).int16(1).int32(0);
    const entries = Object.entries(configs);
    body.int32(entries.length);
    for (const [name, value] of entries) body.string(name).string(value);
    body.int32(30_000).int8(0);
    const answer = await this.request(API.createTopics, body.bytes);
    answer.int32();
    const [result] = answer.array((r) => ({ topic: r.string(), code: r.int16(), message: r.string() }));
    if (result?.code !== TOPIC_ALREADY_EXISTS) {
      expectNone(result?.code ?? -1, `CreateTopics ${topic}: ${result?.message ?? ""}`);
    }
    await waitFor(`topic ${topic} has leaders`, () => this.#hasLeaders(topic, partitions));
  }

  /** Sets configs of a topic. */
  async configureTopic(topic: string, configs: Readonly<Record<string, string>>): Promise<void> {
    const entries = Object.entries(configs);
    const body = new ByteWriter().int32(1).int8(TOPIC_RESOURCE).string(topic).int32(entries.length);
    for (const [name, value] of entries) body.string(name).int8(SET).string(value);
    const answer = await this.request(API.incrementalAlterConfigs, body.int8(0).bytes);
    answer.int32(); // throttle
    const [result] = answer.array((r) => ({ code: r.int16(), message: r.string() }));
    expectNone(result?.code ?? -1, `IncrementalAlterConfigs ${topic}: ${result?.message ?? ""}`);
  }

  /** Deletes a topic; it may live on for a moment. */
  async deleteTopic(topic: string): Promise<void> {
    const answer = await this.request(API.deleteTopics, new ByteWriter().int32(1).string(topic).int32(30_000).bytes);
    answer.int32();
    for (const code of answer.array((r) => [r.string(), r.int16()] as const)) expectNone(code[1], "DeleteTopics");
  }

  /** Names of all topics that are not internal. */
  async topicNames(): Promise<string[]> {
    return (await this.#metadata(null)).topics.filter((topic) => !topic.internal).map((topic) => topic.name).sort();
  }

  /** Ids of the brokers that the broker lists, in order. */
  async brokerIds(): Promise<number[]> {
    return (await this.#metadata([])).brokerIds.sort((a, b) => a - b);
  }

  async #hasLeaders(topic: string, partitions: number): Promise<true | undefined> {
    const [found] = (await this.#metadata([topic])).topics;
    const led = found?.partitions.filter((p) => p.code === NONE && p.leader >= 0).length;
    if (found?.code !== NONE || led !== partitions) return undefined;
    // Kafka's metadata names a leader before that broker leads: ask each partition, which throws until it has a leader.
    for (let partition = 0; partition < partitions; partition++) await this.listOffset({ topic, partition }, -1);
    return true;
  }

  async #metadata(topics: readonly string[] | null) {
    const body = new ByteWriter().int32(topics === null ? -1 : topics.length);
    for (const topic of topics ?? []) body.string(topic);
    const answer = await this.request(API.metadata, body.bytes);
    const brokers = answer.array((r) => [r.int32(), r.string(), r.int32(), r.string()] as const);
    answer.int32(); // controller
    const found = answer.array((r) => ({
      code: r.int16(),
      name: r.string()!,
      internal: r.int8() === 1,
      partitions: r.array((p) => ({
        code: p.int16(),
        index: p.int32(),
        leader: p.int32(),
        replicas: p.array((q) => q.int32()),
        inSync: p.array((q) => q.int32()),
      })),
    }));
    return { brokerIds: brokers.map(([nodeId]) => nodeId), topics: found };
  }

  /** Appends one batch and waits for the acknowledgement. */
  async produce(to: TopicPartition, batch: Uint8Array, acks = -1): Promise<ProduceAnswer> {
    const answer = await this.request(API.produce, produceBody(to, batch, acks));
    return produceAnswer(answer);
  }

  /** Sends a produce request without waiting; `receiveProduced` takes the answers in order. */
  sendProduce(to: TopicPartition, batch: Uint8Array, acks = -1): Promise<void> {
    return this.send(API.produce, produceBody(to, batch, acks));
  }

  /** The next answer to a `sendProduce`; null when the broker has closed the connection. */
  async receiveProduced(): Promise<ProduceAnswer | null> {
    const answer = await this.receive();
    if (answer === null) return null;
    const reader = new ByteReader(answer);
    reader.int32();
    return produceAnswer(reader);
  }

  /** Reads whole batches, from an offset. */
  async fetch(from: TopicPartition, offset: number, maxBytes = 1 << 20, maxWaitMs = 0): Promise<FetchAnswer> {
    const body = new ByteWriter().int32(-1).int32(maxWaitMs).int32(1).int32(maxBytes).int8(0)
      .int32(1).string(from.topic).int32(1).int32(from.partition).int64(offset).int32(maxBytes);
    const answer = await this.request(API.fetch, body.bytes);
    answer.int32(); // throttle
    const [topic] = answer.array((r) => {
      r.string();
      return r.array((p) => {
        p.int32();
        const errorCode = p.int16();
        const highWatermark = p.int64();
        p.int64();
        p.array((a) => [a.int64(), a.int64()]);
        return { errorCode, highWatermark, records: p.blob() ?? new Uint8Array() };
      });
    });
    const [partition] = topic ?? [];
    if (partition === undefined) throw new Error("Cannot read fetch answer: it has no partition");
    return partition;
  }

  /** Offset for a special timestamp: -1 the log end, -2 the log start. */
  async listOffset(of: TopicPartition, timestamp: number): Promise<number> {
    const body = new ByteWriter().int32(-1).int32(1).string(of.topic).int32(1).int32(of.partition).int64(timestamp);
    const answer = await this.request(API.listOffsets, body.bytes);
    const [topic] = answer.array((r) => {
      r.string();
      return r.array((p) => [p.int32(), p.int16(), p.int64(), p.int64()] as const);
    });
    const [, code, , offset] = topic?.[0] ?? [0, -1, 0, -1];
    expectNone(code, "ListOffsets");
    return offset;
  }

  /** A producer id for idempotent produce, with epoch 0. Tries again while the broker is not ready. */
  initProducerId(): Promise<number> {
    return waitFor("the broker gives a producer id", async () => {
      const answer = await this.request(API.initProducerId, new ByteWriter().string(null).int32(60_000).bytes);
      answer.int32();
      expectNone(answer.int16(), "InitProducerId");
      return answer.int64();
    });
  }

  async #readExactly(count: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count;) {
      const read = await this.#connection.read(bytes.subarray(at));
      if (read === null) return null;
      at += read;
    }
    return bytes;
  }
}

const TOPIC_ALREADY_EXISTS = 36;
/** The type of a resource, and an operation, of IncrementalAlterConfigs. */
const [TOPIC_RESOURCE, SET] = [2, 0] as const;

/** A whole request: length, header of version 1, body. */
export function requestFrame(
  [key, version]: readonly [key: number, version: number],
  correlationId: number,
  body: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const frame = new ByteWriter().int32(0).int16(key).int16(version).int32(correlationId).string("wire-client").raw(
    body,
  );
  frame.patchUint32(0, frame.length - 4);
  return frame.bytes.slice();
}

function produceBody(to: TopicPartition, batch: Uint8Array, acks: number): Uint8Array {
  return new ByteWriter().string(null).int16(acks).int32(30_000)
    .int32(1).string(to.topic).int32(1).int32(to.partition).blob(batch).bytes;
}

function produceAnswer(answer: ByteReader): ProduceAnswer {
  const [topic] = answer.array((r) => {
    r.string();
    return r.array((p) => {
      p.int32();
      const result = { errorCode: p.int16(), baseOffset: p.int64() };
      p.int64();
      return result;
    });
  });
  const [partition] = topic ?? [];
  if (partition === undefined) throw new Error("Cannot read produce answer: it has no partition");
  return partition;
}

/** Throws unless a code is "no error". @param what for the message: the request */
export function expectNone(code: number, what: string): void {
  if (code !== NONE) throw new Error(`Cannot finish ${what}: the broker answered error code ${code}`);
}

/**
 * Waits until a broker answers requests.
 * @param port of 127.0.0.1
 * @param running whether its process still runs, so that a failed start is reported at once
 */
export async function waitForBroker(port: number, running: () => boolean = () => true): Promise<void> {
  let ended = false;
  await waitFor(`a broker answers on port ${port}`, async () => {
    if (!running()) return ended = true;
    using client = await WireClient.connect(port);
    await client.apiVersions();
    return true;
  }, 120_000);
  if (ended) throw new Error(`Cannot use the broker on port ${port}: its process has ended`);
}
