import assert from "node:assert/strict";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import { encodeConsumerAssignment, encodeConsumerSubscription } from "../records/consumer_protocol.ts";
import { assignment, beat, CLASSIC_SESSION_MS, classicGroup, join, newTest, sync } from "./classic_protocol_testing.ts";

Deno.test("planUpgrade() turns a classic group into a consumer group when a consumer joins, and members keep their partitions", () => {
  const test = newTest();
  test.setTopics({ orders: 3 });
  classicGroup(test, { c: [0, 1], d: [2] });
  const joined = test.join("m", ["orders"]);
  assert.equal(joined.memberEpoch, 8);
  assert.deepEqual(test.assigned(joined), []);
  assert.deepEqual([...test.owners()], [["orders-0", "c"], ["orders-1", "c"], ["orders-2", "d"]]);
  assert.equal(test.consumers.describe().members.find(({ memberId }) => memberId === "c")!.memberType, 0);
  // The classic members have to join again. A member with partitions to give up gives them up before it joins (eager).
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

Deno.test("planUpgrade() makes a group that is the same after a restart", () => {
  const test = newTest();
  classicGroup(test, { c: [0, 1] });
  test.join("m", ["orders"]);
  const before = test.consumers.describe();
  test.restart();
  assert.deepEqual(test.consumers.describe(), before);
  test.advance(CLASSIC_SESSION_MS);
  assert.equal(test.consumers.memberCount, 1, "a classic member has the session timeout that it requested");
});

Deno.test("planUpgrade() refuses groups that it cannot convert, and leaves them unchanged", () => {
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

Deno.test("planUpgrade() gives each partition one member even if the leader assigned it to two, and skips partitions that do not exist", () => {
  const test = newTest();
  classicGroup(test, { c: [0, 1, 5, -1], d: [1] });
  test.join("m", ["orders"]);
  assert.deepEqual([...test.owners()], [["orders-0", "c"], ["orders-1", "c"]]);
});

Deno.test("planUpgrade() reads the subscriptions for the protocol that the group uses", () => {
  const test = newTest();
  const metadata = encodeConsumerSubscription(0, {
    topics: ["orders"],
    userData: null,
    ownedPartitions: [],
    generationId: -1,
    rackId: null,
  });
  const protocols = [{ name: "own", metadata: new Uint8Array([0xff]) }, { name: "range", metadata }];
  classicGroup(test, { c: [0, 1] }, { protocols });
  assert.equal(test.join("m", ["orders"]).errorCode, errorCode.NONE);
  assert.deepEqual([...test.owners().values()], ["c", "c"]);
});
