/** Produce to topics with `flush.messages`: answers wait for the flush that covers their records. */
import { strict as assert } from "node:assert";
import { batchOf, flushGroups, smallLogs, topicOn } from "../../partitions/owned/partition_testing.ts";
import { partitionState } from "../../partitions/shared/watermarks.ts";
import { CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import { buildBatch } from "../../tests/record_batch_builder.ts";
import { TestClient } from "../requests/operation_testing.ts";
import { errorCode } from "../protocol/error_codes.ts";
import { ProduceFixture } from "./produce_testing.ts";

const { NONE, KAFKA_STORAGE_ERROR, REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS_AFTER_APPEND } = errorCode;
const FLUSHED = topicOn([0, 1], { config: { ...smallLogs, flushMessages: 1 } });
const LAZY = topicOn([0, 1], { name: "u", id: "YWFhYWFhYWFhYWFhYWFhYQ", slots: [2, 3] });
/** One partition on the client's shard, one on another. */
const [OWN, OTHER] = [0, 1];

class Fixture extends ProduceFixture {
  constructor(files: readonly CrashingFileSystem[] = []) {
    super(files);
    for (const topic of [FLUSHED, LAZY]) this.broker.create(topic);
    this.world.holdsGroups = true;
  }

  /** Ends the flushes that are under way. @returns how many groups ended */
  flush(): number {
    const count = this.world.shards.reduce((sum, shard) => sum + flushGroups(shard), 0);
    this.world.pump();
    return count;
  }
}

const producerBatch = (baseSequence: number) =>
  buildBatch([{ value: "x" }], { producerId: 5, producerEpoch: 0, baseSequence });

for (const acks of [1, -1]) {
  Deno.test(`handleProduce() with acks=${acks} is answered after the flush, holds no bytes meanwhile, and one flush covers what gathered`, () => {
    using fixture = new Fixture();
    fixture.produce([[OWN, batchOf("a")], [OTHER, batchOf("b")]], { acks });
    for (const value of ["c", "d", "e"]) fixture.produce([[OWN, batchOf(value)], [OTHER, batchOf(value)]], { acks });
    assert.deepEqual([fixture.client.answersCount, fixture.client.heldCount], [0, 0]);
    assert.deepEqual([OWN, OTHER].map((slot) => fixture.row(slot).highWatermark), [0, 0]);
    assert.equal(fixture.flush(), 2, "one for each shard");
    assert.equal(fixture.client.answersCount, 1, "the others came when the flush was under way");
    assert.equal(fixture.flush(), 2, "one for the three that gathered");
    for (let offset = 0; offset < 4; offset++) assert.deepEqual(fixture.take(), [[NONE, offset], [NONE, offset]]);
    assert.equal(fixture.flush(), 0);
  });

  Deno.test(`handleProduce() with acks=${acks} to a topic that does not flush is not held up by another topic's flush`, () => {
    using fixture = new Fixture();
    const other = new TestClient(fixture.world.at(0));
    fixture.produce([[OWN, batchOf("slow")]], { acks });
    fixture.produce([OWN, OTHER].map((index) => [index, batchOf("fast")]), { acks, topic: "u" }, other);
    assert.deepEqual([other.answersCount, fixture.client.answersCount], [1, 0]);
    fixture.flush();
    assert.deepEqual(fixture.take(), [[NONE, 0]]);
  });

  Deno.test(`handleProduce() with acks=${acks} does not time out while it waits for a flush`, () => {
    for (const timeoutMs of [-1, 0, 500]) {
      using fixture = new Fixture();
      fixture.produce([[OWN, batchOf("a")], [OTHER, batchOf("b")]], { acks, timeoutMs });
      fixture.broker.advance(60_000);
      assert.equal(fixture.client.answersCount, 0);
      fixture.flush();
      assert.deepEqual(fixture.take(), [[NONE, 0], [NONE, 0]]);
    }
  });

  Deno.test(`handleProduce() with acks=${acks} ends with KAFKA_STORAGE_ERROR when its flush fails, and so does all that gathered`, () => {
    for (const failing of [OWN, OTHER]) {
      using fixture = new Fixture();
      for (const value of ["a", "b"]) fixture.produce([[OWN, batchOf(value)], [OTHER, batchOf(value)]], { acks });
      fixture.world.at(failing).files.flushFails = true;
      fixture.flush();
      fixture.flush();
      const code = (partition: number) => partition === failing ? KAFKA_STORAGE_ERROR : NONE;
      for (const offset of [0, 1]) {
        const expected = [OWN, OTHER].map((partition) => [code(partition), code(partition) === NONE ? offset : -1]);
        assert.deepEqual(fixture.take(), expected);
      }
      assert.equal(fixture.row(failing).highWatermark, 0);
      fixture.world.at(failing).files.flushFails = false;
      fixture.produce([[failing, batchOf("c")]], { acks });
      assert.deepEqual(fixture.take(), [[KAFKA_STORAGE_ERROR, -1]], "it is never tried again");
    }
  });

  Deno.test(`handleProduce() with acks=${acks} of a duplicate whose original waits for its flush is answered with it`, () => {
    using fixture = new Fixture();
    for (const partition of [OWN, OTHER]) {
      for (const sequence of [0, 0, 1, 0]) fixture.produce([[partition, producerBatch(sequence)]], { acks });
      assert.equal(fixture.client.answersCount, 0);
      assert.equal(fixture.row(partition).logEndOffset, 2);
      fixture.flush();
      assert.deepEqual([fixture.take(), fixture.take()], [[[NONE, 0]], [[NONE, 0]]]);
      fixture.flush();
      assert.deepEqual([fixture.take(), fixture.take()], [[[NONE, 1]], [[NONE, 0]]]);
    }
  });

  Deno.test(`handleProduce() with acks=${acks} that waits for a flush is answered by the next owner of its partition`, () => {
    const disk = new CrashingFileSystem(() => 0.5);
    using fixture = new Fixture([disk, disk]);
    fixture.produce([[OWN, batchOf("a")]], { acks });
    fixture.produce([[OWN, batchOf("b")]], { acks });
    fixture.world.at(0).partitions.owned.handOver(OWN);
    fixture.flush();
    assert.equal(fixture.row(OWN).state, partitionState.handedOver);
    assert.deepEqual([fixture.take(), fixture.client.answersCount], [[[NONE, 0]], 0]);
    fixture.broker.create(topicOn([1, 1], { config: FLUSHED.logConfig }));
    fixture.world.pump();
    assert.equal(fixture.client.answersCount, 0);
    fixture.flush();
    assert.deepEqual(fixture.take(), [[NONE, 1]]);
  });
}

Deno.test("handleProduce() with acks=0 does not wait for a flush", () => {
  using fixture = new Fixture();
  fixture.produce([[OWN, batchOf("a")], [OTHER, batchOf("b")]], { acks: 0 });
  assert.deepEqual([fixture.client.pipeline.length, fixture.client.closed], [0, []]);
  fixture.flush();
  assert.deepEqual([OWN, OTHER].map((slot) => fixture.row(slot).recoveryPoint), [1, 1]);
});

Deno.test("handleProduce() with flush.messages=1 to a topic that is deleted before the flush ends with NOT_ENOUGH_REPLICAS_AFTER_APPEND", () => {
  using fixture = new Fixture();
  fixture.produce([[OWN, batchOf("a")], [OTHER, batchOf("b")]]);
  for (const shard of [0, 1]) fixture.broker.delete(FLUSHED, shard);
  fixture.flush();
  assert.deepEqual(fixture.take(), [[NOT_ENOUGH_REPLICAS_AFTER_APPEND, -1], [NOT_ENOUGH_REPLICAS_AFTER_APPEND, -1]]);
});

Deno.test("handleProduce() with flush.messages=1 answers after a flush that could not be executed at first", () => {
  using fixture = new Fixture();
  const { fileSystem } = fixture.world.at(0).files;
  const { syncDirectory } = fileSystem;
  fileSystem.syncDirectory = (path) => {
    throw new Deno.errors.NotFound(`EMFILE (simulated): ${path}`);
  };
  fixture.produce([[OWN, batchOf("a")]]);
  assert.deepEqual([fixture.flush(), fixture.flush()], [1, 0]);
  fileSystem.syncDirectory = syncDirectory;
  const { partitions } = fixture.world.at(0);
  fixture.world.clock.advance(100);
  assert.ok(partitions.nextDeadlineMs <= fixture.world.clock.monotonicMs());
  partitions.maintain(fixture.world.clock.monotonicMs());
  fixture.world.pump();
  assert.deepEqual([fixture.client.answersCount, fixture.flush()], [0, 1]);
  assert.deepEqual(fixture.take(), [[NONE, 0]]);
});

Deno.test("handleProduce() waits for replicas no longer than its timeout once the flush is over", () => {
  using fixture = new Fixture();
  const [partition] = fixture.world.at(0).partitions.owned.all;
  assert.ok(partition !== undefined);
  fixture.produce([[OWN, batchOf("a")]], { acks: -1 });
  const { replica } = partition;
  // With followers, the high watermark stays behind the flush.
  replica.flushed = (recoveryPoint) => {
    Object.assign(replica.row, { recoveryPoint });
    return "publish";
  };
  replica.acknowledged = () => "nothing";
  fixture.flush();
  fixture.broker.advance(999);
  assert.equal(fixture.client.answersCount, 0);
  fixture.broker.advance(1);
  assert.deepEqual(fixture.take(), [[REQUEST_TIMED_OUT, -1]]);
});
