/**
 * The memory of groups: no request gets a shard above its budget, requests beyond it are told to retry, and all memory is returned.
 */
import { strict as assert } from "node:assert";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { topicOn } from "../../owned/partition_testing.ts";
import { commitOf, TestCoordinator } from "./coordinator_testing.ts";
import { GroupMemory } from "./group_memory.ts";
import type { GroupRequest } from "./group_apis.ts";

const NONE = errorCode.NONE;
const AGAIN = errorCode.COORDINATOR_LOAD_IN_PROGRESS;
const MIB = 1 << 20;
/** The budget of one shard of many. */
const BUDGET_BYTES = 16 * MIB;
/** A log with large batches: the budget has to be the limit, not the batch size. */
const ROOMY = { maxMessageBytes: 2 * MIB, segmentBytes: 2 * MIB };

function joinOf(groupId: string, metadata: Uint8Array, memberId = ""): GroupRequest<11> {
  const rest = { rebalanceTimeoutMs: 60_000, groupInstanceId: null, reason: null };
  return {
    groupId,
    memberId,
    sessionTimeoutMs: 10_000,
    protocolType: "x",
    protocols: [{ name: "p", metadata }],
    ...rest,
  };
}

function heartbeatOf(groupId: string, memberId: string, fields: Partial<GroupRequest<68>>): GroupRequest<68> {
  const said = { subscribedTopicRegex: null, serverAssignor: null, rackId: null, instanceId: null };
  const rest = { memberEpoch: 0, rebalanceTimeoutMs: 60_000, subscribedTopicNames: null, topicPartitions: [] };
  return { groupId, memberId, ...said, ...rest, ...fields };
}

/** Makes bytes that differ from all others. */
function distinctBytes(length: number, number: number): Uint8Array {
  const bytes = new Uint8Array(length);
  new DataView(bytes.buffer).setInt32(0, number);
  return bytes;
}

/** Repeats an action until it is refused. @returns how often it succeeded, and the code of the refusal */
function untilRefused(timesMax: number, act: (index: number) => number): { count: number; code: number } {
  for (let count = 0; count < timesMax; count++) {
    const code = act(count);
    if (code !== NONE) return { count, code };
  }
  return { count: timesMax, code: NONE };
}

/** Ends the coordinator. No memory of the budgets may be in use then. */
function assertAllGivenBack(test: TestCoordinator): void {
  test.coordinator.dispose();
  const { groupBytes, metadataBytes } = test.coordinator.counts;
  assert.deepEqual([groupBytes, metadataBytes], [0, 0]);
}

Deno.test("GroupMemory keeps equal bytes of many members once, and frees them with the last holder", () => {
  const memory = new GroupMemory(1000);
  const say = () => [{ name: "p", metadata: new Uint8Array(500).fill(7) }];
  assert.equal(memory.costOf(say()), 602);
  const first = memory.hold(say());
  assert.equal(memory.costOf(say()), 102);
  const second = memory.hold(say());
  assert.equal(first[0]!.metadata, second[0]!.metadata);
  assert.equal(memory.bytes, 704);
  assert.equal(memory.hasRoomFor(297), false);
  memory.release(first);
  assert.equal(memory.costOf(say()), 102, "the second still has them");
  memory.release(second);
  assert.deepEqual([memory.bytes, memory.costOf(say())], [0, 602]);
});

Deno.test("GroupMemory counts a reference for each hold() of the same object", () => {
  const memory = new GroupMemory();
  const protocols = [{ name: "p", metadata: new Uint8Array(10) }];
  const held = [memory.hold(protocols), memory.hold(protocols), memory.hold(memory.hold(protocols))];
  memory.release(held[0]!);
  memory.release(held[1]!);
  memory.release(held[2]!);
  memory.release(held[2]!);
  assert.equal(memory.bytes, 0);
});

Deno.test("members with much metadata are told to retry when the shard's budget is used up; members with equal metadata are accepted", () => {
  const test = new TestCoordinator({ shardsCount: 8, config: ROOMY });
  const distinct = untilRefused(
    300,
    (index) => test.ask(11, joinOf(`d${index}`, distinctBytes(MIB, index)), 3).errorCode,
  );
  assert.deepEqual([distinct.code, distinct.count], [AGAIN, 15]);
  assert(test.coordinator.counts.groupBytes <= BUDGET_BYTES);
  const again = test.ask(11, joinOf("d0", distinctBytes(2 * MIB, 1000)), 3);
  assert.equal(again.errorCode, AGAIN);
  const equal = untilRefused(100, (index) => test.ask(11, joinOf(`e${index}`, distinctBytes(MIB, 7)), 3).errorCode);
  assert.deepEqual(equal, { count: 100, code: NONE });
  // Sessions end, and there is room again.
  test.advance(400_000);
  assert.equal(test.ask(11, joinOf("late", distinctBytes(MIB, 2000)), 3).errorCode, NONE);
  assertAllGivenBack(test);
});

Deno.test("a member that joins again with the same metadata is accepted whatever the budget is", () => {
  const test = new TestCoordinator({ shardsCount: 8, config: ROOMY });
  const { memberId } = test.ask(11, joinOf("first", distinctBytes(MIB, -1)), 3);
  untilRefused(300, (index) => test.ask(11, joinOf(`d${index}`, distinctBytes(MIB, index)), 3).errorCode);
  assert.equal(test.ask(11, joinOf("first", distinctBytes(MIB, -1), memberId), 3).errorCode, NONE);
  assert.equal(test.ask(11, joinOf("first", distinctBytes(2 * MIB, -1), memberId), 3).errorCode, AGAIN);
  assert.equal(test.ask(12, { groupId: "first", memberId, generationId: 1, groupInstanceId: null }, 3).errorCode, NONE);
});

Deno.test("a member of very many protocols is refused before they are counted", () => {
  const test = new TestCoordinator();
  const protocols = Array.from({ length: 1001 }, (_, index) => ({ name: `p${index}`, metadata: new Uint8Array(0) }));
  const request = joinOf("g", new Uint8Array(0));
  assert.equal(test.ask(11, { ...request, protocols }, 3).errorCode, errorCode.INCONSISTENT_GROUP_PROTOCOL);
  assert.equal(test.ask(11, { ...request, protocols: protocols.slice(1) }, 3).errorCode, NONE);
});

Deno.test("no number of group ids gets a shard above its budget, and groups without members are removed when there is no room", () => {
  const test = new TestCoordinator({ shardsCount: 8, config: ROOMY });
  const { count, code } = untilRefused(100_000, (index) => {
    const answer = test.ask(11, joinOf(`g${index}`, new Uint8Array(4)), 5);
    return answer.errorCode === errorCode.MEMBER_ID_REQUIRED ? NONE : answer.errorCode;
  });
  assert.equal(code, AGAIN);
  assert(count > 5000 && count < 20_000, `${count}`);
  assert(test.coordinator.counts.groupBytes <= BUDGET_BYTES);
  test.advance(500);
  assert(test.coordinator.counts.groups < count, "long before the next check for expired offsets");
  assert.equal(test.ask(11, joinOf("new", new Uint8Array(4)), 3).errorCode, NONE);
  assertAllGivenBack(test);
});

Deno.test("a leader's assignments are refused when they are more than the budget, and the group joins again", () => {
  const test = new TestCoordinator({ shardsCount: 8, config: ROOMY });
  const sync = (groupId: string, bytes: number, strangers = 0) => {
    const { memberId, generationId = -1 } = test.ask(11, joinOf(groupId, new Uint8Array(4)), 3);
    const assignment = distinctBytes(bytes, 1);
    const assignments = [{ memberId, assignment }];
    for (let index = 0; index < strangers; index++) assignments.push({ memberId: `s${index}`, assignment });
    const rest = { groupInstanceId: null, protocolType: null, protocolName: null };
    return test.ask(14, { groupId, memberId, generationId, assignments, ...rest }, 3).errorCode;
  };
  const { code } = untilRefused(100, (index) => sync(`g${index}`, MIB));
  assert.equal(code, errorCode.COORDINATOR_NOT_AVAILABLE);
  assert(test.coordinator.counts.groupBytes <= BUDGET_BYTES);
  assert.equal(sync("small", 100), NONE);
  assert.equal(sync("strangers", 4, 5000), errorCode.INVALID_REQUEST);
  assertAllGivenBack(test);
});

Deno.test("members of consumer groups that name very many topics are told to retry; members with the same list share it", () => {
  const test = new TestCoordinator({ shardsCount: 8, config: ROOMY });
  const names = (number: number) => Array.from({ length: 10_000 }, (_, index) => `name-${number}-${index}`);
  const join = (groupId: string, memberId: string, number: number) =>
    test.ask(68, heartbeatOf(groupId, memberId, { subscribedTopicNames: names(number) }), 1).errorCode;
  const { code, count } = untilRefused(300, (index) => join("g", `m${index}`, index));
  assert.equal(code, AGAIN);
  assert(count > 5 && test.coordinator.counts.groupBytes <= BUDGET_BYTES);
  assert.deepEqual(untilRefused(20, (index) => join("g", `same${index}`, 0)), { count: 20, code: NONE });
  assert.equal(join("g", "m0", 0), NONE, "who is in it joins again");
  const many = Array.from({ length: 30_000 }, (_, index) => `${index}`);
  const tooMany = test.ask(68, heartbeatOf("g", "x", { subscribedTopicNames: many }), 1);
  assert.equal(tooMany.errorCode, errorCode.INVALID_REQUEST);
  test.restart();
  assertAllGivenBack(test);
});

Deno.test("no number of consumer groups with all partitions, and of expressions, gets a shard above its budget", () => {
  for (const fields of [{ subscribedTopicNames: ["wide"] }, { subscribedTopicRegex: "w.*" }]) {
    const test = new TestCoordinator({ shardsCount: 8, config: ROOMY });
    const wide = topicOn(Array(5000).fill(0), { name: "wide", id: "d2lkZXdpZGV3aWRld2lkZQ" });
    test.image.apply({ changed: [wide], deletedIds: [] });
    const joined = Array.from({ length: 60 }, (_, group) => test.ask(68, heartbeatOf(`g${group}`, "m", fields), 1));
    test.advance(2000);
    const codes = joined.map(({ errorCode, memberEpoch }, group) => {
      const beat = { memberEpoch, rebalanceTimeoutMs: -1, topicPartitions: null };
      return errorCode === NONE ? test.ask(68, heartbeatOf(`g${group}`, "m", beat), 1).errorCode : errorCode;
    });
    assert(codes.includes(AGAIN), `${codes}`);
    assert(codes.includes(NONE), `${codes}`);
    assert(test.coordinator.counts.groupBytes <= BUDGET_BYTES);
    assertAllGivenBack(test);
  }
});

Deno.test("expressions that match very many topics wait for room", () => {
  const test = new TestCoordinator({ shardsCount: 8, config: ROOMY });
  const changed = Array.from({ length: 5000 }, (_, index) => {
    const id = `t${String(index).padStart(19, "0")}AA`.slice(0, 22);
    return topicOn([], { name: `topic-${index}`, id });
  });
  test.image.apply({ changed, deletedIds: [] });
  for (let member = 0; member < 100; member++) {
    const fields = { subscribedTopicRegex: `topic-.*|${member}` };
    assert.equal(test.send(68, heartbeatOf(`g${member}`, "m", fields), 1).answer.errorCode, NONE);
  }
  test.advance(1000);
  const { groupBytes } = test.coordinator.counts;
  assert(groupBytes > BUDGET_BYTES / 2 && groupBytes <= BUDGET_BYTES, `${groupBytes}`);
  assertAllGivenBack(test);
});

Deno.test("long metadata of commits is refused above its budget; short and equal ones are not", () => {
  const test = new TestCoordinator({ shardsCount: 8, config: ROOMY });
  const commit = (groupId: string, metadata: string) =>
    test.ask(8, commitOf(groupId, "a", { 0: 1 }, { metadata }), 8).topics[0]!.partitions[0]!.errorCode;
  const { code, count } = untilRefused(10_000, (index) => commit(`g${index}`, `${index}`.padEnd(4000, "x")));
  assert.equal(code, errorCode.OFFSET_METADATA_TOO_LARGE);
  assert(count > 1000 && test.coordinator.counts.metadataBytes <= BUDGET_BYTES);
  assert.equal(commit("short", "y".repeat(128)), NONE);
  assert.equal(commit("equal", "0".padEnd(4000, "x")), NONE);
  assert.equal(commit("g0", ""), NONE);
  assert.equal(commit("equal", ""), NONE);
  assert.equal(commit("other", "z".repeat(4000)), NONE, "what nobody has any more makes room");
  test.restart();
  assert(test.coordinator.counts.metadataBytes > 0);
  assertAllGivenBack(test);
});

Deno.test("a commit of more partitions than fit into a batch is refused before it is processed, and so is their deletion", () => {
  const test = new TestCoordinator();
  const offsets = Object.fromEntries(Array.from({ length: 20_001 }, (_, partition) => [partition, 1]));
  const { topics } = test.ask(8, commitOf("g", "a", offsets), 8);
  assert.deepEqual(
    new Set(topics[0]!.partitions.map(({ errorCode }) => errorCode)),
    new Set([errorCode.INVALID_COMMIT_OFFSET_SIZE]),
  );
  const partitions = Array.from({ length: 20_001 }, (_, partitionIndex) => ({ partitionIndex }));
  const deletion = test.ask(47, { groupId: "g", topics: [{ name: "a", partitions }] }, 0);
  assert.equal(deletion.errorCode, errorCode.INVALID_REQUEST);
});
