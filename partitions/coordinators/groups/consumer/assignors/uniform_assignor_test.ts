import assert from "node:assert/strict";
import { createRandom } from "../../../../../storage/base/random.ts";
import type { Assignment, AssignorMember, Targets } from "./assignor.ts";
import { assignUniform } from "./uniform_assignor.ts";

type Counts = ReadonlyMap<string, number>;

function member(memberId: string, topicIds: ReadonlySet<string>, assignment: Assignment = new Map()): AssignorMember {
  return { memberId, instanceId: null, topicIds, assignment };
}

function assign(members: readonly AssignorMember[], counts: Counts): Targets {
  return assignUniform({ members, partitionsCountOf: (topicId) => counts.get(topicId)! });
}

function sizeOf(assignment: Assignment): number {
  return [...assignment.values()].reduce((sum, { length }) => sum + length, 0);
}

function ownersOf(targets: Targets): Map<string, string> {
  const owners = new Map<string, string>();
  for (const [memberId, target] of targets) {
    for (const [topicId, partitions] of target) {
      assert(partitions.length > 0, "no topic has an empty list");
      assert.deepEqual([...partitions].sort((a, b) => a - b), partitions, "ascending");
      for (const partition of partitions) {
        assert(!owners.has(`${topicId}-${partition}`), `${topicId}-${partition} has two members`);
        owners.set(`${topicId}-${partition}`, memberId);
      }
    }
  }
  return owners;
}

/** All partitions are assigned to subscribers, and no single move improves the balance. */
function checkAssignment(members: readonly AssignorMember[], counts: Counts, targets: Targets): void {
  const owners = ownersOf(targets);
  assert.equal(targets.size, members.length);
  for (const [topicId, count] of counts) {
    const subscribers = members.filter(({ topicIds }) => topicIds.has(topicId));
    for (let partition = 0; partition < count; partition++) {
      const owner = owners.get(`${topicId}-${partition}`);
      if (subscribers.length === 0) assert.equal(owner, undefined);
      else {
        assert(subscribers.some(({ memberId }) => memberId === owner), `${topicId}-${partition} belongs to ${owner}`);
        const least = Math.min(...subscribers.map(({ memberId }) => sizeOf(targets.get(memberId)!)));
        assert(sizeOf(targets.get(owner!)!) - least <= 1, `${topicId}-${partition} should move from ${owner}`);
      }
    }
  }
  const known = [...counts].filter(([topicId]) => members.some(({ topicIds }) => topicIds.has(topicId)));
  assert.equal(owners.size, known.reduce((sum, [, count]) => sum + count, 0));
}

const one = new Set(["t"]);

Deno.test("assignUniform() moves as few partitions as balance allows when a member joins", () => {
  const counts = new Map([["t", 10]]);
  const first = assign([member("a", one), member("b", one)], counts);
  const members = [member("a", one, first.get("a")), member("b", one, first.get("b")), member("c", one)];
  const second = assign(members, counts);
  checkAssignment(members, counts, second);
  const before = ownersOf(first);
  const moved = [...ownersOf(second)].filter(([partition, owner]) => before.get(partition) !== owner);
  assert.equal(moved.length, 3);
  assert(moved.every(([, owner]) => owner === "c"));
});

Deno.test("assignUniform() takes nothing from the other members when a member leaves", () => {
  const counts = new Map([["t", 9]]);
  const first = assign([member("a", one), member("b", one), member("c", one)], counts);
  const members = [member("a", one, first.get("a")), member("b", one, first.get("b"))];
  const second = assign(members, counts);
  checkAssignment(members, counts, second);
  for (const id of ["a", "b"]) {
    assert(first.get(id)!.get("t")!.every((partition) => second.get(id)!.get("t")!.includes(partition)));
  }
});

Deno.test("assignUniform() returns the same objects when nothing changes", () => {
  const counts = new Map([["t", 7]]);
  const first = assign([member("a", one), member("b", one)], counts);
  const second = assign([member("a", one, first.get("a")), member("b", one, first.get("b"))], counts);
  assert.equal(second.get("a"), first.get("a"));
  assert.equal(second.get("b"), first.get("b"));
});

Deno.test("assignUniform() drops partitions and topics that no longer exist, or that two old targets name", () => {
  const counts = new Map([["t", 2]]);
  const odd = new Map([["t", [0, 1, 5]], ["gone", [0]]]);
  const members = [member("a", one, odd), member("b", one, new Map([["t", [0]]]))];
  const targets = assign(members, counts);
  checkAssignment(members, counts, targets);
});

Deno.test("assignUniform() spreads each of many topics over the members", () => {
  const topics = Array.from({ length: 10 }, (_, index) => `t${index}`);
  const all = new Set(topics);
  const members = ["a", "b", "c", "d", "e"].map((id) => member(id, all));
  const targets = assign(members, new Map(topics.map((topic) => [topic, 5])));
  for (const target of targets.values()) assert.equal(target.size, 10, "one partition of each");
});

Deno.test("assignUniform() handles members without topics, and groups without members", () => {
  assert.equal(assign([], new Map()).size, 0);
  assert.deepEqual(assign([member("a", new Set())], new Map()).get("a"), new Map());
  const members = [member("a", new Set()), member("b", one)];
  checkAssignment(members, new Map([["t", 3]]), assign(members, new Map([["t", 3]])));
});

Deno.test("assignUniform() is complete, balanced and sticky for random groups that change", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = createRandom(seed);
    const below = (limit: number) => Math.floor(random() * limit);
    const topics = Array.from({ length: 1 + below(6) }, (_, index) => `t${index}`);
    const counts = new Map(topics.map((topic) => [topic, 1 + below(12)]));
    const isAlike = below(2) === 0;
    const shared = new Set(topics);
    const subscription = () => isAlike ? shared : new Set(topics.filter(() => below(2) === 0));
    let members = Array.from({ length: 1 + below(8) }, (_, index) => member(`m${index}`, subscription()));
    for (let round = 0; round < 6; round++) {
      const targets = assign(members, counts);
      checkAssignment(members, counts, targets);
      const again = assign(members.map((one) => ({ ...one, assignment: targets.get(one.memberId)! })), counts);
      for (const [memberId, target] of again) assert.equal(target, targets.get(memberId), "seed " + seed);
      members = members.map((one) => ({ ...one, assignment: targets.get(one.memberId)! }))
        .filter(() => below(4) > 0);
      if (below(2) === 0) members.push(member(`n${round}`, subscription()));
      if (members.length === 0) members.push(member("last", subscription()));
      counts.set(topics[0]!, counts.get(topics[0]!)! + below(3));
    }
  }
});

Deno.test("assignUniform() takes less than 100 ms for 1,000 members and 10,000 partitions, with equal or different subscriptions", () => {
  const topics = Array.from({ length: 100 }, (_, index) => `t${index}`);
  const counts = new Map(topics.map((topic) => [topic, 100]));
  const shared = new Set(topics);
  const ids = Array.from({ length: 1000 }, (_, index) => `m${index}`);
  for (const isAlike of [true, false]) {
    const members = ids.map((id, index) =>
      member(id, isAlike ? shared : new Set(topics.filter((_, topic) => (topic * 7 + index) % 3 !== 0)))
    );
    const times = [1, 2, 3].map(() => {
      const startMs = performance.now();
      assign(members, counts);
      return performance.now() - startMs;
    });
    assert(Math.min(...times) < 100, `${times} ms`);
  }
});

Deno.test("assignUniform() stops balancing a long chain of members that each share a topic with the next", () => {
  const [links, partitionsCount] = [40, 12_000];
  const all = Array.from({ length: partitionsCount }, (_, partition) => partition);
  const members = Array.from({ length: links + 1 }, (_, index) => {
    const [own, before] = [`t${index}`, `t${index - 1}`];
    const topicIds = index === 0 ? [own] : index === links ? [before] : [before, own];
    return member(
      `m${String(index).padStart(3, "0")}`,
      new Set(topicIds),
      new Map(index === links ? [] : [[own, all]]),
    );
  });
  const startMs = performance.now();
  const targets = assignUniform({ members, partitionsCountOf: () => partitionsCount });
  assert(performance.now() - startMs < 3000, "it takes a tenth of that; without the limit it would take minutes");
  const sum = [...targets.values()].reduce((total, target) => total + sizeOf(target), 0);
  assert.equal(sum, links * partitionsCount);
  assert(sizeOf(targets.get("m040")!) > 0, "the last member got partitions");
});
