import { strict as assert } from "node:assert";
import { Answers, batchOf, smallLogs, topicOn } from "../../../partitions/owned/partition_testing.ts";
import { FetchSessions } from "./fetch_sessions.ts";
import { type FetchChanges, fetchOf, shownPartitions, startFetch } from "./fetch_testing.ts";
import { TestBroker, TestClient } from "../operation_testing.ts";
import { errorCode } from "../../protocol/error_codes.ts";
import { fetchResponse } from "../../protocol/messages/01_fetch.ts";

const VERSION = 12;
const BATCH_BYTES = batchOf("0123456789").length;
/** One partition on the client's shard, one on another. */
const TOPIC = topicOn([0, 1]);

interface Wanted extends FetchChanges {
  /** Offset by partition; by default those of the topic's partitions 0 and 1. */
  readonly offsets?: Readonly<Record<number, number>>;
  readonly version?: number;
}

/** A broker of two shards with the topic, and a client of the first. */
class Fixture implements Disposable {
  readonly broker = new TestBroker(2);
  readonly client: TestClient;
  readonly sessions = new FetchSessions(10, () => 0.5);

  constructor(topic = TOPIC) {
    this.broker.create(topic);
    this.client = new TestClient(this.broker.world.at(0));
  }

  fetch(wanted: Wanted): void {
    const { offsets = { 0: 0, 1: 0 }, version = VERSION, ...changes } = wanted;
    const pairs = Object.entries(offsets).map(([partition, offset]) => [Number(partition), offset] as const);
    startFetch(fetchOf(pairs, changes), version, this);
  }

  /** Appends one batch, through the partition's owner. */
  produce(partition: number, text = "0123456789"): void {
    this.broker.append({ shard: partition, slot: partition }, batchOf(text));
  }

  /** Takes an answer. @returns error code, bytes and high watermark of each of its partitions */
  take(version = VERSION): { sessionId: number; partitions: ReturnType<typeof shownPartitions> } {
    const { sessionId, responses } = this.client.take(fetchResponse, version);
    return { sessionId, partitions: shownPartitions(responses) };
  }

  assertWaits(): void {
    this.broker.world.pump();
    assert.deepEqual([this.client.answersCount, this.client.closed], [0, []]);
  }

  /** Ends the connection, and asserts that nothing of it is left. */
  [Symbol.dispose](): void {
    this.client.pipeline.abandon();
    this.broker.world.pump();
    for (const { purgatory } of this.broker.world.shards) assert.equal(purgatory.waitingCount, 0);
    for (const slot of [0, 1]) assert.equal(this.broker.world.interest.has(0, slot), false, "nobody waits any more");
    this.broker.assertNothingLent();
    this.broker[Symbol.dispose]();
  }
}

Deno.test("FetchOperation answers once the last shard has answered, with partitions in the order of the request", () => {
  using fixture = new Fixture();
  for (const partition of [0, 1]) fixture.produce(partition);
  fixture.fetch({});
  assert.equal(fixture.client.answersCount, 0, "the other shard has not answered");
  fixture.broker.world.pump();
  assert.deepEqual(fixture.take().partitions, [[0, 0, BATCH_BYTES, 1], [1, 0, BATCH_BYTES, 1]]);
});

Deno.test("FetchOperation waits for min bytes, whichever partition they arrive in and in whatever order", () => {
  for (const first of [0, 1]) {
    using fixture = new Fixture();
    fixture.produce(first);
    fixture.fetch({ minBytes: 2 * BATCH_BYTES, maxWaitMs: 1000 });
    fixture.assertWaits();
    fixture.produce(1 - first);
    const { partitions } = fixture.take();
    assert.deepEqual(partitions.map(([, , bytes]) => bytes), [BATCH_BYTES, BATCH_BYTES], `first to ${first}`);
  }
});

Deno.test("FetchOperation that waits does not answer before there is enough", () => {
  using fixture = new Fixture();
  fixture.fetch({ minBytes: 3 * BATCH_BYTES, maxWaitMs: 1000 });
  for (const partition of [1, 0]) {
    fixture.produce(partition);
    fixture.assertWaits();
  }
  fixture.produce(1);
  assert.deepEqual(fixture.take().partitions.map(([, , bytes]) => bytes), [BATCH_BYTES, 2 * BATCH_BYTES]);
});

Deno.test("FetchOperation answers with what there is at its deadline, and not before", () => {
  using fixture = new Fixture();
  fixture.produce(1);
  fixture.fetch({ minBytes: 1000, maxWaitMs: 500 });
  fixture.assertWaits();
  fixture.broker.advance(499);
  fixture.assertWaits();
  fixture.broker.advance(1);
  assert.deepEqual(fixture.take().partitions, [[0, 0, 0, 0], [1, 0, BATCH_BYTES, 1]]);
});

Deno.test("FetchOperation limits hostile waits and sizes to what they can mean", () => {
  const now = [
    { maxWaitMs: 0 },
    { maxWaitMs: -1 },
    { maxWaitMs: -0x8000_0000 },
    { minBytes: 0, maxWaitMs: 1000 },
    { minBytes: -5, maxWaitMs: 1000 },
    { maxBytes: 0, maxWaitMs: 1000 },
    { maxBytes: -1, maxWaitMs: 1000 },
  ];
  for (const wanted of now) {
    using fixture = new Fixture();
    fixture.fetch(wanted);
    fixture.broker.world.pump();
    assert.equal(fixture.client.answersCount, 1, JSON.stringify(wanted));
    fixture.take();
  }
  using fixture = new Fixture();
  fixture.fetch({ maxWaitMs: 0x7fff_ffff, minBytes: 0x7fff_ffff, maxBytes: 0x7fff_ffff });
  fixture.assertWaits();
  fixture.broker.advance(0x7fff_fffe);
  fixture.assertWaits();
  fixture.broker.advance(1);
  assert.equal(fixture.take().partitions.length, 2);
});

Deno.test("FetchOperation with min bytes above its max bytes answers when the response is full, as in Kafka", () => {
  using fixture = new Fixture();
  fixture.produce(0);
  fixture.fetch({ minBytes: 1 << 20, maxBytes: 2 * BATCH_BYTES, maxWaitMs: 1000 });
  fixture.assertWaits();
  fixture.produce(1);
  assert.equal(fixture.take().partitions.reduce((sum, [, , bytes]) => sum + bytes, 0), 2 * BATCH_BYTES);
});

Deno.test("FetchOperation returns the first batch whatever the limits, and only that one (KIP-74)", () => {
  for (const limits of [{ maxBytes: 1 }, { maxBytes: 0 }, { maxBytes: -1 }, { partitionMaxBytes: 1 }]) {
    using fixture = new Fixture();
    for (const partition of [1, 1]) fixture.produce(partition);
    fixture.fetch({ ...limits, maxWaitMs: 1000 });
    fixture.broker.world.pump();
    assert.deepEqual(fixture.take().partitions.map(([, , bytes]) => bytes), [0, BATCH_BYTES], JSON.stringify(limits));
  }
});

Deno.test("FetchOperation keeps to the limit of the response when several shards answer at once", () => {
  using fixture = new Fixture();
  for (const partition of [0, 0, 1, 1]) fixture.produce(partition);
  fixture.fetch({ maxBytes: 3 * BATCH_BYTES, minBytes: 1 << 20, maxWaitMs: 1000 });
  fixture.broker.world.pump();
  // The second partition's slice would exceed the limit. It is read first the next time.
  assert.deepEqual(fixture.take().partitions.map(([, , bytes]) => bytes), [2 * BATCH_BYTES, BATCH_BYTES]);
});

Deno.test("FetchOperation answers at once when there is a batch that the limits hide", () => {
  using fixture = new Fixture();
  fixture.produce(0);
  fixture.produce(1, "x".repeat(2000));
  fixture.fetch({ partitionMaxBytes: 1000, minBytes: 1 << 19, maxWaitMs: 60_000 });
  fixture.broker.world.pump();
  assert.deepEqual(fixture.take().partitions.map(([, , bytes]) => bytes > 0), [true, false]);
});

Deno.test("FetchOperation does not wait when a partition has an error", () => {
  using fixture = new Fixture();
  fixture.fetch({ offsets: { 0: 0, 1: 99 }, maxWaitMs: 60_000 });
  fixture.broker.world.pump();
  assert.deepEqual(fixture.take().partitions.map(([, code]) => code), [
    errorCode.NONE,
    errorCode.OFFSET_OUT_OF_RANGE,
  ]);
  fixture.fetch({ offsets: { 0: 0, 7: 0 }, maxWaitMs: 60_000 });
  assert.deepEqual(fixture.take().partitions.map(([, code]) => code), [
    errorCode.NONE,
    errorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ]);
  fixture.fetch({ version: 13, topicId: "YWFhYWFhYWFhYWFhYWFhYQ", maxWaitMs: 60_000 });
  assert.deepEqual(fixture.take(13).partitions.map(([, code]) => code), new Array(2).fill(errorCode.UNKNOWN_TOPIC_ID));
});

Deno.test("FetchOperation refuses an unknown last fetched epoch instead of waiting for it", () => {
  using fixture = new Fixture();
  fixture.fetch({ lastFetchedEpoch: 9, maxWaitMs: 60_000 });
  fixture.broker.world.pump();
  assert.deepEqual(
    fixture.take().partitions.map(([, code]) => code),
    new Array(2).fill(errorCode.OFFSET_OUT_OF_RANGE),
  );
});

Deno.test("FetchOperation that waits is answered when its topic is deleted, whichever shard learns of it first", () => {
  for (const order of [[0, 1], [1, 0]]) {
    using fixture = new Fixture();
    for (const partition of [0, 1]) fixture.produce(partition);
    fixture.fetch({ minBytes: 1 << 20, maxWaitMs: 60_000 });
    fixture.assertWaits();
    for (const shard of order) {
      fixture.broker.delete(TOPIC, shard);
      fixture.broker.world.pump();
    }
    assert.ok(fixture.take().partitions.some(([, code]) => code === errorCode.UNKNOWN_TOPIC_OR_PARTITION));
  }
});

Deno.test("FetchOperation that waits is answered when another broker leads, or none, and later ones are refused", () => {
  for (const leader of [2, -1]) {
    using fixture = new Fixture();
    fixture.fetch({ maxWaitMs: 1000 });
    fixture.assertWaits();
    fixture.broker.create(topicOn([0, 1], { leader, leaderEpoch: 4 }));
    fixture.broker.world.pump();
    const refused = [[0, errorCode.NOT_LEADER_OR_FOLLOWER, 0, -1], [1, errorCode.NOT_LEADER_OR_FOLLOWER, 0, -1]];
    assert.deepEqual(fixture.take().partitions, refused);
    fixture.fetch({ maxWaitMs: 1000 });
    fixture.broker.world.pump();
    assert.deepEqual(fixture.take().partitions, refused);
  }
});

for (const partition of [0, 1]) {
  Deno.test(`FetchOperation that waits is answered when partition ${partition} goes offline`, () => {
    using fixture = new Fixture(topicOn([0, 1], { config: { ...smallLogs, flushMessages: 2 } }));
    fixture.fetch({ minBytes: 1 << 20, maxWaitMs: 60_000 });
    fixture.assertWaits();
    const { world } = fixture.broker;
    world.at(partition).files.flushFails = true;
    const batch = { ...world.putBatch(partition, batchOf("a", "b")), acks: 1 };
    const answers = new Answers();
    world.at(partition).partitions.append({ shard: partition, slot: partition }, batch, answers, 0);
    assert.deepEqual([answers.appended[0]?.refusal, answers.appended[0]?.isComplete], [null, false]);
    world.pump();
    const codes = fixture.take().partitions.map(([index, code]) => [index, code]);
    assert.deepEqual(codes[partition], [partition, errorCode.KAFKA_STORAGE_ERROR]);
    // The next fetch does not wait either.
    fixture.fetch({ minBytes: 1 << 20, maxWaitMs: 60_000 });
    world.pump();
    fixture.take();
    world.at(partition).files.flushFails = false;
  });
}

Deno.test("FetchOperation returns every slice when its connection closes: while reads are under way, while it waits, when kept", () => {
  for (const moment of ["reading", "waiting", "kept", "answered"]) {
    using fixture = new Fixture();
    for (const partition of [0, 1]) fixture.produce(partition);
    // An earlier unanswered request keeps the answer of this one back.
    if (moment === "kept") fixture.client.request(fetchResponse.apiKey, VERSION);
    fixture.fetch({ minBytes: moment === "waiting" ? 1000 : 1, maxWaitMs: 60_000 });
    if (moment !== "reading") fixture.broker.world.pump();
    fixture.client.pipeline.abandon();
    fixture.broker.world.pump();
    assert.equal(fixture.client.answersCount, moment === "answered" ? 1 : 0);
  }
});

Deno.test("FetchOperation whose deadline passes while another shard is slow answers when that shard has answered", () => {
  using fixture = new Fixture();
  fixture.fetch({ minBytes: 1000, maxWaitMs: 100 });
  fixture.assertWaits();
  fixture.produce(1, "x".repeat(2000));
  fixture.take();
  fixture.fetch({ minBytes: 5000, maxWaitMs: 100 });
  // The other shard runs no turn meanwhile.
  fixture.broker.world.clock.advance(200);
  assert.equal(fixture.client.answersCount, 0);
  fixture.broker.world.pump();
  fixture.broker.advance(0);
  assert.equal(fixture.take().partitions.length, 2);
});

Deno.test("FetchOperation of a session names only partitions with news, and reads those that gave data last", () => {
  using fixture = new Fixture();
  const fetch = (epoch: number, id = 0) => {
    fixture.fetch({ session: { id, epoch }, offsets: epoch === 0 ? { 0: 0, 1: 0 } : {} });
    fixture.broker.world.pump();
    return fixture.take();
  };
  const { sessionId, partitions } = fetch(0);
  assert.ok(sessionId > 0);
  assert.deepEqual(partitions.map(([index]) => index), [0, 1]);
  assert.deepEqual(fetch(1, sessionId).partitions, []);
  fixture.produce(0);
  assert.deepEqual(fetch(2, sessionId).partitions, [[0, 0, BATCH_BYTES, 1]]);
  fixture.produce(1);
  const both = fetch(3, sessionId).partitions;
  assert.deepEqual(both.map(([index]) => index), [1, 0], "partition 0 gave data before");
});

Deno.test("FetchOperation of ten thousand partitions of another shard is answered completely", () => {
  const count = 10_000;
  using fixture = new Fixture();
  const slots = Array.from({ length: count }, (_, index) => 100 + index);
  const topic = topicOn(new Array(count).fill(1), { name: "t", id: "YWFhYWFhYWFhYWFhYWFhYQ", slots });
  // Only the asking shard knows them; the owner refuses each.
  fixture.broker.images[0]?.apply({ changed: [topic], deletedIds: [] });
  fixture.fetch({ offsets: Object.fromEntries(slots.map((_, index) => [index, 0])), maxWaitMs: 60_000 });
  fixture.broker.world.pump();
  const { partitions } = fixture.take();
  assert.equal(partitions.length, count);
  assert.ok(partitions.every(([index, code], at) => index === at && code === errorCode.UNKNOWN_TOPIC_OR_PARTITION));
});

Deno.test("FetchOperation serves no replica of another broker, and none that the partition does not have", () => {
  for (const brokerId of [null, 2, 7]) {
    for (
      const [replica, version] of [[{ old: 7 }, 12], [{ new: 7 }, 15], [{ old: 0 }, 12], [{ new: 0 }, 17]] as const
    ) {
      using fixture = new Fixture();
      fixture.client.context.brokerId = brokerId;
      const topicId = version >= 13 ? TOPIC.id : undefined;
      fixture.fetch({ replica, version, topicId, maxWaitMs: 60_000 });
      fixture.broker.world.pump();
      const { partitions } = fixture.take(version);
      assert.deepEqual(partitions.map(([, code, bytes]) => [code, bytes]), [
        [errorCode.NOT_LEADER_OR_FOLLOWER, 0],
        [errorCode.NOT_LEADER_OR_FOLLOWER, 0],
      ]);
    }
  }
});
