/** The follower's side of replication on a shard, against a leader of which the test decides every byte. */
import { strict as assert } from "node:assert";
import { flushGroups, smallLogs } from "../../../partitions/owned/partition_testing.ts";
import { toOffset } from "../../../storage/base/units.ts";
import { leaderBatch, leaderBatches } from "../../../tests/leader_batches.ts";
import { concatBytes } from "../../../tests/record_batch_builder.ts";
import { BACKOFF_MS, BROKER_EPOCH, FollowingWorld, LEADER, LeaderLog, SELF } from "./shard_fetching_testing.ts";

const bytesOf = (leader: LeaderLog) => leader.batches.map(({ bytes }) => bytes);

Deno.test("a shard asks for a connection to the leader, and fetches as this broker's process, from the log end, in the leader's epoch", async () => {
  using world = new FollowingWorld();
  world.turn();
  assert.deepEqual(world.wanted.map(({ host, port }) => [host, port]), [["127.0.0.1", 9092]]);
  await world.connect();
  const { header, fetch, asked } = await world.fetchRequest();
  assert.deepEqual([header.apiKey, header.apiVersion], [1, 17]);
  assert.deepEqual(fetch.replicaState, { replicaId: SELF, replicaEpoch: BROKER_EPOCH });
  assert.deepEqual([fetch.maxWaitMs, fetch.minBytes, fetch.maxBytes, fetch.isolationLevel], [500, 1, 10485760, 0]);
  assert.deepEqual([fetch.sessionId, fetch.sessionEpoch, fetch.topics.length], [0, 0, 1]);
  assert.deepEqual(
    [asked?.fetchOffset, asked?.lastFetchedEpoch, asked?.currentLeaderEpoch, asked?.logStartOffset],
    [0, -1, 5, 0],
  );
  assert.equal(asked?.partitionMaxBytes, 1048576);
});

Deno.test("a follower's log is byte-equal to the leader's, its next fetch acknowledges, and the high watermark follows", async () => {
  using world = new FollowingWorld();
  await world.connect();
  const leader = new LeaderLog().add(
    ...leaderBatches(3, { baseOffset: 0, epoch: 4 }),
    leaderBatch({ baseOffset: 9, epoch: 5 }),
  );
  leader.highWatermark = 4;
  const first = await world.fetchRequest();
  await world.answer(first.header, leader.answerTo(first.asked!));
  assert.deepEqual(world.stored(), bytesOf(leader));
  assert.deepEqual(world.marks, [0, 4, 11]);
  const second = await world.fetchRequest();
  assert.deepEqual([second.fetch.sessionId, second.fetch.sessionEpoch], [5, 1]);
  assert.deepEqual([second.asked?.fetchOffset, second.asked?.lastFetchedEpoch], [11, 5]);
  leader.highWatermark = 11;
  await world.answer(second.header, leader.answerTo(second.asked!));
  assert.deepEqual(world.marks, [0, 11, 11]);
  const third = await world.fetchRequest();
  assert.deepEqual([third.fetch.sessionEpoch, third.fetch.topics, third.fetch.forgottenTopicsData], [2, [], []]);
  await world.answer(third.header);
  const fourth = await world.fetchRequest();
  assert.deepEqual([fourth.fetch.sessionEpoch, fourth.fetch.topics], [3, []]);
  leader.start = 9;
  await world.answer(fourth.header, { highWatermark: 11, logStartOffset: 9 });
  assert.deepEqual(world.marks, [9, 11, 11]);
  const fifth = await world.fetchRequest();
  assert.deepEqual(fifth.asked?.logStartOffset, 9, "the leader learns the follower's log start");
});

/** One of the cases of cluster.md 1.10: what the follower has, what the leader has, and what is cut. */
interface Truncation {
  readonly name: string;
  readonly own: LeaderLog;
  readonly leader: LeaderLog;
  /** Log start of the follower afterwards; 0 by default. */
  readonly start?: number;
}

const history = (...places: [from: number, count: number, epoch: number][]) => {
  const log = new LeaderLog();
  for (const [baseOffset, count, epoch] of places) log.add(...leaderBatches(count, { baseOffset, epoch }));
  log.highWatermark = log.logEndOffset;
  return log;
};

const withStart = (log: LeaderLog, start: number) => {
  log.start = start;
  log.batches = log.batches.filter(({ lastOffset }) => lastOffset >= start);
  log.epochs = log.epochs.filter(([, from], index) => (log.epochs[index + 1]?.[1] ?? Infinity) > start || from >= start)
    .map(([epoch, from]) => [epoch, Math.max(from, start)]);
  return log;
};

const withEpoch = (log: LeaderLog, epoch: number) => {
  log.epochs.push([epoch, log.logEndOffset]);
  return log;
};

const truncations: Truncation[] = [
  { name: "identical logs", own: history([0, 4, 1]), leader: history([0, 4, 1]) },
  { name: "an extra record at the follower", own: history([0, 5, 1]), leader: history([0, 4, 1], [8, 2, 2]) },
  { name: "a follower ahead in the same epoch", own: history([0, 6, 1]), leader: history([0, 4, 1]) },
  {
    name: "interleaved epochs after two fast changes of the leader (KIP-279)",
    own: history([0, 2, 1], [4, 2, 2], [8, 2, 4], [12, 2, 6]),
    leader: history([0, 2, 1], [4, 1, 2], [6, 2, 3], [10, 2, 5], [14, 2, 7]),
  },
  { name: "an empty follower", own: history(), leader: history([0, 3, 1], [6, 2, 3]) },
  {
    name: "a follower whose epochs all precede the leader's log start",
    own: history([0, 4, 1]),
    leader: withStart(history([0, 4, 1], [8, 4, 3], [16, 4, 4]), 16),
    start: 16,
  },
  {
    name: "a leader epoch without records",
    own: history([0, 4, 1], [8, 2, 2]),
    leader: withEpoch(history([0, 5, 1]), 3),
  },
  {
    name: "all epochs of the follower are later than the leader's",
    own: history([0, 3, 4]),
    leader: withEpoch(history([0, 5, 2]), 8),
  },
  { name: "an empty leader", own: history([0, 3, 4]), leader: withEpoch(history(), 5) },
];

for (const { name, own, leader, start = leader.start } of truncations) {
  Deno.test(`a follower becomes its leader's copy: ${name}`, async () => {
    using world = new FollowingWorld({ epoch: 3, config: { ...smallLogs, segmentBytes: 500 } });
    const { follower } = world.partition;
    world.setLeader(LEADER, 7);
    for (const { bytes } of own.batches) {
      const memory = world.fixture.world.putBatch(0, bytes);
      const fetched = { ...memory, leaderEpoch: 7, nowMs: 1 };
      const marks = { highWatermark: toOffset(2), logStartOffset: toOffset(0) };
      follower.append(world.fixture.shard.arena.memory, fetched, marks);
    }
    assert.deepEqual(world.stored(), bytesOf(own));
    world.setLeader(LEADER, 8);
    await world.connect();
    await world.catchUpTo(leader);
    assert.deepEqual(world.stored(), bytesOf(leader));
    assert.deepEqual(world.marks, [start, leader.highWatermark, leader.logEndOffset]);
  });
}

Deno.test("an offset out of range: the log is cut to an uncleanly elected leader's, begun anew at its log start, or kept and asked again", async () => {
  for (
    const [leaderStart, leaderEnd, marks] of [
      [0, 4, [0, 4, 4]],
      [20, 30, [20, 20, 20]],
      [0, 30, [0, 6, 8]],
    ] as const
  ) {
    using world = new FollowingWorld();
    await world.connect();
    const leader = history([0, 4, 4]);
    leader.highWatermark = 6;
    const first = await world.fetchRequest();
    await world.answer(first.header, leader.answerTo(first.asked!));
    const second = await world.fetchRequest();
    await world.answer(second.header, { errorCode: 1, highWatermark: -1, logStartOffset: -1 });
    for (const [timestamp, offset] of [[-2, leaderStart], [-1, leaderEnd]] as const) {
      const request = await world.request();
      const asked = request.offsets?.topics[0]?.partitions[0];
      assert.deepEqual([request.offsets?.replicaId, asked?.timestamp, asked?.currentLeaderEpoch], [SELF, timestamp, 5]);
      await world.answerOffsets(request, offset);
    }
    assert.deepEqual(world.marks, marks);
    world.pass(BACKOFF_MS);
    // The leader's session still has a place that was not given up meanwhile.
    const { asked } = await world.fetchRequest();
    assert.equal(asked?.fetchOffset ?? 8, marks[2]);
  }
});

Deno.test("the backoff of a partition that its leader cannot answer for is its own: it leaves the session until then", async () => {
  using world = new FollowingWorld({ partitionsCount: 2 });
  await world.connect();
  const first = await world.fetchRequest();
  assert.equal(first.fetch.topics[0]?.partitions.length, 2);
  await world.answer(first.header, { errorCode: 56, highWatermark: -1, logStartOffset: -1 });
  const second = await world.fetchRequest();
  assert.deepEqual(second.fetch.forgottenTopicsData.map(({ partitions }) => partitions), [[0]]);
  const batch = leaderBatch({ baseOffset: 0, epoch: 4 });
  await world.answer(second.header, { partitionIndex: 1, highWatermark: 2, records: batch.bytes });
  assert.deepEqual(world.stored(1), [batch.bytes]);
  const third = await world.fetchRequest();
  assert.deepEqual(third.fetch.topics[0]?.partitions.map(({ partition }) => partition), [1]);
  world.fixture.world.clock.advance(BACKOFF_MS);
  await world.answer(third.header);
  const fourth = await world.fetchRequest();
  assert.deepEqual(fourth.fetch.topics[0]?.partitions.map(({ partition }) => partition), [0]);
});

Deno.test("a fenced follower waits for metadata, and a new leader epoch begins its fetch anew with the log end", async () => {
  using world = new FollowingWorld();
  await world.connect();
  const first = await world.fetchRequest();
  await world.answer(first.header, { errorCode: 74, highWatermark: -1, logStartOffset: -1 });
  world.pass(BACKOFF_MS * 10);
  world.setLeader(LEADER, 6);
  world.turn();
  const second = await world.fetchRequest();
  assert.deepEqual([second.asked?.currentLeaderEpoch, second.fetch.sessionEpoch], [6, 1]);
  world.setLeader(LEADER, 7);
  // The answer to the fetch of epoch 6 counts no more.
  await world.answer(second.header, { highWatermark: 2, records: leaderBatch({ baseOffset: 0, epoch: 6 }).bytes });
  assert.deepEqual(world.marks, [0, 0, 0]);
  const third = await world.fetchRequest();
  assert.deepEqual([third.asked?.currentLeaderEpoch, third.asked?.fetchOffset], [7, 0]);
  world.setLeader(SELF, 8);
  await world.answer(third.header, { highWatermark: 2, records: leaderBatch({ baseOffset: 0, epoch: 7 }).bytes });
  assert.deepEqual([world.partition.isLeader, world.marks], [true, [0, 0, 0]]);
  assert.equal(await world.pair?.peer.read(new Uint8Array(1)), null, "the connection ends when it has no partitions");
});

Deno.test("batches of a later epoch than the fetch named, damaged batches and what is no batch are not appended, and asked for again after the backoff", async () => {
  const good = leaderBatch({ baseOffset: 0, epoch: 4 });
  const later = leaderBatch({ baseOffset: 2, epoch: 6 });
  const damaged = leaderBatch({ baseOffset: 2, epoch: 4 }).bytes;
  damaged[70]! ^= 1;
  for (
    const [records, isReported] of [
      [later.bytes, false],
      [damaged, true],
      [new Uint8Array(10), false],
      [new Uint8Array(100), true],
      [leaderBatch({ baseOffset: 2, epoch: 4 }).bytes.subarray(0, 40), false],
      [good.bytes, true],
    ] as const
  ) {
    using world = new FollowingWorld();
    await world.connect();
    const first = await world.fetchRequest();
    await world.answer(first.header, { highWatermark: 2, records: concatBytes([good.bytes, later.bytes]) });
    assert.deepEqual(world.stored(), [good.bytes], "the prefix counts");
    const second = await world.fetchRequest();
    assert.equal(second.asked?.fetchOffset, 2);
    await world.answer(second.header, { highWatermark: 9, records });
    assert.deepEqual([world.stored(), world.marks], [[good.bytes], [0, 2, 2]]);
    assert.equal(world.reports.length > 0, isReported, world.reports.join());
    world.pass(BACKOFF_MS - 1);
    world.pass(1);
    const third = await world.fetchRequest();
    assert.equal(third.asked?.fetchOffset ?? 2, 2);
  }
});

Deno.test("where the topic asks for flushes, nothing is asked for before the flush: to ask acknowledges", async () => {
  using world = new FollowingWorld({ config: { ...smallLogs, flushMessages: 1 } });
  await world.connect();
  const first = await world.fetchRequest();
  await world.answer(first.header, { highWatermark: 2, records: leaderBatch({ baseOffset: 0, epoch: 4 }).bytes });
  assert.equal(world.fixture.world.at(0).groups.length, 1);
  flushGroups(world.fixture.world.at(0));
  world.turn();
  const second = await world.fetchRequest();
  assert.equal(second.asked?.fetchOffset, 2);
});

Deno.test("a process that is not registered fetches nothing: its leader would count it as the last one (KIP-903)", async () => {
  using world = new FollowingWorld();
  world.setBrokers(9092, -1);
  await world.connect();
  world.pass(100);
  world.setBrokers(9092);
  world.turn();
  const { fetch } = await world.fetchRequest();
  assert.equal(fetch.replicaState.replicaEpoch, BROKER_EPOCH);
});

Deno.test("a leader that does not know yet that it leads is asked again soon, and then less and less often", async () => {
  for (const errorCode of [3, 6, 75, 100]) {
    using world = new FollowingWorld();
    await world.connect();
    for (const waitMs of [10, 20, 40, 80, 160, 320, 640, 1000, 1000]) {
      const { header } = await world.fetchRequest();
      await world.answer(header, { errorCode, highWatermark: -1, logStartOffset: -1 });
      world.pass(waitMs - 1);
      const { nextDeadlineMs } = world.fixture.world.at(0).partitions.owned.followed;
      assert.equal(nextDeadlineMs - world.fixture.world.clock.monotonicMs(), 1, `error ${errorCode}, ${waitMs} ms`);
      world.pass(1);
    }
    const { header } = await world.fetchRequest();
    await world.answer(header, { highWatermark: 2, records: leaderBatch({ baseOffset: 0, epoch: 4 }).bytes });
    const next = await world.fetchRequest();
    await world.answer(next.header, { errorCode, highWatermark: -1, logStartOffset: -1 });
    world.pass(10);
    assert.equal((await world.fetchRequest()).fetch.sessionId, 5, "soon again");
  }
});

Deno.test("a truncation waits for a cleaning that puts new segments in place; another one is aborted", async () => {
  using world = new FollowingWorld({ config: { ...smallLogs, segmentBytes: 500 } });
  await world.connect();
  const leader = history([0, 20, 4]);
  const first = await world.fetchRequest();
  await world.answer(first.header, leader.answerTo(first.asked!));
  world.setLeader(LEADER, 6);
  await world.answer((await world.fetchRequest()).header);
  const second = await world.fetchRequest();
  assert.equal(second.asked?.currentLeaderEpoch, 6);
  world.partition.isBeingCleaned = true;
  const diverging = { epoch: 4, endOffset: 8 };
  await world.answer(second.header, { highWatermark: 8, divergingEpoch: diverging });
  assert.deepEqual(world.marks, [0, 40, 40]);
  world.partition.isBeingCleaned = false;
  world.pass(50);
  assert.deepEqual(world.marks, [0, 8, 8]);
  assert.equal((await world.fetchRequest()).asked?.fetchOffset, 8);
});

Deno.test("a partition that is handed over to another shard, or removed, is fetched no more: no late answer touches it", async () => {
  using world = new FollowingWorld({ partitionsCount: 2 });
  await world.connect();
  const first = await world.fetchRequest();
  const { owned } = world.fixture.world.at(0).partitions;
  owned.handOver(0);
  assert.equal(owned.at(0), undefined);
  const records = leaderBatch({ baseOffset: 0, epoch: 4 }).bytes;
  await world.answer(first.header, { highWatermark: 2, records }, { partitionIndex: 1, highWatermark: 2, records });
  assert.deepEqual(world.stored(1), [records]);
  const second = await world.fetchRequest();
  assert.deepEqual(second.fetch.forgottenTopicsData.map(({ partitions }) => partitions), [[0]]);
  // The next shard, here the same one, opens it and fetches from its end.
  world.setLeader(LEADER, 5);
  await world.answer(second.header);
  const third = await world.fetchRequest();
  assert.deepEqual(third.fetch.topics[0]?.partitions.map(({ partition, fetchOffset }) => [partition, fetchOffset]), [
    [0, 0],
  ]);
});
