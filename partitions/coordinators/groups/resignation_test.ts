/** A coordinator whose partition another broker leads, and later this one again. */
import { strict as assert } from "node:assert";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { codesOf, commitOf, fetchAllOf, offsetsOf, TestCoordinator } from "./coordinator_testing.ts";
import type { GroupRequest } from "./group_apis.ts";

const NONE = errorCode.NONE;

function joinOf(groupId: string): GroupRequest<11> {
  const rest = { rebalanceTimeoutMs: 60_000, groupInstanceId: null, reason: null };
  const protocols = [{ name: "range", metadata: new Uint8Array(4) }];
  return { groupId, memberId: "", sessionTimeoutMs: 10_000, protocolType: "x", protocols, ...rest };
}

Deno.test("a coordinator that another broker succeeds answers its waiters NOT_COORDINATOR, lists nothing, and loads everything again later", () => {
  const test = new TestCoordinator();
  const { memberId, generationId: generation = -1 } = test.ask(11, joinOf("g"), 3);
  const assignments = [{ memberId, assignment: new Uint8Array([7]) }];
  const protocol = { protocolType: null, protocolName: null };
  const sync = { groupId: "g", memberId, generationId: generation, groupInstanceId: null, ...protocol, assignments };
  assert.equal(test.ask(14, sync, 3).errorCode, NONE);
  test.ask(8, commitOf("g", "a", { 0: 5 }, { memberId, generation }), 8);
  const heartbeat = { groupId: "g", memberId, generationId: generation, groupInstanceId: null };
  const waiting = test.send(11, joinOf("g"), 3);
  assert(waiting.isWaiting);
  test.lead(false, { hasNoticed: false });
  const late = test.send(8, commitOf("simple", "a", { 0: 9 }), 8);
  test.turn();
  assert.deepEqual(codesOf(late.answer), { 0: errorCode.NOT_COORDINATOR });
  test.change([test.offsetsTopic]);
  assert.equal(waiting.answer.errorCode, errorCode.NOT_COORDINATOR);
  test.advance(20 * 60_000);
  const end = test.partition().log.logEndOffset;
  assert.deepEqual(test.ask(16, { statesFilter: [], typesFilter: [] }, 5).groups, []);
  assert.equal(test.ask(12, heartbeat, 3).errorCode, errorCode.NOT_COORDINATOR);
  assert.equal(test.coordinator.nextDeadlineMs, Infinity, "no timer is left");
  test.lead(true);
  assert.equal(test.ask(12, heartbeat, 3).errorCode, NONE, "it is being loaded");
  test.load();
  assert.equal(test.partition().log.logEndOffset, end, "a resigned coordinator writes nothing");
  assert.equal(test.ask(12, heartbeat, 3).errorCode, NONE, "the session begins anew");
  assert.deepEqual(offsetsOf(test.ask(9, fetchAllOf("g"), 8)), { "a-0": 5 });
});
