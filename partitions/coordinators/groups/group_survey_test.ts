import { strict as assert } from "node:assert";
import { noGroups, SURVEYED_OFFSETS_MAX, type SurveyedGroups } from "../../requests/surveyed_groups.ts";
import { codesOf, commitOf, ordinaryTopic, TestCoordinator } from "./coordinator_testing.ts";

const COMMITTED_MAX = 200;

/** Runs a survey to its end. @returns what it found, and how many pauses it made */
function survey({ coordinator }: TestCoordinator): [SurveyedGroups, number] {
  const found = noGroups();
  let pauses = 0;
  for (const _ of coordinator.surveyGroups(found)) pauses++;
  return [found, pauses];
}

function join(test: TestCoordinator, groupId: string, memberId = ""): string {
  return test.ask(11, {
    groupId,
    memberId,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 60_000,
    groupInstanceId: null,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: new Uint8Array(0) }],
    reason: null,
  }, 3).memberId;
}

/** Commits the number of each partition of topic a, as many at a time as fit into a segment of the tests. */
function commitAll(test: TestCoordinator, groupId: string, count: number): void {
  for (let from = 0; from < count; from += COMMITTED_MAX) {
    const partitions = Array.from({ length: Math.min(COMMITTED_MAX, count - from) }, (_, index) => from + index);
    const offsets = Object.fromEntries(partitions.map((partition) => [partition, partition]));
    const codes = codesOf(test.ask(8, commitOf(groupId, "a", offsets), 8));
    assert.ok(Object.values(codes).every((code) => code === 0));
  }
}

Deno.test("surveyGroups() counts each group once by its state, and names members and committed offsets", () => {
  const test = new TestCoordinator();
  join(test, "joining");
  test.ask(8, commitOf("simple", "a", { 0: 5, 2: 7 }), 8);
  test.ask(8, commitOf("emptied", "b", { 1: 9 }), 8);
  test.ask(47, { groupId: "emptied", topics: [{ name: "b", partitions: [{ partitionIndex: 1 }] }] }, 0);
  const [found] = survey(test);
  assert.deepEqual(found, {
    states: { "classic CompletingRebalance": 1, "classic Empty": 2 },
    members: [["joining", 1]],
    offsets: { groups: ["simple", "simple"], topics: ["a", "a"], partitions: [0, 2], committed: [5, 7] },
    offsetsCount: 2,
  });
  assert.deepEqual(survey(test)[0], found, "it changes nothing");
});

Deno.test("surveyGroups() pauses, counts all committed offsets and names as many as are allowed", () => {
  const test = new TestCoordinator();
  const count = SURVEYED_OFFSETS_MAX + 1234;
  test.change([ordinaryTopic("a", count)]);
  commitAll(test, "large", count);
  const [found, pauses] = survey(test);
  assert.deepEqual([found.offsetsCount, found.offsets.groups.length], [count, SURVEYED_OFFSETS_MAX]);
  assert.equal(found.offsets.committed.at(-1), found.offsets.partitions.at(-1));
  assert.ok(pauses >= 10, `${pauses} pauses`);
});

Deno.test("surveyGroups() goes on when groups and offsets disappear while it pauses", () => {
  const test = new TestCoordinator();
  test.change([ordinaryTopic("a", 3000)]);
  commitAll(test, "large", 3000);
  const found = noGroups();
  const steps = test.coordinator.surveyGroups(found);
  steps.next();
  const deleted = test.send(42, { groupsNames: ["large"] }, 2);
  while (deleted.isWaiting) test.turn();
  while (steps.next().done !== true);
  assert.ok(found.offsets.groups.length >= 1000 && found.offsets.groups.length <= 3000);
  assert.deepEqual(survey(test)[0], noGroups());
});
