/**
 * The kind of a group and how requests change it, live and after a restart.
 */
import { strict as assert } from "node:assert";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { commitOf, fetchAllOf, offsetsOf, TestCoordinator, topicIds } from "./coordinator_testing.ts";
import type { GroupRequest, GroupResponse } from "./group_apis.ts";
import { encodeConsumerAssignment } from "./records/consumer_protocol.ts";

const NONE = errorCode.NONE;
/** ConsumerProtocolSubscription v1 of topic a. */
const SUBSCRIPTION = new Uint8Array([0, 1, 0, 0, 0, 1, 0, 1, 97, 255, 255, 255, 255, 0, 0, 0, 0]);

function heartbeatOf(groupId: string, memberId: string, changes: Partial<GroupRequest<68>> = {}): GroupRequest<68> {
  const said = {
    subscribedTopicRegex: null,
    serverAssignor: null,
    rackId: null,
    instanceId: null,
    topicPartitions: [],
  };
  const rest = { memberEpoch: 0, rebalanceTimeoutMs: 60_000, subscribedTopicNames: ["a"] };
  return { groupId, memberId, ...said, ...rest, ...changes };
}

function joinOf(groupId: string, memberId = ""): GroupRequest<11> {
  const protocols = [{ name: "range", metadata: SUBSCRIPTION }];
  const rest = { sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 60_000, groupInstanceId: null, reason: null };
  return { groupId, memberId, protocolType: "consumer", protocols, ...rest };
}

function joinClassicGroup(test: TestCoordinator, groupId: string): { memberId: string; generationId: number } {
  const { memberId, generationId = -1 } = test.ask(11, joinOf(groupId), 3);
  const assignedPartitions = [{ topic: "a", partitions: [0, 1, 2] }];
  const assignment = encodeConsumerAssignment(1, { assignedPartitions, userData: null });
  const rest = { groupInstanceId: null, protocolType: null, protocolName: null };
  const sync = { groupId, memberId, generationId, assignments: [{ memberId, assignment }], ...rest };
  assert.equal(test.ask(14, sync, 3).errorCode, NONE);
  return { memberId, generationId };
}

function typesOf(test: TestCoordinator): [string, string | undefined, string | undefined][] {
  const { groups } = test.ask(16, { statesFilter: [], typesFilter: [] }, 5);
  return groups.map(({ groupId, groupType, groupState }) => [groupId, groupType, groupState]);
}

function partitionsOf(response: GroupResponse<68>): number[] {
  return (response.assignment?.topicPartitions ?? []).flatMap(({ partitions }) => [...partitions]).sort();
}

Deno.test("consumerHeartbeat() makes a group with its first member, and a restart restores it", () => {
  const test = new TestCoordinator();
  const joined = test.ask(68, heartbeatOf("g", "m1"), 1);
  assert.deepEqual([joined.errorCode, partitionsOf(joined)], [NONE, [0, 1, 2]]);
  test.restart();
  assert.deepEqual(typesOf(test), [["g", "consumer", "Stable"]]);
  const topicPartitions = [{ topicId: topicIds.a, partitions: [0, 1, 2] }];
  const beat = heartbeatOf("g", "m1", { memberEpoch: joined.memberEpoch, topicPartitions, subscribedTopicNames: null });
  assert.equal(test.ask(68, beat, 1).errorCode, NONE);
  const described = test.ask(69, { groupIds: ["g", "none"], includeAuthorizedOperations: false }, 1).groups;
  assert.deepEqual(described.map((group) => [group.errorCode, group.members.length]), [
    [NONE, 1],
    [errorCode.GROUP_ID_NOT_FOUND, 0],
  ]);
  const [classic] = test.ask(15, { groups: ["g"], includeAuthorizedOperations: false }, 6).groups;
  assert.equal(classic?.errorMessage, "Group g is not a classic group.");
});

Deno.test("consumerHeartbeat() of a member that is not joining finds no group and creates none", () => {
  const test = new TestCoordinator();
  const late = test.ask(68, heartbeatOf("g", "m1", { memberEpoch: 3 }), 1);
  assert.deepEqual([late.errorCode, late.errorMessage], [errorCode.GROUP_ID_NOT_FOUND, "Consumer group g not found."]);
  joinClassicGroup(test, "c");
  const other = test.ask(68, heartbeatOf("c", "m1", { memberEpoch: 3 }), 1);
  assert.equal(other.errorMessage, "Group c is not a consumer group.");
  assert.equal(test.ask(68, heartbeatOf("", "m1"), 1).errorCode, errorCode.INVALID_REQUEST);
  assert.deepEqual(typesOf(test), [["c", "classic", "Stable"]]);
});

Deno.test("consumerHeartbeat() upgrades a classic group with its members, and the group is downgraded when the member leaves", () => {
  const test = new TestCoordinator();
  const { memberId, generationId } = joinClassicGroup(test, "g");
  const commit = commitOf("g", "a", { 0: 7 }, { memberId, generation: generationId });
  test.ask(8, commit, 8);
  const joined = test.ask(68, heartbeatOf("g", "m1"), 1);
  assert.equal(joined.errorCode, NONE);
  assert.deepEqual(partitionsOf(joined), [], "all partitions are the classic member's still");
  assert.deepEqual(typesOf(test).map(([, type]) => type), ["consumer"]);
  const beat = { groupId: "g", memberId, generationId, groupInstanceId: null };
  assert.equal(test.ask(12, beat, 3).errorCode, errorCode.REBALANCE_IN_PROGRESS);
  test.restart();
  assert.deepEqual(typesOf(test).map(([, type]) => type), ["consumer"]);
  assert.deepEqual(offsetsOf(test.ask(9, fetchAllOf("g"), 8)), { "a-0": 7 });
  const left = heartbeatOf("g", "m1", { memberEpoch: -1, rebalanceTimeoutMs: -1, subscribedTopicNames: null });
  assert.equal(test.ask(68, { ...left, topicPartitions: null }, 1).errorCode, NONE);
  assert.deepEqual(typesOf(test).map(([, type]) => type), ["classic"]);
  test.restart();
  const [described] = test.ask(15, { groups: ["g"], includeAuthorizedOperations: false }, 5).groups;
  assert.deepEqual(described?.members.map((member) => member.memberId), [memberId]);
});

Deno.test("join() turns a consumer group without members into a classic one permanently", () => {
  const test = new TestCoordinator();
  const { memberEpoch: generation } = test.ask(68, heartbeatOf("g", "m1"), 1);
  test.ask(8, commitOf("g", "a", { 0: 7 }, { memberId: "m1", generation }), 9);
  test.ask(68, heartbeatOf("g", "m1", { memberEpoch: -1, subscribedTopicNames: null, topicPartitions: null }), 1);
  assert.deepEqual(typesOf(test), [["g", "consumer", "Empty"]]);
  joinClassicGroup(test, "g");
  assert.deepEqual(typesOf(test), [["g", "classic", "Stable"]]);
  test.restart();
  assert.deepEqual(typesOf(test), [["g", "classic", "Stable"]]);
  assert.deepEqual(offsetsOf(test.ask(9, fetchAllOf("g"), 8)), { "a-0": 7 });
});

Deno.test("commit() of a consumer group is refused as a whole for a partition that the member's epoch does not cover", () => {
  const test = new TestCoordinator();
  const { memberEpoch: epoch } = test.ask(68, heartbeatOf("g", "m1"), 1);
  const codes = (generation: number, version = 9) => {
    const [topic] = test.ask(8, commitOf("g", "a", { 0: 1 }, { memberId: "m1", generation }), version).topics;
    return topic?.partitions[0]?.errorCode;
  };
  const stale = errorCode.STALE_MEMBER_EPOCH;
  assert.deepEqual([codes(epoch), codes(epoch - 1), codes(epoch + 1)], [NONE, stale, stale]);
  assert.equal(codes(epoch, 8), errorCode.UNSUPPORTED_VERSION);
});

Deno.test("a full disk leaves groups unchanged: a refused member is not in the group", () => {
  const test = new TestCoordinator();
  const { memberId, generationId } = joinClassicGroup(test, "g");
  test.files.capacityBytes = 0;
  assert.equal(test.ask(68, heartbeatOf("g", "m1"), 1).errorCode, errorCode.NOT_COORDINATOR);
  assert.equal(test.ask(68, heartbeatOf("new", "m1"), 1).errorCode, errorCode.NOT_COORDINATOR);
  assert.deepEqual(typesOf(test), [["g", "classic", "Stable"]]);
  const beat = { groupId: "g", memberId, generationId, groupInstanceId: null };
  assert.equal(test.ask(12, beat, 3).errorCode, NONE);
  test.files.capacityBytes = Infinity;
  assert.equal(test.ask(68, heartbeatOf("g", "m1"), 1).errorCode, NONE);
});
