/**
 * Produces that wait for a partition when its leadership ends. They wait for the high watermark of one leadership: in a later one the same
 * offsets may have other records, and nobody may take them for acknowledged.
 */
import { strict as assert } from "node:assert";
import { handleProduce } from "../net/handlers/00_produce.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceResponse } from "../net/protocol/messages/00_produce.ts";
import { ZERO_UUID } from "../net/protocol/text_cache.ts";
import { endIdle, TestBroker, TestClient } from "../net/requests/operation_testing.ts";
import { batchOf, flushGroups, smallLogs, topicOn } from "../partitions/owned/partition_testing.ts";
import { emptyWatermarks } from "../partitions/shared/watermarks.ts";
import { toOffset } from "../storage/base/units.ts";
import { CrashingFileSystem } from "./crashing_file_system.ts";
import { leaderBatches } from "./leader_batches.ts";
import { concatBytes, inMemory, TEST_TIMESTAMP } from "./record_batch_builder.ts";

const VERSION = 9;
const [SELF, OTHER] = [1, 2];
const SLOT = 0;
const { NONE, NOT_ENOUGH_REPLICAS_AFTER_APPEND, KAFKA_STORAGE_ERROR } = errorCode;

/** A broker of two shards, of which the first has the partition; it acknowledges nothing before a flush, which the test executes. */
class Scene implements Disposable {
  readonly #files = new CrashingFileSystem(() => 0.5);
  readonly broker = new TestBroker(2, {}, [this.#files, this.#files]);
  readonly client: TestClient;
  readonly #shard: number;

  /** @param client the shard of the client */
  constructor(client: number) {
    this.#shard = client;
    this.broker.world.holdsGroups = true;
    this.leaderIs(SELF, 3);
    this.client = new TestClient(this.broker.world.at(client));
  }

  /** The image changes; only the owner's shard has run a turn when this returns. */
  leaderIs(leader: number, leaderEpoch: number, directory = 0): void {
    const topic = topicOn([0], { config: { ...smallLogs, flushMessages: 1 }, leader, leaderEpoch });
    this.broker.create({ ...topic, partitions: topic.partitions.map((place) => ({ ...place, directory })) });
  }

  produce(acks: number): void {
    const records = this.client.putBatch(batchOf("x"));
    const topicData = [{ name: "t", topicId: ZERO_UUID, partitionData: [{ index: 0, records }] }];
    const request = { transactionalId: null, acks, timeoutMs: 1000, topicData };
    handleProduce(request, this.client.request(0, VERSION), this.broker.services(this.#shard));
  }

  /** Error code of the next answer; null when there is none. */
  take(): number | null {
    if (this.client.answersCount === 0) return null;
    const [answer] = this.client.take(produceResponse, VERSION).responses[0]?.partitionResponses ?? [];
    return answer?.errorCode ?? null;
  }

  get partition() {
    const partition = this.broker.world.at(0).partitions.owned.at(SLOT);
    assert.ok(partition !== undefined);
    return partition;
  }

  /** What the other leader has instead of the records of this one. */
  follow(batchesCount: number, epoch: number): void {
    const { follower } = this.partition;
    assert.equal(follower.truncateTo(toOffset(0)), "truncated");
    const bytes = concatBytes(leaderBatches(batchesCount, { baseOffset: 0, epoch }).map((batch) => batch.bytes));
    const { memory, start, length } = inMemory(bytes, 64);
    const fetched = { start, length, leaderEpoch: epoch, nowMs: TEST_TIMESTAMP };
    const leader = { highWatermark: toOffset(2 * batchesCount), logStartOffset: toOffset(0) };
    assert.equal(follower.append(memory, fetched, leader).batchesCount, batchesCount);
  }

  flush(): void {
    const owner = this.broker.world.at(0);
    while (flushGroups(owner) > 0) this.broker.world.pump();
  }

  /** The flush that acknowledgements wait for cannot be executed now. */
  postponeFlush(): void {
    const { fileSystem } = this.#files;
    const { syncDirectory } = fileSystem;
    fileSystem.syncDirectory = (path) => {
      throw new Deno.errors.NotFound(`EMFILE (simulated): ${path}`);
    };
    assert.equal(flushGroups(this.broker.world.at(0)), 1);
    fileSystem.syncDirectory = syncDirectory;
  }

  get highWatermark(): number {
    return this.broker.world.table.read(SLOT, emptyWatermarks()).highWatermark;
  }

  [Symbol.dispose](): void {
    endIdle(this.broker, this.client);
  }
}

for (const client of [0, 1]) {
  for (const acks of [1, -1]) {
    const name = `acks=${acks} by a client of ${client === 0 ? "the owner's shard" : "another shard"}`;

    Deno.test(`a produce that waits for a flush is acknowledged in its leadership, in a new epoch, too (${name})`, () => {
      using scene = new Scene(client);
      scene.produce(acks);
      scene.broker.world.pump();
      scene.leaderIs(SELF, 4);
      assert.equal(scene.take(), null);
      scene.flush();
      assert.deepEqual([scene.take(), scene.highWatermark], [NONE, 1]);
    });

    Deno.test(`a produce that waits is refused when another broker leads, or none (${name})`, () => {
      for (const leader of [OTHER, -1]) {
        using scene = new Scene(client);
        scene.produce(acks);
        scene.broker.world.pump();
        scene.leaderIs(leader, 4);
        scene.broker.world.pump();
        assert.equal(scene.take(), NOT_ENOUGH_REPLICAS_AFTER_APPEND);
        scene.flush();
      }
    });

    Deno.test(`a produce whose records were cut off is not acknowledged by the high watermark of a later leadership (${name})`, () => {
      // The client's shard learns of the append, of both changes and of the high watermark only afterwards.
      using scene = new Scene(client);
      scene.produce(acks);
      if (client === 1) scene.broker.world.turn(scene.broker.world.at(0));
      scene.leaderIs(OTHER, 4);
      scene.follow(3, 4);
      scene.leaderIs(SELF, 5);
      assert.equal(scene.highWatermark, 6);
      scene.broker.world.pump();
      assert.equal(scene.take(), NOT_ENOUGH_REPLICAS_AFTER_APPEND);
      scene.flush();
      scene.produce(acks);
      scene.broker.world.pump();
      scene.flush();
      assert.deepEqual([scene.take(), scene.highWatermark], [NONE, 7]);
    });

    Deno.test(`a produce that waits is refused when its partition's leader changes during a move (${name})`, () => {
      using scene = new Scene(client);
      scene.produce(acks);
      scene.broker.world.pump();
      scene.postponeFlush();
      scene.broker.world.at(0).partitions.owned.handOver(SLOT);
      assert.equal(scene.take(), null);
      const topic = topicOn([1], { config: { ...smallLogs, flushMessages: 1 }, leader: OTHER, leaderEpoch: 4 });
      scene.broker.create(topic);
      scene.broker.world.pump();
      assert.equal(scene.take(), NOT_ENOUGH_REPLICAS_AFTER_APPEND);
    });

    Deno.test(`a produce that waits when leader and log directory go at once is refused (${name})`, () => {
      using scene = new Scene(client);
      scene.produce(acks);
      scene.broker.world.pump();
      scene.leaderIs(OTHER, 4, -1);
      scene.broker.world.pump();
      assert.equal(scene.take(), KAFKA_STORAGE_ERROR);
    });
  }
}
