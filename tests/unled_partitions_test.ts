/**
 * A broker of two shards in an image of several brokers: other brokers lead some partitions and coordinate some groups, and give them back.
 * The test publishes what the metadata of a cluster would say.
 */
import { strict as assert } from "node:assert";
import { startBroker } from "../mod.ts";
import { RunningBroker } from "../net/broker/running_broker.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { fetchRequest, fetchResponse } from "../net/protocol/messages/01_fetch.ts";
import { metadataRequest, metadataResponse } from "../net/protocol/messages/03_metadata.ts";
import { findCoordinatorRequest, findCoordinatorResponse } from "../net/protocol/messages/10_find_coordinator.ts";
import { joinGroupRequest, joinGroupResponse } from "../net/protocol/messages/11_join_group.ts";
import { listGroupsRequest, listGroupsResponse } from "../net/protocol/messages/16_list_groups.ts";
import { type BrokerImage, ELSEWHERE, type PartitionImage, type TopicImage } from "../partitions/mod.ts";
import { GroupMember, joinOf } from "./group_member.ts";
import { KafkaClient } from "./kafka_client.ts";
import { buildBatch } from "./record_batch_builder.ts";

const { NONE, NOT_LEADER_OR_FOLLOWER, NOT_COORDINATOR, LEADER_NOT_AVAILABLE } = errorCode;
const OFFSETS = "__consumer_offsets";
const PARTITIONS = [0, 1, 2, 3];
const OTHER = { host: "other.example.org", port: 9092 };
const AWAY = { slot: ELSEWHERE, shard: ELSEWHERE, directory: ELSEWHERE, replicas: [2], isr: [2] };

class Cluster implements AsyncDisposable {
  readonly broker: RunningBroker;
  readonly #topics = new Map<string, TopicImage>();

  private constructor(broker: RunningBroker) {
    this.broker = broker;
  }

  static async start(): Promise<Cluster> {
    const broker = await startBroker({ port: 0, shards: 2, topics: [{ name: "t", partitions: PARTITIONS.length }] });
    assert.ok(broker instanceof RunningBroker);
    const cluster = new Cluster(broker);
    const { nodeId } = cluster;
    const advertised = [{ name: "PLAINTEXT", ...OTHER }];
    const brokers: BrokerImage[] = [
      { nodeId, rack: null, state: "active", advertised: [], directories: [] },
      { nodeId: 2, rack: "r", state: "active", advertised, directories: [] },
    ];
    await broker.pool.publish({ changed: [], deletedIds: [], brokers, controllerId: 2 });
    return cluster;
  }

  get nodeId(): number {
    return this.broker.controller.image.controllerId;
  }

  /** Publishes changed partitions of a topic, with further epochs. */
  async change(name: string, change: (place: PartitionImage) => Partial<PartitionImage>): Promise<void> {
    const topic = this.#topics.get(name) ?? this.broker.controller.image.topic(name);
    assert.ok(topic !== undefined);
    const partitions = topic.partitions.map((place) => {
      return {
        ...place,
        leaderEpoch: place.leaderEpoch + 1,
        partitionEpoch: place.partitionEpoch + 1,
        ...change(place),
      };
    });
    this.#topics.set(name, { ...topic, partitions });
    assert.deepEqual(await this.broker.pool.publish({ changed: [{ ...topic, partitions }], deletedIds: [] }), []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker.close();
  }
}

async function produce(client: KafkaClient, indexes = PARTITIONS) {
  const partitionData = indexes.map((index) => ({ index, records: buildBatch([{ value: "x" }]) }));
  const value = { acks: -1, timeoutMs: 1000, topicData: [{ name: "t", partitionData }] };
  const { responses, nodeEndpoints } = await client.call(produceRequest, produceResponse, { apiVersion: 10, value });
  const parts = responses[0]?.partitionResponses ?? [];
  return {
    codes: parts.map((part) => part.errorCode),
    leaders: parts.map((part) => part.currentLeader),
    nodeEndpoints,
  };
}

function fetchOf(topicId: string, { maxWaitMs = 0, indexes = PARTITIONS, fetchOffset = 0 } = {}) {
  const partitions = indexes.map((partition) => ({ partition, fetchOffset, partitionMaxBytes: 1 << 20 }));
  return { maxWaitMs, minBytes: 1, topics: [{ topicId, partitions }] };
}

Deno.test("a broker serves what it leads, names the leaders of the rest, and serves again what comes back, on connections of both shards", async () => {
  await using cluster = await Cluster.start();
  const topicId = cluster.broker.controller.image.topic("t")?.id ?? "";
  for (let connection = 0; connection < 2; connection++) {
    using client = await KafkaClient.connect(cluster.broker);
    using waiting = await KafkaClient.connect(cluster.broker);
    assert.deepEqual((await produce(client)).codes, [NONE, NONE, NONE, NONE]);
    const end = 1 + 2 * connection;
    const wait = fetchOf(topicId, { maxWaitMs: 60_000, indexes: [1], fetchOffset: end });
    const waited = waiting.call(fetchRequest, fetchResponse, { apiVersion: 17, value: wait });
    // The waiting fetch is there once a later request of its connection's shard is answered; both shards are asked.
    for (let ask = 0; ask < 2; ask++) await produce(client, [0]);
    await cluster.change("t", ({ partition }) => ({ leader: [cluster.nodeId, 2, -1, cluster.nodeId][partition] }));
    const { responses } = await waited;
    assert.equal(responses[0]?.partitions[0]?.errorCode, NOT_LEADER_OR_FOLLOWER, "it is answered at once");
    const refused = await produce(client);
    assert.deepEqual(refused.codes, [NONE, NOT_LEADER_OR_FOLLOWER, NOT_LEADER_OR_FOLLOWER, NONE]);
    assert.deepEqual(refused.leaders.map(({ leaderId }) => leaderId), [-1, 2, -1, -1]);
    assert.deepEqual(refused.nodeEndpoints, [{ nodeId: 2, ...OTHER, rack: "r" }]);
    const fetched = await client.call(fetchRequest, fetchResponse, { apiVersion: 17, value: fetchOf(topicId) });
    assert.deepEqual(fetched.responses[0]?.partitions.map((it) => it.errorCode), refused.codes);
    assert.deepEqual(fetched.nodeEndpoints, refused.nodeEndpoints);
    const value = { topics: [{ name: "t" }], allowAutoTopicCreation: false };
    const { topics, brokers, controllerId } = await client.call(metadataRequest, metadataResponse, {
      apiVersion: 9,
      value,
    });
    const described = topics[0]?.partitions.map((it) => [it.errorCode, it.leaderId]);
    assert.deepEqual(described, [[NONE, 1], [NONE, 2], [LEADER_NOT_AVAILABLE, -1], [NONE, 1]]);
    assert.deepEqual([brokers.map(({ nodeId }) => nodeId), controllerId], [[1, 2], 2]);
    await cluster.change("t", () => ({ leader: cluster.nodeId }));
    assert.deepEqual((await produce(client)).codes, [NONE, NONE, NONE, NONE]);
  }
});

Deno.test("a partition whose replica went away is refused, and one without a replica does not disturb the others", async () => {
  await using cluster = await Cluster.start();
  using client = await KafkaClient.connect(cluster.broker);
  await produce(client);
  await cluster.change("t", ({ partition }) => partition % 2 === 1 ? { ...AWAY, leader: 2 } : {});
  const refused = await produce(client);
  assert.deepEqual(refused.codes, [NONE, NOT_LEADER_OR_FOLLOWER, NONE, NOT_LEADER_OR_FOLLOWER]);
  assert.deepEqual(refused.leaders[1], { leaderId: 2, leaderEpoch: refused.leaders[3]?.leaderEpoch });
});

Deno.test("groups move with the leaders of their partitions: waiters are refused, the coordinator is named, and loads again when it is this broker", async () => {
  await using cluster = await Cluster.start();
  using member = await GroupMember.connect(cluster.broker, "g");
  await member.find();
  assert.equal((await member.join()).errorCode, NONE);
  assert.equal((await member.sync({ [member.memberId]: "all" })).errorCode, NONE);
  assert.deepEqual(await member.commit("t", { 0: 7 }), [NONE]);
  using other = await KafkaClient.connect(cluster.broker);
  const first = await other.call(joinGroupRequest, joinGroupResponse, { apiVersion: 9, value: joinOf("g") });
  const value = joinOf("g", first.memberId);
  const waiting = other.call(joinGroupRequest, joinGroupResponse, { apiVersion: 9, value });
  while (await member.heartbeat() === NONE);
  for (const away of [{ leader: 2 }, { ...AWAY, leader: 2 }]) {
    await cluster.change(OFFSETS, () => away);
    assert.equal((await waiting).errorCode, NOT_COORDINATOR);
    assert.equal(await member.heartbeat(), NOT_COORDINATOR);
    assert.deepEqual(await member.commit("t", { 0: 8 }), [NOT_COORDINATOR]);
    assert.equal((await member.committed("t", [0])).errorCode, NOT_COORDINATOR);
    const listed = await member.client.call(listGroupsRequest, listGroupsResponse, { apiVersion: 4, value: {} });
    assert.deepEqual([listed.errorCode, listed.groups], [NONE, []]);
    const found = await member.client.call(findCoordinatorRequest, findCoordinatorResponse, {
      apiVersion: 3,
      value: { key: "g" },
    });
    assert.deepEqual([found.nodeId, found.host, found.port], [2, OTHER.host, OTHER.port]);
    if ("slot" in away) break;
    await cluster.change(OFFSETS, () => ({ leader: cluster.nodeId }));
    await member.find();
    assert.deepEqual(await member.committed("t", [0]), { errorCode: NONE, offsets: [7] });
  }
});
