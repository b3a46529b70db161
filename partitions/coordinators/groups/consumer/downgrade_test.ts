import assert from "node:assert/strict";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import { decodeConsumerAssignment } from "../records/consumer_protocol.ts";
import { beat, client, join, newTest, sync } from "./classic_protocol_testing.ts";
import { GROUP_ID, SESSION_MS } from "./consumer_testing.ts";

Deno.test("planDowngrade() turns a group without consumers into a classic group, whose members join again", () => {
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

Deno.test("planDowngrade() makes a classic group that is the same after a restart", () => {
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

Deno.test("planDowngrade() keeps the consumer group if the policy demands it or no member is left", () => {
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
  assert.equal(test.consumers.memberCount, 1, "the group has too many members for a classic group");
  test.settings = { ...test.settings, maxSize: 1 };
  test.consumers.leave(
    { groupId: GROUP_ID, memberId: "c", members: [] },
    client(2),
    () => {},
  );
  assert.equal(test.consumers.memberCount, 0);
});

Deno.test("the last consumer, if static, downgrades the group when it rejoins with the classic protocol", () => {
  const test = newTest();
  test.join("m", ["orders"], { instanceId: "i" });
  test.heartbeat("m", -2, { instanceId: "i" });
  const joined = join(test, { memberId: "", instanceId: "i" })!;
  assert.equal(joined.errorCode, errorCode.NONE);
  assert.equal(joined.generationId, 2);
  const [member] = [...test.classic.members()];
  assert.equal(member!.memberId, joined.memberId);
  assert.equal(test.classic.state, "Stable", "no member has to join again");
  assert.deepEqual(decodeConsumerAssignment(member!.assignment)!.value.assignedPartitions, [
    { topic: "orders", partitions: [0, 1] },
  ]);
});

Deno.test("a group stays unchanged if the log refuses its conversion", () => {
  const test = newTest();
  test.join("m", ["orders"]);
  join(test);
  test.refusal = errorCode.NOT_COORDINATOR;
  assert.equal(test.heartbeat("m", -1).errorCode, errorCode.NOT_COORDINATOR);
  assert.equal(test.consumers.memberCount, 2);
});

Deno.test("a static member that rejoins with the classic protocol gets partitions where no downgrade is allowed", () => {
  const test = newTest();
  test.settings = { ...test.settings, consumerMigrationPolicy: "upgrade" };
  test.join("m", ["orders"], { instanceId: "i" });
  test.heartbeat("m", -2, { instanceId: "i" });
  const joined = join(test, { memberId: "", instanceId: "i", topics: ["orders", "more"] })!;
  assert.deepEqual([joined.errorCode, joined.generationId], [errorCode.NONE, 3]);
  assert.equal(test.consumers.memberCount, 1);
});
