import { strict as assert } from "node:assert";
import type { AppendOutcome, AppendWaiter } from "../../partitions/mod.ts";
import { batchOf, smallLogs, topicOn } from "../../partitions/owned/partition_testing.ts";
import { emptyWatermarks, partitionState } from "../../partitions/shared/watermarks.ts";
import { toOffset } from "../../storage/base/units.ts";
import { codecNames } from "../../storage/records/record_batch.ts";
import { buildBatch } from "../../tests/record_batch_builder.ts";
import type { ShardServices } from "../requests/handler.ts";
import { servicesOf } from "../requests/services_testing.ts";
import { endIdle, TestBroker, TestClient } from "../requests/operation_testing.ts";
import { errorCode } from "../protocol/error_codes.ts";
import { type ProduceRequest, produceResponse } from "../protocol/messages/00_produce.ts";
import { ZERO_UUID } from "../protocol/text_cache.ts";
import { handleProduce } from "./00_produce.ts";

const PRODUCE = 0;
const VERSION = 9;
const TOPIC = topicOn([0, 1]);
/** One partition on the client's shard, one on another. */
const [OWN, OTHER] = [0, 1];

interface Produced {
  readonly partitions?: readonly (readonly [index: number, records: Uint8Array | null])[];
  readonly acks?: number;
  readonly version?: number;
  readonly topic?: string;
  readonly topicId?: string;
  readonly transactionalId?: string | null;
  readonly timeoutMs?: number;
}

class Fixture implements Disposable {
  readonly broker = new TestBroker(2);
  readonly client: TestClient;
  services: ShardServices;

  constructor(topic = TOPIC) {
    this.broker.create(topic);
    this.client = new TestClient(this.broker.world.at(0));
    this.services = this.broker.services();
  }

  /** Handles a request. Other shards run no turn yet. */
  produce(produced: Produced): void {
    const { partitions = [[OWN, batchOf("x")]], acks = -1, version = VERSION } = produced;
    const request: ProduceRequest = {
      transactionalId: produced.transactionalId ?? null,
      acks,
      timeoutMs: produced.timeoutMs ?? 1000,
      topicData: [{
        name: produced.topic ?? "t",
        topicId: produced.topicId ?? ZERO_UUID,
        partitionData: partitions.map(([index, records]) => ({
          index,
          records: records === null ? null : this.client.putBatch(records),
        })),
      }],
    };
    handleProduce(request, this.client.request(PRODUCE, version), this.services);
  }

  /** Takes an answer. @returns index, error code and base offset of each partition */
  take(version = VERSION): (readonly [number, number, number])[] {
    return this.takeWhole(version).map(({ index, errorCode: code, baseOffset }) => [index, code, baseOffset] as const);
  }

  takeWhole(version = VERSION) {
    return this.client.take(produceResponse, version).responses.flatMap((topic) => topic.partitionResponses);
  }

  logEnd(partition: number): number {
    return this.broker.world.table.read(partition, emptyWatermarks()).logEndOffset;
  }

  [Symbol.dispose](): void {
    endIdle(this.broker, this.client);
  }
}

Deno.test("handleProduce() appends to partitions of every shard and answers in the request's order", () => {
  using fixture = new Fixture();
  for (const [round, acks] of [1, -1].entries()) {
    fixture.produce({ acks, partitions: [[OTHER, batchOf("a", "b")], [OWN, batchOf("c")]] });
    assert.equal(fixture.client.answersCount, 0);
    fixture.broker.world.pump();
    assert.deepEqual(fixture.take(), [[OTHER, 0, 2 * round], [OWN, 0, round]]);
  }
});

Deno.test("handleProduce() answers for a partition of its own shard at once", () => {
  using fixture = new Fixture();
  fixture.produce({});
  assert.deepEqual(fixture.take(), [[OWN, 0, 0]]);
  assert.equal(fixture.client.retainedCount, 0, "nobody else reads the request");
});

Deno.test("handleProduce() appends both batches of a partition that is named twice, in order", () => {
  for (const partition of [OWN, OTHER]) {
    using fixture = new Fixture();
    fixture.produce({ partitions: [[partition, batchOf("a", "b")], [partition, batchOf("c")]] });
    fixture.broker.world.pump();
    assert.deepEqual(fixture.take(), [[partition, 0, 0], [partition, 0, 2]]);
  }
});

Deno.test("handleProduce() holds the request once while another shard reads it, until its last answer", () => {
  using fixture = new Fixture();
  fixture.produce({ partitions: [[OTHER, batchOf("a")], [OWN, batchOf("b")], [OTHER, batchOf("c")]] });
  assert.deepEqual([fixture.client.retainedCount, fixture.client.heldCount], [1, 1]);
  fixture.broker.world.pump();
  assert.deepEqual([fixture.client.retainedCount, fixture.client.heldCount], [1, 0]);
});

Deno.test("handleProduce() whose connection closes while another shard appends releases the request when that shard has answered", () => {
  for (const acks of [0, 1, -1]) {
    using fixture = new Fixture();
    fixture.produce({ acks, partitions: [[OTHER, batchOf("a")], [9, batchOf("refused")]] });
    fixture.client.pipeline.abandon();
    assert.equal(fixture.client.heldCount, 1);
    fixture.broker.world.pump();
    assert.deepEqual([fixture.client.heldCount, fixture.client.answersCount, fixture.client.closed], [0, 0, []]);
    assert.equal(fixture.logEnd(OTHER), 1);
  }
});

Deno.test("handleProduce() with acks=0 answers nothing, and closes the connection on an error", () => {
  using fixture = new Fixture();
  fixture.produce({ acks: 0, partitions: [[OTHER, batchOf("a")], [OWN, batchOf("b")]] });
  fixture.broker.world.pump();
  assert.deepEqual([fixture.client.answersCount, fixture.client.closed, fixture.client.pipeline.length], [0, [], 0]);
  assert.deepEqual([fixture.logEnd(OWN), fixture.logEnd(OTHER)], [1, 1]);
  fixture.produce({ acks: 0, partitions: [[OWN, batchOf("c")], [OTHER, new Uint8Array(5)]] });
  fixture.broker.world.pump();
  assert.equal(fixture.client.closed.length, 1);
  assert.equal(fixture.logEnd(OWN), 2, "the batches that are sound are there");
});

Deno.test("handleProduce() refuses acks, transactions, topics and partitions with Kafka's codes, and appends nothing", () => {
  using fixture = new Fixture();
  const refused = (produced: Produced) => {
    fixture.produce(produced);
    const [[, code, baseOffset] = [0, 0, 0]] = fixture.take(produced.version);
    assert.equal(baseOffset, -1);
    return code;
  };
  assert.equal(refused({ acks: 2 }), errorCode.INVALID_REQUIRED_ACKS);
  assert.equal(refused({ acks: -2 }), errorCode.INVALID_REQUIRED_ACKS);
  assert.equal(refused({ transactionalId: "tx" }), errorCode.INVALID_TXN_STATE);
  assert.equal(refused({ topic: "none" }), errorCode.UNKNOWN_TOPIC_OR_PARTITION);
  assert.equal(refused({ version: 13, topicId: "YWFhYWFhYWFhYWFhYWFhYQ" }), errorCode.UNKNOWN_TOPIC_ID);
  for (const index of [2, -1, 0x7fff_ffff]) {
    assert.equal(refused({ partitions: [[index, batchOf("x")]] }), errorCode.UNKNOWN_TOPIC_OR_PARTITION);
  }
  assert.equal(refused({ partitions: [[OWN, null]] }), errorCode.INVALID_RECORD);
  assert.equal(fixture.logEnd(OWN), 0);
});

Deno.test("handleProduce() finds a topic by its id from v13 on", () => {
  using fixture = new Fixture();
  fixture.produce({ version: 13, topic: "", topicId: TOPIC.id });
  assert.deepEqual(fixture.take(13), [[OWN, 0, 0]]);
});

Deno.test("handleProduce() refuses zstd before v7 (KIP-110)", () => {
  using fixture = new Fixture();
  const zstd = buildBatch([{ value: "x" }], { codec: "zstd" });
  for (const partition of [OWN, OTHER]) {
    fixture.produce({ version: 6, partitions: [[partition, zstd]] });
    assert.deepEqual(fixture.take(6), [[partition, errorCode.UNSUPPORTED_COMPRESSION_TYPE, -1]]);
    fixture.produce({ version: 7, partitions: [[partition, zstd]] });
    fixture.broker.world.pump();
    assert.deepEqual(fixture.take(7), [[partition, 0, 0]]);
  }
});

const compacted = { ...smallLogs, compact: true, segmentBytes: 1 << 20, messageTimestampAfterMaxMs: 3_600_000 };

Deno.test("handleProduce() names every record that is wrong from v8 on (KIP-467), whichever shard refuses it", () => {
  using fixture = new Fixture(topicOn([0, 1], { config: compacted }));
  const keyed = { key: "k", value: "x" };
  const late = { ...keyed, timestamp: fixture.broker.world.clock.wallMs() + 86_400_000 };
  const cases = [
    [[keyed, { value: "no key" }, keyed, { value: "no key" }], errorCode.INVALID_RECORD, [1, 3]],
    [[{ value: "no key" }, keyed, late], errorCode.INVALID_TIMESTAMP, [0, 2]],
  ] as const;
  for (const [records, code, indices] of cases) {
    for (const codec of codecNames) {
      const batch = buildBatch(records, { codec });
      fixture.produce({ partitions: [[OWN, batch], [OTHER, batch]] });
      fixture.broker.world.pump();
      for (const [partition, answer] of fixture.takeWhole().entries()) {
        assert.deepEqual([answer.errorCode, answer.baseOffset], [code, -1]);
        assert.deepEqual(answer.recordErrors.map(({ batchIndex }) => batchIndex), indices);
        const [first] = answer.recordErrors;
        assert.match(
          first?.batchIndexErrorMessage ?? "",
          new RegExp(`^Compacted topic .* in topic partition t-${partition}$`),
        );
        assert.match(answer.errorMessage ?? "", /^One or more records have been rejected due to /);
      }
    }
  }
  assert.deepEqual([fixture.logEnd(OWN), fixture.logEnd(OTHER)], [0, 0]);
});

Deno.test("handleProduce() names the records of a closed batch whose header alone was checked", () => {
  using fixture = new Fixture(topicOn([0, 1], { config: { ...compacted, compact: false } }));
  const late = { value: "x", timestamp: fixture.broker.world.clock.wallMs() + 86_400_000 };
  for (const codec of codecNames) {
    const batch = buildBatch([late, { value: "x", timestamp: -1 }, late], { codec });
    fixture.produce({ partitions: [[OWN, batch], [OTHER, batch]] });
    fixture.broker.world.pump();
    for (const answer of fixture.takeWhole()) {
      assert.equal(answer.errorCode, errorCode.INVALID_TIMESTAMP);
      assert.deepEqual(answer.recordErrors.map(({ batchIndex }) => batchIndex), [0, 2]);
    }
  }
});

Deno.test("handleProduce() names no record when the batch as a whole is refused", () => {
  using fixture = new Fixture();
  const control = buildBatch([{ value: "x" }], { control: true });
  const damaged = batchOf("a");
  damaged[damaged.length - 1]! ^= 1;
  for (const batch of [control, damaged, new Uint8Array(5)]) {
    fixture.produce({ partitions: [[OWN, batch], [OTHER, batch]] });
    fixture.broker.world.pump();
    for (const answer of fixture.takeWhole()) {
      assert.notEqual(answer.errorCode, errorCode.NONE);
      assert.deepEqual(answer.recordErrors, []);
      assert.ok((answer.errorMessage ?? "").length > 0);
    }
  }
});

Deno.test("handleProduce() names no more records than its limit, in all batches of a request", () => {
  using fixture = new Fixture(topicOn([0, 1], { config: compacted }));
  const batch = buildBatch(Array.from({ length: 6000 }, () => ({ value: "x" })));
  fixture.produce({ partitions: [[OWN, batch], [OTHER, batch], [OWN, batch]] });
  fixture.broker.world.pump();
  const answers = fixture.takeWhole();
  assert.deepEqual(answers.map((answer) => answer.errorCode), Array(3).fill(errorCode.INVALID_RECORD));
  // The shard's own batches are refused at once, the other shard's later: it can still name the first record.
  assert.deepEqual(answers.map((answer) => answer.recordErrors.length), [6000, 1, 4000]);
});

Deno.test("handleProduce() returns the broker's time for a topic with LogAppendTime", () => {
  using fixture = new Fixture(topicOn([0, 1], { config: { ...smallLogs, messageTimestampType: "LogAppendTime" } }));
  fixture.produce({ partitions: [[OWN, batchOf("a")], [OTHER, batchOf("b")]] });
  fixture.broker.world.pump();
  const nowMs = fixture.broker.world.clock.wallMs();
  assert.deepEqual(fixture.takeWhole().map(({ logAppendTimeMs }) => logAppendTimeMs), [nowMs, nowMs]);
});

/** A fixture whose appends succeed ahead of the high watermark, as they will with replicas. */
function withReplicas(): Fixture & { advance(highWatermark: number, state?: number): void } {
  const fixture = new Fixture();
  const { services, broker } = fixture;
  const appended: AppendOutcome = {
    refusal: null,
    recordIndex: -1,
    baseOffset: toOffset(4),
    nextOffset: toOffset(6),
    isComplete: false,
    leadership: 1,
    appendTimeMs: -1,
    logStartOffset: toOffset(0),
  };
  const partitions = {
    append(_place: unknown, { acks }: { acks: number }, waiter: AppendWaiter, tag: number) {
      waiter.onAppended(tag, { ...appended, isComplete: acks !== -1 });
      return true;
    },
  };
  fixture.services = servicesOf({ ...services, partitions });
  const advance = (highWatermark: number, state: number = partitionState.open) => {
    const row = broker.world.table.read(OWN, emptyWatermarks());
    const end = { highWatermark: toOffset(highWatermark), logEndOffset: toOffset(6) };
    broker.world.table.write(OWN, { ...row, ...end, state });
    services.purgatory.markProgress(OWN);
    services.purgatory.checkMarked();
  };
  return Object.assign(fixture, { advance });
}

Deno.test("handleProduce() with acks=all waits for the high watermark to pass the batch; acks=1 does not", () => {
  using fixture = withReplicas();
  fixture.produce({ acks: 1 });
  assert.deepEqual(fixture.take(), [[OWN, 0, 4]]);
  fixture.produce({ acks: -1 });
  for (const highWatermark of [4, 5]) {
    fixture.advance(highWatermark);
    assert.equal(fixture.client.answersCount, 0);
  }
  assert.ok(fixture.broker.world.interest.has(0, OWN));
  fixture.advance(6);
  assert.deepEqual(fixture.take(), [[OWN, 0, 4]]);
  assert.equal(fixture.broker.world.interest.has(0, OWN), false);
});

Deno.test("handleProduce() with acks=all ends with REQUEST_TIMED_OUT at its deadline, whatever timeout the client sends", () => {
  for (const [timeoutMs, waitMs] of [[100, 100], [0, 0], [-5, 0], [0x7fff_ffff, 0x7fff_ffff]] as const) {
    using fixture = withReplicas();
    fixture.produce({ timeoutMs });
    assert.equal(fixture.client.answersCount, 0);
    if (waitMs > 0) fixture.broker.advance(waitMs - 1);
    assert.equal(fixture.client.answersCount, 0);
    fixture.broker.advance(waitMs > 0 ? 1 : 0);
    assert.deepEqual(fixture.take(), [[OWN, errorCode.REQUEST_TIMED_OUT, -1]]);
  }
});

Deno.test("handleProduce() with acks=all ends with NOT_ENOUGH_REPLICAS_AFTER_APPEND when the partition is removed meanwhile, with KAFKA_STORAGE_ERROR when it goes offline", () => {
  const { closed, closedCleanly, offline } = partitionState;
  const { NOT_ENOUGH_REPLICAS_AFTER_APPEND, KAFKA_STORAGE_ERROR } = errorCode;
  for (
    const [state, code] of [
      [closed, NOT_ENOUGH_REPLICAS_AFTER_APPEND],
      [closedCleanly, NOT_ENOUGH_REPLICAS_AFTER_APPEND],
      [offline, KAFKA_STORAGE_ERROR],
    ] as const
  ) {
    using fixture = withReplicas();
    fixture.produce({});
    fixture.advance(5, state);
    assert.deepEqual(fixture.take(), [[OWN, code, -1]]);
  }
});

Deno.test("handleProduce() with acks=all keeps waiting while its partition is handed over to another shard", () => {
  using fixture = withReplicas();
  fixture.produce({});
  fixture.advance(5, partitionState.handedOver);
  assert.equal(fixture.client.answersCount, 0);
  fixture.advance(6);
  assert.deepEqual(fixture.take(), [[OWN, 0, 4]]);
});

Deno.test("handleProduce() that waits is forgotten with its connection", () => {
  using fixture = withReplicas();
  fixture.produce({});
  fixture.client.pipeline.abandon();
  assert.equal(fixture.services.purgatory.waitingCount, 0);
  assert.equal(fixture.broker.world.interest.has(0, OWN), false);
  fixture.advance(6);
  assert.equal(fixture.client.answersCount, 0);
});

Deno.test("handleProduce() refuses Kafka's own topics, except to its admin tools", () => {
  const internal = {
    ...topicOn([0], { name: "__consumer_offsets", id: "YWFhYWFhYWFhYWFhYWFhYQ", slots: [9] }),
    isInternal: true,
  };
  for (
    const [clientId, code] of [["x", errorCode.INVALID_TOPIC_EXCEPTION], ["__admin_client", errorCode.NONE]] as const
  ) {
    using fixture = new Fixture();
    fixture.broker.create(internal);
    fixture.client.context.clientId = clientId;
    fixture.produce({ topic: internal.name, partitions: [[0, batchOf("a")]] });
    assert.deepEqual(fixture.take().map(([, answered]) => answered), [code]);
  }
});
