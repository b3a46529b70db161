import { strict as assert } from "node:assert";
import { Affinity } from "../reactor/affinity.ts";
import type { PipelineOwner } from "./exchange.ts";
import { Pipeline } from "./pipeline.ts";
import { fetchApi } from "../handlers/01_fetch.ts";
import { type RecordsPayload, Writer } from "../protocol/writer.ts";
import { testContext } from "../reactor/socket_testing.ts";
import { untimed } from "./times/request_times_testing.ts";

class FakeConnection implements PipelineOwner {
  readonly context = testContext();
  readonly writer = new Writer();
  readonly affinity = new Affinity(0, 0);
  readonly sent: { correlationId: number; size: number; bytes: number; holes: number }[] = [];
  readonly closed: string[] = [];

  sendEncoded(bytes: Uint8Array, end: number, holes: readonly { at: number; payload: RecordsPayload }[]): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const inHoles = holes.reduce((sum, { payload }) => sum + payload.byteLength, 0);
    this.sent.push({
      correlationId: view.getInt32(4),
      size: view.getInt32(0),
      bytes: end + inHoles,
      holes: holes.length,
    });
  }
  endedCount = 0;
  onEnded(): void {
    this.endedCount++;
  }
  onHandlerFailure(): void {}
  mute(): void {}
  close(reason: string): void {
    this.closed.push(reason);
  }
  readonly currentBlock = 0;
  readonly arrivedUs = 0;
  readonly times = untimed();
  onAnswer(): void {}
  retainBlock(): void {}
  releaseBlock(): void {}
}

class FakeSlice {
  readonly byteLength = 100;
  released = 0;
  release(): void {
    this.released++;
  }
}

function create() {
  const connection = new FakeConnection();
  const pipeline = new Pipeline(connection);
  const push = (correlationId: number) =>
    pipeline.push({ apiKey: 1, apiVersion: 4, correlationId, clientId: null }, fetchApi);
  return { connection, pipeline, push };
}

function answer(records: RecordsPayload | null = null) {
  const partition = { partitionIndex: 0, errorCode: 0, highWatermark: 1, records: records ?? new Uint8Array(0) };
  return { responses: [{ topic: "t", partitions: [partition] }] };
}

Deno.test("Pipeline sends answers in request order, whatever the order in which they are given", () => {
  const { connection, pipeline, push } = create();
  const [first, second, third, fourth] = [push(1), push(2), push(3), push(4)];
  third.respond(answer());
  second.respondNothing();
  assert.deepEqual(connection.sent, []);
  first.respond(answer());
  assert.deepEqual(connection.sent.map(({ correlationId }) => correlationId), [1, 3]);
  assert.equal(pipeline.length, 1);
  fourth.respond(answer());
  assert.deepEqual(connection.sent.map(({ correlationId }) => correlationId), [1, 3, 4]);
  assert.equal(pipeline.length, 0);
});

Deno.test("RequestExchange.respond() writes the size of everything that follows, slices included", () => {
  const { connection, push } = create();
  const slice = new FakeSlice();
  const [first, second] = [push(1), push(2)];
  second.respond(answer(slice));
  first.respond(answer());
  for (const { size, bytes } of connection.sent) assert.equal(size, bytes - 4);
  assert.equal(connection.sent[1]?.holes, 1);
  assert.equal(slice.released, 0, "the sender owns the slice now");
});

Deno.test("Pipeline.abandon() drops each waiting request once, and returns the slices of kept answers", () => {
  const { connection, pipeline, push } = create();
  const slice = new FakeSlice();
  const [first, second] = [push(1), push(2)];
  let dropped = 0;
  first.onAbandoned(() => dropped++);
  second.respond(answer(slice));
  pipeline.abandon();
  assert.equal(dropped, 1);
  assert.equal(slice.released, 1);
  const late = new FakeSlice();
  first.respond(answer(late));
  assert.equal(late.released, 1, "an answer that is not awaited returns its slices");
  assert.deepEqual(connection.sent, []);
});

Deno.test("RequestExchange.respondNothing() reports to the connection that its pipeline has room", () => {
  const { connection, pipeline, push } = create();
  const [first, second] = [push(1), push(2)];
  second.respondNothing();
  assert.equal(connection.endedCount, 0, "the pipeline has not become shorter");
  first.respondNothing();
  assert.equal(connection.endedCount, 1);
  assert.equal(pipeline.length, 0);
});

Deno.test("RequestExchange.respond() twice is a broken invariant", () => {
  const { push } = create();
  const exchange = push(1);
  exchange.respond(answer());
  assert.throws(() => exchange.respond(answer()), /answered once/);
});

Deno.test("RequestExchange.beginSlices() holds later requests until its end, or until the answer after holdFollowers()", () => {
  for (const isToldTo of [false, true]) {
    const { pipeline, push } = create();
    const exchange = push(1);
    const end = exchange.beginSlices();
    assert.ok(pipeline.isHeld);
    if (isToldTo) exchange.holdFollowers();
    end();
    assert.equal(pipeline.isHeld, isToldTo);
    exchange.respond(answer());
    assert.equal(pipeline.isHeld, false);
  }
});

Deno.test("Pipeline counts only the answer of a request that is answered before its turn, and lets later requests continue", () => {
  for (const hasAnswer of [true, false]) {
    const { connection, pipeline, push } = create();
    const { totals } = pipeline;
    const first = push(1);
    const second = push(2);
    pipeline.weigh(second, 400_000);
    second.holdFollowers();
    pipeline.hold(1000);
    assert.deepEqual([pipeline.isHeld, totals.heldBytes, totals.weights.heldBytes], [true, 1000, 400_000]);
    if (hasAnswer) second.respond(answer());
    else second.respondNothing();
    pipeline.hold(500);
    assert.deepEqual([pipeline.isHeld, totals.heldBytes, totals.weights.heldBytes], [false, 0, 0]);
    assert.equal(totals.keptBytes > 0, hasAnswer);
    assert.equal(pipeline.heldBytes, totals.keptBytes);
    assert.equal(connection.endedCount, 1, "the shard checks for requests that wait behind it");
    first.respond(answer());
    assert.deepEqual([pipeline.length, pipeline.heldBytes, totals.heldBytes, totals.keptBytes], [0, 0, 0, 0]);
  }
});
