import { strict as assert } from "node:assert";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { ZERO_UUID } from "../../../net/protocol/text_cache.ts";
import {
  codesOf,
  commitOf,
  fetchAllOf,
  offsetsOf,
  ordinaryTopic,
  TestCoordinator,
  topicIds,
} from "./coordinator_testing.ts";
import { partitionOfKey } from "../key_partition.ts";
import type { GroupRequest } from "./group_apis.ts";

const HOUR_MS = 3_600_000;
const NONE = errorCode.NONE;

function joinOf(groupId: string, memberId = "", changes: Partial<GroupRequest<11>> = {}): GroupRequest<11> {
  return {
    groupId,
    memberId,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 60_000,
    groupInstanceId: null,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: new Uint8Array([0, 1, 0, 0, 0, 1, 0, 1, 97, 255, 255, 255, 255]) }],
    reason: null,
    ...changes,
  };
}

function syncOf(groupId: string, memberId: string, generationId: number): GroupRequest<14> {
  const assignments = [{ memberId, assignment: new Uint8Array([7]) }];
  return {
    groupId,
    memberId,
    generationId,
    groupInstanceId: null,
    protocolType: null,
    protocolName: null,
    assignments,
  };
}

/** Makes the only member of a group in a stable generation. */
function joinStableGroup(test: TestCoordinator, groupId: string): { memberId: string; generation: number } {
  const joined = test.ask(11, joinOf(groupId), 3);
  assert.equal(joined.errorCode, NONE);
  const { memberId, generationId: generation = -1 } = joined;
  assert.equal(test.ask(14, syncOf(groupId, memberId, generation), 3).errorCode, NONE);
  return { memberId, generation };
}

Deno.test("handle() keeps a commit without a group and returns it, also after a kill", () => {
  const test = new TestCoordinator();
  assert.deepEqual(codesOf(test.ask(8, commitOf("g", "a", { 0: 5, 2: 7 }), 8)), { 0: NONE, 2: NONE });
  assert.deepEqual(offsetsOf(test.ask(9, fetchAllOf("g"), 8)), { "a-0": 5, "a-2": 7 });
  test.restart();
  assert.deepEqual(offsetsOf(test.ask(9, fetchAllOf("g"), 8)), { "a-0": 5, "a-2": 7 });
});

Deno.test("handle() answers the commits of a turn only at its end, and writes them in one batch", () => {
  const test = new TestCoordinator();
  const calls = [1, 2, 3].map((offset) => test.send(8, commitOf(`g${offset}`, "a", { 0: offset }), 8));
  assert(calls.every(({ isWaiting }) => isWaiting));
  assert(test.coordinator.hasGathered);
  test.coordinator.writeGathered(() => true);
  assert(!test.coordinator.hasGathered);
  assert(calls.every(({ answer }) => codesOf(answer)[0] === NONE));
  assert.equal(test.coordinator.counts.appendedBatches, 1);
  assert.equal(test.partition().log.logEndOffset, 3);
});

Deno.test("writeGathered() leaves partitions for which there is no time to the next turn", () => {
  const test = new TestCoordinator({ shards: [0, 0, 0] });
  const calls = Array.from({ length: 20 }, (_, n) => test.send(8, commitOf(`g${n}`, "a", { 0: n }), 8));
  const waiting = () => calls.filter(({ isWaiting }) => isWaiting).length;
  let turns = 0;
  for (let before = waiting(); test.coordinator.hasGathered; before = waiting(), turns++) {
    test.coordinator.writeGathered(() => false);
    assert(waiting() < before, "each turn writes at least one partition");
  }
  assert.equal(turns, 3, "a turn for each partition");
  assert.deepEqual([waiting(), test.coordinator.counts.appendedBatches], [0, turns]);
});

Deno.test("handle() fetches offsets that were committed in the same turn", () => {
  const test = new TestCoordinator();
  const commit = test.send(8, commitOf("g", "a", { 0: 9 }), 8);
  assert.deepEqual(offsetsOf(test.send(9, fetchAllOf("g"), 8).answer), { "a-0": 9 });
  assert.deepEqual(codesOf(commit.answer), { 0: NONE });
});

Deno.test("handle() answers NOT_COORDINATOR for each group of a partition that is not on this shard", () => {
  const test = new TestCoordinator({ shards: [0, 1] });
  const here = ["g", "h"].find((groupId) => partitionOfKey(groupId, 2) === 0) as string;
  const away = ["g", "h"].find((groupId) => partitionOfKey(groupId, 2) === 1) as string;
  const code = errorCode.NOT_COORDINATOR;
  assert.deepEqual(codesOf(test.ask(8, commitOf(here, "a", { 0: 1 }), 8)), { 0: NONE });
  assert.deepEqual(codesOf(test.ask(8, commitOf(away, "a", { 0: 1 }), 8)), { 0: code });
  assert.equal(test.ask(12, heartbeatOf(away), 3).errorCode, code);
  const fetched = test.ask(9, fetchAllOf(away, here), 8).groups!;
  assert.deepEqual(fetched.map((group) => group.errorCode ?? NONE), [code, NONE]);
  const described = test.ask(15, { groups: [away, here], includeAuthorizedOperations: false }, 5).groups;
  assert.deepEqual(described.map((group) => group.errorCode), [code, NONE]);
  const deleted = test.ask(42, { groupsNames: [away, here] }, 2).results;
  assert.deepEqual(deleted.map((group) => group.errorCode), [code, NONE]);
});

function heartbeatOf(groupId: string): GroupRequest<12> {
  return { groupId, memberId: "m", generationId: 1, groupInstanceId: null };
}

Deno.test("handle() answers COORDINATOR_LOAD_IN_PROGRESS while a partition is being loaded, but accepts heartbeats", () => {
  const test = new TestCoordinator();
  test.ask(8, commitOf("g", "a", { 0: 5 }), 8);
  test.kill();
  test.start();
  const code = errorCode.COORDINATOR_LOAD_IN_PROGRESS;
  assert.equal(test.coordinator.nextDeadlineMs, 0);
  assert.deepEqual(codesOf(test.ask(8, commitOf("g", "a", { 0: 6 }), 8)), { 0: code });
  assert.equal(test.send(16, { statesFilter: [], typesFilter: [] }, 5).isWaiting, false);
  test.load();
  assert.deepEqual(offsetsOf(test.ask(9, fetchAllOf("g"), 8)), { "a-0": 5 });
  test.kill();
  test.start();
  assert.equal(test.send(12, heartbeatOf("g"), 3).answer.errorCode, NONE);
  assert.equal(test.send(11, joinOf("g"), 3).answer.errorCode, code);
  assert.equal(test.send(16, { statesFilter: [], typesFilter: [] }, 5).answer.errorCode, code);
});

Deno.test("handle() refuses an empty group id except where Kafka accepts it", () => {
  const test = new TestCoordinator();
  const code = errorCode.INVALID_GROUP_ID;
  assert.equal(test.ask(11, joinOf("", "m"), 3).errorCode, code);
  assert.equal(test.ask(11, joinOf("", "m"), 3).memberId, "m");
  assert.equal(test.ask(12, heartbeatOf(""), 3).errorCode, code);
  assert.equal(test.ask(69, { groupIds: [""], includeAuthorizedOperations: false }, 1).groups[0]?.errorCode, code);
  assert.deepEqual(codesOf(test.ask(8, commitOf("", "a", { 0: 1 }), 8)), { 0: NONE });
  assert.deepEqual(offsetsOf(test.ask(9, fetchAllOf(""), 8)), { "a-0": 1 });
});

Deno.test("handle() names topics by id from version 10 on", () => {
  const test = new TestCoordinator();
  assert.deepEqual(codesOf(test.ask(8, commitOf("g", "a", { 1: 5 }), 10)), { 1: NONE });
  const unknown = { ...commitOf("g", "a", { 1: 5 }).topics[0]!, topicId: ZERO_UUID };
  const answer = test.ask(8, { ...commitOf("g", "a", {}), topics: [unknown] }, 10);
  assert.deepEqual(codesOf(answer), { 1: errorCode.UNKNOWN_TOPIC_ID });
  const topics = [topicIds.a, ZERO_UUID].map((topicId) => ({ name: "", topicId, partitionIndexes: [1] }));
  const groups = [{ groupId: "g", memberId: null, memberEpoch: -1, topics }];
  const fetched = test.ask(9, { groupId: "", topics: [], groups, requireStable: true }, 10).groups![0]!;
  assert.deepEqual(fetched.topics.map(({ partitions }) => [partitions[0]!.committedOffset, partitions[0]!.errorCode]), [
    [5, NONE],
    [-1, errorCode.UNKNOWN_TOPIC_ID],
  ]);
});

Deno.test("handle() fetches one group with a code for the whole answer up to version 7", () => {
  const test = new TestCoordinator();
  test.ask(8, commitOf("g", "a", { 0: 5 }, { metadata: "m", leaderEpoch: 4 }), 8);
  const request = (topics: GroupRequest<9>["topics"]) => ({ groupId: "g", topics, groups: [], requireStable: false });
  const named = { name: "a", topicId: ZERO_UUID, partitionIndexes: [0, 1] };
  const { topics, errorCode: code, groups } = test.ask(9, request([named]), 5);
  assert.equal(code ?? NONE, NONE);
  assert.equal(groups, undefined);
  assert.deepEqual(topics![0]!.partitions, [
    { partitionIndex: 0, committedOffset: 5, committedLeaderEpoch: 4, metadata: "m", errorCode: NONE },
    { partitionIndex: 1, committedOffset: -1, committedLeaderEpoch: -1, metadata: "", errorCode: NONE },
  ]);
  assert.equal(test.ask(9, request(null), 2).topics![0]!.partitions.length, 1);
  test.coordinator.dispose();
  const refused = errorCode.NOT_COORDINATOR;
  assert.deepEqual(test.ask(9, request([named]), 2), { errorCode: refused, topics: [], groups: [] });
  assert.equal(test.ask(9, request([named]), 1).topics![0]!.partitions[1]!.errorCode, refused);
});

Deno.test("handle() lets a member join, sync and commit, and refuses another generation", () => {
  const test = new TestCoordinator();
  const { memberId, generation } = joinStableGroup(test, "g");
  assert.deepEqual(codesOf(test.ask(8, commitOf("g", "a", { 0: 1 }, { memberId, generation }), 8)), { 0: NONE });
  const stale = commitOf("g", "a", { 0: 2 }, { memberId, generation: generation - 1 });
  assert.deepEqual(codesOf(test.ask(8, stale, 8)), { 0: errorCode.ILLEGAL_GENERATION });
  const stranger = commitOf("g", "a", { 0: 3 });
  assert.deepEqual(codesOf(test.ask(8, stranger, 8)), { 0: errorCode.UNKNOWN_MEMBER_ID });
  assert.deepEqual(offsetsOf(test.ask(9, fetchAllOf("g"), 8)), { "a-0": 1 });
});

Deno.test("handle() still knows members and generation after a kill", () => {
  const test = new TestCoordinator();
  const { memberId, generation } = joinStableGroup(test, "g");
  test.restart();
  assert.equal(
    test.ask(12, { groupId: "g", memberId, generationId: generation, groupInstanceId: null }, 3).errorCode,
    NONE,
  );
  const listed = test.ask(16, { statesFilter: ["STABLE "], typesFilter: ["Classic"] }, 5).groups;
  assert.deepEqual(listed, [{ groupId: "g", protocolType: "consumer", groupState: "Stable", groupType: "classic" }]);
});

Deno.test("handle() refuses a commit of a group that does not exist with a generation", () => {
  const test = new TestCoordinator();
  const commit = commitOf("g", "a", { 0: 1 }, { memberId: "m", generation: 3 });
  assert.deepEqual(codesOf(test.ask(8, commit, 8)), { 0: errorCode.ILLEGAL_GENERATION });
  assert.deepEqual(codesOf(test.ask(8, commit, 9)), { 0: errorCode.GROUP_ID_NOT_FOUND });
  assert.deepEqual(test.ask(16, { statesFilter: [], typesFilter: [] }, 5).groups, []);
});

Deno.test("handle() describes an unknown group as Dead up to version 5 of DescribeGroups, with an error from version 6 on", () => {
  const test = new TestCoordinator();
  const request = { groups: ["g"], includeAuthorizedOperations: false };
  const [dead] = test.ask(15, request, 5).groups;
  assert.deepEqual([dead?.errorCode, dead?.groupState], [NONE, "Dead"]);
  const [absent] = test.ask(15, request, 6).groups;
  assert.deepEqual([absent?.errorCode, absent?.groupState], [errorCode.GROUP_ID_NOT_FOUND, "Dead"]);
  assert.equal(absent?.errorMessage, "Group g not found.");
  joinStableGroup(test, "g");
  const [described] = test.ask(15, request, 6).groups;
  assert.deepEqual([described?.groupState, described?.members.length], ["Stable", 1]);
});

Deno.test("handle() deletes empty groups with their offsets permanently", () => {
  const test = new TestCoordinator();
  const { memberId } = joinStableGroup(test, "busy");
  test.ask(8, commitOf("simple", "a", { 0: 1 }), 8);
  const { results } = test.ask(42, { groupsNames: ["busy", "simple", "none"] }, 2);
  assert.deepEqual(results.map((one) => one.errorCode), [
    errorCode.NON_EMPTY_GROUP,
    NONE,
    errorCode.GROUP_ID_NOT_FOUND,
  ]);
  test.ask(13, { groupId: "busy", memberId, members: [] }, 1);
  assert.equal(test.ask(42, { groupsNames: ["busy"] }, 2).results[0]?.errorCode, NONE);
  test.restart();
  assert.deepEqual(test.ask(16, { statesFilter: [], typesFilter: [] }, 5).groups, []);
  assert.deepEqual(offsetsOf(test.ask(9, fetchAllOf("simple"), 8)), {});
});

Deno.test("handle() deletes offsets of topics that the group does not subscribe to", () => {
  const test = new TestCoordinator();
  const { memberId, generation } = joinStableGroup(test, "g"); // subscribed to topic a
  test.ask(8, commitOf("g", "a", { 0: 1 }, { memberId, generation }), 8);
  test.ask(8, commitOf("g", "b", { 0: 2, 1: 3 }, { memberId, generation }), 8);
  const topics = [
    { name: "a", partitions: [{ partitionIndex: 0 }] },
    { name: "b", partitions: [{ partitionIndex: 1 }, { partitionIndex: 9 }] },
  ];
  const answer = test.ask(47, { groupId: "g", topics }, 0);
  assert.equal(answer.errorCode, NONE);
  assert.deepEqual(answer.topics.map((one) => one.partitions.map((partition) => partition.errorCode)), [
    [errorCode.GROUP_SUBSCRIBED_TO_TOPIC],
    [NONE, errorCode.UNKNOWN_TOPIC_OR_PARTITION],
  ]);
  test.restart();
  assert.deepEqual(offsetsOf(test.ask(9, fetchAllOf("g"), 8)), { "a-0": 1, "b-0": 2 });
  assert.equal(test.ask(47, { groupId: "none", topics }, 0).errorCode, errorCode.GROUP_ID_NOT_FOUND);
});

Deno.test("expire() removes offsets of a simple group when their retention since the commit has passed", () => {
  const test = new TestCoordinator({ settings: { offsetsRetentionMs: HOUR_MS } });
  test.ask(8, commitOf("g", "a", { 0: 1 }), 8);
  test.advance(HOUR_MS / 2);
  test.ask(8, commitOf("g", "a", { 1: 1 }), 8);
  test.advance(HOUR_MS / 2 + 11 * 60_000);
  assert.deepEqual(offsetsOf(test.ask(9, fetchAllOf("g"), 8)), { "a-1": 1 });
  test.advance(HOUR_MS);
  assert.deepEqual(test.ask(16, { statesFilter: [], typesFilter: [] }, 5).groups, []);
  test.restart();
  assert.equal(test.coordinator.counts.offsets, 0);
});

Deno.test("expire() removes a group that had members, and its offsets, when it has been empty for the retention", () => {
  const test = new TestCoordinator({ settings: { offsetsRetentionMs: HOUR_MS } });
  const { memberId, generation } = joinStableGroup(test, "g");
  test.ask(8, commitOf("g", "a", { 0: 1 }, { memberId, generation }), 8);
  const heartbeat = { groupId: "g", memberId, generationId: generation, groupInstanceId: null };
  for (let beats = 0; beats < 1000; beats++) {
    test.advance(9000);
    assert.equal(test.ask(12, heartbeat, 3).errorCode, NONE);
  }
  assert.deepEqual(offsetsOf(test.ask(9, fetchAllOf("g"), 8)), { "a-0": 1 });
  test.ask(13, { groupId: "g", memberId, members: [] }, 1);
  test.advance(HOUR_MS - 60_000);
  assert.deepEqual(offsetsOf(test.ask(9, fetchAllOf("g"), 8)), { "a-0": 1 });
  test.advance(12 * 60_000);
  assert.deepEqual(offsetsOf(test.ask(9, fetchAllOf("g"), 8)), {});
  assert.deepEqual(test.ask(16, { statesFilter: [], typesFilter: [] }, 5).groups, []);
  test.restart();
  assert.deepEqual(test.ask(16, { statesFilter: [], typesFilter: [] }, 5).groups, []);
});

Deno.test("expire() uses the retention time in a commit of version 2 to 4", () => {
  const test = new TestCoordinator();
  test.ask(8, commitOf("g", "a", { 0: 1 }, { retentionTimeMs: HOUR_MS }), 4);
  test.restart();
  test.advance(HOUR_MS + 11 * 60_000);
  assert.equal(test.coordinator.counts.offsets, 0);
});

Deno.test("onImage() removes the offsets of a deleted topic, not those of a new topic with its name", () => {
  const test = new TestCoordinator();
  test.ask(8, commitOf("g", "a", { 0: 1 }), 8);
  test.ask(8, commitOf("g", "b", { 0: 2 }), 8);
  const old = ordinaryTopic("a");
  test.change([], [old]);
  assert.deepEqual(offsetsOf(test.ask(9, fetchAllOf("g"), 8)), { "b-0": 2 });
  test.restart();
  assert.deepEqual(offsetsOf(test.ask(9, fetchAllOf("g"), 8)), { "b-0": 2 });
  const next = { ...old, id: "bmV3bmV3bmV3bmV3bmV3bg" };
  test.change([next]);
  test.ask(8, commitOf("g", "a", { 0: 3 }), 8);
  test.change([], [old]);
  assert.deepEqual(offsetsOf(test.ask(9, fetchAllOf("g"), 8)), { "b-0": 2, "a-0": 3 });
});

Deno.test("onImage() removes the offsets of a topic that was deleted during loading", () => {
  const test = new TestCoordinator();
  test.ask(8, commitOf("g", "a", { 0: 1 }), 8);
  test.ask(8, commitOf("g", "b", { 0: 2 }), 8);
  test.kill();
  test.start();
  test.change([], [ordinaryTopic("a")]);
  test.load();
  assert.deepEqual(offsetsOf(test.ask(9, fetchAllOf("g"), 8)), { "b-0": 2 });
});

Deno.test("onImage() answers waiting requests when __consumer_offsets is deleted, and serves the topic when it is created again", () => {
  const test = new TestCoordinator();
  test.ask(11, joinOf("g"), 3);
  const waiting = test.send(11, joinOf("g"), 3);
  assert(waiting.isWaiting);
  const topic = test.offsetsTopic;
  test.change([], [topic]);
  assert.equal(waiting.answer.errorCode, errorCode.NOT_COORDINATOR);
  test.change([topic]);
  test.load();
  assert.equal(test.ask(11, joinOf("other"), 3).errorCode, NONE);
});

Deno.test("partitionOfKey() computes the same as Kafka for every kind of id", () => {
  // From Utils.abs(groupId.hashCode()) % 50 of Java; the hash of the last one is Integer.MIN_VALUE.
  const expected = { "": 0, test: 48, "my-group": 12, "grüppe": 12, "polygenelubricants": 0 };
  for (const [groupId, partition] of Object.entries(expected)) {
    assert.equal(partitionOfKey(groupId, 50), partition, groupId);
  }
});

Deno.test("a classic group stays classic when a member with an invalid regular expression would upgrade it", () => {
  const test = new TestCoordinator();
  const { memberId } = joinStableGroup(test, "g");
  const joining = (subscribedTopicRegex: string): GroupRequest<68> => ({
    groupId: "g",
    memberId: "m",
    memberEpoch: 0,
    instanceId: null,
    rackId: null,
    rebalanceTimeoutMs: 1000,
    subscribedTopicNames: null,
    subscribedTopicRegex,
    serverAssignor: null,
    topicPartitions: [],
  });
  const kind = () => {
    const [group] = test.ask(16, { statesFilter: [], typesFilter: [] }, 5).groups;
    return [group?.groupState, group?.groupType, group?.protocolType];
  };
  for (const state of ["Stable", "Empty"]) {
    assert.equal(test.ask(68, joining("("), 1).errorCode, errorCode.INVALID_REGULAR_EXPRESSION);
    const long = test.ask(68, joining("(".repeat(32_767)), 1);
    assert.equal(long.errorCode, errorCode.INVALID_REGULAR_EXPRESSION);
    assert((long.errorMessage?.length ?? 0) < 2000, "it fits into an answer");
    assert.deepEqual(kind(), [state, "classic", "consumer"]);
    test.ask(13, { groupId: "g", memberId, members: [] }, 1);
  }
  assert.equal(test.ask(68, joining("a"), 1).errorCode, NONE);
  assert.deepEqual(kind(), ["Assigning", "consumer", "consumer"]);
});
