/** Answers of the handlers about partitions that another broker leads, or none, with and without a replica on this broker. */
import assert from "node:assert/strict";
import { type BrokerImage, ELSEWHERE, type PartitionImage, type TopicImage } from "../../partitions/mod.ts";
import { batchOf, topicOn } from "../../partitions/owned/partition_testing.ts";
import { buildBatch } from "../../tests/record_batch_builder.ts";
import { createRandom } from "../../storage/base/random.ts";
import { errorCode } from "../protocol/error_codes.ts";
import { fetchResponse } from "../protocol/messages/01_fetch.ts";
import { listOffsetsResponse } from "../protocol/messages/02_list_offsets.ts";
import { deleteRecordsResponse } from "../protocol/messages/21_delete_records.ts";
import { offsetForLeaderEpochResponse } from "../protocol/messages/23_offset_for_leader_epoch.ts";
import { describeLogDirsResponse } from "../protocol/messages/35_describe_log_dirs.ts";
import { describeProducersResponse } from "../protocol/messages/61_describe_producers.ts";
import { produceResponse } from "../protocol/messages/00_produce.ts";
import type { Message } from "../protocol/schema.ts";
import { fetchOf } from "../requests/fetch/fetch_testing.ts";
import { TestBroker, TestClient } from "../requests/operation_testing.ts";
import { apiOf } from "./api_testing.ts";

const { NONE, NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH } = errorCode;
const OWN_ID = 1;
const EPOCH = 3;
const NO_PLACE = { slot: ELSEWHERE, shard: ELSEWHERE, directory: ELSEWHERE };

/** The partitions of topic "t". The first two are led here, on both shards. The client reaches brokers 1 and 2. */
const PLACES: Partial<PartitionImage>[] = [
  { slot: 0, shard: 0 },
  { slot: 1, shard: 1 },
  { ...NO_PLACE, leader: 2, replicas: [2], isr: [2] },
  { ...NO_PLACE, leader: -1, replicas: [3], isr: [3] },
  { ...NO_PLACE, leader: 3, replicas: [3], isr: [3] },
  { slot: 2, shard: 0, leader: 2, replicas: [2, 1], isr: [2, 1] },
  { slot: 3, shard: 1, leader: -1 },
  { slot: 4, shard: 0, directory: -1, leader: 2, replicas: [1, 2], isr: [2] },
];
const LED = [0, 1];
const OFFLINE = 7;

function broker(nodeId: number, name: string): BrokerImage {
  return {
    nodeId,
    rack: null,
    state: "active",
    advertised: [{ name, host: `host${nodeId}`, port: 9092 }],
    directories: [],
  };
}

class Fixture implements Disposable {
  readonly broker = new TestBroker(2);
  readonly client: TestClient;
  readonly services;

  constructor(topic = topicWith(PLACES)) {
    this.client = new TestClient(this.broker.world.at(0));
    const listener = this.client.context.listenerName;
    this.broker.register([broker(1, listener), broker(2, listener), broker(3, "OTHER")]);
    this.broker.create(topic);
    this.services = this.broker.services();
  }

  /** Handles a request and runs the shards. @returns its answer, decoded */
  ask<D, E>(
    [key, version]: readonly [key: number, version: number],
    message: Message<D, E>,
    request: unknown,
  ): D {
    const handle = apiOf(key).handlerOf(this.services);
    handle(request as never, this.client.request(key, version), this.services);
    this.broker.world.pump();
    return this.client.take(message, version);
  }

  produce(version: number, indexes: readonly number[] = PLACES.keys().toArray(), records = batchOf("x")) {
    const partitionData = indexes.map((index) => ({ index, records: this.client.putBatch(records) }));
    const topicData = [{ name: version < 13 ? "t" : "", topicId: TOPIC_ID, partitionData }];
    const request = { transactionalId: null, acks: 1, timeoutMs: 1000, topicData };
    return this.ask([0, version], produceResponse, request);
  }

  fetch(version: number, currentLeaderEpoch = -1, indexes: readonly number[] = PLACES.keys().toArray()) {
    const request = fetchOf(indexes.map((index) => [index, 0]), { topicId: TOPIC_ID, maxWaitMs: 1000 });
    const topics = request.topics.map((topic) => {
      return { ...topic, partitions: topic.partitions.map((asked) => ({ ...asked, currentLeaderEpoch })) };
    });
    return this.ask([1, version], fetchResponse, { ...request, topics });
  }

  [Symbol.dispose](): void {
    this.client.pipeline.abandon();
    this.broker.world.pump();
    assert.equal(this.client.heldCount, 0);
    for (const { purgatory } of this.broker.world.shards) assert.equal(purgatory.waitingCount, 0);
    this.broker[Symbol.dispose]();
  }
}

const TOPIC_ID = topicOn([0]).id;

function topicWith(places: readonly Partial<PartitionImage>[]): TopicImage {
  const topic = topicOn(places.map(() => 0), { leaderEpoch: EPOCH });
  return { ...topic, partitions: topic.partitions.map((place) => ({ ...place, ...places[place.partition] })) };
}

/** The expected code of each partition, for a request that does not compare epochs. */
const CODES = PLACES.map((_, index) => {
  if (LED.includes(index)) return NONE;
  return index === OFFLINE ? KAFKA_STORAGE_ERROR : NOT_LEADER_OR_FOLLOWER;
});
const NOBODY = { leaderId: -1, leaderEpoch: -1 };
/** The leaders that an answer names. */
const LEADERS = CODES.map((code, index) => {
  if (code !== NOT_LEADER_OR_FOLLOWER) return NOBODY;
  return { leaderId: PLACES[index]?.leader, leaderEpoch: EPOCH };
});
/** The broker that the client can reach among them. */
const ENDPOINTS = [{ nodeId: 2, host: "host2", port: 9092, rack: null }];

for (const version of [9, 10, 13]) {
  Deno.test(`handleProduce() v${version} refuses what this broker does not lead, and names the leaders from v10 on (KIP-951)`, () => {
    using fixture = new Fixture();
    const { responses, nodeEndpoints } = fixture.produce(version);
    const parts = responses.flatMap(({ partitionResponses }) => partitionResponses);
    assert.deepEqual(parts.map(({ errorCode: code }) => code), CODES);
    assert.deepEqual(parts.map(({ currentLeader }) => currentLeader), version < 10 ? CODES.map(() => NOBODY) : LEADERS);
    assert.deepEqual(nodeEndpoints, version < 10 ? [] : ENDPOINTS);
  });
}

Deno.test("handleProduce() names no leader and no broker in an answer without refusals", () => {
  using fixture = new Fixture();
  const { responses, nodeEndpoints } = fixture.produce(13, LED);
  assert.deepEqual(responses[0]?.partitionResponses.map(({ currentLeader }) => currentLeader), [NOBODY, NOBODY]);
  assert.deepEqual(nodeEndpoints, []);
});

Deno.test("handleProduce() stores no batch before one that was refused, unless another broker may have stored that", () => {
  for (const [leader, expected] of [[-1, errorCode.OUT_OF_ORDER_SEQUENCE_NUMBER], [2, NONE]]) {
    using fixture = new Fixture();
    const lead = (by: { leader?: number; leaderEpoch: number }) => {
      const [first, ...others] = PLACES;
      const changed = [topicWith([{ ...first, ...by }, ...others])];
      for (const image of fixture.broker.images) image.apply({ changed, deletedIds: [] });
    };
    const produce = (baseSequence: number) => {
      const records = buildBatch([{ value: "x" }], { producerId: 7, producerEpoch: 0, baseSequence });
      return fixture.produce(13, [0], records).responses[0]?.partitionResponses[0]?.errorCode;
    };
    lead({ leader, leaderEpoch: EPOCH + 1 });
    assert.equal(produce(0), NOT_LEADER_OR_FOLLOWER);
    lead({ leaderEpoch: EPOCH + 2 });
    assert.equal(produce(1), expected);
  }
});

for (const version of [12, 15, 16, 17]) {
  Deno.test(`handleFetch() v${version} refuses what this broker does not lead, at once, and names the leaders from v16 on (KIP-951)`, () => {
    using fixture = new Fixture();
    const { responses, nodeEndpoints } = fixture.fetch(version);
    const parts = responses.flatMap(({ partitions }) => partitions);
    assert.deepEqual(parts.map(({ errorCode: code }) => code), CODES);
    assert.deepEqual(parts.map(({ currentLeader }) => currentLeader), version < 16 ? CODES.map(() => NOBODY) : LEADERS);
    assert.deepEqual(nodeEndpoints, version < 16 ? [] : ENDPOINTS);
  });
}

/** The codes of partitions when the client knows another leader epoch: they are compared only where there is a replica. */
function codesFor(epoch: number): number[] {
  const compared = epoch < EPOCH ? FENCED_LEADER_EPOCH : UNKNOWN_LEADER_EPOCH;
  return CODES.map((code, index) => (PLACES[index]?.slot ?? 0) < 0 || index === OFFLINE ? code : compared);
}

for (const epoch of [EPOCH - 1, EPOCH + 1]) {
  Deno.test(`Fetch, ListOffsets and OffsetForLeaderEpoch compare epoch ${epoch} of the client with ${EPOCH} before they look who leads`, () => {
    using fixture = new Fixture();
    const fetched = fixture.fetch(17, epoch);
    assert.deepEqual(
      fetched.responses.flatMap(({ partitions }) => partitions.map((it) => it.errorCode)),
      codesFor(epoch),
    );
    const named = fetched.responses.flatMap(({ partitions }) => partitions.map((it) => it.currentLeader.leaderId));
    const isNamed = (code: number) => code === NOT_LEADER_OR_FOLLOWER || code === FENCED_LEADER_EPOCH;
    assert.deepEqual(
      named,
      codesFor(epoch).map((code, index) => isNamed(code) ? PLACES[index]?.leader ?? OWN_ID : -1),
    );
    const listed = PLACES.map((_, partitionIndex) => ({ partitionIndex, timestamp: -1, currentLeaderEpoch: epoch }));
    const list = { replicaId: -1, isolationLevel: 0, timeoutMs: 0, topics: [{ name: "t", partitions: listed }] };
    const offsets = fixture.ask([2, 9], listOffsetsResponse, list);
    assert.deepEqual(offsets.topics.flatMap(({ partitions }) => partitions.map((it) => it.errorCode)), codesFor(epoch));
    const asked = PLACES.map((_, partition) => ({ partition, currentLeaderEpoch: epoch, leaderEpoch: EPOCH }));
    const question = { replicaId: -2, topics: [{ topic: "t", partitions: asked }] };
    const ends = fixture.ask([23, 4], offsetForLeaderEpochResponse, question);
    assert.deepEqual(ends.topics.flatMap(({ partitions }) => partitions.map((it) => it.errorCode)), codesFor(epoch));
  });
}

Deno.test("DeleteRecords is for leaders; DescribeProducers and DescribeLogDirs are for any replica on this broker", () => {
  using fixture = new Fixture();
  const partitions = PLACES.map((_, partitionIndex) => ({ partitionIndex, offset: 0 }));
  const deletion = { timeoutMs: 0, topics: [{ name: "t", partitions }] };
  const deleted = fixture.ask([21, 2], deleteRecordsResponse, deletion);
  assert.deepEqual(deleted.topics[0]?.partitions.map((it) => it.errorCode), CODES);
  const producers = { topics: [{ name: "t", partitionIndexes: PLACES.keys().toArray() }] };
  const described = fixture.ask([61, 0], describeProducersResponse, producers);
  const here = PLACES.flatMap(({ slot = 0 }, index) => slot >= 0 && index !== OFFLINE ? [index] : []);
  const answered = described.topics[0]?.partitions.flatMap((it) => it.errorCode === NONE ? [it.partitionIndex] : []);
  const refused = described.topics[0]?.partitions.filter(({ partitionIndex }) =>
    (PLACES[partitionIndex]?.slot ?? 0) < 0
  );
  assert.deepEqual(answered, here);
  assert.ok(refused?.every((it) => it.errorCode === NOT_LEADER_OR_FOLLOWER));
  for (const topics of [null, [{ topic: "t", partitions: PLACES.keys().toArray() }]]) {
    const { results } = fixture.ask([35, 4], describeLogDirsResponse, { topics });
    const listed = results.flatMap((it) =>
      it.topics.flatMap((topic) => topic.partitions.map((log) => log.partitionIndex))
    );
    assert.deepEqual(listed, here);
  }
});

/** A random partition of a cluster of three brokers. @param slot if this broker has a replica */
function randomPlace(random: () => number, slot: number): Partial<PartitionImage> {
  const replicas = [1, 2, 3].filter(() => random() < 0.6);
  const leader = [...replicas, -1][Math.floor(random() * (replicas.length + 1))] as number;
  if (!replicas.includes(OWN_ID)) return { ...NO_PLACE, leader, replicas, isr: replicas };
  const directory = random() < 0.1 ? -1 : 0;
  return { slot, shard: Math.floor(random() * 2), directory, leader, replicas, isr: replicas };
}

Deno.test("no handler touches the place of a partition elsewhere, in random images of three brokers, whatever is asked in which order", () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const random = createRandom(seed);
  for (let round = 0; round < 20; round++) {
    const places = Array.from({ length: 12 }, (_, index) => randomPlace(random, index));
    using fixture = new Fixture(topicWith(places));
    const indexes = places.keys().toArray().filter(() => random() < 0.7);
    for (const change of [() => {}, () => places.forEach((_, index) => places[index] = randomPlace(random, index))]) {
      change();
      for (const image of fixture.broker.images) image.apply({ changed: [topicWith(places)], deletedIds: [] });
      const expected = indexes.map((index) => {
        const { slot, leader } = places[index] as PartitionImage;
        return slot >= 0 && leader === OWN_ID;
      });
      const produced = fixture.produce(13, indexes).responses.flatMap((it) => it.partitionResponses);
      const fetched = fixture.fetch(17, -1, indexes).responses.flatMap((it) => it.partitions);
      for (const [at, isLed] of expected.entries()) {
        for (const code of [produced[at]?.errorCode, fetched[at]?.errorCode]) {
          if (!isLed) assert.ok(code === NOT_LEADER_OR_FOLLOWER || code === KAFKA_STORAGE_ERROR, `seed ${seed}`);
        }
      }
      const partitions = indexes.map((partitionIndex) => ({ partitionIndex, timestamp: -1, currentLeaderEpoch: -1 }));
      const list = { replicaId: -1, isolationLevel: 0, timeoutMs: 0, topics: [{ name: "t", partitions }] };
      const listed = fixture.ask([2, 9], listOffsetsResponse, list).topics.flatMap((it) => it.partitions);
      assert.equal(listed.length, indexes.length, `seed ${seed}`);
      fixture.ask([35, 4], describeLogDirsResponse, { topics: null });
    }
  }
});
