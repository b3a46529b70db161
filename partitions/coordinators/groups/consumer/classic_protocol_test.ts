import assert from "node:assert/strict";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import {
  assignment,
  beat,
  CLASSIC_REBALANCE_MS,
  type ClassicOptions,
  client,
  join,
  newTest,
  sync,
} from "./classic_protocol_testing.ts";
import { GROUP_ID, REBALANCE_MS, type TestConsumerGroup } from "./consumer_testing.ts";

Deno.test("joinConsumerGroup() lets a classic member join a consumer group, which assigns partitions to it", () => {
  const test = newTest();
  test.join("m", ["orders"]);
  const required = join(test, { memberId: "" })!;
  assert.equal(required.errorCode, errorCode.MEMBER_ID_REQUIRED);
  const { memberId } = required;
  const joined = join(test, { memberId })!;
  assert.deepEqual([joined.errorCode, joined.generationId, joined.leader, joined.members], [0, 3, "", []]);
  assert.deepEqual(assignment(sync(test, memberId, 3)), []);
  assert.equal(beat(test, memberId, 3), errorCode.NONE, "the other member still has its partition");
  test.heartbeat("m", 2, { owned: ["orders-0"] });
  assert.equal(beat(test, memberId, 3), errorCode.REBALANCE_IN_PROGRESS, "now the partition is free");
  const again = join(test, { memberId })!;
  assert.deepEqual(assignment(sync(test, memberId, again.generationId!)), ["orders-1"]);
  assert.equal(test.consumers.state, "Stable");
});

Deno.test("joinConsumerGroup() makes a classic member give up partitions first: it joins again without them", () => {
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
  assert.equal(first.generationId, epoch, "it keeps its partition");
  assert.deepEqual(assignment(sync(test, "c", epoch)), ["orders-1"]);
  // It leaves the topic and has to give up its partition. It stays in its epoch until it joins without the partition.
  const leaving = join(test, { topics: ["else"], owned: { orders: [1] } })!;
  assert.equal(leaving.generationId, epoch);
  assert.deepEqual(assignment(sync(test, "c", epoch)), []);
  assert.equal(beat(test, "c", epoch), errorCode.REBALANCE_IN_PROGRESS);
  assert.equal(join(test, { topics: ["else"] })!.generationId, epoch + 1);
});

Deno.test("joinConsumerGroup() refuses members and protocols that do not fit the group", () => {
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
  const { memberId } = join(test, { instanceId: "i", memberId: "" })!;
  assert.equal(code({ instanceId: "i", memberId: "x" }), errorCode.FENCED_INSTANCE_ID);
  assert.equal(code({ instanceId: "i", memberId }), errorCode.NONE);
  leaveAll(test, memberId);
  assert.equal(code({ memberId: "x", protocols: ["range", "roundrobin"] }), errorCode.NONE);
  assert.equal(code({ memberId: "y", protocols: ["sticky"] }), errorCode.INCONSISTENT_GROUP_PROTOCOL);
  test.settings = { ...test.settings, consumerMaxSize: 2 };
  assert.equal(code({ memberId: "y" }), errorCode.GROUP_MAX_SIZE_REACHED);
  test.settings = { ...test.settings, consumerMigrationPolicy: "disabled" };
  assert.equal(code({ memberId: "x" }), errorCode.INCONSISTENT_GROUP_PROTOCOL);
});

Deno.test("syncConsumerGroup() and heartbeatConsumerGroup() refuse members that are not classic or not of that generation", () => {
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

Deno.test("a classic member that does not send SyncGroup, or does not join again, is removed", () => {
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

Deno.test("the time limits of the classic protocol end when a member continues with the consumer protocol", () => {
  const test = newTest();
  test.join("m", ["orders"]);
  join(test);
  // Nothing else about the member changes.
  const { memberEpoch } = test.heartbeat("c", 3, { clientId: "classic" });
  for (let passedMs = 0; passedMs < 2 * CLASSIC_REBALANCE_MS; passedMs += 5000) {
    test.advance(5000);
    assert.equal(test.heartbeat("c", memberEpoch, { clientId: "classic" }).errorCode, errorCode.NONE);
  }
  assert.equal(test.consumers.describe().members.find(({ memberId }) => memberId === "c")!.memberType, 1);
});

Deno.test("leaveConsumerGroup() removes several members, and answers an error for each that it cannot remove", () => {
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

Deno.test("a static member replaces one of the other protocol, whether or not that one has left", () => {
  const test = newTest();
  test.join("m", ["orders"]);
  join(test, { memberId: "", instanceId: "i" });
  const taken = test.join("n", ["orders"], { instanceId: "i" });
  assert.equal(taken.errorCode, errorCode.NONE);
  assert.equal(test.consumers.memberCount, 2);
  assert.equal(test.consumers.describe().members.find(({ memberId }) => memberId === "n")!.memberType, 1);
});

Deno.test("the time to give up partitions ends when a consumer continues as a classic member", () => {
  const test = newTest();
  test.join("m", ["orders"]);
  test.join("n", ["orders"]);
  test.heartbeat("m", 2);
  test.advance(REBALANCE_MS - 5000);
  const { generationId } = join(test, { memberId: "m", owned: { orders: [0] } })!;
  assert.deepEqual(assignment(sync(test, "m", generationId!)), ["orders-0"]);
  test.heartbeat("n", 3);
  test.advance(6000);
  assert.equal(beat(test, "m", generationId!), errorCode.NONE);
});

function leaveAll(test: TestConsumerGroup, memberId: string): void {
  test.consumers.leave({ groupId: GROUP_ID, memberId, members: [] }, client(2), () => {});
}
