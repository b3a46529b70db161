/** Produce of batches that a codec worker unpacks: answers wait for it, and the request's bytes are held meanwhile. */
import { strict as assert } from "node:assert";
import { batchOf, topicOn } from "../../partitions/owned/partition_testing.ts";
import { buildBatch, type TestRecord } from "../../tests/record_batch_builder.ts";
import { errorCode } from "../protocol/error_codes.ts";
import { ProduceFixture } from "./produce_testing.ts";

/** One partition on the client's shard, one on another. */
const PARTITIONS = [0, 1];
/** Takes more memory than a shard unpacks itself. */
const LARGE_VALUE = "x".repeat(3 << 20);
const large = (...more: TestRecord[]) => buildBatch([{ value: LARGE_VALUE }, ...more], { codec: "zstd" });

class Fixture extends ProduceFixture {
  constructor() {
    super();
    this.broker.create(topicOn([0, 1]));
    this.world.holdsCodecs = true;
  }

  transcode(): void {
    for (const shard of this.world.shards) this.world.transcode(shard);
    this.world.pump();
  }

  protected override endHeld(): void {
    this.transcode();
  }
}

for (const acks of [1, -1]) {
  Deno.test(`handleProduce() with acks=${acks} holds the request while a codec worker or a queue has a part of it, and answers then`, () => {
    using fixture = new Fixture();
    fixture.produce(PARTITIONS.map((partition) => [partition, large()]), { acks });
    fixture.produce(PARTITIONS.map((partition) => [partition, batchOf("behind")]), { acks });
    assert.deepEqual([fixture.client.answersCount, fixture.client.heldCount], [0, 2]);
    fixture.transcode();
    assert.equal(fixture.client.heldCount, 0);
    for (const offset of [0, 1]) {
      assert.deepEqual(fixture.take(), [[errorCode.NONE, offset], [errorCode.NONE, offset]]);
    }
  });
}

Deno.test("handleProduce() answers a batch that a codec worker refuses", () => {
  using fixture = new Fixture();
  const wrong = buildBatch([{ value: LARGE_VALUE }], { codec: "zstd", recordsCount: 2, lastOffsetDelta: 1 });
  fixture.produce([[0, wrong], [1, batchOf("a")]]);
  fixture.transcode();
  assert.deepEqual(fixture.take().map(([code]) => code), [errorCode.INVALID_RECORD, errorCode.NONE]);
});

Deno.test("handleProduce() with acks=0 appends what a codec worker unpacks, and a refusal closes the connection", () => {
  using fixture = new Fixture();
  fixture.produce(PARTITIONS.map((partition) => [partition, large()]), { acks: 0 });
  fixture.transcode();
  assert.deepEqual(PARTITIONS.map((partition) => fixture.logEnd(partition)), [1, 1]);
  assert.deepEqual(fixture.client.closed, []);
  fixture.produce(
    [[0, buildBatch([{ value: LARGE_VALUE }], { codec: "zstd", recordsCount: 2, lastOffsetDelta: 1 })]],
    { acks: 0 },
  );
  fixture.transcode();
  assert.match(fixture.client.closed[0] ?? "", /acks=0 failed with error code 87/);
});

Deno.test("handleProduce() whose connection closes while a codec worker has its batch releases the bytes afterwards, and the batch is appended", () => {
  using fixture = new Fixture();
  fixture.produce(PARTITIONS.map((partition) => [partition, large()]));
  fixture.client.pipeline.abandon();
  assert.equal(fixture.client.heldCount, 1);
  fixture.transcode();
  assert.equal(fixture.client.heldCount, 0);
  assert.deepEqual(PARTITIONS.map((partition) => fixture.logEnd(partition)), [1, 1]);
});
