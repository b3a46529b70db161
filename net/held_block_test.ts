/** Where the bytes of a request are that is carried out over several turns. */
import { strict as assert } from "node:assert";
import type { RequestExchange } from "./exchange.ts";
import { ShardFixture } from "./shard_testing.ts";
import { FETCH, frame, HEADER } from "./socket_testing.ts";

Deno.test("RequestExchange holds the block of its own request in later turns too, whatever the connection receives meanwhile", async () => {
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
