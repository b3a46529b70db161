/** What Produce answers where a partition has followers. */
import { strict as assert } from "node:assert";
import type { TopicImage } from "../../partitions/metadata/image.ts";
import { batchOf, smallLogs, topicOn } from "../../partitions/owned/partition_testing.ts";
import { brokerOf, fetchFrom, LEADER_EPOCH, ledRow } from "../../partitions/replication/led_partition_testing.ts";
import { toOffset } from "../../storage/base/units.ts";
import { buildBatch } from "../../tests/record_batch_builder.ts";
import { errorCode } from "../protocol/error_codes.ts";
import { type ProduceRequest, produceResponse } from "../protocol/messages/00_produce.ts";
import { ZERO_UUID } from "../protocol/text_cache.ts";
import { TestBroker, TestClient } from "../requests/operation_testing.ts";
import { handleProduce } from "./00_produce.ts";

const [PRODUCE, VERSION, TIMEOUT_MS] = [0, 9, 1000];
const { NONE, NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS_AFTER_APPEND, REQUEST_TIMED_OUT } = errorCode;

/** A broker that leads a partition on the client's shard and one on another; brokers 2 and 3 follow. */
class Scene implements Disposable {
  readonly broker = new TestBroker(2);
  readonly client = new TestClient(this.broker.world.at(0));
  readonly #config;

  constructor(config = smallLogs) {
    this.#config = config;
    this.broker.register([1, 2, 3].map((id) => brokerOf(id)));
    this.change({});
  }

  /** The rows of the partitions are others. */
  change(changes: Partial<typeof ledRow>): void {
    const { minIsr, recovering, adding, removing, ...shown } = { ...ledRow, ...changes };
    const replication = { minIsr, recovering, adding, removing };
    const topic: TopicImage = topicOn([0, 1], { config: this.#config });
    const partitions = topic.partitions.map((place) => ({ ...place, ...shown, replication }));
    this.broker.create({ ...topic, partitions });
    this.broker.world.pump();
  }

  produce(acks: number, partition = 0, records = batchOf("x")): void {
    const request: ProduceRequest = {
      transactionalId: null,
      acks,
      timeoutMs: TIMEOUT_MS,
      topicData: [{
        name: "t",
        topicId: ZERO_UUID,
        partitionData: [{ index: partition, records: this.client.putBatch(records) }],
      }],
    };
    handleProduce(request, this.client.request(PRODUCE, VERSION), this.broker.services());
    this.broker.world.pump();
  }

  /** A follower has everything below an offset. */
  fetched(replica: number, offset: number, partition = 0): void {
    this.broker.world.at(partition).partitions.ownAt(partition)?.leader?.fetched(fetchFrom(replica, offset));
    this.broker.world.pump();
  }

  get isWaiting(): boolean {
    return this.client.answersCount === 0;
  }

  /** Takes an answer. @returns its error code and base offset */
  take(): readonly [number, number] {
    const { responses } = this.client.take(produceResponse, VERSION);
    const [part] = responses.flatMap(({ partitionResponses }) => partitionResponses);
    return [part?.errorCode ?? -1, part?.baseOffset ?? -1];
  }

  [Symbol.dispose](): void {
    this.client.pipeline.abandon();
    this.broker.world.pump();
    for (const { purgatory } of this.broker.world.shards) assert.equal(purgatory.waitingCount, 0);
    this.broker[Symbol.dispose]();
  }
}

Deno.test("acks=all waits until the in-sync replicas have the batch, on any shard; acks=1 until it is written", () => {
  using scene = new Scene();
  for (const partition of [0, 1]) {
    scene.produce(1, partition);
    assert.deepEqual(scene.take(), [NONE, 0]);
    scene.produce(-1, partition);
    scene.fetched(2, 2, partition);
    scene.fetched(3, 1, partition);
    assert.ok(scene.isWaiting);
    scene.fetched(3, 2, partition);
    assert.deepEqual(scene.take(), [NONE, 1]);
  }
});

Deno.test("acks=all is refused before the append while too few replicas are in sync; acks=1 and 0 are not", () => {
  using scene = new Scene();
  scene.change({ isr: [1], elr: [2, 3], partitionEpoch: 11 });
  for (const partition of [0, 1]) {
    scene.produce(-1, partition);
    assert.deepEqual(scene.take(), [NOT_ENOUGH_REPLICAS, -1]);
    scene.produce(1, partition);
    assert.deepEqual(scene.take(), [NONE, 0]);
  }
});

Deno.test("acks=all ends at its timeout when the in-sync set falls below the minimum, and nobody sees the records", () => {
  using scene = new Scene();
  scene.produce(-1);
  scene.change({ isr: [1], elr: [2, 3], partitionEpoch: 11 });
  assert.ok(scene.isWaiting);
  scene.broker.advance(TIMEOUT_MS);
  assert.deepEqual(scene.take(), [REQUEST_TIMED_OUT, -1]);
  assert.equal(scene.broker.world.at(0).partitions.ownAt(0)?.highWatermark, 0);
});

Deno.test("acks=all says that too few replicas are left when the in-sync ones have the batch at the moment that others leave", () => {
  using scene = new Scene();
  scene.produce(-1);
  scene.fetched(2, 1);
  const partition = scene.broker.world.at(0).partitions.ownAt(0);
  // Both follow in one turn, so the request sees them together.
  partition?.leader?.fetched({
    replica: 3,
    brokerEpoch: 103,
    leaderEpoch: LEADER_EPOCH,
    lastFetchedEpoch: -1,
    offset: toOffset(1),
    logStartOffset: toOffset(0),
  });
  scene.change({ isr: [1], elr: [2, 3], partitionEpoch: 11 });
  assert.deepEqual(scene.take(), [NOT_ENOUGH_REPLICAS_AFTER_APPEND, -1]);
});

Deno.test("who waits when the leadership ends gets NOT_ENOUGH_REPLICAS_AFTER_APPEND, also when this broker leads again at once", () => {
  using scene = new Scene();
  scene.produce(-1);
  const topic = { leader: 2, leaderEpoch: LEADER_EPOCH + 1, partitionEpoch: 11 };
  scene.change(topic);
  assert.deepEqual(scene.take(), [NOT_ENOUGH_REPLICAS_AFTER_APPEND, -1]);
  scene.change({ leaderEpoch: LEADER_EPOCH + 2, partitionEpoch: 12 });
  scene.produce(-1);
  assert.ok(scene.isWaiting);
});

Deno.test("a retried batch waits for the offset of the first one", () => {
  using scene = new Scene();
  const batch = buildBatch([{ value: "x" }], { producerId: 7, producerEpoch: 0, baseSequence: 0 });
  scene.produce(1, 0, batch);
  scene.take();
  scene.produce(1);
  scene.take();
  scene.produce(-1, 0, batch);
  assert.ok(scene.isWaiting);
  for (const replica of [2, 3]) scene.fetched(replica, 1);
  assert.deepEqual(scene.take(), [NONE, 0]);
});

Deno.test("with flush.messages acks=1 waits for the flush, not for the followers, and acks=all for both", () => {
  using scene = new Scene({ ...smallLogs, flushMessages: 1 });
  scene.broker.world.holdsGroups = true;
  scene.produce(1);
  assert.ok(scene.isWaiting);
  scene.broker.world.holdsGroups = false;
  scene.broker.world.pump();
  assert.deepEqual(scene.take(), [NONE, 0]);
  scene.broker.world.holdsGroups = true;
  scene.produce(-1);
  for (const replica of [2, 3]) scene.fetched(replica, 2);
  assert.ok(scene.isWaiting);
  scene.broker.world.holdsGroups = false;
  scene.broker.world.pump();
  assert.deepEqual(scene.take(), [NONE, 1]);
});
