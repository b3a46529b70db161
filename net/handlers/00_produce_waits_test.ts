/** Produce to topics and partitions that are being created. */
import { strict as assert } from "node:assert";
import { batchOf, topicOn } from "../../partitions/owned/partition_testing.ts";
import { buildBatch } from "../../tests/record_batch_builder.ts";
import { errorCode } from "../protocol/error_codes.ts";
import { RefusedBatches } from "../requests/produce/refused_batches.ts";
import { TopicWait } from "../requests/produce/topic_waits.ts";
import { ProduceFixture } from "./produce_testing.ts";

const { NONE, UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, OUT_OF_ORDER_SEQUENCE_NUMBER: OUT_OF_ORDER } = errorCode;
/** New topics begin with leader epoch 0. */
const TOPIC = topicOn([0, 1], { leaderEpoch: 0 });
/** One partition on the client's shard, one on another. */
const [OWN, OTHER] = [0, 1];

class Fixture extends ProduceFixture {
  constructor() {
    super();
    this.broker.awaited = [];
  }

  /** The controller has carried out all changes that were requested. */
  answerQuestions(): void {
    for (const answer of this.broker.awaited?.splice(0) ?? []) answer();
    this.broker.world.pump();
  }

  protected override endHeld(): void {
    this.answerQuestions();
  }
}

/** A batch of an idempotent producer. */
function batchAt(baseSequence: number): Uint8Array {
  const records = Array.from({ length: 17 }, () => ({ value: "x" }));
  return buildBatch(records, { producerId: 5, producerEpoch: 0, baseSequence });
}

Deno.test("handleProduce() to a topic that is being created waits, with all requests behind it, and appends to every shard", () => {
  for (const version of [9, 13]) {
    using fixture = new Fixture();
    const { client, broker } = fixture;
    fixture.produce([[OTHER, batchOf("a")], [OWN, batchOf("b")]], { version });
    assert.deepEqual([client.answersCount, client.pipeline.isHeld, client.heldCount], [0, true, 1]);
    broker.create(TOPIC);
    fixture.answerQuestions();
    assert.deepEqual(fixture.take(version), [[NONE, 0], [NONE, 0]]);
    assert.deepEqual([client.pipeline.isHeld, client.heldCount, client.retainedCount], [false, 0, 1]);
  }
});

Deno.test("handleProduce() waits for a partition that its shard has not opened yet, its own shard or another", () => {
  for (const partition of [OWN, OTHER]) {
    using fixture = new Fixture();
    const { broker } = fixture;
    for (const image of broker.images) image.apply({ changed: [TOPIC], deletedIds: [] });
    fixture.produce([[partition, batchAt(0)]]);
    assert.equal(fixture.client.answersCount, 0);
    broker.world.apply(TOPIC);
    fixture.answerQuestions();
    assert.deepEqual(fixture.take(), [[NONE, 0]]);
  }
});

Deno.test("handleProduce() appends what it can while a new partition of the same topic is awaited", () => {
  using fixture = new Fixture();
  const { broker } = fixture;
  broker.create(topicOn([0, 1]));
  fixture.produce([[OTHER, batchOf("a")], [2, batchOf("b")], [OWN, batchOf("c")]], { acks: 0 });
  assert.deepEqual([fixture.logEnd(OTHER), fixture.logEnd(OWN), fixture.logEnd(2)], [1, 1, 0]);
  broker.create(topicOn([0, 1, 1]));
  fixture.answerQuestions();
  assert.deepEqual([fixture.logEnd(2), fixture.client.closed, fixture.client.pipeline.length], [1, [], 0]);
});

Deno.test("handleProduce() lets 256 unknown partitions wait for their creation, and refuses more at once", () => {
  for (const [count, isWaiting] of [[256, true], [257, false]] as const) {
    using fixture = new Fixture();
    fixture.produce(Array.from({ length: count }, (_, index) => [index + 2, batchOf("a")] as const));
    assert.equal(fixture.client.answersCount, isWaiting ? 0 : 1);
  }
});

Deno.test("handleProduce() refuses a topic that nobody created, and one that it has awaited for longer than 2 s", () => {
  for (const [version, code] of [[9, UNKNOWN_TOPIC_OR_PARTITION], [13, UNKNOWN_TOPIC_ID]] as const) {
    using fixture = new Fixture();
    fixture.produce([[OWN, batchOf("a")]], { version });
    fixture.answerQuestions();
    assert.deepEqual(fixture.take(version), [[code, -1]]);
    fixture.produce([[OWN, batchOf("a")]], { version });
    fixture.broker.advance(2000);
    assert.deepEqual(fixture.take(version), [[code, -1]]);
  }
});

Deno.test("handleProduce() refuses an unknown topic at once when too many requests wait already", () => {
  using fixture = new Fixture();
  const { topicWaits } = fixture.services;
  const hog = new TopicWait(32 * 1024 * 1024, () => {});
  topicWaits.add(hog);
  fixture.produce([[OWN, batchOf("a")]]);
  assert.deepEqual([fixture.take(), fixture.client.heldCount], [[[UNKNOWN_TOPIC_OR_PARTITION, -1]], 0]);
});

Deno.test("handleProduce() that waits for a topic is forgotten with its connection", () => {
  using fixture = new Fixture();
  fixture.produce([[OWN, batchOf("a")]]);
  fixture.client.pipeline.abandon();
  assert.deepEqual([fixture.client.heldCount, fixture.services.topicWaits.count], [0, 0]);
  fixture.broker.create(TOPIC);
  fixture.answerQuestions();
  assert.equal(fixture.logEnd(OWN), 0);
});

Deno.test("handleProduce() stores no batch behind a refused one of its producer on the connection, until that one is stored", () => {
  for (const partition of [OWN, OTHER]) {
    using fixture = new Fixture();
    const codeOf = (sequence: number) => {
      fixture.produce([[partition, batchAt(sequence)]]);
      fixture.answerQuestions();
      return fixture.take()[0]?.[0];
    };
    assert.equal(codeOf(0), UNKNOWN_TOPIC_OR_PARTITION);
    fixture.broker.create(TOPIC);
    assert.deepEqual([codeOf(17), codeOf(34), codeOf(0), codeOf(17), codeOf(34)], [
      OUT_OF_ORDER,
      OUT_OF_ORDER,
      NONE,
      NONE,
      NONE,
    ]);
    assert.equal(fixture.logEnd(partition), 51);
    assert.equal(fixture.client.context.refusedBatches?.isEmpty, true);
  }
});

Deno.test("handleProduce() stores a batch behind a refused one that the log has: that one was sent again", () => {
  for (const partition of [OWN, OTHER]) {
    using fixture = new Fixture();
    fixture.broker.create(TOPIC);
    const codeOf = (sequence: number) => {
      fixture.produce([[partition, batchAt(sequence)]]);
      fixture.answerQuestions();
      return fixture.take()[0]?.[0];
    };
    assert.deepEqual([codeOf(0), codeOf(17)], [NONE, NONE]);
    const refused = fixture.client.context.refusedBatches = new RefusedBatches();
    refused.onRefused({ producerId: 5, topic: "t", partition, sequence: 17 }, 0);
    assert.equal(refused.isAhead({ producerId: 5, topic: "t", partition, sequence: 34 }, 0), true);
    assert.deepEqual([codeOf(68), codeOf(34), codeOf(17), codeOf(51)], [OUT_OF_ORDER, NONE, NONE, NONE]);
    assert.deepEqual([fixture.logEnd(partition), refused.isEmpty], [68, true]);
  }
});

Deno.test("handleProduce() accepts the first batch of a producer with any sequence when none before it was refused", () => {
  using fixture = new Fixture();
  fixture.broker.create(TOPIC);
  fixture.produce([[OWN, batchAt(17)], [OTHER, batchAt(34)]]);
  assert.deepEqual(fixture.take(), [[NONE, 0], [NONE, 0]]);
  assert.equal(fixture.client.context.refusedBatches, undefined);
});
