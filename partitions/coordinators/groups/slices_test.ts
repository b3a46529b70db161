/**
 * Work of a coordinator that is too long for one turn: how much a turn does, and what may happen between two turns.
 */
import { strict as assert } from "node:assert";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { commitOf, fetchAllOf, ordinaryTopic, TestCoordinator } from "./coordinator_testing.ts";
import type { GroupApiKey, GroupRequest, GroupResponse } from "./group_apis.ts";

const NONE = errorCode.NONE;
const RETENTION_MS = 86_400_000;
const SETTINGS = { offsetsRetentionMs: RETENTION_MS, offsetsRetentionCheckIntervalMs: 600_000 };

/** Commits three offsets for each of some groups. */
function commitMany(test: TestCoordinator, groupsCount: number, prefix = "g"): void {
  for (let group = 0; group < groupsCount; group++) {
    test.send(8, commitOf(`${prefix}${group}`, "a", { 0: 1, 1: 1, 2: 1 }), 8);
  }
  test.turn();
}

/** Runs turns until nothing is due at once. @returns the most offsets that were removed in one turn */
function mostRemoved(test: TestCoordinator, untilMs: number): number {
  let most = 0;
  while (test.clock.monotonicMs() < untilMs) {
    const before = test.coordinator.counts.offsets;
    test.clock.advance(Math.max(1, Math.min(test.coordinator.nextDeadlineMs, untilMs) - test.clock.monotonicMs()));
    test.turn();
    most = Math.max(most, before - test.coordinator.counts.offsets);
  }
  return most;
}

function joinOf(groupId: string): GroupRequest<11> {
  const rest = { rebalanceTimeoutMs: 60_000, groupInstanceId: null, reason: null };
  const protocols = [{ name: "range", metadata: new Uint8Array(4) }];
  return { groupId, memberId: "", sessionTimeoutMs: 10_000, protocolType: "x", protocols, ...rest };
}

/** Sends a request while time passes. @returns the answer, and how many turns it took */
function askSlowly<Key extends GroupApiKey>(
  test: TestCoordinator,
  { apiKey, request, apiVersion }: { apiKey: Key; request: GroupRequest<Key>; apiVersion: number },
  between = () => {},
): { answer: GroupResponse<Key>; turns: number } {
  test.clock.tickMs = 1;
  const call = test.send(apiKey, request, apiVersion);
  let turns = 0;
  for (; call.isWaiting; turns++) {
    assert(test.coordinator.nextDeadlineMs <= test.clock.monotonicMs(), "the shard does not sleep on it");
    between();
    test.turn();
  }
  test.clock.tickMs = 0;
  return { answer: call.answer, turns };
}

Deno.test("very many offsets expire in slices; offsets that are committed between two slices stay", () => {
  const test = new TestCoordinator({ settings: SETTINGS });
  commitMany(test, 4000);
  test.clock.advance(RETENTION_MS - 100_000);
  commitMany(test, 10, "young");
  const startMs = test.clock.monotonicMs() + 100_000;
  test.advance(startMs - test.clock.monotonicMs());
  let most = 0;
  // The check becomes due; a client commits again while it runs.
  while (test.coordinator.counts.offsets === 12_030) {
    most = Math.max(most, mostRemoved(test, test.clock.monotonicMs() + 5));
  }
  assert(test.coordinator.counts.offsets > 30, "it is under way");
  test.ask(8, commitOf("g3999", "a", { 1: 2 }), 8);
  most = Math.max(most, mostRemoved(test, test.clock.monotonicMs() + 300));
  assert.equal(test.coordinator.counts.offsets, 31);
  assert(most <= 2000, `${most} went in one turn`);
  test.restart();
  assert.equal(test.coordinator.counts.offsets, 31);
});

Deno.test("groups that are empty and have no offsets are removed after their last offsets, in the same check", () => {
  const test = new TestCoordinator({ settings: SETTINGS });
  for (let group = 0; group < 1200; group++) {
    test.ask(13, { groupId: `g${group}`, memberId: test.ask(11, joinOf(`g${group}`), 3).memberId, members: [] }, 2);
  }
  test.ask(8, commitOf("g7", "a", { 0: 1 }), 8);
  assert.equal(test.coordinator.counts.groups, 1200);
  test.advance(600_000 + 1000 + 200);
  assert.equal(test.coordinator.counts.groups, 1);
  test.advance(RETENTION_MS + 600_000);
  assert.deepEqual([test.coordinator.counts.groups, test.coordinator.counts.offsets], [0, 0]);
  test.restart();
  assert.equal(test.coordinator.counts.groups, 0);
});

Deno.test("DeleteGroups of a group with very many offsets takes several turns, and other requests are served meanwhile", () => {
  const test = new TestCoordinator();
  const offsets = Object.fromEntries(Array.from({ length: 3 }, (_, partition) => [partition, 1]));
  for (let topic = 0; topic < 3000; topic++) makeTopic(test, topic);
  for (let topic = 0; topic < 3000; topic++) test.send(8, { ...commitOf("big", `t${topic}`, offsets) }, 8);
  test.turn();
  assert.equal(test.coordinator.counts.offsets, 9000);
  let others = 0;
  const request = { groupsNames: ["big", "none"] };
  const { answer, turns } = askSlowly(test, { apiKey: 42, request, apiVersion: 2 }, () => {
    others += Number(test.ask(8, commitOf("other", "a", { 0: 1 }), 8).topics[0]?.partitions[0]?.errorCode === NONE);
  });
  assert.deepEqual(answer.results.map(({ errorCode }) => errorCode), [NONE, errorCode.GROUP_ID_NOT_FOUND]);
  assert(turns > 0 && others > 0, `${turns} turns`);
  assert.equal(test.coordinator.counts.offsets, 1);
});

Deno.test("DeleteGroups stops when a member joins meanwhile", () => {
  const test = new TestCoordinator();
  for (let topic = 0; topic < 6000; topic++) makeTopic(test, topic);
  for (let topic = 0; topic < 6000; topic++) test.send(8, commitOf("big", `t${topic}`, { 0: 1, 1: 1, 2: 1 }), 8);
  test.turn();
  const { answer } = askSlowly(test, { apiKey: 42, request: { groupsNames: ["big"] }, apiVersion: 2 }, () => {
    if (test.coordinator.counts.groups === 0) test.send(11, joinOf("big"), 3);
  });
  assert.deepEqual(answer.results, [{ groupId: "big", errorCode: errorCode.NON_EMPTY_GROUP }]);
  assert(test.coordinator.counts.offsets > 0);
});

Deno.test("all offsets of a group are fetched over several turns, without those that are removed meanwhile", () => {
  const test = new TestCoordinator();
  for (let topic = 0; topic < 3000; topic++) makeTopic(test, topic);
  for (let topic = 0; topic < 3000; topic++) test.send(8, commitOf("big", `t${topic}`, { 0: 1, 1: 1, 2: 1 }), 8);
  test.turn();
  const gone = { groupId: "big", topics: [{ name: "t0", partitions: [{ partitionIndex: 0 }] }] };
  const { answer, turns } = askSlowly(test, { apiKey: 9, request: fetchAllOf("big"), apiVersion: 8 }, () => {
    test.ask(47, gone, 0);
    // Its row now belongs to another group.
    test.ask(8, commitOf("other", "b", { 2: 77 }), 8);
  });
  assert(turns > 0);
  const topics = answer.groups?.[0]?.topics ?? [];
  const count = topics.reduce((sum, { partitions }) => sum + partitions.length, 0);
  assert.deepEqual([topics.length, count, topics.some(({ name }) => name === "b")], [3000, 8999, false]);
});

Deno.test("very many groups are listed and described over several turns, each once", () => {
  const test = new TestCoordinator();
  commitMany(test, 5000);
  for (let group = 0; group < 2000; group++) test.ask(11, joinOf(`member${group}`), 3);
  const listed = askSlowly(test, { apiKey: 16, request: { statesFilter: [], typesFilter: [] }, apiVersion: 5 }, () => {
    test.send(11, joinOf("g3"), 3);
  });
  assert(listed.turns > 0);
  const names = listed.answer.groups.map(({ groupId }) => groupId);
  assert.deepEqual([names.length, new Set(names).size], [7000, 7000]);
  const described = askSlowly(test, {
    apiKey: 15,
    request: { groups: names, includeAuthorizedOperations: false },
    apiVersion: 5,
  });
  assert(described.turns > 10);
  assert.deepEqual(described.answer.groups.map(({ groupId }) => groupId), names);
});

Deno.test("requests that take several turns are answered when the coordinator ends", () => {
  const test = new TestCoordinator();
  commitMany(test, 100);
  test.clock.tickMs = 1;
  const request = {
    groups: Array.from({ length: 100 }, (_, group) => `g${group}`),
    includeAuthorizedOperations: false,
  };
  const call = test.send(15, request, 5);
  assert(call.isWaiting);
  test.coordinator.dispose();
  const codes = new Set(call.answer.groups.map(({ errorCode }) => errorCode));
  assert.deepEqual(codes, new Set([NONE, errorCode.NOT_COORDINATOR]));
});

Deno.test("very many sessions end in turns of bounded time", () => {
  const test = new TestCoordinator();
  for (let group = 0; group < 200; group++) test.ask(11, joinOf(`g${group}`), 3);
  const members = () => {
    const request = { statesFilter: ["Empty"], typesFilter: [] };
    return 200 - test.ask(16, request, 5).groups.length;
  };
  assert.equal(members(), 200);
  test.clock.advance(301_000);
  test.clock.tickMs = 1;
  test.turn();
  test.clock.tickMs = 0;
  assert(members() > 100, `${members()} are left after a turn`);
  test.advance(1);
  assert.equal(members(), 0);
});

Deno.test("very many groups are started over several turns after loading, and are served when all have started", () => {
  const test = new TestCoordinator();
  for (let group = 0; group < 3000; group++) test.ask(11, joinOf(`g${group}`), 3);
  test.kill();
  test.start();
  let turns = 0;
  for (; test.coordinator.counts.loading > 0; turns++) test.turn();
  assert(turns > 6, `${turns}`);
  assert.equal(test.coordinator.counts.groups, 3000);
});

function makeTopic(test: TestCoordinator, number: number): void {
  const ordinary = ordinaryTopic("a");
  const id = `t${String(number).padStart(19, "0")}AA`.slice(0, 22);
  test.image.apply({ changed: [{ ...ordinary, name: `t${number}`, id }], deletedIds: [] });
}

Deno.test("offsets that are fetched over several turns are refused when another broker leads meanwhile, also when this one leads again", () => {
  for (const isBack of [false, true]) {
    const test = new TestCoordinator();
    for (let topic = 0; topic < 3000; topic++) makeTopic(test, topic);
    for (let topic = 0; topic < 3000; topic++) test.send(8, commitOf("big", `t${topic}`, { 0: 1, 1: 1, 2: 1 }), 8);
    test.turn();
    let hasLost = false;
    const { answer, turns } = askSlowly(test, { apiKey: 9, request: fetchAllOf("big"), apiVersion: 8 }, () => {
      if (hasLost) return;
      hasLost = true;
      test.lead(false);
      if (isBack) test.lead(true);
    });
    assert(turns > 0);
    assert.deepEqual(answer.groups?.map(({ errorCode: code, topics }) => [code, topics]), [
      [errorCode.NOT_COORDINATOR, []],
    ]);
  }
});
