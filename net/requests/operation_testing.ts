/**
 * What tests of produce and fetch share: shards whose turns the test takes, and clients whose answers have been over the wire.
 * Tests only.
 */
import assert from "node:assert/strict";
import { brokerConfigFrom } from "../../partitions/config/broker/broker_properties.ts";
import type { ControlClient } from "../../partitions/metadata/control_calls.ts";
import { MetadataImage, type TopicImage } from "../../partitions/metadata/image.ts";
import { type TestShard, TestShards } from "../../partitions/owned/partition_testing.ts";
import { Affinity } from "../reactor/affinity.ts";
import type { PipelineOwner, RequestExchange } from "./exchange.ts";
import { Pipeline } from "./pipeline.ts";
import { clusterOfOne } from "./cluster_view.ts";
import type { ShardServices } from "./handler.ts";
import { apiOf } from "../handlers/api_testing.ts";
import { servicesOf } from "./services_testing.ts";
import { decodeResponseHeader } from "../protocol/headers.ts";
import { Reader } from "../protocol/reader.ts";
import type { Message } from "../protocol/schema.ts";
import { type RecordsHole, type RecordsPayload, Writer } from "../protocol/writer.ts";
import type { FileSlice } from "../reactor/file_slice.ts";
import { allAtOnce } from "./slices_testing.ts";
import { testContext } from "../reactor/socket_testing.ts";
import { TopicWaits } from "./produce/topic_waits.ts";

/** Shards with the services that handlers get. */
export class TestBroker implements Disposable {
  readonly world: TestShards;
  readonly images: MetadataImage[];
  readonly #config;
  readonly #topicWaits: TopicWaits[];
  /** Answers to the questions whether changes are under way, while they are held up; else they are answered at once. */
  awaited: (() => void)[] | null = null;
  readonly #control: ControlClient = {
    call: (name, _args, done) => {
      assert.equal(name, "awaitChanges", "produce and fetch ask nothing else of the control plane");
      const answer = () => done({} as never);
      if (this.awaited === null) answer();
      else this.awaited.push(answer);
    },
  };

  /** @param properties of the broker */
  constructor(shardsCount: number, properties: Record<string, string> = {}) {
    const built = brokerConfigFrom(new Map(Object.entries(properties)));
    assert.ok("config" in built);
    this.#config = built.config;
    this.world = new TestShards(shardsCount);
    this.images = this.world.shards.map(() => new MetadataImage());
    const { clock } = this.world;
    this.#topicWaits = this.world.shards.map(({ purgatory }) =>
      new TopicWaits({ control: this.#control, purgatory, clock })
    );
  }

  /** Makes a topic known to every shard. */
  create(topic: TopicImage): void {
    for (const image of this.images) image.apply({ changed: [topic], deletedIds: [] });
    assert.deepEqual(this.world.apply(topic), []);
  }

  /** Tells one shard that a topic is gone. */
  delete(topic: TopicImage, shard: number): void {
    this.world.remove(topic, [this.world.at(shard)]);
    this.images[shard]?.apply({ changed: [], deletedIds: [topic.id] });
  }

  /** What a handler on a shard may use. */
  services(shard = 0): ShardServices {
    const { partitions, purgatory, arena } = this.world.at(shard);
    // Produce and fetch use nothing else of a shard.
    return servicesOf({
      shard,
      partitions,
      purgatory,
      slices: allAtOnce,
      watermarks: this.world.table,
      arena: arena.memory,
      image: this.images[shard] as MetadataImage,
      control: this.#control,
      topicWaits: this.#topicWaits[shard] as TopicWaits,
      clock: this.world.clock,
      nodeId: 1,
      cluster: clusterOfOne("test-cluster", this.#config),
      config: this.#config,
    });
  }

  /** Lets time pass and shards find out. */
  advance(ms: number): void {
    this.world.clock.advance(ms);
    for (const { purgatory } of this.world.shards) purgatory.expire(this.world.clock.monotonicMs());
    this.world.pump();
  }

  /** Asserts that every slice was given back: a log whose files are lent keeps them open when it is closed. */
  assertNothingLent(): void {
    this.world.pump();
    for (const { partitions, files } of this.world.shards) {
      partitions.owned.close({ clean: false });
      assert.equal(files.openCount, 0, "a file is still lent");
    }
  }

  [Symbol.dispose](): void {
    this.world[Symbol.dispose]();
  }
}

/** An answer as it was sent: encoded bytes with the records in place. */
interface Sent {
  readonly bytes: Uint8Array;
}

/** A connection of a shard, without a socket. */
export class TestClient implements PipelineOwner {
  readonly context = testContext();
  readonly affinity = new Affinity(0, 0);
  readonly writer = new Writer();
  readonly pipeline: Pipeline;
  readonly closed: string[] = [];
  readonly currentBlock = 7;
  /** Arena blocks of its requests that are held. */
  heldCount = 0;
  retainedCount = 0;
  readonly #sent: Sent[] = [];
  readonly #shard: TestShard;
  #nextId = 0;

  /** @param shard that it is connected to */
  constructor(shard: TestShard) {
    this.#shard = shard;
    this.pipeline = new Pipeline(this);
  }

  /** The exchange of a new request. */
  request(apiKey: number, apiVersion: number): RequestExchange {
    return this.pipeline.push({ apiKey, apiVersion, correlationId: this.#nextId++, clientId: null }, apiOf(apiKey));
  }

  /** How many answers have been sent and not been taken. */
  get answersCount(): number {
    return this.#sent.length;
  }

  /** Takes the oldest answer. */
  take<D, E>(message: Message<D, E>, apiVersion: number): D {
    const sent = this.#sent.shift();
    assert.ok(sent !== undefined, "there is an answer");
    const reader = new Reader(sent.bytes);
    assert.equal(reader.int32(), sent.bytes.length - 4, "the size is that of what follows");
    decodeResponseHeader(reader, message, apiVersion);
    const response = message.decode(reader, apiVersion);
    assert.deepEqual([reader.failure, reader.remaining], [null, 0]);
    return response;
  }

  sendEncoded(bytes: Uint8Array, end: number, holes: readonly RecordsHole[]): void {
    const parts: Uint8Array[] = [];
    let from = 0;
    for (const { at, payload } of holes) {
      parts.push(bytes.slice(from, at), this.#payloadBytes(payload));
      from = at;
    }
    parts.push(bytes.slice(from, end));
    const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
    parts.reduce((at, part) => (joined.set(part, at), at + part.length), 0);
    this.#sent.push({ bytes: joined });
  }

  /** A slice of a file in memory cannot be read by its descriptor alone: zeros stand for it. */
  #payloadBytes(payload: RecordsPayload): Uint8Array {
    if (payload instanceof Uint8Array) return payload;
    (payload as FileSlice).release();
    return new Uint8Array(payload.byteLength);
  }

  onEnded(): void {}

  onHandlerFailure(): void {}
  close(reason: string): void {
    this.closed.push(reason);
  }

  retainBlock(block: number): void {
    assert.equal(block, this.currentBlock);
    this.heldCount++;
    this.retainedCount++;
  }

  releaseBlock(block: number): void {
    assert.equal(block, this.currentBlock);
    this.heldCount--;
  }

  /** Puts a batch where a request would have brought it. */
  place(batch: Uint8Array): { start: number; length: number } {
    const start = this.#shard.arena.allocate(Math.max(1, batch.length));
    this.#shard.arena.memory.bytes.set(batch, start);
    return { start, length: batch.length };
  }
}
