/**
 * Consumer groups end to end: groups on every shard, requests from connections on each shard, a restart, a kill, a stop while members
 * wait.
 */
import { strict as assert } from "node:assert";
import { startBroker } from "../mod.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { fetchRequest, fetchResponse } from "../net/protocol/messages/01_fetch.ts";
import { offsetCommitRequest, offsetCommitResponse } from "../net/protocol/messages/08_offset_commit.ts";
import { offsetFetchRequest, offsetFetchResponse } from "../net/protocol/messages/09_offset_fetch.ts";
import { joinGroupRequest, joinGroupResponse } from "../net/protocol/messages/11_join_group.ts";
import { heartbeatRequest, heartbeatResponse } from "../net/protocol/messages/12_heartbeat.ts";
import { describeGroupsRequest, describeGroupsResponse } from "../net/protocol/messages/15_describe_groups.ts";
import { listGroupsRequest, listGroupsResponse } from "../net/protocol/messages/16_list_groups.ts";
import { deleteGroupsRequest, deleteGroupsResponse } from "../net/protocol/messages/42_delete_groups.ts";
import { offsetDeleteRequest, offsetDeleteResponse } from "../net/protocol/messages/47_offset_delete.ts";
import {
  consumerGroupDescribeRequest,
  consumerGroupDescribeResponse,
} from "../net/protocol/messages/69_consumer_group_describe.ts";
import { BrokerProcess } from "./broker_process.ts";
import { GroupMember, joinOf } from "./group_member.ts";
import { KafkaClient } from "./kafka_client.ts";
import { buildBatch } from "./record_batch_builder.ts";
import { withDirectory } from "./temporary_directory.ts";

/** Enough that their partitions of the topic of offsets are on both shards. */
const GROUPS = Array.from({ length: 8 }, (_, index) => `group-${index}`);

const twoShards = { port: 0, shards: 2, topics: [{ name: "t", partitions: 4 }] };

Deno.test("a classic group lives on its shard, whichever connection its members use: join, sync, heartbeat, commit, leave, delete", async () => {
  await using broker = await startBroker(twoShards);
  // Connections are distributed evenly: one on each shard.
  for (let connection = 0; connection < 2; connection++) {
    using base = await GroupMember.connect(broker, "");
    for (const groupId of GROUPS) {
      const member = base.sibling(groupId);
      await member.find();
      const joined = await member.join();
      assert.deepEqual([joined.errorCode, joined.leader, joined.members.length], [0, member.memberId, 1]);
      assert.deepEqual(await member.sync({ [member.memberId]: `all of ${groupId}` }), {
        errorCode: 0,
        assignment: `all of ${groupId}`,
      });
      assert.equal(await member.heartbeat(), 0);
      assert.deepEqual(await member.commit("t", { 0: 10, 3: 13 }), [0, 0]);
      assert.deepEqual(await member.committed("t", [0, 1, 3]), { errorCode: 0, offsets: [10, -1, 13] });
      assert.deepEqual(await member.commit("unknown", { 0: 1 }), [errorCode.UNKNOWN_TOPIC_OR_PARTITION]);
      assert.deepEqual(await member.commit("t", { 4: 1 }), [errorCode.UNKNOWN_TOPIC_OR_PARTITION]);
      member.generationId--;
      assert.equal(await member.heartbeat(), errorCode.ILLEGAL_GENERATION);
      assert.deepEqual(await member.commit("t", { 0: 1 }), [errorCode.ILLEGAL_GENERATION]);
      assert.equal(await member.leave(), 0);
      assert.equal(await member.heartbeat(), errorCode.UNKNOWN_MEMBER_ID);
    }
    await deleteAll(base.client, GROUPS);
  }
});

async function deleteAll(client: KafkaClient, groupIds: string[]): Promise<void> {
  const of = { apiVersion: 2, value: { groupsNames: [...groupIds, "nobody"] } };
  const { results } = await client.call(deleteGroupsRequest, deleteGroupsResponse, of);
  const wanted = [...groupIds.map((groupId) => ({ groupId, errorCode: 0 })), {
    groupId: "nobody",
    errorCode: errorCode.GROUP_ID_NOT_FOUND,
  }];
  assert.deepEqual(results, wanted, "in the order of the request");
}

Deno.test("requests about groups of several shards are answered in their order, list collects all", async () => {
  await using broker = await startBroker(twoShards);
  using base = await GroupMember.connect(broker, "");
  const { client } = base;
  await base.sibling("first").find();
  for (const groupId of GROUPS) {
    const member = base.sibling(groupId);
    await member.find();
    await member.join();
    await member.sync({ [member.memberId]: "all" });
    assert.deepEqual(await member.commit("t", { 1: GROUPS.indexOf(groupId) }), [0]);
  }
  const asked = [...GROUPS].reverse();
  const describe = { apiVersion: 6, value: { groups: [...asked, "none"], includeAuthorizedOperations: true } };
  const { groups } = await client.call(describeGroupsRequest, describeGroupsResponse, describe);
  assert.deepEqual(groups.map(({ groupId }) => groupId), [...asked, "none"]);
  const described = groups.map((group) => [group.errorCode, group.groupState, group.members.length]);
  assert.deepEqual(described, [
    ...asked.map(() => [0, "Stable", 1]),
    [errorCode.GROUP_ID_NOT_FOUND, "Dead", 0],
  ]);
  // READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS
  assert.equal(groups[0]?.authorizedOperations, (1 << 3) | (1 << 6) | (1 << 8) | (1 << 10) | (1 << 11));
  const listed = await client.call(listGroupsRequest, listGroupsResponse, { apiVersion: 5, value: {} });
  assert.deepEqual(listed.groups.map(({ groupId, groupType }) => [groupId, groupType]).sort(), [
    ...GROUPS.map((groupId) => [groupId, "classic"]),
  ]);
  const fetched = await client.call(offsetFetchRequest, offsetFetchResponse, {
    apiVersion: 9,
    value: { groups: asked.map((groupId) => ({ groupId, topics: null })) },
  });
  assert.deepEqual(
    fetched.groups.map(({ groupId, topics }) => [groupId, topics[0]?.partitions[0]?.committedOffset]),
    asked.map((groupId) => [groupId, GROUPS.indexOf(groupId)]),
  );
  for (const groupId of GROUPS) {
    const value = { groupId, topics: [{ name: "t", partitions: [{ partitionIndex: 1 }] }] };
    const deleted = await client.call(offsetDeleteRequest, offsetDeleteResponse, { apiVersion: 0, value });
    assert.equal(deleted.errorCode, 0);
  }
});

Deno.test("a JoinGroup waits for the other members, and requests that its client sends after it wait too", async () => {
  await using broker = await startBroker(twoShards);
  for (const groupId of GROUPS.slice(0, 4)) {
    using first = await GroupMember.connect(broker, groupId);
    using second = await GroupMember.connect(broker, groupId);
    await first.find();
    await first.join();
    await first.sync({ [first.memberId]: "all" });
    const required = await second.client.call(joinGroupRequest, joinGroupResponse, {
      apiVersion: 9,
      value: joinOf(groupId),
    });
    second.memberId = required.memberId;
    const join = await second.client.send(joinGroupRequest, 9, joinOf(groupId, second.memberId));
    const beat = await second.client.send(heartbeatRequest, 4, {
      groupId,
      generationId: first.generationId + 1,
      memberId: second.memberId,
    });
    // A heartbeat shows the first member that the second has come. It joins again, which completes both JoinGroups.
    while (await first.heartbeat() !== errorCode.REBALANCE_IN_PROGRESS) { /* the second is on its way */ }
    await first.join();
    const joined = await second.client.receive(joinGroupResponse, 9);
    assert.equal(joined?.correlationId, join);
    assert.deepEqual([joined.response.errorCode, joined.response.generationId], [0, first.generationId]);
    second.generationId = joined.response.generationId;
    const answered = await second.client.receive(heartbeatResponse, 4);
    assert.equal(answered?.correlationId, beat);
    assert.equal(answered.response.errorCode, errorCode.NONE, "it was not refused as a stale generation's");
    const parts = { [first.memberId]: "one half", [second.memberId]: "the other" };
    const [one, other] = await Promise.all([first.sync(parts), second.sync()]);
    assert.deepEqual([one.assignment, other.assignment], ["one half", "the other"]);
  }
});

Deno.test("members of the consumer protocol share the partitions, and are described with what they have", async () => {
  await using broker = await startBroker(twoShards);
  for (const groupId of GROUPS.slice(0, 4)) {
    using first = await GroupMember.connect(broker, groupId);
    using second = await GroupMember.connect(broker, groupId);
    await first.find();
    [first.memberId, second.memberId] = ["Zmlyc3Qtb2YtdGhlLXR3bw", "c2Vjb25kLW9mLXRoZS10dw"];
    const subscription = { subscribedTopicNames: ["t"], rebalanceTimeoutMs: 5000, topicPartitions: [] };
    const entered = await first.beat(subscription);
    assert.deepEqual([entered.errorCode, entered.assignment?.topicPartitions[0]?.partitions], [0, [0, 1, 2, 3]]);
    assert.deepEqual(await second.beat(subscription).then(({ errorCode }) => errorCode), 0);
    const of = { apiVersion: 1, value: { groupIds: [groupId], includeAuthorizedOperations: false } };
    const { groups } = await first.client.call(consumerGroupDescribeRequest, consumerGroupDescribeResponse, of);
    assert.deepEqual([groups[0]?.errorCode, groups[0]?.members.length], [0, 2]);
    assert.deepEqual(groups[0]?.members.map(({ clientHost }) => clientHost), ["/127.0.0.1", "/127.0.0.1"]);
    assert.equal(await second.beat({ memberEpoch: -1 }).then(({ errorCode }) => errorCode), 0);
  }
});

Deno.test("groups and offsets are there after a restart, and members continue without a rebalance", async () => {
  await withDirectory(async (dataDir) => {
    const generations = new Map<string, { memberId: string; generationId: number }>();
    {
      await using broker = await startBroker({ ...twoShards, dataDir });
      using base = await GroupMember.connect(broker, "");
      for (const [index, groupId] of GROUPS.entries()) {
        const member = base.sibling(groupId);
        await member.find();
        await member.join();
        await member.sync({ [member.memberId]: "all" });
        assert.deepEqual(await member.commit("t", { 0: 100 + index }), [0]);
        const { memberId, generationId } = member;
        generations.set(groupId, { memberId, generationId });
      }
    }
    await using broker = await startBroker({ ...twoShards, dataDir });
    using base = await GroupMember.connect(broker, "");
    for (const [index, groupId] of GROUPS.entries()) {
      const member = Object.assign(base.sibling(groupId), generations.get(groupId));
      await member.find();
      assert.deepEqual(await member.committed("t", [0]), { errorCode: 0, offsets: [100 + index] });
      assert.equal(await member.heartbeat(), 0);
      assert.deepEqual(await member.commit("t", { 0: 200 + index }), [0]);
    }
  });
});

Deno.test("kill -9 while commits are under way loses no acknowledged commit and invents none", async () => {
  await withDirectory(async (dataDir) => {
    const topics = ["t:4"];
    const acknowledged = new Map<string, number>(GROUPS.map((groupId) => [groupId, -1]));
    for (let round = 0; round < 2; round++) {
      await using broker = await BrokerProcess.start({ dataDir, topics });
      using base = await GroupMember.connect(broker, "");
      for (const groupId of GROUPS) {
        const member = base.sibling(groupId);
        await member.find();
        const { offsets: [found] } = await member.committed("t", [0]);
        assert.ok(found! >= acknowledged.get(groupId)!, `${groupId}: ${found} after ${acknowledged.get(groupId)}`);
        assert.ok(found! < 1_000_000 * round);
      }
      const sent: { groupId: string; offset: number }[] = [];
      for (let offset = 1_000_000 * round; offset < 1_000_000 * round + 200; offset++) {
        const groupId = GROUPS[offset % GROUPS.length]!;
        sent.push({ groupId, offset });
        await base.client.send(offsetCommitRequest, 9, base.sibling(groupId).commitOf("t", { 0: offset }));
      }
      for (const { groupId, offset } of sent.slice(0, 100)) {
        const answer = await base.client.receive(offsetCommitResponse, 9);
        assert.equal(answer?.response.topics[0]?.partitions[0]?.errorCode, 0);
        acknowledged.set(groupId, offset);
      }
      await broker.kill();
    }
    await using broker = await BrokerProcess.start({ dataDir, topics });
    using base = await GroupMember.connect(broker, "");
    for (const groupId of GROUPS) {
      const member = base.sibling(groupId);
      await member.find();
      const { offsets: [found] } = await member.committed("t", [0]);
      assert.ok(found! >= acknowledged.get(groupId)!);
    }
  });
});

Deno.test("close() does not wait for waiting members, on any shards of them and their groups", async () => {
  const broker = await startBroker(twoShards);
  const waiting: GroupMember[] = [];
  for (const groupId of GROUPS) {
    const first = await GroupMember.connect(broker, groupId);
    const second = await GroupMember.connect(broker, groupId);
    await first.find();
    await first.join();
    await first.sync({ [first.memberId]: "all" });
    const { memberId } = await second.client.call(joinGroupRequest, joinGroupResponse, {
      apiVersion: 9,
      value: joinOf(groupId),
    });
    await second.client.send(joinGroupRequest, 9, joinOf(groupId, memberId));
    while (await first.heartbeat() !== errorCode.REBALANCE_IN_PROGRESS) { /* the second is on its way */ }
    waiting.push(first, second);
  }
  const started = performance.now();
  await broker.close();
  assert.ok(performance.now() - started < 10_000, "else they wait for 60 s");
  for (const { client } of waiting) {
    const answer = await client.receiveFrame();
    if (answer !== null) {
      // The closing coordinator answers waiting members whose connections are open. Byte 9: after correlation id, tags, throttle.
      assert.equal(new DataView(answer.buffer, answer.byteOffset).getInt16(9), errorCode.NOT_COORDINATOR);
      assert.equal(await client.receiveFrame(), null);
    }
    client[Symbol.dispose]();
  }
});

Deno.test("a connection whose member waits for others is not idle, and a member that disconnected holds nobody up", async () => {
  await withDirectory(async (dataDir) => {
    const overrides = { "connections.max.idle.ms": "1000" };
    await using broker = await BrokerProcess.start({ dataDir, overrides, topics: ["t:4"] });
    await Promise.all(GROUPS.slice(0, 4).map((groupId) => waitBeyondIdle(broker, groupId)));
  });
});

async function waitBeyondIdle(broker: { port: number }, groupId: string): Promise<void> {
  using first = await GroupMember.connect(broker, groupId);
  await first.find();
  await first.join();
  await first.sync({ [first.memberId]: "all" });
  using second = await GroupMember.connect(broker, groupId);
  const { memberId } = await second.client.call(joinGroupRequest, joinGroupResponse, {
    apiVersion: 9,
    value: joinOf(groupId),
  });
  await second.client.send(joinGroupRequest, 9, joinOf(groupId, memberId));
  const gone = await GroupMember.connect(broker, groupId);
  await gone.client.send(joinGroupRequest, 3, joinOf(groupId));
  const from = performance.now();
  while (performance.now() - from < 2500) await first.heartbeat();
  gone.client[Symbol.dispose]();
  await first.join();
  const joined = await second.client.receive(joinGroupResponse, 9);
  assert.equal(joined?.response.generationId, first.generationId);
}

Deno.test("clients read __consumer_offsets and do not write to it", async () => {
  await using broker = await startBroker(twoShards);
  using member = await GroupMember.connect(broker, "g");
  await member.find();
  await member.commit("t", { 0: 1 });
  const name = "__consumer_offsets";
  const records = buildBatch([{ value: "x" }], { baseTimestamp: Date.now() });
  const partitions = Array.from({ length: 50 }, (_, index) => index);
  const value = {
    transactionalId: null,
    acks: -1,
    timeoutMs: 5000,
    topicData: [{ name, partitionData: partitions.map((index) => ({ index, records })) }],
  };
  const { responses } = await member.client.call(produceRequest, produceResponse, { apiVersion: 9, value });
  const codes = new Set(responses[0]?.partitionResponses.map((partition) => partition.errorCode));
  assert.deepEqual([...codes], [errorCode.INVALID_TOPIC_EXCEPTION]);
  const fetch = {
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1 << 20,
    sessionEpoch: -1,
    topics: [{
      topic: name,
      partitions: partitions.map((partition) => ({
        partition,
        fetchOffset: 0,
        partitionMaxBytes: 1 << 20,
        currentLeaderEpoch: -1,
        lastFetchedEpoch: -1,
      })),
    }],
  };
  const fetched = await member.client.call(fetchRequest, fetchResponse, { apiVersion: 12, value: fetch });
  const ends = fetched.responses.flatMap((topic) => topic.partitions.map(({ highWatermark }) => highWatermark));
  assert.equal(ends.reduce((sum, end) => sum + end, 0), 1);
});
