/** Requests that take several turns: their bytes are held while the connection continues or closes, and later requests wait or not. */
import { strict as assert } from "node:assert";
import { concatBytes } from "../../tests/record_batch_builder.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import { ANSWER_BYTES, ShardFixture } from "./shard_testing.ts";
import { FETCH, frame, HEADER } from "./socket_testing.ts";
import { STRETCH_MS } from "./turn_budget.ts";

Deno.test("RequestExchange holds the block of its request in later turns too, whatever the connection receives meanwhile", async () => {
  using fixture = new ShardFixture();
  const { arena } = fixture.shard;
  let exchange: RequestExchange | undefined;
  let end = () => {};
  let place = -1;
  fixture.route = ({ pipeline }, start) => {
    exchange = pipeline.push({ ...HEADER, correlationId: 1 }, FETCH);
    end = exchange.beginSlices();
    place = start;
  };
  const pair = await fixture.connect();
  await pair.send(frame(1));
  fixture.turn();
  const block = place - 4;
  assert.ok(arena.isShared(block));
  await pair.send(frame(2));
  fixture.turn();
  exchange?.retainBlock();
  end();
  assert.ok(arena.isShared(block), "another shard still reads it");
  exchange?.releaseBlock();
  assert.ok(!arena.isShared(block));
});

Deno.test("Slices hold the bytes of a request until its last step, even if its connection closes, and release them once", async () => {
  let ms = 0;
  using fixture = new ShardFixture({ clock: { wallMs: () => ms, monotonicMs: () => ms } });
  const { arena, slices } = fixture.shard;
  let [block, left, finishedCount] = [-1, 4, 0];
  fixture.route = ({ pipeline }, start) => {
    block = start - 4;
    const step = () => {
      ms += STRETCH_MS;
      assert.ok(left === 4 || arena.isShared(block), "its bytes are there in later turns");
      return --left > 0;
    };
    const exchange = pipeline.push({ ...HEADER, correlationId: 1 }, FETCH);
    pipeline.weigh(exchange, 1000);
    slices.run({ step, finish: () => void finishedCount++ }, exchange);
  };
  const pair = await fixture.connect();
  await pair.send(frame(1));
  fixture.turn();
  assert.ok(left > 0 && !slices.isEmpty);
  const { weights } = fixture.shard.memory.pipelines;
  fixture.shard.disconnect();
  assert.deepEqual([fixture.shard.connectionsCount, weights.heldBytes], [0, 1000], "somebody works on it");
  while (!slices.isEmpty) fixture.turn();
  assert.deepEqual([left, finishedCount, weights.heldBytes, arena.isShared(block)], [0, 1, 0, false]);
});

Deno.test("Connection holds a fetch back while another one waits, but not a Produce, and handles both in their order", async () => {
  const [PRODUCE_KEY, FETCH_KEY] = [0, 1];
  using fixture = new ShardFixture();
  const handled: RequestExchange[] = [];
  fixture.route = ({ pipeline }, start) => {
    const apiKey = fixture.shard.arena.memory.view.getInt16(start);
    const exchange = pipeline.push({ ...HEADER, apiKey, correlationId: handled.length }, FETCH);
    handled.push(exchange);
    if (apiKey === FETCH_KEY) exchange.holdSameApi();
    else exchange.respond({ responses: [] });
  };
  const requestOf = (apiKey: number) => frame(apiKey << 16);
  const keys = () => handled.map(({ header }) => header.apiKey);
  const pair = await fixture.connect();
  await pair.send(concatBytes([FETCH_KEY, PRODUCE_KEY, FETCH_KEY, PRODUCE_KEY].map(requestOf)));
  for (let turn = 0; turn < 3; turn++) fixture.turn();
  assert.deepEqual(keys(), [FETCH_KEY, PRODUCE_KEY], "the second fetch waits, and so do the requests behind it");
  handled[0]?.respond({ responses: [] });
  fixture.turn();
  assert.deepEqual(keys(), [FETCH_KEY, PRODUCE_KEY, FETCH_KEY, PRODUCE_KEY]);
  handled[2]?.respond({ responses: [] });
  fixture.turn();
  assert.equal((await pair.receive(4 * ANSWER_BYTES)).length, 4 * ANSWER_BYTES);
});
