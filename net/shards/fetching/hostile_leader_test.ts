/** A follower whose leader sends anything, or nothing, or is gone in the middle: its log stays as it is, no memory is lost, and it asks again. */
import { strict as assert } from "node:assert";
import { leaderBatch, leaderBatches } from "../../../tests/leader_batches.ts";
import { concatBytes } from "../../../tests/record_batch_builder.ts";
import { BACKOFF_MS, FollowingWorld, LeaderLog } from "./shard_fetching_testing.ts";

/** The frame of a sound answer, with two batches. */
const BATCHES = leaderBatches(2, { baseOffset: 0, epoch: 4 });
const ANSWER = { highWatermark: 4, records: concatBytes(BATCHES.map(({ bytes }) => bytes)) };

/** Memory of the arena that is in use, without landing blocks. */
function heldBytes(world: FollowingWorld): number {
  world.fixture.shard.memory.releaseLanding();
  return world.fixture.shard.arena.usedBytes;
}

async function assertEnded(world: FollowingWorld): Promise<void> {
  assert.ok(await hasClosed(world), "the connection ends");
  assert.equal(heldBytes(world), 0);
  assert.equal(world.wanted.length, 0, "not at once");
  world.pass(BACKOFF_MS);
  await world.connect();
  const { fetch, asked } = await world.fetchRequest();
  assert.deepEqual([fetch.sessionId, fetch.sessionEpoch, asked?.fetchOffset], [0, 0, world.marks[2]], "it begins anew");
}

/** Whether the follower has closed its end; a reset, where it has left bytes unread. */
async function hasClosed(world: FollowingWorld): Promise<boolean> {
  const peer = world.pair?.peer as Deno.TcpConn;
  try {
    return await peer.read(new Uint8Array(1)) === null;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionReset) return true;
    throw error;
  }
}

const int32 = (...values: number[]) => {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, index) => view.setInt32(4 * index, value));
  return new Uint8Array(view.buffer);
};

Deno.test("a frame that no answer has ends the connection: its size, its number, its bytes", async () => {
  const frames: ((sound: Uint8Array) => Uint8Array)[] = [
    () => int32(-1),
    () => int32(0x7fff_ffff, 1, 2),
    () => int32(0),
    () => int32(4, 12345),
    (sound) => concatBytes([sound.slice(0, 4), int32(99), sound.slice(8)]),
    (sound) => concatBytes([int32(sound.length - 5), sound.slice(4, -1)]),
    (sound) => concatBytes([int32(sound.length - 3), sound.slice(4), new Uint8Array(1)]),
    (sound) => concatBytes([sound, sound.slice(0, 20)]).fill(0xff, 19, 24),
    (sound) => concatBytes([sound.slice(0, 9), new Uint8Array(sound.length - 9).fill(0xff)]),
  ];
  for (const [index, frameOf] of frames.entries()) {
    using world = new FollowingWorld();
    await world.connect();
    const { header } = await world.fetchRequest();
    await world.send(frameOf(world.frame(header, [ANSWER])));
    assert.ok(
      world.marks[2] === 0 || index === 5 || index === 6,
      "nothing is appended before the answer has been read so far",
    );
    await assertEnded(world);
  }
});

Deno.test("an answer to no request ends the connection", async () => {
  using world = new FollowingWorld();
  world.setBrokers(9092, -1);
  await world.connect();
  await world.send(int32(4, 1));
  assert.ok(await hasClosed(world));
  assert.match(world.reports.join(), /no request/);
});

Deno.test("a leader that is gone at any byte of its answer costs nothing but the answer", async () => {
  using world = new FollowingWorld();
  await world.connect();
  let request = await world.fetchRequest();
  const { length } = world.frame(request.header, [ANSWER]);
  for (let cut = 0; cut < length; cut++) {
    await world.send(world.frame(request.header, [ANSWER]).subarray(0, cut));
    world.pair?.peer.close();
    for (let turns = 0; turns < 3; turns++) world.turn();
    assert.deepEqual([world.marks, heldBytes(world)], [[0, 0, 0], 0], `byte ${cut}`);
    world.pass(BACKOFF_MS);
    await world.connect();
    request = await world.fetchRequest();
    assert.equal(request.asked?.fetchOffset, 0);
  }
  await world.answer(request.header, ANSWER);
  assert.deepEqual(world.stored(), BATCHES.map(({ bytes }) => bytes));
});

Deno.test("an answer may come in any pieces", async () => {
  using world = new FollowingWorld();
  await world.connect();
  const leader = new LeaderLog().add(...leaderBatches(200, { baseOffset: 0, epoch: 4, valueBytes: 3000 }));
  for (const piece of [300, 1000, 7000, 100_000]) {
    const { header, asked } = await world.fetchRequest();
    const batches = leader.batches.filter(({ baseOffset }) => baseOffset >= (asked?.fetchOffset ?? 0)).slice(
      0,
      piece === 300 ? 1 : 60,
    );
    const frame = world.frame(header, [{ highWatermark: 0, records: concatBytes(batches.map(({ bytes }) => bytes)) }]);
    for (let at = 0; at < frame.length; at += piece) {
      await world.send(frame.subarray(at, at + piece));
    }
  }
  assert.deepEqual(world.stored(), leader.batches.slice(0, world.stored().length).map(({ bytes }) => bytes));
  assert.equal(world.marks[2], 2 * (1 + 3 * 60));
});

Deno.test("a silent leader is left after replica.socket.timeout.ms, and one that cannot be reached is asked for again after the backoff", async () => {
  using world = new FollowingWorld();
  await world.connect();
  await world.fetchRequest();
  world.pass(29_999);
  assert.equal(world.reports.length, 0);
  world.pass(1);
  assert.match(world.reports.join(), /broker 2 has not answered in 30000 ms/);
  await assertEnded(world);
  world.pass(30_000);
  for (let attempt = 0; attempt < 3; attempt++) {
    world.pass(BACKOFF_MS);
    const wanted = world.wanted.shift();
    assert.ok(wanted !== undefined && world.wanted.length === 0, `attempt ${attempt}`);
    world.fetching.refused(wanted.id);
    world.turn();
    assert.equal(world.wanted.length, 0);
  }
});

Deno.test("a leader with another address is connected anew at once; a socket that comes too late is closed", async () => {
  using world = new FollowingWorld();
  world.turn();
  world.setBrokers(9093);
  world.turn();
  assert.deepEqual(world.wanted.map(({ port }) => port), [9092, 9093]);
  await world.connect();
  assert.ok(await hasClosed(world), "nobody waits for the first one");
  await world.connect();
  await world.fetchRequest();
});

Deno.test("a leader that does not know the session is told everything again; one that refuses that is left", async () => {
  using world = new FollowingWorld({ partitionsCount: 2 });
  await world.connect();
  const first = await world.fetchRequest();
  await world.answer(first.header);
  const second = await world.fetchRequest();
  assert.deepEqual([second.fetch.sessionEpoch, second.fetch.topics], [1, []]);
  await world.send(world.frame(second.header, [], { errorCode: 70, sessionId: 0 }));
  const third = await world.fetchRequest();
  assert.deepEqual([third.fetch.sessionId, third.fetch.sessionEpoch, third.fetch.topics[0]?.partitions.length], [
    0,
    0,
    2,
  ]);
  await world.send(world.frame(third.header, [], { sessionId: 0 }));
  const fourth = await world.fetchRequest();
  assert.equal(fourth.fetch.topics[0]?.partitions.length, 2, "it keeps no session");
  await world.send(world.frame(fourth.header, [], { errorCode: 31, sessionId: 0 }));
  assert.ok(await hasClosed(world));
  assert.match(world.reports.join(), /CLUSTER_AUTHORIZATION_FAILED/);
});

Deno.test("an answer that names a partition twice, or one that was not asked for, counts once", async () => {
  using world = new FollowingWorld();
  await world.connect();
  const { header } = await world.fetchRequest();
  const second = leaderBatch({ baseOffset: 4, epoch: 4 });
  await world.answer(header, ANSWER, { highWatermark: 6, records: second.bytes }, { partitionIndex: 9, ...ANSWER });
  assert.deepEqual(world.marks, [0, 4, 4]);
  assert.equal((await world.fetchRequest()).asked?.fetchOffset, 4);
});
