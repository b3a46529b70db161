import assert from "node:assert/strict";
import type { AssignorMember } from "./assignor.ts";
import { assignRange } from "./range_assignor.ts";

function member(memberId: string, topics: string[], instanceId: string | null = null): AssignorMember {
  return { memberId, instanceId, topicIds: new Set(topics), assignment: new Map() };
}

function assign(members: AssignorMember[], counts: Record<string, number>): Record<string, Record<string, number[]>> {
  const targets = assignRange({ members, partitionsCountOf: (topicId) => counts[topicId]! });
  return Object.fromEntries(
    Array.from(targets, ([memberId, target]) => [memberId, Object.fromEntries(target) as Record<string, number[]>]),
  );
}

Deno.test("assignRange() co-partitions topics with equal counts and gives the first members one partition more", () => {
  const members = [member("m0", ["t1", "t2"]), member("m1", ["t1", "t2"])];
  assert.deepEqual(assign(members, { t1: 3, t2: 3 }), {
    m0: { t1: [0, 1], t2: [0, 1] },
    m1: { t1: [2], t2: [2] },
  });
});

Deno.test("assignRange() counts only the subscribers of each topic", () => {
  const members = [member("a", ["t1", "t2"]), member("b", ["t2"]), member("c", ["t1", "t2", "t3"])];
  assert.deepEqual(assign(members, { t1: 3, t2: 3, t3: 2 }), {
    a: { t1: [0, 1], t2: [0] },
    b: { t2: [1] },
    c: { t1: [2], t2: [2], t3: [0, 1] },
  });
});

Deno.test("assignRange() gives no partition of a topic to members when none is left", () => {
  const members = ["a", "b", "c", "d"].map((id) => member(id, ["t"]));
  assert.deepEqual(assign(members, { t: 2 }), { a: { t: [0] }, b: { t: [1] }, c: {}, d: {} });
});

Deno.test("assignRange() orders static members first, by instance id, so new member ids change nothing", () => {
  const before = [member("m0", ["t"], "i0"), member("m1", ["t"], "i1"), member("a", ["t"])];
  const after = [member("m9", ["t"], "i0"), member("m1", ["t"], "i1"), member("a", ["t"])];
  assert.deepEqual(assign(before, { t: 3 }), { m0: { t: [0] }, m1: { t: [1] }, a: { t: [2] } });
  assert.deepEqual(assign(after, { t: 3 }), { m9: { t: [0] }, m1: { t: [1] }, a: { t: [2] } });
});

Deno.test("assignRange() returns the same object for a member whose target is unchanged", () => {
  const assignment = new Map([["t", [0, 1]]]);
  const members = [{ ...member("a", ["t"]), assignment }, member("b", ["t"])];
  const targets = assignRange({ members, partitionsCountOf: () => 4 });
  assert.equal(targets.get("a"), assignment);
  assert.deepEqual(targets.get("b"), new Map([["t", [2, 3]]]));
});
