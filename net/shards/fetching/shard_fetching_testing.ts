/**
 * A shard that follows a leader of which the test decides every byte: the shard's classes with logs in memory, and a real socket. Tests only.
 */
import { strict as assert } from "node:assert";
import { outboxes, ShardCounters } from "../../../partitions/mod.ts";
import { MetadataImage, type TopicImage } from "../../../partitions/metadata/image.ts";
import { configOf } from "../../../partitions/metadata/controller_testing.ts";
import type { Partition } from "../../../partitions/owned/partition.ts";
import { change, topicOn } from "../../../partitions/owned/partition_testing.ts";
import { type EpochEnd, positionOf, type ReplicaLog } from "../../../partitions/replication/epoch_divergence.ts";
import { connectionRole } from "../../../partitions/shared/messages.ts";
import { NO_OFFSET, toOffset } from "../../../storage/base/units.ts";
import type { FileSystem } from "../../../storage/sys/file_system.ts";
import type { LogConfig } from "../../../storage/log/log_config.ts";
import type { LeaderBatch } from "../../../tests/leader_batches.ts";
import { answerFrameOf } from "../../../tests/kafka_client.ts";
import { readAll } from "../../../tests/log_fixture.ts";
import { concatBytes } from "../../../tests/record_batch_builder.ts";
import { decodeRequestHeader, type RequestHeader } from "../../protocol/headers.ts";
import { type FetchRequest, fetchRequest, fetchResponse } from "../../protocol/messages/01_fetch.ts";
import {
  type ListOffsetsRequest,
  listOffsetsRequest,
  listOffsetsResponse,
} from "../../protocol/messages/02_list_offsets.ts";
import { Reader } from "../../protocol/reader.ts";
import type { Message } from "../../protocol/schema.ts";
import { ShardFixture } from "../../reactor/shard_testing.ts";
import { SocketPair } from "../../reactor/socket_testing.ts";
import { type ShardFetching, startFetching } from "./shard_fetching.ts";
import { sendConnection } from "../connection_transfer.ts";
import type { FromShard } from "../shard_messages.ts";

/** Node ids of this broker and of the leader, and the broker epoch of this one. */
export const SELF = 1;
/** As above. */
export const LEADER = 2;
/** As above. */
export const BROKER_EPOCH = 77;

/** `replica.fetch.backoff.ms` by default. */
export const BACKOFF_MS = 1000;
/** Requests until a follower has caught up. */
const ROUNDS_MAX = 20;
/** Turns in which the shard takes what was sent. */
const TURNS = 12;

/** What one partition's answer says. */
export interface PartitionAnswerBody {
  readonly partitionIndex?: number;
  readonly errorCode?: number;
  readonly highWatermark?: number;
  readonly logStartOffset?: number;
  readonly divergingEpoch?: { readonly epoch: number; readonly endOffset: number };
  readonly records?: Uint8Array;
}

/** A request as the leader got it. */
export interface ReceivedRequest {
  readonly header: RequestHeader;
  readonly fetch: FetchRequest | null;
  readonly offsets: ListOffsetsRequest | null;
}

/** The leader's log: its batches, and where its epochs begin. */
export class LeaderLog implements ReplicaLog {
  batches: LeaderBatch[] = [];
  /** Epoch and start offset, ascending. */
  epochs: [number, number][] = [];
  start = 0;
  highWatermark = 0;

  get logStartOffset() {
    return toOffset(this.start);
  }

  get logEndOffset() {
    return toOffset((this.batches.at(-1)?.lastOffset ?? this.start - 1) + 1);
  }

  get earliestEpoch(): number {
    return this.epochs.filter(([, from]) => from <= this.start).at(-1)?.[0] ?? -1;
  }

  get latestEpoch(): number {
    return this.epochs.at(-1)?.[0] ?? -1;
  }

  endOffsetFor(epoch: number): EpochEnd {
    const known = this.epochs.filter(([, from]) => from >= this.start || this.earliestEpoch >= 0);
    if (epoch < 0 || known.length === 0 || epoch > this.latestEpoch) return { epoch: -1, endOffset: NO_OFFSET };
    const index = known.findLastIndex(([each]) => each <= epoch);
    if (index < 0) return { epoch, endOffset: toOffset(known[0]![1]) };
    const next = known[index + 1];
    return { epoch: known[index]![0], endOffset: next === undefined ? this.logEndOffset : toOffset(next[1]) };
  }

  /** Adds batches, and their epochs. */
  add(...batches: LeaderBatch[]): this {
    for (const batch of batches) {
      this.batches.push(batch);
      if (batch.epoch > this.latestEpoch) this.epochs.push([batch.epoch, batch.baseOffset]);
    }
    return this;
  }

  /** Answers as a leader does: what one partition's fetch gets. */
  answerTo(asked: { fetchOffset: number; lastFetchedEpoch: number }): PartitionAnswerBody {
    const position = positionOf(this, asked.lastFetchedEpoch, toOffset(asked.fetchOffset));
    const marks = { highWatermark: this.highWatermark, logStartOffset: this.start };
    if (position === "offset-out-of-range") return { errorCode: 1, highWatermark: -1, logStartOffset: -1 };
    if (position !== "continues") return { ...marks, divergingEpoch: position };
    const batches = this.batches.filter(({ lastOffset }) => lastOffset >= asked.fetchOffset);
    return { ...marks, records: concatBytes(batches.map(({ bytes }) => bytes)) };
  }
}

/** The shard, its partition, and the leader's end of the connection. */
export class FollowingWorld implements Disposable {
  readonly fixture: ShardFixture;
  readonly image = new MetadataImage();
  readonly fetching: ShardFetching;
  readonly wanted: Extract<FromShard, { type: "connect" }>[] = [];
  readonly reports: string[] = [];
  readonly topic: TopicImage;
  readonly #pairs: SocketPair[] = [];
  pair: SocketPair | null = null;
  sessionId = 5;

  constructor(
    options: {
      properties?: Record<string, string>;
      config?: LogConfig;
      partitionsCount?: number;
      epoch?: number;
      store?: { readonly fs: FileSystem; readonly path: string };
    } = {},
  ) {
    this.fixture = new ShardFixture({ store: options.store });
    const { world, shard } = this.fixture;
    const { partitions, arena } = world.at(0);
    this.setBrokers(9092);
    this.fetching = startFetching({
      counters: new ShardCounters(ShardCounters.allocate()),
      config: configOf({ "node.id": String(SELF), ...options.properties }),
      shard,
      arena,
      owned: partitions.owned,
      image: this.image,
      clock: world.clock,
      post: (message) => message.type === "connect" && this.wanted.push(message),
      report: (text) => void this.reports.push(text),
    });
    const places = Array.from({ length: options.partitionsCount ?? 1 }, () => 0);
    const { config, epoch: leaderEpoch = 5 } = options;
    this.topic = topicOn(places, { leader: LEADER, leaderEpoch, ...(config === undefined ? {} : { config }) });
    this.setLeader(LEADER, leaderEpoch);
  }

  get partition(): Partition {
    return this.partitionAt(0);
  }

  partitionAt(slot: number): Partition {
    const partition = this.fixture.world.at(0).partitions.ownAt(slot);
    assert.ok(partition !== undefined);
    return partition;
  }

  /** Log start, high watermark and log end of the partition. */
  get marks(): number[] {
    const { logStartOffset, highWatermark, logEndOffset } = this.partition.replica.row;
    return [logStartOffset, highWatermark, logEndOffset];
  }

  /** Tells the shard of the brokers. */
  setBrokers(leaderPort: number, brokerEpoch: number | undefined = BROKER_EPOCH): void {
    const broker = (nodeId: number, port: number) => ({
      ...{ nodeId, rack: null, state: "active" as const, directories: [] },
      advertised: [{ name: "PLAINTEXT", host: "127.0.0.1", port }],
    });
    const brokers = [{ ...broker(SELF, 9), brokerEpoch }, broker(LEADER, leaderPort)];
    this.image.apply({ changed: [], deletedIds: [], brokers });
    this.fixture.world.at(0).partitions.owned.onBrokers();
  }

  /** Tells the shard who leads the partitions. */
  setLeader(leader: number, leaderEpoch: number): void {
    const partitions = this.topic.partitions.map((place) => ({
      ...{ ...place, leader, leaderEpoch, replicas: [SELF, LEADER], isr: [LEADER] },
      replication: { minIsr: 1, recovering: false },
    }));
    change(this.fixture.world.at(0), { changed: [{ ...this.topic, partitions }] });
  }

  turn(): void {
    this.fixture.turn();
  }

  /** Time passes. */
  pass(ms: number): void {
    this.fixture.world.clock.advance(ms);
    this.turn();
  }

  /** Connects the shard to the leader, as the main isolate does when it is asked. */
  async connect(): Promise<SocketPair> {
    const pair = this.pair = await SocketPair.open();
    pair.peer.setNoDelay(true);
    this.#pairs.push(pair);
    this.handOut(pair.release());
    return pair;
  }

  /** Hands a connected socket out to the shard, which has asked for one. */
  handOut(fd: number): void {
    this.turn();
    const wanted = this.wanted.shift();
    assert.ok(wanted !== undefined, "the shard asks for a connection");
    const main = outboxes(this.fixture.world.state, 1)[0]!;
    const transfer = { fd, listener: 0, transfers: 0, peer: wanted.id, role: connectionRole.outgoing };
    sendConnection(main, transfer);
    main.flush();
    this.turn();
  }

  /** The next request of the follower. */
  async request(): Promise<ReceivedRequest> {
    const pair = this.pair!;
    const size = new DataView((await pair.receive(4)).buffer).getInt32(0);
    const reader = new Reader(await pair.receive(size));
    const header = decodeRequestHeader(reader, (key) => key === 1 ? fetchRequest : listOffsetsRequest);
    const fetch = header.apiKey === 1 ? fetchRequest.decode(reader, header.apiVersion) : null;
    const offsets = header.apiKey === 2 ? listOffsetsRequest.decode(reader, header.apiVersion) : null;
    assert.deepEqual([reader.failure, reader.remaining], [null, 0]);
    return { header, fetch, offsets };
  }

  /** The next request, which has to be a fetch of one partition or of none. */
  async fetchRequest() {
    const { header, fetch } = await this.request();
    assert.ok(fetch !== null, "the follower fetches");
    return { header, fetch, asked: fetch.topics[0]?.partitions[0] };
  }

  /** The frame of an answer to a fetch. */
  frame(
    to: RequestHeader,
    parts: readonly PartitionAnswerBody[],
    top: { errorCode?: number; sessionId?: number } = {},
  ) {
    const partitions = parts.map((part) => ({
      partitionIndex: 0,
      errorCode: 0,
      highWatermark: 0,
      logStartOffset: 0,
      ...part,
      records: part.records ?? new Uint8Array(0),
    }));
    const responses = parts.length === 0 ? [] : [{ topicId: this.topic.id, partitions }];
    const body = { sessionId: this.sessionId, ...top, responses };
    return answerFrameOf(fetchResponse as unknown as Message, to, body);
  }

  /** Answers a fetch, and lets the shard take the answer. */
  async answer(to: RequestHeader, ...parts: PartitionAnswerBody[]): Promise<void> {
    await this.send(this.frame(to, parts));
  }

  /** Answers a ListOffsets. */
  async answerOffsets({ header, offsets }: ReceivedRequest, offset: number, code = 0): Promise<void> {
    assert.ok(offsets !== null, "the follower asks for offsets");
    const topics = offsets.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: code, offset })),
    }));
    await this.send(answerFrameOf(listOffsetsResponse as unknown as Message, header, { topics }));
  }

  /** Sends bytes to the shard, which takes them in as many turns as it needs. */
  async send(bytes: Uint8Array): Promise<void> {
    const pair = this.pair!;
    let isSent = false;
    const sending = pair.write(bytes).then(() => isSent = true, () => isSent = true);
    while (!isSent) {
      await new Promise((resolve) => setTimeout(resolve));
      this.turn();
    }
    await sending;
    for (let turns = 0; turns < TURNS; turns++) this.turn();
  }

  /** Answers as a leader with this log, until the follower has what the leader has. */
  async catchUpTo(leader: LeaderLog): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const request = await this.request();
      if (request.offsets !== null) {
        const isStart = request.offsets.topics[0]?.partitions[0]?.timestamp === -2;
        await this.answerOffsets(request, isStart ? leader.start : leader.logEndOffset);
        if (!isStart) this.pass(BACKOFF_MS);
        continue;
      }
      const asked = request.fetch?.topics[0]?.partitions[0];
      if (asked === undefined) return; // nothing has changed for the follower
      await this.answer(request.header, leader.answerTo(asked));
    }
    throw new Error(`The follower has not caught up: ${this.marks}`);
  }

  /** The bytes of the partition's batches. */
  stored(slot = 0): Uint8Array[] {
    const fs = this.fixture.world.at(0).files.fileSystem;
    return readAll(this.partitionAt(slot).log, { fs, hasGaps: true }).map(({ bytes }) => bytes);
  }

  [Symbol.dispose](): void {
    this.fixture[Symbol.dispose]();
    for (const pair of this.#pairs) pair[Symbol.dispose]();
  }
}
