/**
 * Lives of a partition under idempotent producers, by a seed: batches that codec workers unpack, flushes that end late, fail or cannot be
 * executed, duplicates of batches in flight, moves between shards, other leaders, and crashes at any call that changes a file. Test code.
 *
 * What is promised, and checked after each life: a request is answered once; a record is stored once, and in its producer's order; an
 * acknowledged record with `flush.messages=1` survives every crash, and so does what consumers could see. Another leader has all that was
 * acknowledged, and perhaps other records behind it.
 */
import { strict as assert } from "node:assert";
import { handleProduce } from "../net/handlers/00_produce.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceResponse } from "../net/protocol/messages/00_produce.ts";
import { ZERO_UUID } from "../net/protocol/text_cache.ts";
import { TestBroker, TestClient } from "../net/requests/operation_testing.ts";
import type { TopicImage } from "../partitions/metadata/image.ts";
import { flushGroups, flushOn, LOG_DIRECTORY, smallLogs, topicOn } from "../partitions/owned/partition_testing.ts";
import { emptyWatermarks, partitionState } from "../partitions/shared/watermarks.ts";
import { toOffset } from "../storage/base/units.ts";
import { createRandom } from "../storage/base/random.ts";
import { compress } from "../storage/records/compression/compression.ts";
import type { LogConfig } from "../storage/log/log_config.ts";
import { baseSequence, codecNames, producerId } from "../storage/records/record_batch.ts";
import { Crash, CrashingFileSystem, type Survival } from "./crashing_file_system.ts";
import { batchesIn } from "./log_fixture.ts";
import { leaderBatches } from "./leader_batches.ts";
import { buildBatch, buildRecord, concatBytes, inMemory, TEST_TIMESTAMP } from "./record_batch_builder.ts";

const VERSION = 9;
const SLOT = 0;
const SHARDS = [0, 1];
const [SELF, OTHER] = [1, 2];
const IN_FLIGHT_MAX = 5;
const STEPS = 150;
const ZSTD = codecNames.indexOf("zstd");

/** Records that take more memory than a shard unpacks itself. */
const largeRecords = compress(
  ZSTD,
  buildRecord({ value: "x".repeat(3 << 20) }, { offsetDelta: 0, baseTimestamp: TEST_TIMESTAMP }),
);

/** One record of a producer, as a batch by itself. */
function batchOf(id: number, sequence: number, size: number): Uint8Array {
  const options = { producerId: id, producerEpoch: 0, baseSequence: sequence };
  if (size < 0.3) return buildBatch([{ value: null }], { ...options, codec: "zstd", rawRecords: largeRecords });
  return buildBatch(
    [{ value: "v".repeat(Math.floor(size * 200)) }],
    size < 0.5 ? { ...options, codec: "gzip" } : options,
  );
}

/** What one producer knows. It keeps its knowledge over all lives. */
class Producer {
  readonly id: number;
  readonly shard: number;
  client: TestClient;
  /** Sequences below it are acknowledged. */
  acknowledged = 0;
  nextSequence = 0;
  /** Sequences whose answers are awaited. */
  inFlight: number[] = [];
  /** Whether it sends nothing new until everything in flight was answered, because a request failed. */
  isRecovering = false;
  /**
   * Whether the log takes its next batch for a gap, and it has to begin with another id. After a restart or a move the log knows only the
   * last batch of a producer as a duplicate, as in Kafka (ProducerStateManager's snapshots).
   */
  isLost = false;
  readonly baseOffsets = new Map<number, number>();

  constructor(id: number, shard: number, client: TestClient) {
    this.id = id;
    this.shard = shard;
    this.client = client;
  }

  /** Whether it may send: nothing else is in flight with its first batch, because an unknown producer may begin anywhere (KAFKA-15591). */
  get maySend(): boolean {
    const most = this.acknowledged === 0 ? 1 : IN_FLIGHT_MAX;
    return !this.isRecovering && this.inFlight.length < most;
  }

  /** Takes the answers that have arrived. */
  takeAnswers(): void {
    while (this.client.answersCount > 0) {
      const sequence = this.inFlight.shift();
      assert.ok(sequence !== undefined, `producer ${this.id} gets an answer that it does not wait for`);
      const [answer] = this.client.take(produceResponse, VERSION).responses[0]?.partitionResponses ?? [];
      assert.ok(answer !== undefined);
      if (answer.errorCode === errorCode.NONE) this.#onAcknowledged(sequence, answer.baseOffset);
      else this.isRecovering = true;
      this.isLost ||= answer.errorCode === errorCode.OUT_OF_ORDER_SEQUENCE_NUMBER && sequence === this.acknowledged;
    }
    if (!this.isRecovering || this.inFlight.length > 0) return;
    this.isRecovering = false;
    this.nextSequence = this.acknowledged;
  }

  /** The broker died: what was in flight has no answer. */
  reconnect(client: TestClient): void {
    this.client = client;
    this.inFlight = [];
    this.isRecovering = false;
    this.nextSequence = this.acknowledged;
  }

  #onAcknowledged(sequence: number, baseOffset: number): void {
    if (this.isRecovering && sequence > this.acknowledged) return; // it is sent again
    assert.ok(
      sequence <= this.acknowledged,
      `${sequence} of producer ${this.id} is acknowledged before ${this.acknowledged}`,
    );
    this.acknowledged = Math.max(this.acknowledged, sequence + 1);
    const before = this.baseOffsets.get(sequence);
    assert.ok(before === undefined || before === baseOffset, `${sequence} of producer ${this.id} was stored twice`);
    this.baseOffsets.set(sequence, baseOffset);
  }
}

/** What happened. */
export interface LifeCounts {
  acknowledged: number;
  unpacked: number;
  groups: number;
  moves: number;
  leaders: number;
  crashes: number;
  failedFlushes: number;
}

/** One disk, and the brokers that live on it one after the other. */
export class AppendLives {
  readonly counts: LifeCounts = {
    acknowledged: 0,
    unpacked: 0,
    groups: 0,
    moves: 0,
    leaders: 0,
    crashes: 0,
    failedFlushes: 0,
  };
  readonly #random: () => number;
  readonly #files: CrashingFileSystem;
  readonly #config: LogConfig;
  readonly #syncDirectory: CrashingFileSystem["fileSystem"]["syncDirectory"];
  #broker: TestBroker;
  #owner = 0;
  #leader = SELF;
  #leaderEpoch = 3;
  /** Whether a loss of power may leave a segment of a truncation behind lost records that nobody was told of. */
  #mayHaveGaps = false;
  #producers: Producer[];
  /** Producers that went on with another id. */
  readonly #lost: Producer[] = [];
  #nextId = 1;
  /** Highest high watermark that was published. */
  #visibleEnd = 0;

  /** @param tamper plants a bug into the file system */
  constructor(seed: number, flushMessages: number, tamper: (files: CrashingFileSystem) => void = () => {}) {
    this.#random = createRandom(seed);
    this.#files = new CrashingFileSystem(this.#random);
    this.#config = { ...smallLogs, segmentBytes: 4000, indexIntervalBytes: 500, flushMessages };
    tamper(this.#files);
    this.#syncDirectory = this.#files.fileSystem.syncDirectory;
    this.#broker = this.#start();
    this.#producers = [0, 1, 0].map((shard) => this.#newProducer(shard));
  }

  /**
   * Lives until the end of the steps, or a crash, and checks what is left.
   * @param survival what a loss of power spares
   * @returns whether nothing acknowledged may be missing, so that the producers can continue
   */
  live(survival: Survival): boolean {
    const failuresBefore = this.counts.failedFlushes;
    if (this.#random() < 0.7) this.#files.crashAt = this.#files.calls + Math.floor(this.#random() * 250);
    try {
      for (let step = 0; step < STEPS; step++) this.#step();
      this.#files.flushFails = false;
      this.#quiesce();
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      this.counts.crashes++;
    }
    this.#broker[Symbol.dispose]();
    this.#files.restart(survival);
    this.#files.flushFails = false;
    this.#files.fileSystem.syncDirectory = this.#syncDirectory;
    this.#broker = this.#start();
    const hasLostPages = survival !== "all" || this.counts.failedFlushes > failuresBefore;
    const isDurable = this.#config.flushMessages === 1 || !hasLostPages;
    this.#verify(isDurable);
    for (const producer of this.#producers) producer.reconnect(this.#connect(producer.shard));
    return isDurable;
  }

  #start(): TestBroker {
    this.#leader = SELF;
    this.#leaderEpoch++;
    const broker = new TestBroker(SHARDS.length, {}, SHARDS.map(() => this.#files));
    broker.world.holdsGroups = true;
    broker.world.holdsCodecs = true;
    broker.create(this.#topic);
    return broker;
  }

  get #topic(): TopicImage {
    return topicOn([this.#owner], { config: this.#config, leader: this.#leader, leaderEpoch: this.#leaderEpoch });
  }

  #newProducer(shard: number): Producer {
    return new Producer(this.#nextId++, shard, this.#connect(shard));
  }

  #connect(shard: number): TestClient {
    return new TestClient(this.#broker.world.at(shard));
  }

  #step(): void {
    const { world } = this.#broker;
    const choice = this.#random();
    if (choice < 0.5) this.#produce(this.#pick(this.#producers));
    else if (choice < 0.7) this.#unpackOne();
    else if (choice < 0.85) this.#endFlushes();
    else if (choice < 0.87) this.#move();
    else if (choice < 0.885) this.#changeLeader();
    else if (choice < 0.89) this.#refuseDirectories();
    else if (choice < 0.892) this.#files.flushFails = true;
    else this.#runTurns();
    world.pump();
    this.#observe();
  }

  #produce(producer: Producer): void {
    const isRepeat = producer.inFlight.length > 0 && producer.inFlight.length < IN_FLIGHT_MAX && this.#random() < 0.2;
    if (!isRepeat && !producer.maySend) return;
    const sequence = isRepeat ? this.#pick(producer.inFlight) : producer.nextSequence++;
    producer.inFlight.push(sequence);
    const { client } = producer;
    const records = client.putBatch(batchOf(producer.id, sequence, this.#random()));
    const topicData = [{ name: "t", topicId: ZERO_UUID, partitionData: [{ index: 0, records }] }];
    const request = { transactionalId: null, acks: this.#random() < 0.5 ? 1 : -1, timeoutMs: 30_000, topicData };
    handleProduce(request, client.request(0, VERSION), this.#broker.services(producer.shard));
  }

  /** A codec worker ends: any of those that have a batch. */
  #unpackOne(): void {
    const shard = this.#broker.world.at(this.#pick(SHARDS));
    const { codecWork } = shard;
    if (codecWork.length === 0) return;
    codecWork.unshift(...codecWork.splice(Math.floor(this.#random() * codecWork.length), 1));
    this.counts.unpacked += this.#broker.world.transcode(shard, 1);
  }

  #endFlushes(shard = this.#broker.world.at(this.#pick(SHARDS))): void {
    if (this.#files.flushFails && shard.groups.length + shard.flushes.length > 0) this.counts.failedFlushes++;
    this.counts.groups += flushGroups(shard);
    for (const { request, done } of shard.flushes.splice(0)) done(flushOn(this.#files, request));
  }

  /** The old owner hands the partition over, if it can now; the new one opens it at once or a few steps later. */
  #move(): void {
    const { world } = this.#broker;
    if (this.#state === partitionState.open) world.at(this.#owner).partitions.owned.handOver(SLOT);
    if (this.#state !== partitionState.handedOver || this.#random() < 0.5) return;
    this.#owner = 1 - this.#owner;
    this.#broker.create(this.#topic);
    this.counts.moves++;
  }

  /** Another broker leads, or this one leads again; often both before anybody who waits looks. */
  #changeLeader(): void {
    this.#elect(this.#leader === SELF ? OTHER : SELF);
    if (this.#leader === SELF) return;
    this.#follow();
    if (this.#random() < 0.7) this.#elect(SELF);
  }

  #elect(leader: number): void {
    this.#leader = leader;
    this.#leaderEpoch++;
    this.#broker.create(this.#topic);
    this.counts.leaders++;
  }

  /** The other leader has what was acknowledged, but not all behind it, and records of its own. */
  #follow(): void {
    const partition = this.#broker.world.at(this.#owner).partitions.owned.at(SLOT);
    if (partition?.isOpen !== true) return;
    const { follower, log, highWatermark } = partition;
    const offset = highWatermark + Math.floor(this.#random() * (log.logEndOffset - highWatermark + 1));
    this.#mayHaveGaps = true;
    if (follower.truncateTo(toOffset(offset)) !== "truncated") return;
    const count = Math.floor(this.#random() * 3);
    const batches = leaderBatches(count, { baseOffset: log.logEndOffset, epoch: this.#leaderEpoch });
    const { memory, start, length } = inMemory(concatBytes(batches.map(({ bytes }) => bytes)), 64);
    const fetched = { start, length, leaderEpoch: this.#leaderEpoch, nowMs: TEST_TIMESTAMP };
    const leader = { highWatermark: follower.fetchOffset, logStartOffset: toOffset(0) };
    const { refusal } = follower.append(memory, fetched, leader);
    assert.ok(refusal === null || refusal === "log-offline");
  }

  /** The next flush that needs a directory cannot open it. */
  #refuseDirectories(): void {
    const { fileSystem } = this.#files;
    fileSystem.syncDirectory = (path) => {
      fileSystem.syncDirectory = this.#syncDirectory;
      throw new Deno.errors.NotFound(`EMFILE (simulated): ${path}`);
    };
  }

  #runTurns(): void {
    this.#broker.advance(50);
    const { world } = this.#broker;
    for (const { partitions } of world.shards) partitions.maintain(world.clock.monotonicMs());
  }

  #observe(): void {
    for (const [index, producer] of this.#producers.entries()) {
      producer.takeAnswers();
      if (!producer.isLost || producer.inFlight.length > 0) continue;
      this.#lost.push(producer);
      this.#producers[index] = this.#newProducer(producer.shard);
    }
    const { highWatermark } = this.#broker.world.table.read(SLOT, emptyWatermarks());
    this.#visibleEnd = Math.max(this.#visibleEnd, highWatermark);
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)] as T;
  }

  get #state(): number {
    return this.#broker.world.table.stateOf(SLOT);
  }

  /** Ends everything that is under way: then every request has its answer. */
  #quiesce(): void {
    for (let round = 0; round < 50; round++) {
      if (this.#leader === OTHER) this.#elect(SELF);
      if (this.#state === partitionState.handedOver) this.#broker.create(this.#topic);
      for (const shard of this.#broker.world.shards) {
        this.counts.unpacked += this.#broker.world.transcode(shard);
        this.#endFlushes(shard);
      }
      this.#runTurns();
      this.#observe();
    }
    for (const { id, inFlight } of this.#producers) assert.deepEqual(inFlight, [], `producer ${id} waits for ever`);
  }

  #verify(isDurable: boolean): void {
    const stored = this.#storedSequences(isDurable);
    const row = this.#broker.world.table.read(SLOT, emptyWatermarks());
    assert.equal(row.state, partitionState.open);
    if (isDurable) {
      assert.ok(row.logEndOffset >= this.#visibleEnd, `${row.logEndOffset} of ${this.#visibleEnd} visible`);
    }
    for (const { id, acknowledged, nextSequence } of isDurable ? [...this.#producers, ...this.#lost] : []) {
      const sequences = stored.get(id) ?? [];
      assert.deepEqual(sequences, sequences.map((_, index) => index), `producer ${id}: in order, each once`);
      assert.ok(
        sequences.length >= acknowledged,
        `producer ${id}: ${sequences.length} of ${acknowledged} acknowledged`,
      );
      assert.ok(sequences.length <= nextSequence + IN_FLIGHT_MAX, `producer ${id}: more records than it sent`);
    }
    this.counts.acknowledged += this.#producers.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  }

  /** The sequences in the log, by producer, in the order of their offsets. */
  #storedSequences(isDense: boolean): Map<number, number[]> {
    const logs = this.#files.files().filter(([path]) =>
      path.startsWith(`${LOG_DIRECTORY}/t-0/`) && path.endsWith(".log")
    );
    const stored = new Map<number, number[]>();
    let end = 0;
    for (const [, bytes] of logs.sort(([a], [b]) => a < b ? -1 : 1)) {
      for (const batch of batchesIn(bytes)) {
        const follows = isDense && !this.#mayHaveGaps ? batch.baseOffset === end : batch.baseOffset >= end;
        assert.ok(follows, `${batch.baseOffset} follows ${end}`);
        end = batch.lastOffset + 1;
        const view = new DataView(batch.bytes.buffer, batch.bytes.byteOffset, batch.bytes.byteLength);
        const id = producerId(view, 0);
        const sequences = stored.get(id) ?? [];
        sequences.push(baseSequence(view, 0));
        stored.set(id, sequences);
      }
    }
    return stored;
  }
}
