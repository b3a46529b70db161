/** Answers with lists, which travel between shards as parcels. */
import { strict as assert } from "node:assert";
import { toOffset } from "../../storage/base/units.ts";
import { TestShards, topicOn } from "../owned/partition_testing.ts";
import { float64, int32, listOf, offset } from "../questions/layout.ts";
import { type Answered, type AnswerWaiter, question } from "../questions/question.ts";
import { fillArena } from "../shared/arena_testing.ts";

const [OWN, OTHER] = [{ shard: 0, slot: 0 }, { shard: 1, slot: 1 }];

/** A test question: its answer is a list with as many items as were asked for. */
const numbered = question({
  name: "numbered",
  ask: { count: int32 },
  answer: { total: float64, items: listOf({ firstOffset: offset, producerId: float64 }) },
  serve: ({ slot }, { count }) => ({
    refusal: null,
    total: slot,
    items: Array.from({ length: count }, (_, index) => ({ firstOffset: toOffset(index), producerId: count })),
  }),
});

type Numbered = ReturnType<typeof numbered.answer.read>;

function asker() {
  const answers: (Answered<Numbered> & { tag: number })[] = [];
  const waiter: AnswerWaiter<{ count: number }, Numbered> = {
    question: numbered,
    onAnswer: (tag, answer) => void answers.push({ ...answer, tag }),
  };
  return { waiter, answers };
}

function worldOf(shardsCount: number): TestShards {
  const world = new TestShards(shardsCount, [], { asked: [numbered] });
  assert.deepEqual(world.apply(topicOn([0, 1])), []);
  return world;
}

Deno.test("ShardPartitions.ask() gives the same list for its own and another shard's partition", () => {
  using world = worldOf(2);
  const { waiter, answers } = asker();
  const counts = [0, 1, 7, 4096];
  for (const [tag, count] of counts.entries()) world.at(0).partitions.ask(OWN, { count }, waiter, tag);
  const own = answers.splice(0);
  for (const [tag, count] of counts.entries()) world.at(0).partitions.ask(OTHER, { count }, waiter, tag);
  world.pump();
  answers.sort((a, b) => a.tag - b.tag);
  assert.deepEqual(answers, own.map((answer) => ({ ...answer, total: OTHER.slot })));
  assert.deepEqual(answers.map(({ items }) => items.length), counts);
});

Deno.test("the lists of answers are released, so thousands of them do not fill an arena", () => {
  using world = worldOf(2);
  const { waiter, answers } = asker();
  const { arena } = world.at(1);
  for (let round = 0; round < 300; round++) {
    for (const count of [10, 1000, 3000]) world.at(0).partitions.ask(OTHER, { count }, waiter, count);
    world.pump();
  }
  assert.equal(answers.length, 900);
  assert.ok(arena.usedBytes <= 2 * 64 * 1024, `${arena.usedBytes} bytes are kept for small lists`);
});

Deno.test("an answer whose list finds no room waits, stays in flight, and delays no other answer", () => {
  using world = worldOf(2);
  const { arena } = world.at(1);
  const blocks = fillArena(arena);
  const { waiter, answers } = asker();
  const { partitions } = world.at(0);
  for (const count of [3, 0, 4000]) partitions.ask(OTHER, { count }, waiter, count);
  for (let turns = 0; turns < 3; turns++) for (const shard of world.shards) world.turn(shard);
  assert.deepEqual([answers.map(({ tag }) => tag), partitions.inFlight], [[0], 2]);
  for (const block of blocks) arena.release(block);
  world.pump();
  assert.deepEqual([answers.map(({ tag }) => tag).sort(), partitions.inFlight], [[0, 3, 4000], 0]);
  for (const { tag, items } of answers) assert.equal(items.length, tag);
});

Deno.test("answers are refused while lists of 8 MiB wait for room in the arena, except those with an empty list", () => {
  using world = worldOf(2);
  const { arena } = world.at(1);
  const blocks = fillArena(arena);
  const { waiter, answers } = asker();
  const { partitions } = world.at(0);
  const ask = (count: number) => {
    partitions.ask(OTHER, { count }, waiter, count);
    for (const shard of world.shards) world.turn(shard);
  };
  for (let waiting = 0; waiting < 128; waiting++) ask(4096); // of 64 KiB each
  assert.deepEqual([answers.length, partitions.inFlight], [0, 128]);
  for (const count of [1, 0]) ask(count);
  for (let turns = 0; turns < 3; turns++) for (const shard of world.shards) world.turn(shard);
  assert.deepEqual(answers.splice(0).map(({ tag, refusal }) => [tag, refusal]), [[1, "too-many-lists"], [0, null]]);
  for (const block of blocks) arena.release(block);
  world.pump();
  assert.deepEqual(answers.splice(0).map(({ items }) => items.length), Array.from({ length: 128 }, () => 4096));
  ask(1);
  world.pump();
  assert.deepEqual(answers.map(({ refusal }) => refusal), [null]);
});

Deno.test("a refused answer has an empty list", () => {
  using world = worldOf(2);
  world.remove(topicOn([0, 1]));
  const { waiter, answers } = asker();
  for (const place of [OWN, OTHER]) world.at(0).partitions.ask(place, { count: 3 }, waiter, 0);
  world.pump();
  const nothing = { refusal: "unknown-partition", total: -1, items: [], tag: 0 };
  assert.deepEqual(answers, [nothing, nothing]);
});
