/** A coordinator whose partition has replicas on other brokers: what it has written is answered, and read, once they have it. */
import { strict as assert } from "node:assert";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { createRandom } from "../../../storage/base/random.ts";
import { CoordinatorCluster } from "./coordinator_cluster_testing.ts";
import { codesOf, commitOf, fetchAllOf, offsetsOf } from "./coordinator_testing.ts";

const { NONE, NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE } = errorCode;
const newCluster = () => new CoordinatorCluster({ random: createRandom(1) });

Deno.test("an offset that other replicas do not have is neither acknowledged nor read; then both are, in their order", () => {
  const cluster = newCluster();
  const { leader } = cluster;
  const commit = leader.send(8, commitOf("g", "a", { 0: 5 }), 8);
  leader.turn();
  const [read, old] = [leader.send(9, fetchAllOf("g", "h"), 8), leader.send(9, { ...fetchAllOf(), groupId: "g" }, 5)];
  leader.turn();
  assert(commit.isWaiting && read.isWaiting && old.isWaiting);
  cluster.settle();
  assert.deepEqual(codesOf(commit.answer), { 0: NONE });
  assert.deepEqual([offsetsOf(read.answer), offsetsOf(read.answer, 1)], [{ "a-0": 5 }, {}]);
  assert.equal(old.answer.errorCode ?? NONE, NONE);
});

Deno.test("who waits for replicas that do not answer is refused after offsets.commit.timeout.ms, a reader with a code that consumers know", () => {
  const cluster = newCluster();
  const { leader } = cluster;
  const commit = leader.send(8, commitOf("g", "a", { 0: 5 }), 8);
  leader.turn();
  const [read, old] = [leader.send(9, fetchAllOf("g"), 8), leader.send(9, { ...fetchAllOf(), groupId: "g" }, 5)];
  cluster.clock.advance(5000);
  leader.turn();
  assert.deepEqual(codesOf(commit.answer), { 0: COORDINATOR_NOT_AVAILABLE });
  assert.deepEqual([read.answer.groups?.[0]?.errorCode, old.answer.errorCode], [NOT_COORDINATOR, NOT_COORDINATOR]);
  // It may be written nevertheless.
  cluster.settle();
  assert.deepEqual(offsetsOf(cluster.answerOf(leader.send(9, fetchAllOf("g"), 8))), { "a-0": 5 });
});

Deno.test("a leader that is succeeded acknowledges and shows nothing more, although the log grows beyond what it had written", () => {
  const cluster = newCluster();
  const { leader: former } = cluster;
  const next = former.nodeId % 3 + 1;
  const commit = former.send(8, commitOf("g", "a", { 0: 5 }), 8);
  former.turn();
  const read = former.send(9, fetchAllOf("g"), 8);
  cluster.elect(next);
  cluster.settle();
  const { leader } = cluster;
  assert.equal(leader.nodeId, next);
  for (const offset of [7, 8, 9]) {
    const later = leader.send(8, commitOf("g", "a", { 1: offset }), 8);
    assert.deepEqual(codesOf(cluster.answerOf(later)), { 1: NONE });
  }
  cluster.settle();
  assert.deepEqual(codesOf(commit.answer), { 0: NOT_COORDINATOR });
  assert.equal(read.answer.groups?.[0]?.errorCode, NOT_COORDINATOR);
  assert.deepEqual(offsetsOf(cluster.answerOf(leader.send(9, fetchAllOf("g"), 8))), { "a-1": 9 });
  cluster.elect(former.nodeId);
  cluster.settle();
  assert.deepEqual(offsetsOf(cluster.answerOf(former.send(9, fetchAllOf("g"), 8))), { "a-1": 9 });
});
