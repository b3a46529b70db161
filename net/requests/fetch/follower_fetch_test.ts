/** Fetches of followers, with consumers and producers beside them: the handler over the shards' own partitions. */
import { strict as assert } from "node:assert";
import type { TopicImage } from "../../../partitions/metadata/image.ts";
import { batchOf, topicOn } from "../../../partitions/owned/partition_testing.ts";
import { brokerOf, LEADER_EPOCH, ledRow } from "../../../partitions/replication/led_partition_testing.ts";
import { type Handler } from "../api.ts";
import { fetchApi } from "../../handlers/01_fetch.ts";
import { TestBroker, TestClient } from "../operation_testing.ts";
import { errorCode } from "../../protocol/error_codes.ts";
import { type FetchRequest, type FetchResponse, fetchResponse } from "../../protocol/messages/01_fetch.ts";
import { type FetchChanges, fetchOf, shownPartitions } from "./fetch_testing.ts";

const VERSION = 17;
const BATCH_BYTES = batchOf("x").length;
const WAIT_MS = 500;

/** A topic of which broker 1 leads two partitions on two shards, and brokers 2 and 3 follow. */
function ledTopic(changes: Partial<typeof ledRow> = {}): TopicImage {
  const topic = topicOn([0, 1]);
  const { minIsr, recovering, adding, removing, ...shown } = { ...ledRow, ...changes };
  const replication = { minIsr, recovering, adding, removing };
  return { ...topic, partitions: topic.partitions.map((place) => ({ ...place, ...shown, replication })) };
}

/** A broker with that topic, its followers and a consumer. */
class Scene implements Disposable {
  readonly broker = new TestBroker(2);
  readonly topic = ledTopic();
  readonly clients = new Map<number, TestClient>();
  readonly #handle: Handler<FetchRequest, FetchResponse>;

  constructor() {
    this.broker.register([1, 2, 3].map((id) => brokerOf(id)));
    this.broker.create(this.topic);
    this.#handle = fetchApi.handlerOf?.(this.broker.services()) as Handler<FetchRequest, FetchResponse>;
  }

  /** The connection of a broker; 0 is a consumer. */
  client(of: number): TestClient {
    let client = this.clients.get(of);
    if (client === undefined) {
      client = new TestClient(this.broker.world.at(0));
      client.context.brokerId = of === 0 ? null : of;
      this.clients.set(of, client);
    }
    return client;
  }

  /** Sends a fetch of a broker, or of a consumer (0). */
  fetch(of: number, offsets: Readonly<Record<number, number>>, changes: FetchChanges = {}): void {
    const replica = of === 0 ? {} : { new: of, epoch: brokerOf(of).brokerEpoch };
    const request = fetchOf(Object.entries(offsets).map(([partition, offset]) => [Number(partition), offset]), {
      topicId: this.topic.id,
      replica,
      currentLeaderEpoch: LEADER_EPOCH,
      maxWaitMs: WAIT_MS,
      ...changes,
    });
    const services = this.broker.services();
    this.#handle(request, this.client(of).request(fetchApi.key, VERSION), services);
    this.broker.world.pump();
  }

  append(partition: number): void {
    this.broker.append({ shard: partition, slot: partition }, batchOf("x"));
  }

  /** Takes an answer. @returns the session, and partition, error, bytes and high watermark of each */
  take(of: number): { sessionId: number; partitions: ReturnType<typeof shownPartitions> } {
    const { sessionId, responses } = this.client(of).take(fetchResponse, VERSION);
    return { sessionId, partitions: shownPartitions(responses) };
  }

  isWaiting(of: number): boolean {
    return this.client(of).answersCount === 0;
  }

  [Symbol.dispose](): void {
    for (const client of this.clients.values()) client.pipeline.abandon();
    this.broker.assertNothingLent();
    this.broker[Symbol.dispose]();
  }
}

Deno.test("a follower reads up to the log end, and its next fetch lets consumers see what all in-sync replicas have", () => {
  using scene = new Scene();
  scene.append(0);
  scene.fetch(2, { 0: 0 });
  assert.deepEqual(scene.take(2).partitions, [[0, 0, BATCH_BYTES, 0]]);
  scene.fetch(0, { 0: 0 });
  assert.ok(scene.isWaiting(0));
  scene.fetch(2, { 0: 1 });
  scene.fetch(3, { 0: 0 });
  assert.deepEqual(scene.take(3).partitions, [[0, 0, BATCH_BYTES, 0]]);
  assert.ok(scene.isWaiting(0), "broker 3 has not acknowledged it");
  scene.fetch(3, { 0: 1 });
  assert.deepEqual(scene.take(0).partitions, [[0, 0, BATCH_BYTES, 1]]);
  assert.ok(scene.isWaiting(2) && scene.isWaiting(3), "a high watermark alone wakes no follower");
  scene.broker.advance(WAIT_MS);
  assert.deepEqual([scene.take(2).partitions, scene.take(3).partitions], [[[0, 0, 0, 1]], [[0, 0, 0, 1]]]);
});

Deno.test("a waiting follower is woken by an append on any shard, and a consumer is not", () => {
  using scene = new Scene();
  for (const partition of [0, 1]) {
    for (const client of [0, 2]) scene.fetch(client, { [partition]: 0 });
    assert.ok(scene.isWaiting(0) && scene.isWaiting(2));
    scene.append(partition);
    assert.deepEqual(scene.take(2).partitions, [[partition, 0, BATCH_BYTES, 0]]);
    assert.ok(scene.isWaiting(0));
    scene.broker.advance(WAIT_MS);
    scene.take(0);
  }
});

Deno.test("a fetch that names a replica is refused on a connection that has not proved to be that broker", () => {
  using scene = new Scene();
  scene.append(0);
  scene.fetch(3, { 0: 0 }, { replica: { new: 2, epoch: 102 } });
  scene.fetch(0, { 0: 0 }, { replica: { new: 2, epoch: 102 } });
  for (const client of [3, 0]) {
    assert.deepEqual(scene.take(client).partitions, [[0, errorCode.NOT_LEADER_OR_FOLLOWER, 0, -1]]);
  }
});

Deno.test("a follower is refused by its epochs, its process, its assignment and its offset, and nothing of that counts", () => {
  using scene = new Scene();
  scene.append(0);
  const cases: [FetchChanges, number][] = [
    [{ currentLeaderEpoch: LEADER_EPOCH - 1 }, errorCode.FENCED_LEADER_EPOCH],
    [{ currentLeaderEpoch: LEADER_EPOCH + 1 }, errorCode.UNKNOWN_LEADER_EPOCH],
    [{ replica: { new: 2, epoch: 101 } }, errorCode.NOT_LEADER_OR_FOLLOWER],
  ];
  for (const [changes, code] of cases) {
    scene.fetch(2, { 0: 1 }, changes);
    assert.deepEqual(scene.take(2).partitions, [[0, code, 0, -1]]);
  }
  for (const [epoch, code] of [[LEADER_EPOCH, "UNKNOWN_LEADER_EPOCH"], [-1, "NOT_LEADER_OR_FOLLOWER"]] as const) {
    scene.fetch(4, { 0: 1 }, { currentLeaderEpoch: epoch, replica: { new: 4, epoch: 104 } });
    assert.deepEqual(scene.take(4).partitions, [[0, errorCode[code], 0, -1]]);
  }
  scene.fetch(2, { 0: 7 });
  assert.deepEqual(scene.take(2).partitions, [[0, errorCode.OFFSET_OUT_OF_RANGE, 0, -1]]);
  scene.fetch(2, { 0: 1 }, { lastFetchedEpoch: LEADER_EPOCH - 1 });
  const { responses } = scene.client(2).take(fetchResponse, VERSION);
  const [diverging] = responses.flatMap(({ partitions }) => partitions);
  assert.deepEqual([diverging?.errorCode, diverging?.records?.length], [0, 0]);
  assert.deepEqual(diverging?.divergingEpoch, { epoch: LEADER_EPOCH - 1, endOffset: 0 });
  scene.fetch(3, { 0: 1 });
  scene.broker.advance(WAIT_MS);
  assert.deepEqual(scene.take(3).partitions, [[0, 0, 0, 0]], "only broker 3 has acknowledged it");
});

Deno.test("a follower's session looks only at partitions with news: records at once, a high watermark at the end of the wait", () => {
  using scene = new Scene();
  scene.fetch(2, { 0: 0, 1: 0 }, { session: { id: 0, epoch: 0 } });
  scene.broker.advance(WAIT_MS);
  const { sessionId: id, partitions } = scene.take(2);
  assert.deepEqual(partitions, [[0, 0, 0, 0], [1, 0, 0, 0]]);
  assert.notEqual(id, 0);
  scene.fetch(2, {}, { session: { id, epoch: 1 } });
  assert.ok(scene.isWaiting(2), "nothing is named and nothing is new");
  scene.append(1);
  assert.deepEqual(scene.take(2).partitions, [[1, 0, BATCH_BYTES, 0]]);
  scene.fetch(2, {}, { session: { id, epoch: 2 } });
  assert.deepEqual(
    scene.take(2).partitions,
    [[1, 0, BATCH_BYTES, 0]],
    "it has not taken the records: it gets them again",
  );
  scene.fetch(2, { 1: 1 }, { session: { id, epoch: 3 } });
  scene.fetch(3, { 1: 1 });
  assert.ok(scene.isWaiting(2));
  scene.broker.advance(WAIT_MS);
  assert.deepEqual(scene.take(2).partitions, [[1, 0, 0, 1]]);
  scene.fetch(2, {}, { session: { id, epoch: 4 } });
  scene.broker.advance(WAIT_MS);
  assert.deepEqual(scene.take(2), { sessionId: id, partitions: [] });
});

Deno.test("what becomes of a partition is news in a follower's session, also between two fetches", () => {
  using scene = new Scene();
  scene.fetch(2, { 0: 0, 1: 0 }, { session: { id: 0, epoch: 0 } });
  scene.broker.advance(WAIT_MS);
  const { sessionId: id } = scene.take(2);
  scene.append(0);
  scene.fetch(2, {}, { session: { id, epoch: 1 } });
  assert.deepEqual(scene.take(2).partitions, [[0, 0, BATCH_BYTES, 0]]);
  scene.broker.create(ledTopic({ leader: 3, leaderEpoch: LEADER_EPOCH + 1, partitionEpoch: 11 }));
  scene.broker.world.pump();
  scene.fetch(2, { 0: 1 }, { session: { id, epoch: 2 } });
  const code = errorCode.FENCED_LEADER_EPOCH;
  assert.deepEqual(scene.take(2).partitions.toSorted(), [[0, code, 0, -1], [1, code, 0, -1]]);
  scene.fetch(2, {}, { session: { id, epoch: 3 }, forgotten: [0, 1] });
  assert.ok(scene.isWaiting(2));
  for (const slot of [0, 1]) assert.equal(scene.broker.world.interest.has(0, slot), false, "nothing is watched");
});

Deno.test("a session that no follower uses ends when the next one begins", () => {
  using scene = new Scene();
  const { interest } = scene.broker.world;
  scene.fetch(2, { 0: 0 }, { session: { id: 0, epoch: 0 }, maxWaitMs: 0 });
  scene.take(2);
  assert.equal(interest.has(0, 0), true);
  scene.broker.world.clock.advance(60_000);
  scene.fetch(2, { 1: 0 }, { session: { id: 0, epoch: 0 }, maxWaitMs: 0 });
  assert.deepEqual([interest.has(0, 0), interest.has(0, 1)], [false, true]);
});

Deno.test("a follower's fetch that waits is answered when this broker begins to lead, and the next ones wait briefly for a second", () => {
  using scene = new Scene();
  const { broker } = scene;
  scene.fetch(2, { 0: 0 });
  scene.fetch(0, { 0: 0 });
  assert.ok(scene.isWaiting(2));
  const nowMs = () => broker.world.clock.monotonicMs();
  broker.newLeaderships.begin(nowMs());
  assert.deepEqual(scene.take(2).partitions, [[0, 0, 0, 0]]);
  assert.ok(scene.isWaiting(0), "consumers wait on");
  scene.fetch(2, { 0: 0 });
  assert.ok(scene.isWaiting(2));
  broker.advance(10);
  assert.deepEqual(scene.take(2).partitions, [[0, 0, 0, 0]]);
  broker.advance(1000);
  scene.take(0);
  scene.fetch(2, { 0: 0 });
  broker.advance(10);
  assert.ok(scene.isWaiting(2), "as long as it asks for");
  broker.advance(WAIT_MS);
  scene.take(2);
  broker.newLeaderships.begin(nowMs()); // nobody waits
});
