import { strict as assert } from "node:assert";
import { FAILED, ManualClock } from "../../storage/mod.ts";
import { concatBytes } from "../../tests/record_batch_builder.ts";
import {
  assertNothingHeld,
  collectExchanges,
  FakeShard,
  FETCH,
  frame,
  HEADER,
  ids,
  SocketPair,
} from "./socket_testing.ts";
import { ANSWER_BYTES, ShardFixture } from "./shard_testing.ts";

Deno.test("Connection.mute() lets what had arrived wait, half a request too, reads nothing more, and goes on where it stopped", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  const half = frame(4, 100);
  shard.handle = ({ pipeline }) => {
    if (shard.requests.length === 2) connection.mute(500);
    pipeline.push({ ...HEADER, correlationId: shard.requests.length }, FETCH).respond({ responses: [] });
  };
  await pair.send(concatBytes([frame(1), frame(2), frame(3), half.subarray(0, 50)]));
  connection.onReadable();
  assert.deepEqual([ids(shard), shard.mutedMs, shard.isReading], [[1, 2], [500], false]);
  assert.equal((await sentTo(pair, connection)).length, 2 * ANSWER_BYTES, "answers are sent while it is muted");
  await pair.send(half.subarray(50));
  connection.resumeReading();
  connection.onTurn();
  assert.deepEqual([ids(shard), shard.isReading], [[1, 2], false]);
  connection.onMuteEnded();
  connection.resumeReading();
  assert.deepEqual([ids(shard), shard.isReading], [[1, 2, 3], true]);
  connection.onReadable();
  assert.deepEqual(ids(shard), [1, 2, 3, 4]);
  connection.dispose();
  assertNothingHeld(shard);
});

/** What the connection had to send. */
async function sentTo(pair: SocketPair, connection: ReturnType<FakeShard["connect"]>): Promise<Uint8Array> {
  const length = connection.sender.pendingBytes;
  connection.sender.flush();
  return await pair.receive(length);
}

Deno.test("Connection that is muted by a late answer is neither read nor transferred until its pause is over", async () => {
  using pair = await SocketPair.open();
  const shard = new FakeShard();
  const connection = shard.connect(pair);
  const exchanges = collectExchanges(shard);
  await pair.send(frame(1));
  connection.onReadable();
  for (let count = 0; count < 1000 && connection.affinity.destination === -1; count++) {
    connection.affinity.countPartition(1);
    connection.affinity.endRequest();
  }
  assert.notEqual(connection.affinity.destination, -1);
  connection.mute(100);
  exchanges[0]?.respond({ responses: [] });
  await sentTo(pair, connection);
  assert.deepEqual([connection.canTransfer, shard.isReading], [false, false]);
  connection.onMuteEnded();
  connection.resumeReading();
  assert.equal(connection.canTransfer, true);
  connection.dispose();
});

/** The id of a request that `frame()` made. */
const idAt = (fixture: ShardFixture, start: number) => fixture.shard.arena.memory.view.getInt32(start);

Deno.test("Shard serves a muted connection again when its pause is over, the longest of several, and then in order", async () => {
  const clock = new ManualClock();
  using fixture = new ShardFixture({ clock });
  const handled: number[] = [];
  fixture.route = (connection, start) => {
    const id = idAt(fixture, start);
    handled.push(id);
    if (id === 1) { for (const pauseMs of [300, 1000, 200]) connection.mute(pauseMs); }
    connection.pipeline.push({ ...HEADER, correlationId: handled.length }, FETCH).respond({ responses: [] });
  };
  const pair = await fixture.connect();
  await pair.send(concatBytes([frame(1), frame(2), frame(3)]));
  fixture.turn();
  assert.deepEqual(handled, [1]);
  assert.equal((await pair.receive(ANSWER_BYTES)).length, ANSWER_BYTES, "it is answered at once");
  clock.advance(999);
  fixture.turn();
  assert.deepEqual(handled, [1]);
  clock.advance(1);
  fixture.turn();
  assert.deepEqual(handled, [1, 2, 3]);
});

Deno.test("Shard carries out what a muted client had sent when it resets its connection, and closes muted connections when it stops", async () => {
  using fixture = new ShardFixture({ clock: new ManualClock() });
  const handled: number[] = [];
  fixture.route = (connection, start) => {
    handled.push(idAt(fixture, start));
    connection.mute(1e9);
    connection.pipeline.push({ ...HEADER, correlationId: handled.length }, FETCH).respond({ responses: [] });
  };
  const [pair, other] = [await fixture.connect(), await fixture.connect()];
  await pair.send(concatBytes([frame(1), frame(2), frame(3)]));
  await other.send(frame(4));
  for (let turn = 0; turn < 3; turn++) fixture.turn();
  assert.deepEqual(handled.toSorted(), [1, 4]);
  // It has not read its answer, so the close is a reset.
  pair.peer.close();
  pair.ready(FAILED);
  for (let turn = 0; turn < 3; turn++) fixture.turn();
  assert.deepEqual(handled.toSorted(), [1, 2, 3, 4]);
  assert.equal(fixture.shard.connectionsCount, 1);
  fixture.shard.disconnect();
  assert.equal(fixture.shard.connectionsCount, 0);
  assert.equal(fixture.world.at(0).purgatory.waitingCount, 0);
});
