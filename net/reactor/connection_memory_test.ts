import { strict as assert } from "node:assert";
import { fillArena } from "../../partitions/shared/arena_testing.ts";
import { READABLE } from "../../storage/mod.ts";
import { concatBytes } from "../../tests/record_batch_builder.ts";
import {
  assertNothingHeld,
  collectExchanges,
  FakeShard,
  frame,
  ids,
  sizePrefix,
  SocketPair,
} from "./socket_testing.ts";

const MIB = 1024 * 1024;

Deno.test("Connection takes memory for the bytes that arrived, not for the size that was announced", async () => {
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

Deno.test("Connection replaces a landing block that another shard still reads", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  const blocks: number[] = [];
  shard.handle = () => {
    blocks.push(connection.currentBlock);
    connection.retainBlock(connection.currentBlock);
  };
  await pair.send(concatBytes([frame(1), frame(2)]));
  connection.onReadable();
  const [first] = blocks as [number];
  const second = shard.memory.landing;
  assert.notEqual(second, first);
  const kept = shard.arena.memory.bytes.slice(first, first + 32);
  shard.handle = () => {};
  await pair.send(frame(9, 28));
  connection.onReadable();
  assert.deepEqual(shard.arena.memory.bytes.slice(first, first + 32), kept);
  assert.equal(shard.memory.landing, second, "nobody reads that one");
  for (const block of blocks) connection.releaseBlock(block);
  assertNothingHeld(shard);
});

Deno.test("Connection leaves its own block to a shard that still reads it, also when the connection is disposed of", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  let block = -1;
  shard.handle = () => {
    block = connection.currentBlock;
    connection.retainBlock(block);
  };
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

Deno.test("Connection stops reading at a few megabytes of unanswered requests", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  const exchanges = collectExchanges(shard);
  const sending = pair.write(concatBytes(Array.from({ length: 8 }, (_, id) => frame(id, 3 * MIB))));
  while (shard.isReading) {
    pair.ready(READABLE);
    connection.onReadable();
    await new Promise((resolve) => setTimeout(resolve));
  }
  assert.equal(exchanges.length, 3, "the third goes beyond 8 MiB");
  exchanges[0]?.respondNothing();
  assert.equal(connection.pipeline.heldBytes, 6 * MIB);
  connection.resumeReading();
  assert.ok(shard.isReading);
  connection.dispose();
  pair.closeFd();
  // The write fails, unless the kernel buffers the rest.
  await Promise.allSettled([sending]);
  assertNothingHeld(shard);
});

Deno.test("Connection stops reading while a client does not take its answers, and continues when it does", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  const answer = new Uint8Array(600_000);
  shard.handle = () => connection.sendEncoded(answer, answer.length, []);
  await pair.send(concatBytes(Array.from({ length: 20 }, (_, id) => frame(id))));
  connection.onReadable();
  assert.equal(shard.requests.length, 1, "there is an answer of more than 256 KiB in memory");
  assert.equal(shard.isReading, false);
  const receiving = pair.receive(answer.length * 20);
  while (shard.requests.length < 20 || connection.sender.pendingBytes > 0) {
    connection.sender.flush();
    connection.resumeReading();
    await new Promise((resolve) => setTimeout(resolve));
  }
  assert.equal((await receiving).length, answer.length * 20);
  assert.ok(shard.isReading);
  assertNothingHeld(shard);
});

Deno.test("Connection waits for a landing block when the arena is used up, and loses no byte", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  const blocks = fillArena(shard.arena);
  await pair.send(concatBytes([frame(1), frame(2)]));
  connection.onReadable();
  assert.deepEqual([shard.isWaitingForMemory, shard.isReading, shard.requests.length], [true, false, 0]);
  connection.resumeReading();
  connection.onReadable();
  assert.deepEqual([shard.isWaitingForMemory, shard.isReading], [true, false]);
  for (const block of blocks) shard.arena.release(block);
  shard.memory.grantWaiting();
  assert.deepEqual([shard.isWaitingForMemory, shard.isReading], [false, true]);
  connection.onReadable();
  assert.deepEqual(ids(shard), [1, 2]);
  assertNothingHeld(shard);
});

Deno.test("Connection with a large request leaves the last part of the arena to others, waits, and loses no byte", async () => {
  using pair = await SocketPair.open();
  using other = await SocketPair.open();
  const shard = new FakeShard();
  const [connection, bystander] = [shard.connect(pair), shard.connect(other)];
  const blocks = [128, 64, 32].map((size) => shard.arena.allocate(size * MIB));
  const reserved = shard.arena.allocateReserved();
  const large = frame(3, 40 * MIB);
  large.forEach((_, index) => index < 8 || (large[index] = index * 7));
  const sending = pair.write(large);
  while (!shard.isWaitingForMemory) {
    pair.ready(READABLE);
    connection.onReadable();
    await new Promise((resolve) => setTimeout(resolve));
  }
  assert.equal(shard.isReading, false);
  connection.resumeReading();
  assert.equal(shard.isReading, false, "it waits until the memory is there");
  assert.ok(shard.arena.sharedBytes - shard.arena.usedBytes >= 64 * MIB);
  await other.send(frame(1));
  bystander.onReadable();
  assert.deepEqual(ids(shard), [1]);
  shard.arena.release(blocks.shift() as number);
  shard.memory.grantWaiting();
  assert.ok(shard.isReading);
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
  for (const block of [...blocks, reserved]) shard.arena.release(block);
  assertNothingHeld(shard);
});
