import { strict as assert } from "node:assert";
import { ARENA_BYTES, BLOCK_BYTES_MAX } from "../partitions/mod.ts";
import { READABLE } from "../storage/mod.ts";
import { concatBytes } from "../tests/record_batch_builder.ts";
import { CLOSED_BY_CLIENT, Connection, LANDING_BYTES } from "./connection.ts";
import type { RequestExchange } from "./exchange.ts";
import { apiByKey } from "./protocol/api_table.ts";
import { FakeShard, SocketPair } from "./socket_testing.ts";

const FETCH = apiByKey(1)!;
const HEADER = { apiKey: 1, apiVersion: 4, clientId: null };
const MIB = 1024 * 1024;

/** A frame whose body is a number and then that many low bytes of it. */
function frame(id: number, length = 12): Uint8Array {
  const bytes = new Uint8Array(4 + length).fill(id);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, length);
  if (length >= 4) view.setInt32(4, id);
  return bytes;
}

function sizePrefix(size: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, size);
  return bytes;
}

/** Reads until the socket is empty and whatever the connection asks for has been done. */
function readAll(pair: SocketPair, connection: Connection, shard: FakeShard): void {
  while (shard.isReading && connection.closeReason === null && pair.ready(READABLE) !== 0) {
    const before = shard.requests.length;
    connection.onReadable();
    if (shard.requests.length > before) return;
  }
}

function ids(shard: FakeShard): number[] {
  return shard.requests.map((bytes) => new DataView(bytes.buffer).getInt32(0));
}

/** Keeps every request waiting, as a fetch that waits. */
function collectExchanges(shard: FakeShard): RequestExchange[] {
  const exchanges: RequestExchange[] = [];
  shard.handle = ({ pipeline }) => {
    exchanges.push(pipeline.push({ ...HEADER, correlationId: exchanges.length }, FETCH));
  };
  return exchanges;
}

function assertNothingHeld(shard: FakeShard): void {
  shard.releaseLanding();
  assert.equal(shard.arena.usedBytes, 0);
}

Deno.test("Connection.onReadable() hands whole requests over in order, many from one receive, and holds no memory between", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  await pair.send(concatBytes([1, 2, 3].map((id) => frame(id))));
  readAll(pair, connection, shard);
  assert.deepEqual(ids(shard), [1, 2, 3]);
  assert.deepEqual(shard.requests[1], frame(2).subarray(4));
  assert.equal(shard.arena.usedBytes, LANDING_BYTES);
  assert.equal(connection.heldBytes, 0);
});

Deno.test("Connection.onReadable() puts requests together however their bytes are cut", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  const bytes = concatBytes([frame(1), frame(2, 20), frame(3, 4)]);
  for (let cut = 1; cut < bytes.length; cut += 3) {
    shard.requests.length = 0;
    for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
      await pair.send(part);
      connection.onReadable();
    }
    assert.deepEqual(ids(shard), [1, 2, 3], `cut at ${cut}`);
    assert.equal(connection.heldBytes, 0);
  }
  for (const byte of bytes) {
    await pair.send(new Uint8Array([byte]));
    connection.onReadable();
  }
  assert.deepEqual(ids(shard), [1, 2, 3, 1, 2, 3]);
  assertNothingHeld(shard);
});

Deno.test("Connection takes memory for what arrived, not for what a size promises", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  await pair.send(concatBytes([sizePrefix(shard.requestBytesMax), new Uint8Array(20)]));
  connection.onReadable();
  assert.equal(connection.heldBytes, 64 * 1024);
  await pair.send(new Uint8Array(100_000));
  while (connection.heldBytes < 100_000) {
    pair.ready(READABLE);
    connection.onReadable();
  }
  assert.ok(connection.heldBytes <= MIB, "at most eight times as much, rounded up to a block");
  connection.dispose();
  assertNothingHeld(shard);
});

Deno.test("Connection puts a request of several megabytes together and frees its block", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  const large = frame(77, 5_000_000);
  const sending = pair.send(concatBytes([frame(1), large, frame(2)]));
  while (shard.requests.length < 3) {
    pair.ready(READABLE);
    connection.onReadable();
    // The client's writes go on meanwhile.
    await new Promise((resolve) => setTimeout(resolve));
  }
  await sending;
  assert.deepEqual(ids(shard), [1, 77, 2]);
  assert.deepEqual(shard.requests[1], large.subarray(4));
  assert.equal(connection.heldBytes, 0);
  assertNothingHeld(shard);
});

Deno.test("Connection closes on a size that is negative or beyond the limit, and hands over what came before", async () => {
  for (const size of [-1, -0x8000_0000, 1001, 0x7fff_ffff]) {
    using pair = await SocketPair.open();
    const shard = new FakeShard();
    shard.requestBytesMax = 1000;
    const connection = shard.connect(pair);
    await pair.send(concatBytes([frame(1), sizePrefix(size), frame(2)]));
    connection.onReadable();
    assert.deepEqual(ids(shard), [1]);
    assert.match(connection.closeReason ?? "", new RegExp(`invalid request size ${size} `));
    assert.equal(shard.dirtyCount, 1);
    connection.dispose();
    assertNothingHeld(shard);
  }
});

Deno.test("Connection replaces a landing block that somebody else still reads", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  const blocks: number[] = [];
  shard.handle = () => blocks.push(connection.retainBlock());
  await pair.send(concatBytes([frame(1), frame(2)]));
  connection.onReadable();
  assert.equal(shard.renewedCount, 1);
  const [first] = blocks as [number];
  const kept = shard.arena.memory.bytes.slice(first, first + 32);
  shard.handle = () => {};
  await pair.send(frame(9, 28));
  connection.onReadable();
  assert.deepEqual(shard.arena.memory.bytes.slice(first, first + 32), kept);
  assert.equal(shard.renewedCount, 1);
  for (const block of blocks) connection.releaseBlock(block);
  assertNothingHeld(shard);
});

Deno.test("Connection leaves its own block to who still reads it, also when it is disposed of", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  let block = -1;
  shard.handle = () => block = connection.retainBlock();
  const bytes = frame(5, 1000);
  await pair.send(bytes.subarray(0, 500));
  connection.onReadable();
  await pair.send(concatBytes([bytes.subarray(500), frame(6, 40).subarray(0, 10)]));
  while (connection.heldBytes === 0 || shard.requests.length === 0) connection.onReadable();
  assert.deepEqual(ids(shard), [5]);
  connection.dispose();
  assert.deepEqual(shard.arena.memory.bytes.slice(block, block + 1004), bytes);
  connection.releaseBlock(block);
  assertNothingHeld(shard);
});

Deno.test("Connection.close() inside a handler ends the handling of what else has arrived, in either kind of block", async () => {
  for (const isOwn of [false, true]) {
    using pair = await SocketPair.open();
    const shard = new FakeShard();
    const connection = shard.connect(pair);
    shard.handle = () => connection.close("for the test");
    if (isOwn) {
      await pair.send(frame(1).subarray(0, 7));
      connection.onReadable();
      await pair.send(concatBytes([frame(1).subarray(7), frame(2)]));
    } else await pair.send(concatBytes([frame(1), frame(2), frame(3).subarray(0, 5)]));
    connection.onReadable();
    connection.onReadable();
    connection.resume();
    assert.deepEqual(ids(shard), [1]);
    assert.equal(connection.closeReason, "for the test");
    connection.dispose();
    assertNothingHeld(shard);
  }
});

Deno.test("Connection stops reading at a full pipeline and goes on in order as answers leave", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  const exchanges = collectExchanges(shard);
  const count = 300;
  await pair.send(concatBytes(Array.from({ length: count }, (_, id) => frame(id))));
  connection.onReadable();
  assert.equal(exchanges.length, 128);
  assert.equal(shard.isReading, false);
  assert.ok(connection.heldBytes > 0, "what arrived is kept");
  connection.onReadable();
  connection.resume();
  assert.equal(exchanges.length, 128);
  for (let answered = 0; answered < count; answered++) {
    const dirtyBefore = shard.dirtyCount;
    exchanges[answered]?.respondNothing();
    if (answered < count - 128) assert.equal(shard.dirtyCount, dirtyBefore + 1, "the shard hears of the room");
    connection.resume();
    assert.equal(exchanges.length, Math.min(count, 129 + answered));
  }
  assert.deepEqual(ids(shard), Array.from({ length: count }, (_, id) => id));
  assert.ok(shard.isReading);
  assertNothingHeld(shard);
});

Deno.test("Connection stops reading at a few megabytes of requests without an answer", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  const exchanges = collectExchanges(shard);
  const sending = pair.send(concatBytes(Array.from({ length: 8 }, (_, id) => frame(id, 3 * MIB))));
  while (shard.isReading) {
    pair.ready(READABLE);
    connection.onReadable();
    await new Promise((resolve) => setTimeout(resolve));
  }
  assert.equal(exchanges.length, 3, "the third goes beyond 8 MiB");
  exchanges[0]?.respondNothing();
  assert.equal(connection.pipeline.heldBytes, 6 * MIB);
  connection.resume();
  assert.ok(shard.isReading);
  connection.dispose();
  pair.closeFd();
  await assert.rejects(sending);
  assertNothingHeld(shard);
});

Deno.test("Connection stops reading while a client does not take its answers, and goes on when it does", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  const answer = new Uint8Array(600_000);
  shard.handle = () => connection.sendEncoded(answer, answer.length, []);
  await pair.send(concatBytes(Array.from({ length: 20 }, (_, id) => frame(id))));
  connection.onReadable();
  assert.equal(shard.requests.length, 2, "a third answer would go beyond a megabyte");
  assert.equal(shard.isReading, false);
  const receiving = pair.receive(answer.length * 20);
  while (shard.requests.length < 20 || connection.sender.pendingBytes > 0) {
    connection.sender.flush();
    connection.resume();
    await new Promise((resolve) => setTimeout(resolve));
  }
  assert.equal((await receiving).length, answer.length * 20);
  assert.ok(shard.isReading);
  assertNothingHeld(shard);
});

Deno.test("Connection waits for a landing block when the arena is used up, and loses nothing", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  const blocks: number[] = [];
  for (let size = BLOCK_BYTES_MAX; size >= 16 * 1024; size /= 2) {
    for (let block = shard.arena.allocate(size); block !== -1; block = shard.arena.allocate(size)) blocks.push(block);
  }
  await pair.send(concatBytes([frame(1), frame(2)]));
  connection.onReadable();
  assert.deepEqual([shard.isWaitingForMemory, shard.isReading, shard.requests.length], [true, false, 0]);
  connection.resume();
  connection.onReadable();
  assert.deepEqual([shard.isWaitingForMemory, shard.isReading], [true, false]);
  for (const block of blocks) shard.arena.release(block);
  connection.resume();
  assert.ok(shard.isReading);
  connection.onReadable();
  assert.deepEqual([shard.isWaitingForMemory, ids(shard)], [false, [1, 2]]);
  assertNothingHeld(shard);
});

Deno.test("Connection with a large request leaves the last part of the arena to others, waits, and goes on with every byte", async () => {
  using pair = await SocketPair.open();
  using other = await SocketPair.open();
  const shard = new FakeShard();
  const [connection, bystander] = [shard.connect(pair), shard.connect(other)];
  const blocks = [128, 128, 128, 32].map((size) => shard.arena.allocate(size * MIB));
  const large = frame(3, 40 * MIB);
  large.forEach((_, index) => index < 8 || (large[index] = index * 7));
  const sending = pair.send(large);
  while (!shard.isWaitingForMemory) {
    pair.ready(READABLE);
    connection.onReadable();
    await new Promise((resolve) => setTimeout(resolve));
  }
  assert.equal(shard.isReading, false);
  assert.ok(ARENA_BYTES - shard.arena.usedBytes >= 64 * MIB);
  await other.send(frame(1));
  bystander.onReadable();
  assert.deepEqual(ids(shard), [1]);
  shard.arena.release(blocks.shift() as number);
  connection.resume();
  while (shard.requests.length < 2) {
    pair.ready(READABLE);
    connection.onReadable();
    await new Promise((resolve) => setTimeout(resolve));
  }
  await sending;
  assert.equal(shard.isWaitingForMemory, false);
  const received = shard.requests[1] as Uint8Array;
  assert.equal(received.length, 40 * MIB);
  assert.ok(received.every((byte, index) => byte === large[index + 4]));
  for (const block of blocks) shard.arena.release(block);
  assertNothingHeld(shard);
});

Deno.test("Connection carries out what arrived before the client shut down, then closes", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  await pair.send(concatBytes([frame(1), frame(2), frame(3).subarray(0, 6)]));
  await pair.peer.closeWrite();
  for (let calls = 0; connection.closeReason === null && calls < 4; calls++) {
    pair.ready(READABLE);
    connection.onReadable();
  }
  assert.deepEqual(ids(shard), [1, 2]);
  assert.equal(connection.closeReason, CLOSED_BY_CLIENT);
  connection.dispose();
  assertNothingHeld(shard);
});

Deno.test("Connection.dispose() lets go of what waits, what is kept and what is unsent, and of late answers", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  const exchanges = collectExchanges(shard);
  await pair.send(concatBytes([1, 2, 3, 4].map((id) => frame(id))));
  connection.onReadable();
  const [first, second, third] = exchanges as [RequestExchange, RequestExchange, RequestExchange];
  let released = 0;
  const answer = () => ({
    responses: [{
      topic: "t",
      partitions: [{
        partitionIndex: 0,
        errorCode: 0,
        highWatermark: 1,
        records: { byteLength: 100_000, fd: -1, position: 0, release: () => released++ },
      }],
    }],
  });
  let dropped = 0;
  third.onAbandoned(() => dropped++);
  first.respond(answer());
  exchanges[3]?.respond(answer());
  assert.equal(released, 0);
  connection.dispose();
  assert.deepEqual([released, dropped], [2, 1]);
  second.respond(answer());
  assert.equal(released, 3, "an answer that comes later gives its slice back at once");
  assertNothingHeld(shard);
});

Deno.test("Connection that belongs to another shard reads no further, and can move once its last request ended", async () => {
  for (const isAnswered of [true, false]) {
    using pair = await SocketPair.open();
    const shard = new FakeShard();
    const connection = shard.connect(pair);
    const exchanges: RequestExchange[] = [];
    shard.handle = ({ pipeline, affinity }) => {
      exchanges.push(pipeline.push({ ...HEADER, correlationId: exchanges.length }, FETCH));
      affinity.touch(1);
      affinity.endRequest();
    };
    await pair.send(concatBytes(Array.from({ length: 8 }, (_, id) => frame(id))));
    connection.onReadable();
    await pair.send(frame(9));
    connection.onReadable();
    assert.deepEqual([exchanges.length, shard.isReading, connection.canMove], [8, false, false]);
    for (const exchange of exchanges) {
      assert.equal(connection.canMove, false);
      shard.dirtyCount = 0;
      if (isAnswered) exchange.respond({ responses: [] });
      else exchange.respondNothing();
      assert.equal(shard.dirtyCount, 1, "the shard looks at it again");
    }
    connection.sender.flush();
    assert.ok(connection.canMove);
    connection.dispose();
    assertNothingHeld(shard);
  }
});
