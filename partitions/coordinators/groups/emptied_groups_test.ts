import { strict as assert } from "node:assert";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { commitOf, TestCoordinator } from "./coordinator_testing.ts";
import { EmptiedGroups } from "./emptied_groups.ts";
import { GroupMemory } from "./group_memory.ts";

const { NONE } = errorCode;

Deno.test("EmptiedGroups remembers the latest ten thousand groups in their order", () => {
  const emptied = new EmptiedGroups(new GroupMemory());
  for (let group = 0; group < 10_003; group++) emptied.add(`g${group}`);
  assert.deepEqual([emptied.has("g2"), emptied.has("g3"), [...emptied].length], [false, true, 10_000]);
  assert.equal([...emptied][0], "g3");
  emptied.remove("g3");
  assert.equal(emptied.has("g3"), false);
});

Deno.test("handle() shows a group without members or offsets as Empty until it is deleted or expires, also after a restart", () => {
  const test = new TestCoordinator();
  const list = () => test.ask(16, { statesFilter: [], typesFilter: [] }, 5).groups;
  const remove = () => test.ask(42, { groupsNames: ["simple"] }, 2).results[0]?.errorCode;
  const topics = [{ name: "a", partitions: [{ partitionIndex: 0 }] }];
  const empty = () => {
    test.ask(8, commitOf("simple", "a", { 0: 1 }), 8);
    assert.equal(test.ask(47, { groupId: "simple", topics }, 0).errorCode, NONE);
    const [described] = test.ask(15, { groups: ["simple"], includeAuthorizedOperations: false }, 6).groups;
    assert.deepEqual([described?.errorCode, described?.groupState, described?.protocolType], [NONE, "Empty", ""]);
    assert.deepEqual(list(), [{ groupId: "simple", protocolType: "", groupState: "Empty", groupType: "classic" }]);
    assert.equal(test.ask(47, { groupId: "simple", topics }, 0).errorCode, NONE, "as of any group");
  };
  empty();
  assert.deepEqual([remove(), remove(), list()], [NONE, errorCode.GROUP_ID_NOT_FOUND, []]);
  empty();
  test.restart();
  assert.equal(list().length, 1);
  assert.deepEqual([remove(), remove()], [NONE, errorCode.GROUP_ID_NOT_FOUND]);
  empty();
  test.ask(8, commitOf("simple", "a", { 0: 2 }), 8);
  assert.deepEqual(list().length, 1, "once");
  assert.equal(test.ask(47, { groupId: "simple", topics }, 0).errorCode, NONE);
  test.advance(600_000);
  assert.deepEqual([list(), remove()], [[], errorCode.GROUP_ID_NOT_FOUND]);
  test.restart();
  assert.deepEqual([list(), remove()], [[], errorCode.GROUP_ID_NOT_FOUND]);
});

Deno.test("handle() knows a group without members whose topic was deleted, until the group is deleted too", () => {
  const test = new TestCoordinator();
  test.ask(8, commitOf("simple", "a", { 0: 1 }), 8);
  test.change([], [test.image.topic("a") as never]);
  test.turn();
  const { results } = test.ask(42, { groupsNames: ["simple", "other"] }, 2);
  assert.deepEqual(results.map((one) => one.errorCode), [NONE, errorCode.GROUP_ID_NOT_FOUND]);
});
