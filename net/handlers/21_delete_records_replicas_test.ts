/** DeleteRecords where a partition has followers. */
import { strict as assert } from "node:assert";
import type { TopicImage } from "../../partitions/metadata/image.ts";
import { batchOf, topicOn } from "../../partitions/owned/partition_testing.ts";
import { brokerOf, LEADER_EPOCH, ledRow } from "../../partitions/replication/led_partition_testing.ts";
import { toOffset } from "../../storage/base/units.ts";
import { errorCode } from "../protocol/error_codes.ts";
import { deleteRecordsResponse } from "../protocol/messages/21_delete_records.ts";
import { TestBroker, TestClient } from "../requests/operation_testing.ts";
import { handleDeleteRecords } from "./21_delete_records.ts";

const [DELETE_RECORDS, VERSION, TIMEOUT_MS] = [21, 2, 1000];

class Scene implements Disposable {
  readonly broker = new TestBroker(2);
  readonly client = new TestClient(this.broker.world.at(0));

  constructor() {
    this.broker.register([brokerOf(1), brokerOf(2), brokerOf(3)]);
    this.change({});
    for (const partition of [0, 1]) {
      this.broker.append({ shard: partition, slot: partition }, batchOf("a", "b", "c"));
      for (const replica of [2, 3]) this.fetched(replica, partition, 0);
    }
  }

  change(changes: Partial<typeof ledRow>): void {
    const { minIsr, recovering, adding, removing, ...shown } = { ...ledRow, ...changes };
    const replication = { minIsr, recovering, adding, removing };
    const topic: TopicImage = topicOn([0, 1]);
    const partitions = topic.partitions.map((place) => ({ ...place, ...shown, replication }));
    this.broker.create({ ...topic, partitions });
    this.broker.world.pump();
  }

  fetched(replica: number, partition: number, logStartOffset: number): void {
    this.broker.world.at(partition).partitions.ownAt(partition)?.leader?.fetched({
      replica,
      brokerEpoch: brokerOf(replica).brokerEpoch as number,
      leaderEpoch: LEADER_EPOCH,
      lastFetchedEpoch: -1,
      offset: toOffset(3),
      logStartOffset: toOffset(logStartOffset),
    });
    this.broker.world.pump();
  }

  deleteBelow(offset: number, partitionIndexes = [0, 1]): void {
    const partitions = partitionIndexes.map((partitionIndex) => ({ partitionIndex, offset }));
    const exchange = this.client.request(DELETE_RECORDS, VERSION);
    handleDeleteRecords(
      { topics: [{ name: "t", partitions }], timeoutMs: TIMEOUT_MS },
      exchange as never,
      this.broker.services(),
    );
    this.broker.world.pump();
  }

  get isWaiting(): boolean {
    return this.client.answersCount === 0;
  }

  /** Takes an answer. @returns error code and low watermark of each partition */
  take(): (readonly [number, number])[] {
    const { topics } = this.client.take(deleteRecordsResponse, VERSION);
    return topics.flatMap(({ partitions }) => partitions).map((it) => [it.errorCode, it.lowWatermark] as const);
  }

  [Symbol.dispose](): void {
    this.client.pipeline.abandon();
    this.broker.world.pump();
    for (const { purgatory } of this.broker.world.shards) assert.equal(purgatory.waitingCount, 0);
    for (const slot of [0, 1]) assert.equal(this.broker.world.interest.has(0, slot), false);
    this.broker[Symbol.dispose]();
  }
}

Deno.test("DeleteRecords answers when the live followers have moved their log starts, on any shard", () => {
  using scene = new Scene();
  for (const offset of [2, -1]) {
    const target = offset === -1 ? 3 : offset;
    scene.deleteBelow(offset);
    for (const [replica, partition] of [[2, 0], [2, 1], [3, 1]] as const) scene.fetched(replica, partition, target);
    assert.ok(scene.isWaiting);
    scene.fetched(3, 0, target);
    assert.deepEqual(scene.take(), [[0, target], [0, target]]);
  }
});

Deno.test("DeleteRecords does not wait for a follower that is fenced, nor for what is deleted already", () => {
  using scene = new Scene();
  scene.broker.register([brokerOf(1), brokerOf(2), brokerOf(3, "fenced")]);
  scene.deleteBelow(2, [0]);
  scene.fetched(2, 0, 2);
  assert.deepEqual(scene.take(), [[0, 2]]);
  scene.deleteBelow(1, [0]);
  assert.deepEqual(scene.take(), [[0, 2]]);
});

Deno.test("DeleteRecords ends with REQUEST_TIMED_OUT where followers are slow, and with the leadership", () => {
  using scene = new Scene();
  scene.deleteBelow(2);
  for (const replica of [2, 3]) scene.fetched(replica, 1, 2);
  scene.broker.advance(TIMEOUT_MS);
  assert.deepEqual(scene.take(), [[errorCode.REQUEST_TIMED_OUT, 0], [0, 2]]);
  scene.deleteBelow(3, [0]);
  assert.ok(scene.isWaiting);
  scene.change({ leader: 2, leaderEpoch: LEADER_EPOCH + 1, partitionEpoch: 11 });
  assert.deepEqual(scene.take(), [[errorCode.NOT_LEADER_OR_FOLLOWER, -1]]);
});

Deno.test("DeleteRecords stops waiting when its client disconnects", () => {
  using scene = new Scene();
  scene.deleteBelow(2);
  assert.ok(scene.isWaiting);
});
