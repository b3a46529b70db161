import assert from "node:assert/strict";
import { createRandom } from "../../storage/base/random.ts";
import { ELSEWHERE } from "../metadata/image.ts";
import { type Placed, Placement } from "./placement.ts";

Deno.test("Placement.assign() spreads each topic over the shards, and topics of one partition too", () => {
  const placement = new Placement(3, 1000);
  assert.deepEqual(placement.assign(4).map(({ shard }) => shard), [0, 1, 2, 0]);
  assert.deepEqual(placement.assign(3).map(({ shard }) => shard), [1, 2, 0]);
  assert.deepEqual([1, 2, 3].map(() => placement.assign(1)[0]?.shard), [1, 2, 0]);
});

Deno.test("Placement.assign() counts the partitions that the topic has already", () => {
  const placement = new Placement(2, 10);
  const existing = placement.assign(1);
  assert.deepEqual(placement.assign(2, existing).map(({ shard }) => shard), [1, 0]);
});

Deno.test("Placement.assign() never gives one slot to two partitions, and takes freed slots last and oldest first", () => {
  const placement = new Placement(2, 6);
  const first = placement.assign(4);
  placement.release([first[2] as Placed]);
  placement.release([first[0] as Placed]);
  assert.equal(placement.freeCount, 4);
  assert.deepEqual(placement.assign(4).map(({ slot }) => slot), [4, 5, 2, 0]);
  assert.equal(placement.freeCount, 0);
  assert.throws(() => placement.assign(1), /while there is room/);
});

Deno.test("Placement.handOver() counts a partition on its new shard, so that the next ones go where there are fewer", () => {
  const placement = new Placement(2, 10);
  assert.deepEqual(placement.assign(2).map(({ shard }) => shard), [0, 1]);
  placement.handOver(0, 1);
  const next = [2, 3, 4].map(() => placement.assign(1)).flat();
  assert.deepEqual(next.map(({ shard, slot }) => [shard, slot]), [[0, 2], [0, 3], [0, 4]]);
  placement.release([{ shard: 1, slot: 0 }, { shard: 1, slot: 1 }]);
  assert.deepEqual(placement.assign(1), [{ shard: 1, slot: 5 }]);
});

Deno.test("Placement keeps its invariants over many random placements and releases", () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const random = createRandom(seed);
  const slotsMax = 40;
  const placement = new Placement(3, slotsMax);
  const topics: Placed[][] = [];
  for (let step = 0; step < 5000; step++) {
    if (random() < 0.5) {
      topics.push(placement.assign(Math.min(placement.freeCount, Math.floor(random() * 6))));
    } else if (topics.length > 0) {
      placement.release(topics.splice(Math.floor(random() * topics.length), 1)[0] as Placed[]);
    }
    const slots = topics.flat().map(({ slot }) => slot);
    assert.equal(new Set(slots).size, slots.length, `seed ${seed}: a slot has one partition`);
    assert.ok(slots.every((slot) => slot >= 0 && slot < slotsMax), `seed ${seed}`);
    assert.equal(placement.freeCount, slotsMax - slots.length, `seed ${seed}`);
    for (const topic of topics) {
      const counts = [0, 1, 2].map((shard) => topic.filter((place) => place.shard === shard).length);
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `seed ${seed}: a topic is spread`);
    }
  }
});

Deno.test("Placement counts no partition elsewhere", () => {
  const placement = new Placement(2, 10);
  const elsewhere = { shard: ELSEWHERE, slot: ELSEWHERE };
  const here = placement.assign(1);
  const next = placement.assign(2, [...here, elsewhere, elsewhere]);
  assert.deepEqual(next.map(({ shard, slot }) => [shard, slot]), [[1, 1], [0, 2]]);
  placement.release([elsewhere, ...here, elsewhere]);
  assert.equal(placement.freeCount, 8);
  assert.deepEqual(placement.assign(8).map(({ slot }) => slot), [3, 4, 5, 6, 7, 8, 9, 0]);
});
