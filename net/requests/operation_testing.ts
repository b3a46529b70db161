/**
 * Fixtures for tests of produce and fetch: shards whose turns the test runs, and clients whose answers are encoded and decoded.
 * Tests only.
 */
import assert from "node:assert/strict";
import { brokerConfigFrom } from "../../partitions/config/broker/broker_properties.ts";
import type { ControlClient } from "../../partitions/metadata/control_calls.ts";
import { type BrokerImage, MetadataImage, type TopicImage } from "../../partitions/metadata/image.ts";
import { onlyBroker } from "../../partitions/metadata/controller_loading.ts";
import { Answers, type TestShard, TestShards } from "../../partitions/owned/partition_testing.ts";
import { PartitionTraffic } from "../../partitions/shared/counters/partition_traffic.ts";
import { ShardCounters } from "../../partitions/shared/counters/shard_counters.ts";
import type { ReplicationParts } from "../../partitions/owned/led_replicas.ts";
import type { CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import { Affinity } from "../reactor/affinity.ts";
import type { ConnectionContext } from "./connection_context.ts";
import type { PipelineOwner, RequestExchange } from "./exchange.ts";
import { Pipeline } from "./pipeline.ts";
import { ClusterView } from "./cluster_view.ts";
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
import { untimed } from "./times/request_times_testing.ts";
import { TopicWaits } from "./produce/topic_waits.ts";
import { NewLeaderships } from "./replication/new_leaderships.ts";

/** Shards with the services of handlers. */
export class TestBroker implements Disposable {
  readonly world: TestShards;
  readonly images: MetadataImage[];
  readonly #config;
  readonly newLeaderships = new NewLeaderships();
  readonly #topicWaits: TopicWaits[];
  /** What is counted, by shard. */
  readonly traffic: PartitionTraffic[];
  /** Held answers to the question whether changes are under way; null when the question is answered at once. */
  awaited: (() => void)[] | null = null;
  /** Changes of rows that leaders want. */
  readonly proposed: Parameters<ReplicationParts["change"]>[] = [];
  readonly #control: ControlClient = {
    call: (name, _args, done) => {
      assert.match(
        name,
        /^(awaitChanges|saveLogStarts)$/,
        "requests to partitions ask nothing else of the control plane",
      );
      const answer = () => done({} as never);
      if (this.awaited === null || name === "saveLogStarts") answer();
      else this.awaited.push(answer);
    },
  };

  /** @param properties of the broker @param files file systems of an earlier broker, by shard */
  constructor(
    shardsCount: number,
    properties: Record<string, string> = {},
    files: readonly CrashingFileSystem[] = [],
  ) {
    const built = brokerConfigFrom(new Map(Object.entries(properties)));
    assert.ok("config" in built);
    this.#config = built.config;
    this.world = new TestShards(shardsCount, files, {
      replication: {
        lagMaxMs: 30_000,
        brokers: () => this.images[0]?.brokers ?? new Map(),
        minIsrOf: () => 1,
        change: (proposals, done) => void this.proposed.push([proposals, done]),
      },
    });
    this.images = this.world.shards.map(() => new MetadataImage());
    const { counters, traffic } = this.world.state;
    this.traffic = counters.map((memory, shard) =>
      new PartitionTraffic(traffic[shard] as SharedArrayBuffer, new ShardCounters(memory))
    );
    this.register([onlyBroker({ ...built.config, nodeId: 1 }, { ids: [] })]);
    const { clock } = this.world;
    this.#topicWaits = this.world.shards.map(({ purgatory }) =>
      new TopicWaits({ control: this.#control, purgatory, clock })
    );
  }

  /** Publishes the brokers of the cluster to every shard. This one has node id 1. */
  register(brokers: readonly BrokerImage[]): void {
    for (const image of this.images) image.apply({ changed: [], deletedIds: [], brokers });
  }

  /** Publishes a topic to every shard. */
  create(topic: TopicImage): void {
    for (const image of this.images) image.apply({ changed: [topic], deletedIds: [] });
    assert.deepEqual(this.world.apply(topic), []);
  }

  /** Deletes a topic on one shard. */
  delete(topic: TopicImage, shard: number): void {
    this.world.remove(topic, [this.world.at(shard)]);
    this.images[shard]?.apply({ changed: [], deletedIds: [topic.id] });
  }

  /** Appends one batch through the partition's owner, whose answer is acknowledged by the leader alone. */
  append({ shard, slot }: { readonly shard: number; readonly slot: number }, batch: Uint8Array): void {
    const answers = new Answers();
    const place = { ...this.world.putBatch(shard, batch), acks: 1 };
    this.world.at(shard).partitions.append({ shard, slot }, place, answers, 0);
    assert.equal(answers.appended[0]?.refusal, null);
    this.world.pump();
  }

  /** The services of handlers on a shard. */
  services(shard = 0): ShardServices {
    const { partitions, purgatory, arena } = this.world.at(shard);
    const image = this.images[shard] as MetadataImage;
    // Produce and fetch use nothing else of a shard.
    return servicesOf({
      shard,
      shardsCount: this.world.shards.length,
      random: Math.random,
      partitions,
      purgatory,
      newLeaderships: this.newLeaderships,
      slices: allAtOnce,
      watermarks: this.world.table,
      kept: { fetchSessions: null },
      traffic: this.traffic[shard] as PartitionTraffic,
      arena: arena.memory,
      image,
      control: this.#control,
      topicWaits: this.#topicWaits[shard] as TopicWaits,
      clock: this.world.clock,
      nodeId: 1,
      cluster: new ClusterView({ clusterId: "test-cluster", ownId: 1, image }),
      config: this.#config,
    });
  }

  /** Lets time pass, and runs the shards. */
  advance(ms: number): void {
    this.world.clock.advance(ms);
    for (const { purgatory } of this.world.shards) purgatory.expire(this.world.clock.monotonicMs());
    this.world.pump();
  }

  /** Asserts that every slice was returned. A log whose files are lent keeps them open when it is closed. */
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

/**
 * Ends a broker whose client has disconnected, and asserts that nothing is held or waits.
 * @param endHeld ends what the test still holds; by default the shards run
 */
export function endIdle(broker: TestBroker, client: TestClient, endHeld = () => broker.world.pump()): void {
  client.pipeline.abandon();
  endHeld();
  assert.equal(client.heldCount, 0, "every held block was released");
  for (const { purgatory } of broker.world.shards) assert.equal(purgatory.waitingCount, 0);
  broker[Symbol.dispose]();
}

/** An answer as it was sent: encoded bytes with the records filled in. */
interface Sent {
  readonly bytes: Uint8Array;
}

/** A connection of a shard, without a socket. */
export class TestClient implements PipelineOwner {
  readonly context: ConnectionContext;
  readonly affinity = new Affinity(0, 0);
  readonly writer = new Writer();
  readonly pipeline: Pipeline;
  readonly closed: string[] = [];
  readonly currentBlock = 7;
  readonly arrivedUs = 0;
  readonly times = untimed();
  /** How many arena blocks of its requests are held. */
  heldCount = 0;
  retainedCount = 0;
  readonly #sent: Sent[] = [];
  readonly #shard: TestShard;
  #nextId = 0;

  /** @param shard that it is connected to @param changes of its context */
  constructor(shard: TestShard, changes: Partial<ConnectionContext> = {}) {
    this.#shard = shard;
    this.context = { ...testContext(), ...changes };
    this.pipeline = new Pipeline(this);
  }

  /** The exchange of a new request. */
  request(apiKey: number, apiVersion: number): RequestExchange {
    return this.pipeline.push({ apiKey, apiVersion, correlationId: this.#nextId++, clientId: null }, apiOf(apiKey));
  }

  /** How many answers have been sent and not yet taken. */
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

  onAnswer(): void {}

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

  /** The bytes of a payload. A slice of a file in memory cannot be read by its descriptor, so zeros replace it. */
  #payloadBytes(payload: RecordsPayload): Uint8Array {
    if (payload instanceof Uint8Array) return payload;
    (payload as FileSlice).release();
    return new Uint8Array(payload.byteLength);
  }

  onEnded(): void {}

  /** How long its further requests have to wait. */
  readonly mutedMs: number[] = [];

  mute(pauseMs: number): void {
    this.mutedMs.push(pauseMs);
  }

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

  /** Writes a batch into the arena, as if a request had brought it. */
  putBatch(batch: Uint8Array): { start: number; length: number } {
    const start = this.#shard.arena.allocate(Math.max(1, batch.length));
    this.#shard.arena.memory.bytes.set(batch, start);
    return { start, length: batch.length };
  }
}
