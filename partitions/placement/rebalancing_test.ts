import { strict as assert } from "node:assert";
import { type PartitionLoad, type Rebalance, Rebalancing } from "./rebalancing.ts";

interface Case {
  readonly name: string;
  /** Busy parts at each look. */
  readonly looks: readonly (readonly number[])[];
  /** By shard and slot, the bytes appended between two looks; internal partitions have negative slots. */
  readonly bytes: readonly Readonly<Record<number, number>>[];
  /** The first move, and at which look, counted from 1. */
  readonly expected: { move: Rebalance; look: number } | null;
}

const times = <T>(count: number, value: T): T[] => new Array<T>(count).fill(value);
const HALVES: Case["bytes"] = [{ 10: 50, 11: 50 }, {}];

const cases: Case[] = [
  {
    name: "one of two that share the load of a bottleneck moves to the idle shard, after three looks",
    looks: times(9, [1, 0]),
    bytes: HALVES,
    expected: { move: { slot: 10, shard: 1 }, look: 3 },
  },
  {
    name: "the partition that evens best moves, not the largest and not the smallest",
    looks: times(9, [1, 0.3]),
    bytes: [{ 10: 60, 11: 30, 12: 10 }, { 20: 30 }],
    expected: { move: { slot: 11, shard: 1 }, look: 3 },
  },
  {
    name: "the idlest of many shards gets it",
    looks: times(9, [0.5, 0.99, 0.4, 0.45]),
    bytes: [{}, { 10: 30, 11: 70 }, {}, {}],
    expected: { move: { slot: 10, shard: 2 }, look: 3 },
  },
  {
    name: "the largest moves when the other shard has room for it",
    looks: times(9, [1, 0]),
    bytes: [{ 10: 20, 11: 45, 12: 35 }, {}],
    expected: { move: { slot: 11, shard: 1 }, look: 3 },
  },
  { name: "all are busy", looks: times(9, [1, 0.95]), bytes: HALVES, expected: null },
  { name: "the other one is not well below", looks: times(9, [1, 0.61]), bytes: HALVES, expected: null },
  { name: "the machine is idle", looks: times(9, [0.02, 0]), bytes: HALVES, expected: null },
  { name: "much to do, but no bottleneck", looks: times(9, [0.89, 0]), bytes: HALVES, expected: null },
  { name: "a single partition makes the load", looks: times(9, [1, 0]), bytes: [{ 10: 100 }, {}], expected: null },
  {
    name: "nearly all of the load comes from one partition",
    looks: times(9, [1, 0]),
    bytes: [{ 10: 95, 11: 5, 12: 0 }, {}],
    expected: null,
  },
  {
    name: "of an internal topic and another one, the other one moves",
    looks: times(9, [1, 0]),
    bytes: [{ [-1]: 50, 10: 40, 11: 10 }, {}],
    expected: { move: { slot: 10, shard: 1 }, look: 3 },
  },
  {
    name: "internal topics make the load",
    looks: times(9, [1, 0]),
    bytes: [{ [-1]: 50, [-2]: 50, 10: 0 }, {}],
    expected: null,
  },
  {
    name: "nothing is appended: consumers make the load",
    looks: times(9, [1, 0]),
    bytes: [{ 10: 0 }, {}],
    expected: null,
  },
  {
    name: "a bottleneck that comes and goes",
    looks: [[1, 0], [1, 0], [0.5, 0], [1, 0], [1, 0], [0.8, 0], [1, 0], [1, 0]],
    bytes: HALVES,
    expected: null,
  },
  {
    name: "bottlenecks that take turns",
    looks: times(9, 0).map((_, look) => look % 2 === 0 ? [1, 0] : [0, 1]),
    bytes: [{ 10: 50, 11: 50 }, { 20: 50, 21: 50 }],
    expected: null,
  },
  {
    name: "three looks in a row after a break",
    looks: [[1, 0], [1, 0], [0.5, 0], [1, 0], [1, 0], [1, 0]],
    bytes: HALVES,
    expected: { move: { slot: 10, shard: 1 }, look: 6 },
  },
  { name: "a move to the fuller shard gains nothing", looks: times(9, [0.9, 0.6]), bytes: HALVES, expected: null },
];

/** The loads of a shard at a look, when each partition grows by its bytes from look to look. */
function loadsAt(look: number, bytes: Readonly<Record<number, number>>): PartitionLoad[] {
  return Object.entries(bytes).map(([slot, each]) => ({
    slot: Number(slot),
    // Bytes appended before the bottleneck began are not counted.
    bytes: 1000 * (100 - Number(slot)) + each * look,
    mayGo: Number(slot) >= 0,
  }));
}

for (const { name, looks, bytes, expected } of cases) {
  Deno.test(`Rebalancing.look() ${expected === null ? "moves nothing" : "moves"}: ${name}`, () => {
    const rebalancing = new Rebalancing();
    let found: Case["expected"] = null;
    for (const [index, busy] of looks.entries()) {
      const move = rebalancing.look(busy, (shard) => loadsAt(index, bytes[shard] ?? {}));
      if (move === null) continue;
      found = { move, look: index + 1 };
      break;
    }
    assert.deepEqual(found, expected);
  });
}

/** A model in which a shard is busy for the sum of its loads, at most 1, and moves happen at once. @returns slots that moved, by look */
function simulate(
  places: Map<number, number>,
  loadOf: (slot: number, look: number) => number,
  looks: number,
): number[][] {
  const rebalancing = new Rebalancing();
  const appended = new Map([...places.keys()].map((slot) => [slot, 0]));
  const moves: number[][] = [];
  for (let look = 1; look <= looks; look++) {
    const busy = [0, 0];
    for (const [slot, shard] of places) {
      const load = loadOf(slot, look);
      busy[shard] = (busy[shard] as number) + load;
      appended.set(slot, (appended.get(slot) as number) + load * 1e6);
    }
    const loadsOf = (shard: number) =>
      [...places].filter(([, owner]) => owner === shard).map(([slot]) => ({
        slot,
        bytes: appended.get(slot) as number,
        mayGo: true,
      }));
    const move = rebalancing.look(busy.map((part) => Math.min(1, part)), loadsOf);
    if (move === null) continue;
    places.set(move.slot, move.shard);
    rebalancing.handedOver(move);
    moves.push([look, move.slot]);
  }
  return moves;
}

Deno.test("Rebalancing spreads the load of one shard with a few moves and pauses, and then stops", () => {
  const places = new Map([0, 1, 2, 3, 4, 5, 6, 7].map((slot) => [slot, 0]));
  const moves = simulate(places, () => 0.24, 500);
  assert.ok(moves.length >= 2 && moves.length <= 4, `${moves}`);
  for (const [index, [look = 0]] of moves.entries()) {
    assert.ok(look - (moves[index - 1]?.[0] ?? -100) > 10, "a pause follows a move");
  }
  assert.ok((moves.at(-1)?.[0] ?? 0) < 100);
  assert.equal(new Set(moves.map(([, slot]) => slot)).size, moves.length, "none moves twice");
});

Deno.test("Rebalancing does not follow a load that alternates between two partitions: a moved partition stays for 200 looks", () => {
  const places = new Map([[0, 0], [1, 0], [2, 1]]);
  // Each of the two makes the full load for forty looks in turn, beside a constant half load.
  const moves = simulate(
    places,
    (slot, look) => slot === 2 ? 0.1 : Math.floor(look / 40) % 2 === slot ? 0.9 : 0.45,
    400,
  );
  assert.ok(moves.length > 0 && moves.length <= 4, `${moves}`);
  for (const [index, [look = 0, slot]] of moves.entries()) {
    const [before = -Infinity] = moves.slice(0, index).findLast(([, moved]) => moved === slot) ?? [];
    assert.ok(look - before >= 200, `${moves}`);
  }
});

Deno.test("Rebalancing requests the move again at the next look when it was not made", () => {
  const rebalancing = new Rebalancing();
  const moves = [1, 2, 3, 4, 5].map((look) => rebalancing.look([1, 0], () => loadsAt(look, HALVES[0]!)));
  assert.deepEqual(moves.map((move) => move?.slot ?? null), [null, null, 10, 10, 10]);
});
