import assert from "node:assert/strict";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { GroupMetadataValue } from "../records/group_record.ts";
import { Call } from "../group_ports_testing.ts";
import { ClassicGroup } from "./classic_group.ts";
import { bytes, client, protocols, SESSION_MS, TestGroup, text } from "./classic_testing.ts";

Deno.test("ClassicGroup.heartbeat() tells a member what to do", () => {
  const group = new TestGroup();
  assert.equal(group.heartbeat("x", 1), errorCode.UNKNOWN_MEMBER_ID);
  const calls = [group.join(), group.join()];
  group.advance(0);
  const ids = calls.map((call) => call.answer.memberId) as [string, string];
  assert.equal(group.heartbeat(ids[0], 1), 0, "between the answers to JoinGroup and SyncGroup");
  group.syncAll(ids, 1);
  assert.equal(group.heartbeat(ids[1], 1), 0);
  assert.deepEqual([group.heartbeat(ids[1], 0), group.heartbeat(ids[1], 2)], [22, 22]);
  assert.equal(group.heartbeat("stranger", 1), errorCode.UNKNOWN_MEMBER_ID);
  group.join();
  assert.equal(group.heartbeat(ids[1], 1), errorCode.REBALANCE_IN_PROGRESS);
  group.group.dispose();
  assert.equal(group.heartbeat(ids[1], 1), errorCode.COORDINATOR_NOT_AVAILABLE);
});

Deno.test("ClassicGroup.heartbeat() answers that wait at the same time stay unchanged", () => {
  const group = new TestGroup();
  const [id] = group.stableGroup() as [string];
  const answers: { errorCode: number }[] = [];
  for (const generationId of [1, 7, 1]) {
    const request = { groupId: "g", memberId: id, generationId, groupInstanceId: null };
    group.group.heartbeat(request, client(4), (answer) => answers.push(answer));
  }
  assert.deepEqual(answers.map((answer) => answer.errorCode), [0, errorCode.ILLEGAL_GENERATION, 0]);
});

Deno.test("ClassicGroup.describe() always lists members, and their metadata only while the group is stable", () => {
  const group = new TestGroup();
  const ids = group.stableGroup([{ clientId: "app" }, { instanceId: "i" }]);
  const described = group.group.describe();
  assert.deepEqual({ ...described, members: described.members.length }, {
    errorCode: 0,
    errorMessage: null,
    groupId: "g",
    groupState: "Stable",
    protocolType: "consumer",
    protocolData: "range",
    members: 2,
  });
  assert.deepEqual(described.members[0], {
    memberId: ids[0],
    groupInstanceId: null,
    clientId: "app",
    clientHost: "/127.0.0.1",
    memberMetadata: bytes("range:m"),
    memberAssignment: bytes(ids[0]!),
  });
  assert.equal(described.members[1]!.groupInstanceId, "i");
  group.join();
  const rebalancing = group.group.describe();
  assert.deepEqual([rebalancing.groupState, rebalancing.protocolData], ["PreparingRebalance", ""]);
  assert.deepEqual(rebalancing.members.map(({ memberMetadata }) => memberMetadata.length), [0, 0, 0]);
});

Deno.test("ClassicGroup.overview() names the states as Kafka prints them", () => {
  const group = new TestGroup();
  const state = () => group.group.overview().groupState;
  assert.deepEqual(group.group.overview(), {
    groupId: "g",
    protocolType: "",
    groupState: "Empty",
    groupType: "classic",
  });
  const one = group.join();
  assert.deepEqual([state(), group.group.overview().protocolType], ["PreparingRebalance", "consumer"]);
  group.advance(0);
  assert.equal(state(), "CompletingRebalance");
  group.sync(one.answer.memberId, 1);
  assert.equal(state(), "Stable");
  group.group.dispose();
  assert.equal(state(), "Dead");
});

Deno.test("ClassicGroup.replay() and start() restore the last stable generation with new sessions", () => {
  const group = new TestGroup();
  const ids = group.stableGroup([{}, { instanceId: "i" }]) as [string, string];
  group.advance(SESSION_MS / 2);
  group.join();
  const before = group.clock.monotonicMs();
  group.restart();
  assert.deepEqual([group.group.state, group.group.generation, group.group.memberCount], ["Stable", 1, 2]);
  assert.equal(group.timers.nextMs, before + SESSION_MS);
  assert.deepEqual([group.heartbeat(ids[0], 1), group.heartbeat(ids[1], 1, "i")], [0, 0]);
  assert.equal(text(group.sync(ids[0], 1).answer.assignment), ids[0]);
  const again = group.join({ memberId: ids[0] });
  assert.equal(again.isWaiting, true, "the leader is still the leader");
  group.join({ memberId: ids[1], instanceId: "i" });
  assert.equal(again.answer.generationId, 2);
});

Deno.test("ClassicGroup after a restart removes members that do not return within a session", () => {
  const group = new TestGroup();
  group.stableGroup([{}, {}]);
  group.restart();
  group.advance(SESSION_MS - 1);
  assert.equal(group.group.state, "Stable");
  group.advance(SESSION_MS);
  assert.deepEqual([group.group.state, group.group.generation], ["Empty", 2]);
});

Deno.test("ClassicGroup after a restart knows one protocol of each member, and members join again with all of theirs", () => {
  const group = new TestGroup();
  const both = protocols(["range", "sticky"]);
  const ids = group.stableGroup([{ protocols: both }, { protocols: both }]);
  group.restart();
  const again = ids.map((memberId) => group.join({ memberId, protocols: both }));
  assert.deepEqual(again.map((call) => call.answer.generationId), [2, 2]);
});

Deno.test("ClassicGroup.replay() makes a valid group of any record on disk", () => {
  const member = {
    memberId: "m",
    groupInstanceId: "i",
    clientId: "c",
    clientHost: "/h",
    rebalanceTimeout: -1,
    sessionTimeout: 10_000,
    subscription: bytes("s"),
    assignment: bytes("a"),
  };
  const value: GroupMetadataValue = {
    protocolType: "consumer",
    generation: 2 ** 31 - 1,
    protocol: null,
    leader: "nobody",
    currentStateTimestamp: 5,
    members: [member, member, { ...member, memberId: "n" }, { ...member, memberId: "o", groupInstanceId: null }],
  };
  const group = new TestGroup();
  group.group.replay({ kind: "group-metadata", key: { group: "g" }, value });
  group.group.start();
  assert.deepEqual(group.group.describe().members.map(({ memberId }) => memberId), ["m", "o"]);
  assert.deepEqual([group.heartbeat("m", 2 ** 31 - 1, "i"), group.group.protocolName], [0, ""]);
  assert.equal(group.join({ memberId: "o" }).answer.errorCode, errorCode.INCONSISTENT_GROUP_PROTOCOL);
  group.advance(SESSION_MS);
  assert.deepEqual([group.group.state, group.group.generation], ["Empty", 0], "the generation starts again");
  assert.equal(group.log.records.length, 1);
});

Deno.test("ClassicGroup.replay() of several records keeps the last, and a tombstone changes nothing", () => {
  const group = new TestGroup();
  const [id] = group.stableGroup() as [string];
  group.leaveOne(id);
  const [fresh] = group.stableGroup([{ instanceId: "i" }]) as [string];
  group.restart();
  assert.deepEqual([...group.group.members()].map(({ memberId }) => memberId), [fresh]);
  group.group.replay({ kind: "group-metadata", key: { group: "g" }, value: null });
  assert.equal(group.group.memberCount, 1);
  assert.deepEqual(group.group.tombstones(), [{ kind: "group-metadata", key: { group: "g" }, value: null }]);
});

Deno.test("ClassicGroup.dispose() answers all waiting requests and leaves no timer", () => {
  const joining = new TestGroup({ initialRebalanceDelayMs: 3000 });
  const calls = [joining.join(), joining.join()];
  joining.join({ version: 4 });
  joining.group.dispose();
  assert.deepEqual(calls.map((call) => call.answer.errorCode), [errorCode.NOT_COORDINATOR, errorCode.NOT_COORDINATOR]);
  assert.deepEqual([joining.timers.count, joining.group.state], [0, "Dead"]);
  const syncing = new TestGroup();
  syncing.join();
  const follower = syncing.join();
  syncing.advance(0);
  const waiting = syncing.sync(follower.answer.memberId, 1);
  syncing.group.dispose(errorCode.REBALANCE_IN_PROGRESS);
  assert.deepEqual([waiting.answer.errorCode, syncing.timers.count], [errorCode.REBALANCE_IN_PROGRESS, 0]);
  syncing.group.dispose();
});

Deno.test("ClassicGroup.fromMembers() is a stable group once its record is written, and can be made to rebalance", () => {
  const facts = (memberId: string, assignment: string) => ({
    memberId,
    groupInstanceId: null,
    clientId: "c",
    clientHost: "/h",
    rebalanceTimeoutMs: 9000,
    sessionTimeoutMs: SESSION_MS,
    protocols: protocols(["range", "sticky"]),
    assignment: bytes(assignment),
  });
  const members = [facts("m", "1"), facts("n", "2")];
  const seed = { generation: 7, protocolType: "consumer", protocolName: "range", members };
  const group = new TestGroup({}, (ports) => ClassicGroup.fromMembers(ports, "g", seed));
  assert.deepEqual([group.group.state, group.timers.count], ["Stable", 0]);
  assert.equal(group.log.append([group.group.toRecord()]), 0);
  group.group.start(true);
  assert.equal(group.heartbeat("n", 7), errorCode.REBALANCE_IN_PROGRESS);
  const [one, two] = ["m", "n"].map((memberId) => group.join({ memberId, protocols: protocols(["sticky", "range"]) }));
  assert.deepEqual([one!.answer.generationId, two!.answer.protocolName], [8, "sticky"]);
  group.restart();
  assert.equal(text(group.sync("n", 7).answer.assignment), "2");
});

Deno.test("ClassicGroup answers SyncGroup and Heartbeat of a vacant group like Kafka for a group that does not exist", () => {
  const group = new TestGroup();
  const call = new Call<{ errorCode: number }>();
  group.group.heartbeat({ groupId: "g", memberId: "m", generationId: 0, groupInstanceId: null }, client(4), call.reply);
  assert.equal(call.answer.errorCode, errorCode.UNKNOWN_MEMBER_ID);
  assert.equal(group.sync("m", 0).answer.errorCode, errorCode.UNKNOWN_MEMBER_ID);
  assert.equal(group.group.isVacant, true);
});
