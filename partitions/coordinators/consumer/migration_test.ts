/** Groups that change their protocol while in use (KIP-848). */
import assert from "node:assert/strict";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import type { JoinGroupRequest, JoinGroupResponse } from "../../../net/protocol/messages/11_join_group.ts";
import type { SyncGroupResponse } from "../../../net/protocol/messages/14_sync_group.ts";
import type { GroupClient } from "../ports.ts";
import {
  decodeConsumerAssignment,
  encodeConsumerAssignment,
  encodeConsumerSubscription,
} from "../records/consumer_protocol.ts";
import { ClassicGroup } from "../classic/classic_group.ts";
import { GROUP_ID, SESSION_MS, TestConsumerGroup } from "./consumer_testing.ts";

const CLASSIC_SESSION_MS = 10_000;
const CLASSIC_REBALANCE_MS = 20_000;

interface ClassicOptions {
  readonly memberId?: string;
  readonly instanceId?: string | null;
  readonly topics?: string[];
  readonly owned?: Record<string, number[]>;
  readonly protocols?: string[];
  readonly changes?: Partial<JoinGroupRequest>;
  readonly version?: number;
}

function client(apiVersion: number): GroupClient {
  return { clientId: "classic", clientHost: "/127.0.0.1", apiVersion };
}

/** JoinGroup to a group of either protocol. */
function join(test: TestConsumerGroup, options: ClassicOptions = {}): JoinGroupResponse | null {
  const { memberId = "c", instanceId = null, topics = ["orders"], owned = {}, protocols = ["range"] } = options;
  const ownedPartitions = Object.entries(owned).map(([topic, partitions]) => ({ topic, partitions }));
  const metadata = encodeConsumerSubscription(1, {
    topics,
    userData: null,
    ownedPartitions,
    generationId: -1,
    rackId: null,
  });
  const request: JoinGroupRequest = {
    groupId: GROUP_ID,
    sessionTimeoutMs: CLASSIC_SESSION_MS,
    rebalanceTimeoutMs: CLASSIC_REBALANCE_MS,
    memberId,
    groupInstanceId: instanceId,
    protocolType: "consumer",
    protocols: protocols.map((name) => ({ name, metadata })),
    reason: null,
    ...options.changes,
  };
  let answer: JoinGroupResponse | null = null;
  test.group!.join(request, client(options.version ?? 9), (response) => answer = response);
  return answer;
}

function sync(test: TestConsumerGroup, memberId: string, generationId: number, name = "range"): SyncGroupResponse {
  const request = {
    groupId: GROUP_ID,
    generationId,
    memberId,
    groupInstanceId: null,
    protocolType: "consumer",
    protocolName: name,
    assignments: [],
  };
  let answer: SyncGroupResponse | null = null;
  test.consumers.sync(request, client(5), (response) => answer = response);
  return answer!;
}

function beat(test: TestConsumerGroup, memberId: string, generationId: number): number {
  let code: number | null = null;
  const request = { groupId: GROUP_ID, generationId, memberId, groupInstanceId: null };
  test.consumers.classicHeartbeat(request, client(4), (response) => code = response.errorCode);
  return code!;
}

function assignment({ assignment }: SyncGroupResponse): string[] {
  const { assignedPartitions } = decodeConsumerAssignment(assignment)!.value;
  return assignedPartitions.flatMap(({ topic, partitions }) => partitions.map((partition) => `${topic}-${partition}`));
}

function newTest(): TestConsumerGroup {
  const test = new TestConsumerGroup();
  test.setTopics({ orders: 2 });
  return test;
}

/** A stable classic group in the log, whose members a leader gave what is said. */
function classicGroup(test: TestConsumerGroup, members: Record<string, number[]>, changes = {}): void {
  const seed = {
    generation: 7,
    protocolType: "consumer",
    protocolName: "range",
    members: Object.entries(members).map(([memberId, partitions]) => ({
      memberId,
      groupInstanceId: null,
      clientId: "classic",
      clientHost: "/127.0.0.1",
      rebalanceTimeoutMs: CLASSIC_REBALANCE_MS,
      sessionTimeoutMs: CLASSIC_SESSION_MS,
      protocols: [{
        name: "range",
        metadata: encodeConsumerSubscription(1, {
          topics: ["orders"],
          userData: null,
          ownedPartitions: [],
          generationId: -1,
          rackId: null,
        }),
      }],
      assignment: encodeConsumerAssignment(1, {
        assignedPartitions: [{ topic: "orders", partitions }],
        userData: null,
      }),
      ...changes,
    })),
  };
  const group = ClassicGroup.fromMembers(test.ports, GROUP_ID, seed);
  test.ports.log.append([group.toRecord()]);
  group.start();
  test.group = group;
}

Deno.test("planUpgrade(): a consumer that joins a classic group makes it a consumer group, members keep what they have", () => {
  const test = newTest();
  test.setTopics({ orders: 3 });
  classicGroup(test, { c: [0, 1], d: [2] });
  const joined = test.join("m", ["orders"]);
  assert.equal(joined.memberEpoch, 8);
  assert.deepEqual(test.assigned(joined), []);
  assert.deepEqual([...test.owners()], [["orders-0", "c"], ["orders-1", "c"], ["orders-2", "d"]]);
  assert.equal(test.consumers.describe().members.find(({ memberId }) => memberId === "c")!.memberType, 0);
  // The classic members are told to join again; who has something to give up does it before it joins (eager).
  for (const memberId of ["c", "d"]) {
    assert.equal(beat(test, memberId, 7), errorCode.REBALANCE_IN_PROGRESS);
    const again = join(test, { memberId })!;
    assert.deepEqual([again.generationId, again.protocolName], [8, "range"]);
    assert.deepEqual(assignment(sync(test, memberId, 8)), [memberId === "c" ? "orders-0" : "orders-2"]);
    assert.equal(beat(test, memberId, 8), errorCode.NONE);
  }
  assert.deepEqual(test.assigned(test.heartbeat("m", 8)), ["orders-1"]);
  assert.equal(test.consumers.state, "Stable");
});

Deno.test("planUpgrade(): the upgraded group is the same after a restart", () => {
  const test = newTest();
  classicGroup(test, { c: [0, 1] });
  test.join("m", ["orders"]);
  const before = test.consumers.describe();
  test.restart();
  assert.deepEqual(test.consumers.describe(), before);
  test.advance(CLASSIC_SESSION_MS);
  assert.equal(test.consumers.memberCount, 1, "a classic member has the session that it asked for");
});

Deno.test("planUpgrade() refuses what it cannot take over, and leaves the group as it is", () => {
  const custom = { assignment: encodeConsumerAssignment(0, { assignedPartitions: [], userData: new Uint8Array([1]) }) };
  const broken = { assignment: new Uint8Array([0xff]) };
  const unreadable = { protocols: [{ name: "range", metadata: new Uint8Array([0xff]) }] };
  for (const changes of [custom, broken, unreadable]) {
    const test = newTest();
    classicGroup(test, { c: [0] }, changes);
    assert.equal(test.join("m", ["orders"]).errorCode, errorCode.GROUP_ID_NOT_FOUND);
    assert.equal(test.classic.memberCount, 1);
  }
  for (const settings of [{ consumerMigrationPolicy: "downgrade" as const }, { consumerMaxSize: 0 }]) {
    const test = newTest();
    test.settings = { ...test.settings, ...settings };
    classicGroup(test, { c: [0] });
    assert.equal(test.join("m", ["orders"]).errorCode, errorCode.GROUP_ID_NOT_FOUND);
  }
});

Deno.test("planUpgrade() gives a partition one member even where a leader gave it two, and none that does not exist", () => {
  const test = newTest();
  classicGroup(test, { c: [0, 1, 5, -1], d: [1] });
  test.join("m", ["orders"]);
  assert.deepEqual([...test.owners()], [["orders-0", "c"], ["orders-1", "c"]]);
});

Deno.test("joinConsumerGroup() lets a classic member into a consumer group, which gives it a part", () => {
  const test = newTest();
  test.join("m", ["orders"]);
  const required = join(test, { memberId: "" })!;
  assert.equal(required.errorCode, errorCode.MEMBER_ID_REQUIRED);
  const { memberId } = required;
  const joined = join(test, { memberId })!;
  assert.deepEqual([joined.errorCode, joined.generationId, joined.leader, joined.members], [0, 3, "", []]);
  assert.deepEqual(assignment(sync(test, memberId, 3)), []);
  assert.equal(beat(test, memberId, 3), errorCode.NONE, "its part is with the other still");
  test.heartbeat("m", 2, { owned: ["orders-0"] });
  assert.equal(beat(test, memberId, 3), errorCode.REBALANCE_IN_PROGRESS, "now it is free");
  const again = join(test, { memberId })!;
  assert.deepEqual(assignment(sync(test, memberId, again.generationId!)), ["orders-1"]);
  assert.equal(test.consumers.state, "Stable");
});

Deno.test("joinConsumerGroup() makes a classic member give up first: it joins again without what it has to give up", () => {
  const test = newTest();
  test.join("m", ["orders"]);
  join(test);
  test.heartbeat("m", 2, { owned: ["orders-0"] });
  join(test);
  sync(test, "c", 3);
  test.setTopics({ orders: 3 });
  test.join("n", ["orders"]);
  test.heartbeat("m", 3, { owned: ["orders-0"] });
  assert.equal(beat(test, "c", 3), errorCode.REBALANCE_IN_PROGRESS);
  const first = join(test, { owned: { orders: [1] } })!;
  const epoch = test.consumers.describe().assignmentEpoch;
  assert.equal(first.generationId, epoch, "it keeps what it has");
  assert.deepEqual(assignment(sync(test, "c", epoch)), ["orders-1"]);
  // It leaves the topic: what it has is to be given up, so it stays in its epoch until it comes without it.
  const leaving = join(test, { topics: ["else"], owned: { orders: [1] } })!;
  assert.equal(leaving.generationId, epoch);
  assert.deepEqual(assignment(sync(test, "c", epoch)), []);
  assert.equal(beat(test, "c", epoch), errorCode.REBALANCE_IN_PROGRESS);
  assert.equal(join(test, { topics: ["else"] })!.generationId, epoch + 1);
});

Deno.test("joinConsumerGroup() refuses what does not fit the group", () => {
  const test = newTest();
  test.join("m", ["orders"]);
  const code = (options: ClassicOptions) => join(test, options)!.errorCode;
  assert.equal(code({ changes: { protocolType: "connect" } }), errorCode.INCONSISTENT_GROUP_PROTOCOL);
  assert.equal(code({ protocols: [] }), errorCode.INCONSISTENT_GROUP_PROTOCOL);
  assert.equal(
    code({ changes: { protocols: [{ name: "range", metadata: new Uint8Array([0xff]) }] } }),
    errorCode.INCONSISTENT_GROUP_PROTOCOL,
  );
  assert.equal(code({ changes: { sessionTimeoutMs: 5 } }), errorCode.INVALID_SESSION_TIMEOUT);
  assert.equal(code({ instanceId: "i", memberId: "x" }), errorCode.UNKNOWN_MEMBER_ID);
  assert.equal(code({ memberId: "x", protocols: ["range", "roundrobin"] }), errorCode.NONE);
  assert.equal(code({ memberId: "y", protocols: ["sticky"] }), errorCode.INCONSISTENT_GROUP_PROTOCOL);
  test.settings = { ...test.settings, consumerMaxSize: 2 };
  assert.equal(code({ memberId: "y" }), errorCode.GROUP_MAX_SIZE_REACHED);
  test.settings = { ...test.settings, consumerMigrationPolicy: "disabled" };
  assert.equal(code({ memberId: "x" }), errorCode.INCONSISTENT_GROUP_PROTOCOL);
});

Deno.test("syncConsumerGroup() and heartbeatConsumerGroup() refuse who is not a classic member of that generation", () => {
  const test = newTest();
  test.join("m", ["orders"]);
  join(test);
  assert.equal(sync(test, "m", 2).errorCode, errorCode.UNKNOWN_MEMBER_ID);
  assert.equal(sync(test, "x", 2).errorCode, errorCode.UNKNOWN_MEMBER_ID);
  assert.equal(sync(test, "c", 4).errorCode, errorCode.ILLEGAL_GENERATION);
  assert.equal(sync(test, "c", 3, "sticky").errorCode, errorCode.INCONSISTENT_GROUP_PROTOCOL);
  assert.equal(beat(test, "m", 2), errorCode.UNKNOWN_MEMBER_ID);
  assert.equal(beat(test, "c", 2), errorCode.ILLEGAL_GENERATION);
});

Deno.test("a classic member that does not synchronise, or does not join again, is put out", () => {
  const test = newTest();
  test.join("m", ["orders"]);
  join(test);
  for (let passedMs = 0; passedMs < CLASSIC_REBALANCE_MS - 5000; passedMs += 5000) {
    test.advance(5000);
    assert.equal(beat(test, "c", 3), errorCode.NONE);
    test.heartbeat("m", 2);
  }
  test.advance(5000);
  assert.equal(beat(test, "c", 3), errorCode.UNKNOWN_MEMBER_ID, "it never sent SyncGroup");

  const generation = join(test)!.generationId!;
  sync(test, "c", generation);
  test.join("n", ["orders"]);
  for (let passedMs = 0; passedMs < CLASSIC_REBALANCE_MS; passedMs += 5000) {
    assert.equal(beat(test, "c", generation), errorCode.REBALANCE_IN_PROGRESS);
    test.heartbeat("n", 1, {});
    test.advance(5000);
  }
  assert.equal(beat(test, "c", generation), errorCode.UNKNOWN_MEMBER_ID, "it never joined again");
});

Deno.test("a classic member that goes on as a consumer is not held to the classic protocol's times", () => {
  const test = newTest();
  test.join("m", ["orders"]);
  join(test);
  const { memberEpoch } = test.heartbeat("c", 3);
  for (let passedMs = 0; passedMs < 2 * CLASSIC_REBALANCE_MS; passedMs += 5000) {
    test.advance(5000);
    assert.equal(test.heartbeat("c", memberEpoch).errorCode, errorCode.NONE);
  }
  assert.equal(test.consumers.describe().members.find(({ memberId }) => memberId === "c")!.memberType, 1);
});

Deno.test("leaveConsumerGroup() lets several members leave, and says who was none", () => {
  const test = newTest();
  test.join("m", ["orders"]);
  test.join("s", ["orders"], { instanceId: "i" });
  join(test);
  const leave = (
    version: number,
    memberId: string,
    members: { memberId: string; groupInstanceId: string | null }[],
  ) => {
    const request = {
      groupId: GROUP_ID,
      memberId,
      members: members.map((member) => ({ ...member, reason: null })),
    };
    let answer: unknown;
    test.consumers.leave(request, client(version), (response) => answer = response);
    return answer;
  };
  const named = [
    { memberId: "c", groupInstanceId: null },
    { memberId: "x", groupInstanceId: null },
    { memberId: "x", groupInstanceId: "i" },
    { memberId: "", groupInstanceId: "i" },
    { memberId: "", groupInstanceId: "j" },
  ];
  const codes = [0, errorCode.UNKNOWN_MEMBER_ID, errorCode.FENCED_INSTANCE_ID, 0, errorCode.UNKNOWN_MEMBER_ID];
  assert.deepEqual(leave(5, "", named), {
    errorCode: 0,
    members: named.map((member, index) => ({ ...member, errorCode: codes[index] })),
  });
  assert.equal(test.consumers.memberCount, 1);
  assert.deepEqual(leave(2, "x", []), { errorCode: errorCode.UNKNOWN_MEMBER_ID, members: [] });
  assert.deepEqual(leave(2, "m", []), { errorCode: 0, members: [] });
  assert.equal(test.consumers.memberCount, 0);
});

Deno.test("planDowngrade(): a group without consumers becomes a classic group, whose members join again", () => {
  for (const how of ["leave", "expire"]) {
    const test = newTest();
    test.join("m", ["orders"]);
    join(test);
    sync(test, "c", 3);
    test.heartbeat("m", 2, { owned: ["orders-0"] });
    join(test);
    sync(test, "c", 3);
    if (how === "leave") test.heartbeat("m", -1);
    else {
      for (let passedMs = 0; passedMs < SESSION_MS; passedMs += 5000) {
        beat(test, "c", 3);
        test.advance(5000);
        if (test.group?.type === "classic") break;
      }
    }
    assert.deepEqual([...test.classic.members()].map(({ memberId }) => memberId), ["c"]);
    assert.equal(test.classic.state, "PreparingRebalance");
    const joined = join(test)!;
    assert.equal(joined.errorCode, errorCode.NONE);
    assert.equal(joined.leader, "c");
    assert(joined.generationId! > 3);
  }
});

Deno.test("planDowngrade(): the downgraded group is there after a restart", () => {
  const test = newTest();
  test.join("m", ["orders"]);
  join(test);
  test.heartbeat("m", -1);
  test.restart();
  assert.deepEqual([...test.classic.members()].map(({ memberId }) => memberId), ["c"]);
  const left = new Map<string, unknown>();
  for (const { kind, key, value } of test.records) {
    if (value === null) left.delete(`${kind} ${JSON.stringify(key)}`);
    else left.set(`${kind} ${JSON.stringify(key)}`, value);
  }
  assert.deepEqual([...left.keys()], ['group-metadata {"group":"group"}']);
});

Deno.test("planDowngrade() leaves the group a consumer group when the policy says so, or nobody is left", () => {
  for (const consumerMigrationPolicy of ["upgrade", "disabled"] as const) {
    const test = newTest();
    test.join("m", ["orders"]);
    join(test);
    test.settings = { ...test.settings, consumerMigrationPolicy };
    test.heartbeat("m", -1);
    assert.equal(test.consumers.memberCount, 1);
  }
  const test = newTest();
  test.settings = { ...test.settings, maxSize: 0 };
  test.join("m", ["orders"]);
  join(test);
  test.heartbeat("m", -1);
  assert.equal(test.consumers.memberCount, 1, "too many for a classic group");
  test.settings = { ...test.settings, maxSize: 1 };
  test.consumers.leave(
    { groupId: GROUP_ID, memberId: "c", members: [] },
    client(2),
    () => {},
  );
  assert.equal(test.consumers.memberCount, 0);
});

Deno.test("a static member that comes back with the classic protocol, as the last of all, downgrades the group", () => {
  const test = newTest();
  test.join("m", ["orders"], { instanceId: "i" });
  test.heartbeat("m", -2, { instanceId: "i" });
  const joined = join(test, { memberId: "", instanceId: "i" })!;
  assert.equal(joined.errorCode, errorCode.NONE);
  assert.equal(joined.generationId, 2);
  const [member] = [...test.classic.members()];
  assert.equal(member!.memberId, joined.memberId);
  assert.equal(test.classic.state, "Stable", "nobody has to join again");
  assert.deepEqual(decodeConsumerAssignment(member!.assignment)!.value.assignedPartitions, [
    { topic: "orders", partitions: [0, 1] },
  ]);
});

Deno.test("a static member takes the place of one of the other protocol without asking whether it is away", () => {
  const test = newTest();
  test.join("m", ["orders"]);
  join(test, { memberId: "", instanceId: "i" });
  const taken = test.join("n", ["orders"], { instanceId: "i" });
  assert.equal(taken.errorCode, errorCode.NONE);
  assert.equal(test.consumers.memberCount, 2);
  assert.equal(test.consumers.describe().members.find(({ memberId }) => memberId === "n")!.memberType, 1);
});

Deno.test("a group that cannot be converted, because the log refuses, stays what it is", () => {
  const test = newTest();
  test.join("m", ["orders"]);
  join(test);
  test.refusal = errorCode.NOT_LEADER_OR_FOLLOWER;
  assert.equal(test.heartbeat("m", -1).errorCode, errorCode.NOT_COORDINATOR);
  assert.equal(test.consumers.memberCount, 2);
});
