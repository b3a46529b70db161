import { strict as assert } from "node:assert";
import { READABLE } from "../../storage/mod.ts";
import { concatBytes } from "../../tests/record_batch_builder.ts";
import { CLOSED_BY_CLIENT, type Connection } from "./connection.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import { RefusedBatches } from "../requests/produce/refused_batches.ts";
import { LANDING_BYTES } from "./request_memory.ts";
import {
  assertNothingHeld,
  collectExchanges,
  FakeShard,
  FETCH,
  frame,
  HEADER,
  ids,
  sizePrefix,
  SocketPair,
} from "./socket_testing.ts";

/** Reads until the socket is empty and the connection has no further work. */
function readAll(pair: SocketPair, connection: Connection, shard: FakeShard): void {
  while (shard.isReading && connection.closeReason === null && pair.ready(READABLE) !== 0) {
    const before = shard.requests.length;
    connection.onReadable();
    if (shard.requests.length > before) return;
  }
}

Deno.test("Connection.onReadable() handles whole requests in order, many from one receive, and holds no memory in between", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  await pair.send(concatBytes([1, 2, 3].map((id) => frame(id))));
  readAll(pair, connection, shard);
  assert.deepEqual(ids(shard), [1, 2, 3]);
  assert.deepEqual(shard.requests[1], frame(2).subarray(4));
  assert.equal(shard.arena.usedBytes, 2 * LANDING_BYTES);
  assert.equal(connection.heldBytes, 0);
});

Deno.test("Connection.onReadable() assembles requests however their bytes are cut", async () => {
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

Deno.test("Connection assembles a request of several megabytes and frees its block", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  const large = frame(77, 5_000_000);
  const sending = pair.write(concatBytes([frame(1), large, frame(2)]));
  while (shard.requests.length < 3) {
    pair.ready(READABLE);
    connection.onReadable();
    // The client's writes continue meanwhile.
    await new Promise((resolve) => setTimeout(resolve));
  }
  await sending;
  assert.deepEqual(ids(shard), [1, 77, 2]);
  assert.deepEqual(shard.requests[1], large.subarray(4));
  assert.equal(connection.heldBytes, 0);
  assertNothingHeld(shard);
});

Deno.test("Connection closes on a negative size and on one beyond the limit, and handles what came before", async () => {
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

Deno.test("Connection.close() inside a handler stops the handling of what else arrived, in either kind of block", async () => {
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
    connection.resumeReading();
    assert.deepEqual(ids(shard), [1]);
    assert.equal(connection.closeReason, "for the test");
    connection.dispose();
    assertNothingHeld(shard);
  }
});

Deno.test("Connection stops reading at a full pipeline and continues in order as answers are sent", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  const exchanges = collectExchanges(shard);
  const count = 300;
  await pair.send(concatBytes(Array.from({ length: count }, (_, id) => frame(id))));
  connection.onReadable();
  assert.equal(exchanges.length, 32, "the others have their turn");
  shard.takeTurns();
  assert.equal(exchanges.length, 128);
  assert.equal(shard.isReading, false);
  assert.ok(connection.heldBytes > 0, "what arrived is kept");
  connection.onReadable();
  connection.resumeReading();
  assert.equal(exchanges.length, 128);
  for (let answered = 0; answered < count; answered++) {
    const dirtyBefore = shard.dirtyCount;
    exchanges[answered]?.respondNothing();
    if (answered < count - 128) assert.equal(shard.dirtyCount, dirtyBefore + 1, "the room is reported to the shard");
    connection.resumeReading();
    assert.equal(exchanges.length, Math.min(count, 129 + answered));
  }
  assert.deepEqual(ids(shard), Array.from({ length: count }, (_, id) => id));
  assert.ok(shard.isReading);
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

Deno.test("Connection.dispose() releases waiting requests, kept bytes, unsent answers and late answers", async () => {
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

/** A connection whose eight unanswered requests were all about another shard's partitions; a ninth request waits on its socket. */
async function pendingTransfer(pair: SocketPair) {
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  const exchanges: RequestExchange[] = [];
  shard.handle = ({ pipeline, affinity }) => {
    exchanges.push(pipeline.push({ ...HEADER, correlationId: exchanges.length }, FETCH));
    affinity.countPartition(1);
    affinity.endRequest();
  };
  await pair.send(concatBytes(Array.from({ length: 8 }, (_, id) => frame(id))));
  connection.onReadable();
  await pair.send(frame(9));
  connection.onReadable();
  assert.deepEqual([exchanges.length, shard.isReading, connection.canTransfer], [8, false, false]);
  return { shard, connection, exchanges };
}

Deno.test("Connection that belongs to another shard stops reading, and can be transferred once its last request ended", async () => {
  for (const isAnswered of [true, false]) {
    using pair = await SocketPair.open();
    const { shard, connection, exchanges } = await pendingTransfer(pair);
    for (const exchange of exchanges) {
      assert.equal(connection.canTransfer, false);
      shard.dirtyCount = 0;
      if (isAnswered) exchange.respond({ responses: [] });
      else exchange.respondNothing();
      assert.equal(shard.dirtyCount, 1, "the shard checks it again");
    }
    connection.sender.flush();
    assert.ok(connection.canTransfer);
    const batch = { producerId: 1, topic: "t", partition: 0, sequence: 0 };
    const refused = connection.context.refusedBatches = new RefusedBatches();
    refused.onRefused(batch, 0);
    assert.equal(connection.canTransfer, false, "what it remembers would stay behind");
    refused.onStored(batch);
    assert.ok(connection.canTransfer);
    connection.dispose();
    assertNothingHeld(shard);
  }
});

Deno.test("Connection that was to be transferred resumes reading when a pending request ties it to its shard", async () => {
  for (const tie of ["a refused batch", "a fetch session"]) {
    for (const isAnswered of [true, false]) {
      using pair = await SocketPair.open();
      const { shard, connection, exchanges } = await pendingTransfer(pair);
      if (tie === "a fetch session") connection.affinity.pin();
      else {
        connection.context.refusedBatches = new RefusedBatches();
        connection.context.refusedBatches.onRefused({ producerId: 1, topic: "t", partition: 0, sequence: 0 }, 0);
      }
      shard.dirtyCount = 0;
      for (const exchange of exchanges) {
        if (isAnswered) exchange.respond({ responses: [] });
        else exchange.respondNothing();
      }
      assert.ok(shard.dirtyCount > 0, "the shard checks it again");
      connection.sender.flush();
      connection.resumeReading();
      assert.deepEqual([shard.isReading, connection.canTransfer], [true, false], tie);
      connection.onReadable();
      assert.equal(exchanges.length, 9);
      connection.dispose();
      assertNothingHeld(shard);
    }
  }
});
