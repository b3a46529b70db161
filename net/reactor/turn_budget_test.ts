import { strict as assert } from "node:assert";
import { TurnTimesReader } from "../../partitions/control.ts";
import { IsolateTable } from "../../partitions/mod.ts";
import { ManualClock } from "../../storage/mod.ts";
import { concatBytes } from "../../tests/record_batch_builder.ts";
import { ANSWER_BYTES, ShardFixture } from "./shard_testing.ts";
import { FEW_ELEMENTS, WEIGHTS_MAX } from "../requests/request_weights.ts";
import { FETCH, frame, HEADER, type SocketPair } from "./socket_testing.ts";
import { LAST_GRANT_MS, turnPart } from "./turn_budget.ts";

const REQUEST_MS = 1;

/** A shard whose requests take a millisecond each and are answered at once. `served` lists the connections in order. */
function busyShard() {
  const clock = new ManualClock();
  const fixture = new ShardFixture({ clock });
  const served: number[] = [];
  fixture.route = ({ pipeline }, start) => {
    served.push(fixture.world.at(0).arena.memory.view.getInt32(start));
    clock.advance(REQUEST_MS);
    pipeline.push({ ...HEADER, correlationId: served.length }, FETCH).respond({ responses: [] });
  };
  return { fixture, clock, served };
}

Deno.test("Shard.run() leaves requests that do not fit into a turn to later turns, answers meanwhile, and starves nobody", async () => {
  const { fixture, served } = busyShard();
  using _shard = fixture;
  const [count, each] = [12, 9];
  const pairs: SocketPair[] = [];
  for (let id = 0; id < count; id++) pairs.push(await fixture.connect());
  for (const [id, pair] of pairs.entries()) {
    await pair.send(concatBytes(Array.from({ length: each }, () => frame(id))));
  }
  const stretch = 4; // the clock is checked after this many requests, and STRETCH_MS is over then
  const perTurn = turnPart.requests / REQUEST_MS;
  fixture.turn();
  assert.equal(served.length, perTurn, "a turn ends its part when the time is over");
  assert.deepEqual(served, [0, 0, 0, 0]);
  assert.equal((await pairs[0]?.receive(stretch * ANSWER_BYTES))?.length, stretch * ANSWER_BYTES);
  for (let turns = 0; served.length < stretch * count; turns++) {
    assert.ok(turns < stretch * count, "every turn serves somebody");
    fixture.turn();
  }
  for (let id = 0; id < count; id++) {
    assert.equal(served.filter((of) => of === id).length, stretch, "everybody is served before anybody is again");
  }
  for (let turns = 0; served.length < each * count; turns++) {
    assert.ok(turns < each * count, "every turn serves somebody");
    fixture.turn();
  }
  const rest = (id: number) => (id === 0 ? each - stretch : each) * ANSWER_BYTES;
  for (const [id, pair] of pairs.entries()) assert.equal((await pair.receive(rest(id))).length, rest(id));
});

Deno.test("Shard.run() counts how long its turns take", async () => {
  const { fixture, served } = busyShard();
  using _shard = fixture;
  const pair = await fixture.connect();
  const isolates = new IsolateTable(fixture.world.state.isolates);
  const reader = new TurnTimesReader(isolates, 1);
  const before = reader.read()[0]?.counts;
  await pair.send(frame(0));
  fixture.turn();
  assert.equal(served.length, 1);
  const after = reader.read()[0];
  assert.deepEqual(after?.counts.map((count, bucket) => count - (before?.[bucket] ?? 0)), [1, ...Array(10).fill(0)]);
  assert.equal(after?.longestMs, REQUEST_MS);
});

Deno.test("Shard.run() leaves a request that waited for memory to the beginning of the next turn when a long turn makes room", async () => {
  const { fixture, clock, served } = busyShard();
  using _shard = fixture;
  const { weights } = fixture.shard.memory.pipelines;
  const handle = fixture.route;
  const [waiting, long, later] = [0, 1, 2];
  weights.add(WEIGHTS_MAX);
  fixture.route = (connection, start, length) => {
    const id = fixture.world.at(0).arena.memory.view.getInt32(start);
    const elements = 2 * FEW_ELEMENTS;
    if (id === waiting && weights.room < elements) return elements;
    handle(connection, start, length);
    if (id !== long) return;
    clock.advance(LAST_GRANT_MS - REQUEST_MS);
    weights.add(-WEIGHTS_MAX);
  };
  const pairs: SocketPair[] = [];
  for (const _id of [waiting, long, later]) pairs.push(await fixture.connect());
  await pairs[waiting]?.send(frame(waiting));
  fixture.turn();
  assert.deepEqual(served, [], "it waits for room");
  await pairs[long]?.send(frame(long));
  fixture.turn();
  assert.deepEqual(served, [long], "there is room, and no time");
  await pairs[later]?.send(frame(later));
  fixture.turn();
  assert.deepEqual(served, [long, waiting, later]);
});
