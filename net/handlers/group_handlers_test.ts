import assert from "node:assert/strict";
import { refuseConsumerDescription, refuseDescription } from "../../partitions/mod.ts";
import type { ShardServices } from "../requests/handler.ts";
import { shownHost } from "../requests/group_questions.ts";
import { GroupShards } from "../../partitions/coordinators/runtime/shard_coordinators_testing.ts";
import { TestClient } from "../requests/operation_testing.ts";
import { apiOf } from "./api_testing.ts";
import { errorCode } from "../protocol/error_codes.ts";
import type { Message } from "../protocol/schema.ts";
import { describeGroupsRequest, describeGroupsResponse } from "../protocol/messages/15_describe_groups.ts";
import { deleteGroupsRequest, deleteGroupsResponse } from "../protocol/messages/42_delete_groups.ts";
import { heartbeatRequest, heartbeatResponse } from "../protocol/messages/12_heartbeat.ts";
import { joinGroupRequest } from "../protocol/messages/11_join_group.ts";
import { listGroupsRequest, listGroupsResponse } from "../protocol/messages/16_list_groups.ts";
import { offsetCommitRequest } from "../protocol/messages/08_offset_commit.ts";
import { offsetFetchRequest, offsetFetchResponse } from "../protocol/messages/09_offset_fetch.ts";
import { syncGroupRequest, syncGroupResponse } from "../protocol/messages/14_sync_group.ts";
import {
  consumerGroupDescribeRequest,
  consumerGroupDescribeResponse,
} from "../protocol/messages/69_consumer_group_describe.ts";
import {
  consumerGroupHeartbeatRequest,
  consumerGroupHeartbeatResponse,
} from "../protocol/messages/68_consumer_group_heartbeat.ts";
import { weightOf } from "../requests/request_weights.ts";
import { Reader } from "../protocol/reader.ts";
import { Writer } from "../protocol/writer.ts";
import { testServices } from "./handler_testing.ts";

/** Groups on shard 0 and on shard 1: their hashes are even and odd. */
const [EVEN, ODD] = [["b", "d", "f"], ["a", "c", "e"]];

/** A client of shard 0 of two shards, whose coordinators only record what they are asked. */
class Fixture implements Disposable {
  readonly shards = new GroupShards(2);
  readonly client = new TestClient(this.shards.world.at(0));
  readonly #services: ShardServices;

  constructor(properties: Record<string, string> = {}) {
    this.#services = testServices([], { properties, groups: this.shards.from(0) }).services;
  }

  /** Handles a request as the router does, after encoding and decoding it. */
  handle<D, E>(message: Message<D, E>, apiVersion: number, request: E): void {
    const writer = new Writer();
    message.encode(writer, apiVersion, request);
    const reader = new Reader(writer.bytes.slice(0, writer.position));
    const handler = apiOf(message.apiKey).handlerOf(this.#services);
    const exchange = this.client.request(message.apiKey, apiVersion);
    const decoded = message.decode(reader, apiVersion);
    this.client.pipeline.weigh(exchange, weightOf(reader.elementsCount));
    handler(decoded as never, exchange, this.#services);
    this.shards.pump();
  }

  /** Lets a coordinator answer its oldest call. @returns the request of that call */
  answer(shard: number, response: (request: never) => unknown): unknown {
    const call = this.shards.coordinator(shard).take();
    call.reply(response(call.request as never));
    this.shards.pump();
    return call.request;
  }

  [Symbol.dispose](): void {
    this.client.pipeline.abandon();
    this.shards[Symbol.dispose]();
  }
}

const heartbeatOf = (groupId: string) => ({ groupId, generationId: 1, memberId: "m" });

Deno.test("a group request asks the group's shard, names the client, and answers with the coordinator's response", () => {
  using fixture = new Fixture();
  for (const [shard, groupIds] of [EVEN, ODD].entries()) {
    fixture.handle(heartbeatRequest, 4, heartbeatOf(groupIds[0]!));
    const [call] = fixture.shards.coordinator(shard).calls;
    assert.deepEqual(call?.client, { clientId: "", clientHost: "/127.0.0.1", apiVersion: 4 });
    fixture.answer(shard, () => ({ errorCode: errorCode.REBALANCE_IN_PROGRESS }));
    assert.deepEqual(fixture.client.take(heartbeatResponse, 4), {
      throttleTimeMs: 0,
      errorCode: errorCode.REBALANCE_IN_PROGRESS,
    });
  }
});

Deno.test("shownHost() prints addresses as Java's InetAddress does", () => {
  const shown = ["127.0.0.1", "::1", "::", "fe80::1:2", "2001:db8::", "1:2:3:4:5:6:7:8"].map(shownHost);
  assert.deepEqual(shown, [
    "/127.0.0.1",
    "/0:0:0:0:0:0:0:1",
    "/0:0:0:0:0:0:0:0",
    "/fe80:0:0:0:0:0:1:2",
    "/2001:db8:0:0:0:0:0:0",
    "/1:2:3:4:5:6:7:8",
  ]);
});

Deno.test("a connection is transferred to the shard that coordinates its groups", () => {
  using fixture = new Fixture();
  for (let count = 0; count < 8; count++) {
    assert.equal(fixture.client.affinity.destination, -1);
    fixture.handle(heartbeatRequest, 4, heartbeatOf(ODD[0]!));
    fixture.client.affinity.endRequest();
  }
  assert.equal(fixture.client.affinity.destination, 1);
});

Deno.test("a group request whose client has disconnected is carried out, and its answer is dropped", () => {
  using fixture = new Fixture();
  for (const groupId of [EVEN[0]!, ODD[0]!]) fixture.handle(heartbeatRequest, 4, heartbeatOf(groupId));
  fixture.client.pipeline.abandon();
  for (const shard of [0, 1]) fixture.answer(shard, () => ({ errorCode: 0 }));
  assert.deepEqual([fixture.client.answersCount, fixture.client.closed], [0, []]);
  assert.equal(fixture.shards.from(0).inFlight, 0);
});

Deno.test("an answer that the protocol cannot carry closes the connection of its client", () => {
  for (const [shard, groupIds] of [EVEN, ODD].entries()) {
    using fixture = new Fixture();
    fixture.handle(joinGroupRequest, 5, { ...joinOf(groupIds[0]!) });
    const long = "x".repeat(40_000);
    fixture.answer(shard, () => ({ ...joined, memberId: long }));
    assert.equal(fixture.client.closed.length, 1);
    assert.equal(fixture.client.answersCount, 0);
  }
});

Deno.test("requests behind JoinGroup and SyncGroup wait until these are answered, those behind other requests do not", () => {
  using fixture = new Fixture();
  const { pipeline } = fixture.client;
  fixture.handle(heartbeatRequest, 4, heartbeatOf(ODD[0]!));
  assert.equal(pipeline.isHeld, false);
  fixture.handle(joinGroupRequest, 9, joinOf(ODD[0]!));
  assert.equal(pipeline.isHeld, true);
  fixture.answer(1, () => ({ errorCode: 0 }));
  assert.equal(pipeline.isHeld, true, "the oldest was answered, JoinGroup still waits");
  fixture.answer(1, () => joined);
  assert.deepEqual([pipeline.isHeld, pipeline.length], [false, 0]);
  const sync = { groupId: ODD[0]!, generationId: 1, memberId: "m", assignments: [] };
  fixture.handle(syncGroupRequest, 5, { ...sync, protocolType: "consumer", protocolName: "range" });
  assert.equal(pipeline.isHeld, true);
});

Deno.test("requests behind an OffsetCommit of very many partitions wait until it is answered, those behind a usual one do not", () => {
  using fixture = new Fixture();
  const commitOf = (count: number) => ({
    groupId: ODD[0]!,
    topics: [{
      name: "t",
      partitions: Array.from({ length: count }, (_, partitionIndex) => ({
        partitionIndex,
        committedOffset: 1,
        committedMetadata: null,
      })),
    }],
  });
  fixture.handle(offsetCommitRequest, 8, commitOf(100));
  assert.equal(fixture.client.pipeline.isHeld, false);
  fixture.handle(offsetCommitRequest, 8, commitOf(1000));
  assert.equal(fixture.client.pipeline.isHeld, true);
  for (const _call of [1, 2]) fixture.answer(1, () => ({ topics: [] }));
  assert.deepEqual([fixture.client.pipeline.isHeld, fixture.client.pipeline.length], [false, 0]);
});

Deno.test("the memory of a large request counts until the coordinator has answered, also when its client has disconnected", () => {
  for (const answersFirst of [true, false]) {
    using fixture = new Fixture();
    const { weights } = fixture.client.pipeline.totals;
    const topics = Array.from({ length: 1000 }, () => ({ name: "t", partitions: [] }));
    fixture.handle(offsetCommitRequest, 8, { groupId: ODD[0]!, topics });
    assert.ok(weights.heldBytes >= weightOf(1000));
    if (!answersFirst) {
      fixture.client.pipeline.abandon();
      assert.ok(weights.heldBytes >= weightOf(1000), "the coordinator still has it");
    }
    fixture.answer(1, () => ({ topics: [] }));
    assert.equal(weights.heldBytes, 0);
  }
});

Deno.test("handleSyncGroup() refuses a client that knows v5 and names no protocol", () => {
  using fixture = new Fixture();
  const sync = { groupId: ODD[0]!, generationId: 1, memberId: "m", assignments: [] };
  fixture.handle(syncGroupRequest, 5, { ...sync, protocolType: "consumer" });
  const answer = fixture.client.take(syncGroupResponse, 5);
  assert.deepEqual([answer.errorCode, answer.assignment.length], [errorCode.INCONSISTENT_GROUP_PROTOCOL, 0]);
});

Deno.test("handleDescribeGroups() asks each shard once and answers in the request's order, once for a group named twice", () => {
  using fixture = new Fixture();
  const groups = ["a", "b", "c", "d"];
  fixture.handle(describeGroupsRequest, 5, { groups: [...groups, "a"], includeAuthorizedOperations: true });
  const describe = ({ groups }: { groups: string[] }) => ({
    groups: groups.map((groupId) => ({
      ...refuseDescription(groupId, groupId === "c" ? errorCode.NOT_COORDINATOR : errorCode.NONE),
      groupState: "Stable",
    })),
  });
  assert.deepEqual((fixture.answer(1, describe) as { groups: string[] }).groups, ["a", "c"]);
  assert.equal(fixture.client.answersCount, 0, "one shard is still to answer");
  assert.deepEqual((fixture.answer(0, describe) as { groups: string[] }).groups, ["b", "d"]);
  const answer = fixture.client.take(describeGroupsResponse, 5);
  assert.deepEqual(answer.groups.map(({ groupId }) => groupId), groups);
  const hasOperations = answer.groups.map(({ authorizedOperations }) => authorizedOperations > 0);
  assert.deepEqual(hasOperations, [true, true, false, true], "operations are returned for groups that were described");
});

Deno.test("handleDeleteGroups() counts a group that is named twice once", () => {
  using fixture = new Fixture();
  fixture.handle(deleteGroupsRequest, 2, { groupsNames: ["b", "a", "b"] });
  const remove = ({ groupsNames }: { groupsNames: string[] }) => ({
    results: groupsNames.map((groupId) => ({ groupId, errorCode: errorCode.NON_EMPTY_GROUP })),
  });
  for (const shard of [0, 1]) fixture.answer(shard, remove);
  const { results } = fixture.client.take(deleteGroupsResponse, 2);
  assert.deepEqual(results.map(({ groupId }) => groupId), ["b", "a"]);
});

Deno.test("requests that name no group get an empty answer, and no coordinator is asked", () => {
  using fixture = new Fixture();
  fixture.handle(describeGroupsRequest, 5, { groups: [] });
  assert.deepEqual(fixture.client.take(describeGroupsResponse, 5).groups, []);
  fixture.handle(offsetFetchRequest, 9, { groups: [] });
  assert.deepEqual(fixture.client.take(offsetFetchResponse, 9).groups, []);
});

Deno.test("handleOffsetFetch() asks for one group before v8, and for several in the order of the request from v8 on", () => {
  using fixture = new Fixture();
  const topics = [{ name: "t", partitionIndexes: [0] }];
  const partitions = [{ partitionIndex: 0, committedOffset: 5, metadata: "", errorCode: 0 }];
  fixture.handle(offsetFetchRequest, 7, { groupId: "a", topics });
  fixture.answer(1, () => ({ topics: [{ name: "t", partitions }] }));
  const single = fixture.client.take(offsetFetchResponse, 7);
  assert.equal(single.topics[0]?.partitions[0]?.committedOffset, 5);
  fixture.handle(offsetFetchRequest, 8, { groups: [{ groupId: "b", topics }, { groupId: "a", topics: null }] });
  const fetch = ({ groups }: { groups: { groupId: string }[] }) => ({
    groups: groups.map(({ groupId }) => ({ groupId, topics: [{ name: "t", partitions }] })),
  });
  for (const shard of [1, 0]) fixture.answer(shard, fetch);
  const { groups } = fixture.client.take(offsetFetchResponse, 8);
  assert.deepEqual(groups.map(({ groupId, topics }) => [groupId, topics.length]), [["b", 1], ["a", 1]]);
});

Deno.test("handleListGroups() collects the groups of all shards, and returns none while one of them loads", () => {
  using fixture = new Fixture();
  const groupOf = (groupId: string) => ({
    groupId,
    protocolType: "consumer",
    groupState: "Stable",
    groupType: "classic",
  });
  fixture.handle(listGroupsRequest, 5, { statesFilter: ["stable"] });
  const asked = fixture.answer(0, () => ({ errorCode: 0, groups: EVEN.map(groupOf) }));
  assert.deepEqual((asked as { statesFilter: string[] }).statesFilter, ["stable"]);
  fixture.answer(1, () => ({ errorCode: 0, groups: ODD.map(groupOf) }));
  const listed = fixture.client.take(listGroupsResponse, 5);
  assert.deepEqual(listed.groups.map(({ groupId }) => groupId).sort(), [...EVEN, ...ODD].sort());
  fixture.handle(listGroupsRequest, 5, {});
  fixture.answer(0, () => ({ errorCode: 0, groups: EVEN.map(groupOf) }));
  fixture.answer(1, () => ({ errorCode: errorCode.COORDINATOR_LOAD_IN_PROGRESS, groups: [] }));
  const { errorCode: code, groups } = fixture.client.take(listGroupsResponse, 5);
  assert.deepEqual([code, groups], [errorCode.COORDINATOR_LOAD_IN_PROGRESS, []]);
});

Deno.test("the consumer protocol is UNSUPPORTED_VERSION when the broker's settings omit it", () => {
  using fixture = new Fixture({ "group.coordinator.rebalance.protocols": "classic" });
  fixture.handle(consumerGroupHeartbeatRequest, 1, { groupId: "a", memberId: "m", memberEpoch: 0 });
  assert.equal(fixture.client.take(consumerGroupHeartbeatResponse, 1).errorCode, errorCode.UNSUPPORTED_VERSION);
  fixture.handle(consumerGroupDescribeRequest, 1, { groupIds: ["a", "b"], includeAuthorizedOperations: false });
  const { groups } = fixture.client.take(consumerGroupDescribeResponse, 1);
  assert.deepEqual(groups.map(({ groupId, errorCode: code }) => [groupId, code]), [
    ["a", errorCode.UNSUPPORTED_VERSION],
    ["b", errorCode.UNSUPPORTED_VERSION],
  ]);
});

Deno.test("handleConsumerGroupDescribe() returns operations of described groups when asked for them", () => {
  for (const includeAuthorizedOperations of [true, false]) {
    using fixture = new Fixture();
    fixture.handle(consumerGroupDescribeRequest, 1, { groupIds: ["b", "d"], includeAuthorizedOperations });
    fixture.answer(0, () => ({
      throttleTimeMs: 0,
      groups: [
        refuseConsumerDescription("b", errorCode.NONE),
        refuseConsumerDescription("d", errorCode.GROUP_ID_NOT_FOUND, "Group d not found."),
      ],
    }));
    const { groups } = fixture.client.take(consumerGroupDescribeResponse, 1);
    assert.deepEqual(groups.map(({ authorizedOperations }) => authorizedOperations > 0), [
      includeAuthorizedOperations,
      false,
    ]);
    assert.equal(groups[1]?.errorMessage, "Group d not found.");
  }
});

function joinOf(groupId: string) {
  return {
    groupId,
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 60_000,
    memberId: "",
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: new Uint8Array(3) }],
  };
}

const joined = {
  errorCode: 0,
  generationId: 1,
  protocolType: "consumer",
  protocolName: "range",
  leader: "m",
  memberId: "m",
  members: [],
};
