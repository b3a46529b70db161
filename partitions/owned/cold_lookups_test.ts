import { strict as assert } from "node:assert";
import { Answers, batchOf, readFrom, smallLogs, type TestShard, TestShards, topicOn } from "./partition_testing.ts";

const PLACE = { shard: 0, slot: 0 };
/** Fifty bytes between two entries of an index, three batches in a segment. */
const config = { ...smallLogs, segmentBytes: 600, indexIntervalBytes: 50 };

/** Shards; the first has a partition with closed segments that have not been read since it was opened. */
function worldWithColdSegments(shardsCount: number): TestShards {
  const before = new TestShards(1);
  before.apply(topicOn([0], { config }));
  const { partitions, arena, files } = before.at(0);
  const answers = new Answers();
  for (let count = 0; count < 30; count++) {
    const place = { ...before.putBatch(0, batchOf("x".repeat(100))), acks: -1 };
    partitions.append(PLACE, place, answers, 0);
    arena.release(place.start);
  }
  partitions.owned.close({ clean: true });
  before[Symbol.dispose]();
  const world = new TestShards(shardsCount, [files], { warmSegmentsMax: 1 });
  world.apply(topicOn([0], { config }));
  return world;
}

/** Completes the loads under way. @returns how many there were */
function load({ loads }: TestShard): number {
  const ended = loads.splice(0);
  for (const { done } of ended) done();
  return ended.length;
}

Deno.test("a read that needs the cold index of a closed segment waits until it is loaded, on the owning shard and from others", () => {
  for (const asking of [0, 1]) {
    using world = worldWithColdSegments(2);
    const owner = world.at(0);
    const { partitions } = world.at(asking);
    const answers = new Answers();
    partitions.read(PLACE, readFrom(7), answers, 0);
    partitions.read(PLACE, readFrom(7), answers, 1);
    world.pump();
    assert.equal(answers.read.length, 0);
    assert.equal(owner.loads.length, 1, "both wait for the same");
    assert.match(`${owner.loads[0]?.files}`, /^.logs.t-0.\d{20}\.index,.logs.t-0.\d{20}\.timeindex$/);
    assert.ok(partitions.inFlight > 0, "the shard is not drained");
    assert.equal(load(owner), 1);
    world.pump();
    assert.deepEqual(answers.read.map(({ refusal, length }) => [refusal, length > 0]), [[null, true], [null, true]]);
    assert.equal(partitions.inFlight, 0);
    for (const { lease } of answers.read) partitions.release(PLACE, lease);
    // The index is open now, and the consumer's next read is served at once.
    partitions.read(PLACE, readFrom(8), answers, 2);
    world.pump();
    assert.deepEqual([answers.read.length, owner.loads.length], [3, 0]);
    partitions.release(PLACE, answers.read[2]!.lease);
    world.pump();
  }
});

Deno.test("a read that needs no index does not wait: a whole segment, and the active segment", () => {
  using world = worldWithColdSegments(1);
  const { partitions, loads } = world.at(0);
  const answers = new Answers();
  partitions.read(PLACE, readFrom(0), answers, 0);
  partitions.read(PLACE, readFrom(29), answers, 1);
  assert.deepEqual([answers.read.length, loads.length], [2, 0]);
  for (const { lease } of answers.read) partitions.release(PLACE, lease);
});

Deno.test("a read whose partition is removed while it waits is refused", () => {
  using world = worldWithColdSegments(1);
  const shard = world.at(0);
  const answers = new Answers();
  shard.partitions.read(PLACE, readFrom(7), answers, 0);
  world.remove(topicOn([0], { config }));
  load(shard);
  assert.deepEqual(answers.read.map(({ refusal, length }) => [refusal, length]), [["unknown-partition", 0]]);
});

Deno.test("reads that wait for cold indexes count as operations in flight, so enough of them make requests pause", () => {
  using world = worldWithColdSegments(1);
  const shard = world.at(0);
  const { partitions } = shard;
  const answers = new Answers();
  let count = 0;
  while (!partitions.isCrowded) {
    partitions.read(PLACE, readFrom(7), answers, count++);
    assert.ok(count <= 20_000);
  }
  load(shard);
  assert.deepEqual([answers.read.length, partitions.isCrowded], [count, false]);
  for (const { lease } of answers.read) partitions.release(PLACE, lease);
});
