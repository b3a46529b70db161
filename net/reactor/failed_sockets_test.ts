/** A failed socket costs its own connection only, and requests that had arrived on it are still handled. */
import { strict as assert } from "node:assert";
import { Epoll, FAILED, nativeMemory, send } from "../../storage/mod.ts";
import { concatBytes } from "../../tests/record_batch_builder.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import { ANSWER_BYTES, PEER, ShardFixture } from "./shard_testing.ts";
import { FETCH, frame, HEADER, SocketPair } from "./socket_testing.ts";

/** Leaves an answer unread at the client, so that its close becomes a reset. */
async function leaveAnswer(fixture: ShardFixture, pair: SocketPair): Promise<void> {
  const { route } = fixture;
  fixture.route = (connection) => connection.sendEncoded(new Uint8Array(10), 10, []);
  await pair.send(frame(0));
  fixture.turn();
  fixture.route = route;
}

/** Sends requests and then resets the connection. */
async function sendAndReset(pair: SocketPair, count: number): Promise<void> {
  await pair.send(concatBytes(Array.from({ length: count }, (_, id) => frame(id))));
  pair.peer.close();
  pair.ready(FAILED);
}

/** Takes turns until the shard has no connection. */
function turnsUntilClosed(fixture: ShardFixture): void {
  for (let turns = 0; fixture.shard.connectionsCount > 0; turns++) {
    assert.ok(turns < 100, "it closes");
    fixture.turn();
  }
}

Deno.test("Shard handles what a client sent before it reset the connection, also over several turns, then closes it", async () => {
  using fixture = new ShardFixture();
  const requests = 100;
  const pair = await fixture.connect();
  await leaveAnswer(fixture, pair);
  const seen: number[] = [];
  fixture.route = ({ pipeline }, start) => {
    seen.push(fixture.shard.arena.memory.view.getInt32(start));
    // Every other request wants an answer, which nobody takes.
    const exchange = pipeline.push({ ...HEADER, correlationId: seen.length }, FETCH);
    if (seen.length % 2 === 0) exchange.respondNothing();
    else exchange.respond({ responses: [] });
  };
  await sendAndReset(pair, requests);
  turnsUntilClosed(fixture);
  assert.deepEqual(seen, Array.from({ length: requests }, (_, id) => id));
  assert.deepEqual([fixture.closedPeers, fixture.reports], [[PEER], []]);
  assert.equal(fixture.shard.memory.pipelines.heldBytes, 0);
});

Deno.test("Shard resumes a disconnected client when its pipeline has room, does not spin meanwhile, and gives up after 5 s", async () => {
  const { wait } = Epoll.prototype;
  using fixture = new ShardFixture();
  const pair = await fixture.connect();
  await leaveAnswer(fixture, pair);
  const waiting: RequestExchange[] = [];
  let count = 0;
  fixture.route = ({ pipeline }) => {
    waiting.push(pipeline.push({ ...HEADER, correlationId: count++ }, FETCH));
  };
  await sendAndReset(pair, 300);
  for (let turn = 0; turn < 10; turn++) fixture.turn();
  assert.equal(count, 128, "the pipeline is full");
  let eventsCount = 0;
  Epoll.prototype.wait = function (timeoutMs: number) {
    const events = wait.call(this, timeoutMs);
    eventsCount += events;
    return events;
  };
  try {
    for (let turn = 0; turn < 10; turn++) fixture.turn();
  } finally {
    Epoll.prototype.wait = wait;
  }
  assert.deepEqual([count, eventsCount], [128, 0]);
  waiting.splice(0, 28).forEach((exchange) => exchange.respond({ responses: [] }));
  for (let turn = 0; turn < 10; turn++) fixture.turn();
  assert.equal(count, 128 + 28);
  fixture.world.clock.advance(4_999);
  fixture.turn();
  assert.equal(fixture.shard.connectionsCount, 1);
  fixture.world.clock.advance(1);
  fixture.turn();
  assert.deepEqual([fixture.shard.connectionsCount, count, fixture.reports], [0, 128 + 28, []]);
  assert.ok(waiting.every(({ isAbandoned }) => isAbandoned));
});

Deno.test("Shard handles what a client sent before a reset while its connection is about to be transferred to another shard", async () => {
  using fixture = new ShardFixture({ shardsCount: 2 });
  const pair = await fixture.connect();
  await leaveAnswer(fixture, pair);
  let first: RequestExchange | undefined;
  let count = 0;
  fixture.route = ({ pipeline, affinity }) => {
    const exchange = pipeline.push({ ...HEADER, correlationId: count }, FETCH);
    if (count++ > 0) return exchange.respond({ responses: [] });
    first = exchange;
    // Enough requests for it to belong to shard 1.
    for (let requests = 0; affinity.destination === -1; requests++) {
      assert.ok(requests < 100_000);
      affinity.countPartition(1);
      affinity.endRequest();
    }
  };
  await pair.send(frame(0));
  fixture.turn();
  assert.ok(first?.isWaiting);
  await sendAndReset(pair, 5);
  turnsUntilClosed(fixture);
  assert.equal(count, 6);
});

Deno.test("Shard refuses a connection that the kernel cannot watch, with a sentence, and serves the others and the next", async () => {
  using fixture = new ShardFixture();
  const before = await fixture.connect();
  using refused = await SocketPair.open();
  const { tryAdd } = Epoll.prototype;
  Epoll.prototype.tryAdd = () => false;
  try {
    fixture.transfer(refused.release());
    fixture.turn();
  } finally {
    Epoll.prototype.tryAdd = tryAdd;
  }
  assert.equal(await refused.peer.read(new Uint8Array(1)), null);
  assert.deepEqual([fixture.shard.connectionsCount, fixture.closedPeers], [1, [PEER]]);
  assert.match(fixture.reports.join(), /^Closed the new connection of 127\.0\.0\.1:\d+: epoll cannot watch it/);
  fixture.route = ({ pipeline }) => {
    pipeline.push({ ...HEADER, correlationId: 1 }, FETCH).respond({ responses: [] });
  };
  for (const pair of [before, await fixture.connect()]) {
    await pair.send(frame(1));
    fixture.turn();
    assert.equal((await pair.receive(ANSWER_BYTES)).length, ANSWER_BYTES);
  }
});

Deno.test("Shard takes a connection that was reset during its transfer, and closes it", async () => {
  using fixture = new ShardFixture();
  using pair = await SocketPair.open();
  // The client never reads these bytes, so its close becomes a reset.
  const memory = nativeMemory(new ArrayBuffer(128));
  assert.equal(send(pair.fd, memory.address, 10, { more: false }), 10);
  let count = 0;
  fixture.route = () => void count++;
  await sendAndReset(pair, 1);
  fixture.transfer(pair.release());
  fixture.turn();
  turnsUntilClosed(fixture);
  assert.equal(count, 1);
  assert.deepEqual([fixture.shard.connectionsCount, fixture.closedPeers, fixture.reports], [0, [PEER], []]);
});

Deno.test("Shard keeps nothing of a disconnected client once all its requests were handled", async () => {
  using fixture = new ShardFixture();
  const pair = await fixture.connect();
  await leaveAnswer(fixture, pair);
  await sendAndReset(pair, 1);
  turnsUntilClosed(fixture);
  assert.equal(fixture.world.at(0).purgatory.waitingCount, 0);
});
