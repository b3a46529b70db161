import { strict as assert } from "node:assert";
import { type DelayedOperation, ISOLATE, IsolateTable } from "../../partitions/mod.ts";
import { Answers, batchOf, topicOn } from "../../partitions/owned/partition_testing.ts";
import { FAILED, READABLE } from "../../storage/mod.ts";
import { concatBytes } from "../../tests/record_batch_builder.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import { noCoordinators } from "../../partitions/coordinators/runtime/shard_coordinators_testing.ts";
import { ANSWER_BYTES, PEER, ShardFixture } from "./shard_testing.ts";
import { FETCH, frame, HEADER, sizePrefix, SocketPair } from "./socket_testing.ts";

const MIB = 1024 * 1024;

Deno.test("Shard.run() finishes in one turn what a flush makes possible: waiting requests, their appends, awaited fetches", async () => {
  using fixture = new ShardFixture();
  const { world } = fixture;
  world.apply(topicOn([0]));
  const { partitions, purgatory } = world.at(0);
  const waiting: RequestExchange[] = [];
  // Answers everything when the partition moves, as delayed fetches do.
  const delayed: DelayedOperation = {
    deadlineMs: Infinity,
    heapIndex: -1,
    isMarked: false,
    onProgress: () => waiting.splice(0).forEach((exchange) => exchange.respond({ responses: [] })),
    onExpired: () => {},
  };
  purgatory.schedule(delayed);
  purgatory.watch(0, delayed);
  let count = 0;
  fixture.route = ({ pipeline }) => {
    waiting.push(pipeline.push({ ...HEADER, correlationId: count++ }, FETCH));
    const batch = { ...world.putBatch(0, batchOf("x")), acks: 1 };
    partitions.append({ shard: 0, slot: 0 }, batch, new Answers(), 0);
  };
  const pair = await fixture.connect();
  const requests = 300;
  await pair.send(concatBytes(Array.from({ length: requests }, (_, id) => frame(id))));
  for (let turn = 1; count < requests; turn++) {
    fixture.turn();
    assert.equal(count, Math.min(requests, 32 * turn), "a few at a stretch, so that other connections have their turn");
    assert.equal(waiting.length, 0, "nobody waits for the next turn");
  }
  const received = await pair.receive(requests * ANSWER_BYTES);
  const view = new DataView(received.buffer);
  for (let id = 0; id < requests; id++) assert.equal(view.getInt32(id * ANSWER_BYTES + 4), id);
});

Deno.test("Shard.run() lets coordinators write what a turn and its flushes gathered before the answers are sent", async () => {
  using fixture = new ShardFixture();
  const gathered: RequestExchange[] = [];
  let count = 0;
  let expiries = 0;
  fixture.coordinators = {
    ...noCoordinators,
    get hasGathered() {
      return gathered.length > 0;
    },
    writeGathered: () => gathered.splice(0).forEach((exchange) => exchange.respond({ responses: [] })),
    runTurn: () => void expiries++,
  };
  fixture.route = ({ pipeline }) => {
    const exchange = pipeline.push({ ...HEADER, correlationId: count++ }, FETCH);
    gathered.push(exchange);
  };
  const pair = await fixture.connect();
  const requests = 300;
  const before = expiries;
  await pair.send(concatBytes(Array.from({ length: requests }, (_, id) => frame(id))));
  for (let turn = 1; count < requests; turn++) {
    fixture.turn();
    assert.deepEqual([gathered.length, expiries - before], [0, turn]);
  }
  const received = await pair.receive(requests * ANSWER_BYTES);
  const view = new DataView(received.buffer);
  for (let id = 0; id < requests; id++) assert.equal(view.getInt32(id * ANSWER_BYTES + 4), id);
});

Deno.test("Shard handles requests behind a blocking one in the turn that answers it, and keeps those that arrived meanwhile", async () => {
  using fixture = new ShardFixture();
  const handled: RequestExchange[] = [];
  fixture.route = ({ pipeline }) => {
    const exchange = pipeline.push({ ...HEADER, correlationId: handled.length }, FETCH);
    handled.push(exchange);
    if (handled.length % 2 === 1) exchange.holdFollowers();
    else exchange.respond({ responses: [] });
  };
  const pair = await fixture.connect();
  await pair.send(concatBytes([frame(0), frame(1), frame(2), frame(3).subarray(0, 9)]));
  fixture.turn();
  assert.equal(handled.length, 1);
  await pair.send(frame(3).subarray(9));
  fixture.turn();
  assert.equal(handled.length, 1, "it does not even read");
  handled[0]?.respond({ responses: [] });
  fixture.turn();
  assert.equal(handled.length, 3, "the next one, and the one that holds again");
  handled[2]?.respond({ responses: [] });
  for (let turn = 0; turn < 3; turn++) fixture.turn();
  assert.equal(handled.length, 4);
  assert.equal((await pair.receive(4 * ANSWER_BYTES)).length, 4 * ANSWER_BYTES);
  assert.equal(fixture.shard.memory.pipelines.heldBytes, 0);
});

Deno.test("Shard.run() lets coordinators write for requests behind a blocking one, in the turn that answered it", async () => {
  using fixture = new ShardFixture();
  const handled: RequestExchange[] = [];
  let gathered: RequestExchange | null = null;
  fixture.coordinators = {
    ...noCoordinators,
    get hasGathered() {
      return gathered !== null;
    },
    writeGathered: () => {
      gathered?.respond({ responses: [] });
      gathered = null;
    },
  };
  fixture.route = ({ pipeline }) => {
    const exchange = pipeline.push({ ...HEADER, correlationId: handled.length }, FETCH);
    if (handled.push(exchange) === 1) exchange.holdFollowers();
    else gathered = exchange;
  };
  const pair = await fixture.connect();
  await pair.send(concatBytes([frame(0), frame(1)]));
  fixture.turn();
  handled[0]?.respond({ responses: [] });
  fixture.turn();
  assert.deepEqual([handled.length, gathered], [2, null]);
  assert.equal((await pair.receive(2 * ANSWER_BYTES)).length, 2 * ANSWER_BYTES);
});

Deno.test("Shard.run() does not sleep while coordinators have something to do, and not beyond their next deadline", () => {
  for (const dueInMs of [-1, 0, 5]) {
    using fixture = new ShardFixture();
    fixture.coordinators = { ...noCoordinators, nextDeadlineMs: fixture.world.clock.monotonicMs() + dueInMs };
    const from = performance.now();
    let turns = 0;
    fixture.shard.run(() => ++turns > 10);
    assert.ok(performance.now() - from < 2000, "without them each turn sleeps a second");
  }
});

Deno.test("Shard.run() does not sleep while partitions have something to do, so that flush.ms and removals are on time", () => {
  using fixture = new ShardFixture();
  const { partitions } = fixture.world.at(0);
  let isDone = false;
  partitions.owned.change({ changed: [topicOn(Array(80).fill(0))], deleted: [] }, () => isDone = true);
  const from = performance.now();
  fixture.shard.run(() => isDone);
  assert.ok(performance.now() - from < 2000, "without them each turn sleeps a second");
});

Deno.test("Shard sends the answers that are ready before it closes a connection, and reports the reason", async () => {
  using fixture = new ShardFixture();
  fixture.route = (connection) => {
    const exchange = connection.pipeline.push({ ...HEADER, correlationId: 5 }, FETCH);
    exchange.respond({ responses: [] });
    connection.close("a request is malformed");
  };
  const pair = await fixture.connect();
  await pair.send(concatBytes([frame(1), frame(2)]));
  fixture.turn();
  const received = await pair.receive(100);
  assert.equal(received.length, ANSWER_BYTES);
  assert.match(fixture.reports.join(), /127\.0\.0\.1:\d+ .*a request is malformed/);
  assert.deepEqual([fixture.shard.connectionsCount, fixture.closedPeers], [0, [PEER]]);
});

Deno.test("Shard closes a connection that its client reset or shut down, and reports nothing to the operator", async () => {
  using fixture = new ShardFixture();
  const reset = await fixture.connect();
  const shut = await fixture.connect();
  assert.equal(fixture.shard.connectionsCount, 2);
  fixture.route = (connection) => connection.sendEncoded(new Uint8Array(10), 10, []);
  await reset.send(frame(1));
  fixture.turn();
  // The close becomes a reset, because the client has not received the answer.
  reset.peer.close();
  await shut.peer.closeWrite();
  reset.ready(FAILED);
  shut.ready(READABLE);
  fixture.turn();
  assert.deepEqual([fixture.shard.connectionsCount, fixture.closedPeers, fixture.reports], [0, [PEER, PEER], []]);
  assert.equal(await shut.peer.read(new Uint8Array(1)), null);
});

Deno.test("Shard tells of ended connections that were other brokers', but not of those that it ends itself at its stop", async () => {
  using fixture = new ShardFixture();
  const [client, broker, kept] = [await fixture.connect(), await fixture.connect(), await fixture.connect()];
  const idOf = new Map([[broker, 2], [kept, 3]]);
  for (const each of [client, broker, kept]) {
    fixture.route = ({ context }) => void (context.brokerId = idOf.get(each) ?? null);
    await each.send(frame(1));
    fixture.turn();
  }
  for (const each of [client, broker]) {
    await each.peer.closeWrite();
    each.ready(READABLE);
  }
  fixture.turn();
  fixture.shard.disconnect();
  assert.deepEqual(fixture.closedBrokers, [2]);
});

Deno.test("Shard that is disconnected closes connections that are still transferred to it", async () => {
  using fixture = new ShardFixture();
  fixture.shard.disconnect();
  using late = await SocketPair.open();
  fixture.transfer(late.release());
  fixture.turn();
  assert.equal(await late.peer.read(new Uint8Array(1)), null);
  using last = await SocketPair.open();
  fixture.transfer(last.release());
  fixture.shard.dispose();
  assert.equal(await last.peer.read(new Uint8Array(1)), null);
});

Deno.test("Shard closes a connection that keeps memory and moves nothing while another waits, and serves the other", async () => {
  using fixture = new ShardFixture();
  const { arena } = fixture.shard;
  const received: number[] = [];
  fixture.route = (_connection, _start, length) => void received.push(length);
  // Large requests may have 336 MiB. These allocations leave room for one block of 128 and one of 4.
  for (const size of [128, 64, 8]) arena.allocate(size * MIB);
  const turns = async (count: number) => {
    for (let turn = 0; turn < count; turn++) {
      fixture.turn();
      await new Promise((resolve) => setTimeout(resolve));
    }
  };
  const sending: Promise<void>[] = [];
  const begin = async (pair: SocketPair, bytes: Uint8Array) => {
    await pair.send(bytes.subarray(0, 100));
    await turns(1);
    sending.push(pair.write(bytes.subarray(100)));
  };
  const hog = await fixture.connect();
  // Blocks of 64 KiB, 512 KiB, 4 MiB, 128 MiB. The first is for few bytes, however the network cuts the rest.
  await begin(hog, concatBytes([sizePrefix(90 * MIB), new Uint8Array(5 * MIB)]));
  while (arena.usedBytes < 320 * MIB) await turns(1);
  const waiter = await fixture.connect();
  const request = frame(1, 5 * MIB);
  await begin(waiter, request);
  while (fixture.shard.memory.waitingCount === 0) await turns(1);
  fixture.world.clock.advance(9_999);
  await turns(30);
  assert.deepEqual([fixture.shard.connectionsCount, received], [2, []]);
  fixture.world.clock.advance(1);
  await turns(1);
  assert.match(fixture.reports.join(), /holds 134217728 bytes .* moved 0 in 10000 ms/);
  assert.equal(fixture.shard.connectionsCount, 1);
  while (received.length === 0) await turns(1);
  await Promise.all(sending);
  assert.deepEqual(received, [5 * MIB]);
  fixture.world.clock.advance(60_000);
  await turns(2);
  assert.equal(fixture.shard.connectionsCount, 1, "nobody waits any more");
});

Deno.test("Shard frees memory for an answer by closing the client with the most unread answers", async () => {
  using fixture = new ShardFixture();
  const { arena } = fixture.shard;
  const answer = new Uint8Array(MIB);
  fixture.route = (connection) => connection.sendEncoded(answer, answer.length, []);
  const greedy = await fixture.connect();
  await greedy.send(concatBytes(Array.from({ length: 20 }, (_, id) => frame(id))));
  // It takes nothing: its answers fill the socket, then memory, and it is read no further.
  for (let turn = 0; turn < 20; turn++) fixture.turn();
  while (arena.allocate(16 * 1024) !== -1);
  const modest = await fixture.connect();
  await modest.send(frame(1));
  while (fixture.shard.connectionsCount === 2) fixture.turn();
  assert.match(fixture.reports.join(), /memory for answers is used up and this client leaves \d+ bytes/);
  const receiving = modest.receive(MIB);
  for (let isDone = false; !isDone;) {
    fixture.turn();
    isDone = await Promise.race([
      receiving.then(() => true),
      new Promise<false>((resolve) => setTimeout(resolve, 0, false)),
    ]);
  }
  assert.equal((await receiving).length, MIB);
});

Deno.test("Shard counts the time of its waits, but not of its turns, unless it is the only shard", () => {
  for (const [shardsCount, waitedUs] of [[2, 3 * 250], [1, 0]] as const) {
    // Each clock reading takes a quarter of a millisecond. A wait reads it before and after, and so takes as long.
    let looks = 0;
    const clock = { wallMs: () => 0, monotonicMs: () => 0.25 * looks++ };
    using fixture = new ShardFixture({ shardsCount, clock });
    fixture.coordinators = {
      ...noCoordinators,
      get nextDeadlineMs() {
        return 0.25 * looks + 1;
      },
    };
    const waits = (count: number) => {
      for (let turns = 0; turns < count; turns++) fixture.shard.run(turnsOf(2));
    };
    const isolates = new IsolateTable(fixture.world.state.isolates);
    fixture.turn();
    waits(3);
    assert.equal(isolates.get(0, ISOLATE.waited), waitedUs);
    for (let turn = 0; turn < 5; turn++) fixture.turn();
    assert.equal(isolates.get(0, ISOLATE.waited), waitedUs, "a turn that does not wait");
  }
});

/** Lets a shard run this many turns. All but the last may wait. */
function turnsOf(count: number): () => boolean {
  let left = count;
  return () => --left === 0;
}
