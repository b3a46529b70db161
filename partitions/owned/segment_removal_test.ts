import assert from "node:assert/strict";
import { replaceFile } from "../../storage/directory/atomic_file.ts";
import {
  Answers,
  batchOf,
  flushOn,
  readFrom,
  smallLogs,
  type TestShard,
  TestShards,
  topicOn,
} from "./partition_testing.ts";

const config = { ...smallLogs, segmentBytes: 200, fileDeleteDelayMs: 60_000 };
const PLACE = { shard: 0, slot: 0 };

/** Executes the flushes that rolls have begun, and those that follow them. */
function flushAll({ flushes, files }: TestShard): void {
  for (let flush = flushes.shift(); flush !== undefined; flush = flushes.shift()) {
    flush.done(flushOn(files, flush.request));
  }
}

/** A shard whose partitions have the given number of closed segments each, with one batch of one record. */
function shardWith(world: TestShards, closedSegments: number, topic = topicOn([0], { config })) {
  world.apply(topic);
  const shard = world.at(0);
  const answers = new Answers();
  const append = (slot: number) => {
    const place = { ...world.putBatch(0, batchOf("x".repeat(100))), acks: -1 };
    shard.partitions.append({ shard: 0, slot }, place, answers, 0);
    shard.arena.release(place.start);
  };
  for (const { slot } of topic.partitions) for (let index = 0; index <= closedSegments; index++) append(slot);
  flushAll(shard);
  const [partition] = shard.partitions.owned.all;
  assert.ok(partition !== undefined);
  assert.equal(partition.log.segments().length, closedSegments + 1);
  return { shard, partition, answers };
}

/** Runs turns, and the flushes that they begin. */
function turns(shard: TestShard, count: number, nowMs: number): void {
  for (let turn = 0; turn < count; turn++) {
    shard.partitions.maintain(nowMs);
    flushAll(shard);
  }
}

Deno.test("segments below the log start are renamed in the next turns and unlinked after the delay", () => {
  using world = new TestShards(1);
  const { shard, partition, answers } = shardWith(world, 3);
  shard.partitions.ask(PLACE, { offset: 2 }, answers.deleting, 0);
  assert.equal(partition.log.segments().length, 4, "the answer does not wait for it");
  turns(shard, 2, world.clock.monotonicMs());
  assert.deepEqual(partition.log.segments().map(({ baseOffset }) => baseOffset), [2, 3]);
  assert.equal(partition.log.logStartOffset, 2);
  const names = () =>
    shard.files.fileSystem.list("/logs/t-0").map(({ name }) => name).filter((name) => name.endsWith(".deleted"));
  assert.equal(names().length, 6, "log, index and time index of two segments");
  shard.partitions.maintain(world.clock.monotonicMs() + 59_999);
  assert.deepEqual(shard.unlinked, []);
  shard.partitions.maintain(world.clock.monotonicMs() + 61_000);
  assert.deepEqual(shard.unlinked.toSorted(), names().map((name) => `/logs/t-0/${name}`).toSorted());
  shard.partitions.maintain(world.clock.monotonicMs() + 62_000);
  assert.equal(shard.unlinked.length, 6, "once");
});

Deno.test("when the disk refuses a rename, files renamed before it are unlinked, and a later try removes the others", () => {
  for (let refused = 1; refused <= 9; refused++) {
    using world = new TestShards(1);
    const { shard, partition, answers } = shardWith(world, 3);
    const { fileSystem } = shard.files;
    const { rename } = fileSystem;
    let calls = 0;
    fileSystem.rename = (from, to) => {
      if (++calls === refused) throw new Deno.errors.PermissionDenied("no");
      rename(from, to);
    };
    shard.partitions.ask(PLACE, { offset: 3 }, answers.deleting, 0);
    turns(shard, 3, world.clock.monotonicMs());
    assert.equal(partition.log.segments().length, 4 - Math.floor((refused - 1) / 3));
    assert.equal(partition.log.flush(), true, "the segment that stays can still be flushed");
    shard.partitions.owned.onSegmentsBelowStart(PLACE.slot);
    turns(shard, 3, world.clock.monotonicMs());
    assert.deepEqual(partition.log.segments().map(({ baseOffset }) => baseOffset), [3]);
    shard.partitions.maintain(world.clock.monotonicMs() + 62_000);
    const left = fileSystem.list("/logs/t-0").filter(({ name }) => name.endsWith(".deleted"));
    assert.equal(left.length, 9);
    assert.deepEqual(shard.unlinked.toSorted(), left.map(({ name }) => `/logs/t-0/${name}`).toSorted(), `${refused}`);
  }
});

Deno.test("the segment that holds the log start stays, and so does the active segment", () => {
  using world = new TestShards(1);
  const { shard, partition, answers } = shardWith(world, 2);
  shard.partitions.ask(PLACE, { offset: -1 }, answers.deleting, 0);
  turns(shard, 2, 0);
  assert.deepEqual(partition.log.segments().map(({ baseOffset }) => baseOffset), [2]);
  assert.deepEqual([partition.log.logStartOffset, answers.deleted.at(-1)?.logStartOffset], [3, 3]);
});

Deno.test("a turn removes only a few segments, and the next turns continue", () => {
  using world = new TestShards(1);
  const { shard, answers } = shardWith(world, 1, topicOn(new Array(100).fill(0), { config }));
  const logs = [...shard.partitions.owned.all].map(({ log }) => log);
  for (let slot = 0; slot < 100; slot++) shard.partitions.ask({ shard: 0, slot }, { offset: -1 }, answers.deleting, 0);
  const left = [];
  for (let turn = 0; turn < 5; turn++) {
    shard.partitions.maintain(turn);
    left.push(logs.reduce((sum, log) => sum + log.segments().length, 0));
  }
  assert.deepEqual(left, [168, 136, 104, 100, 100]);
});

Deno.test("the next segment of a partition is removed once the removal before it is durable", () => {
  using world = new TestShards(1);
  const { shard, partition: { log }, answers } = shardWith(world, 3);
  shard.partitions.ask(PLACE, { offset: -1 }, answers.deleting, 0);
  const bases = () => log.segments().map(({ baseOffset }) => baseOffset);
  for (const left of [[1, 2, 3], [2, 3], [3]]) {
    for (let turn = 0; turn < 3; turn++) shard.partitions.maintain(turn);
    assert.deepEqual(bases(), left, "however many turns there are");
    // What a loss of power leaves now are the segments that are left, and perhaps the one before them.
    flushAll(shard);
  }
});

Deno.test("segments that a crash left below the log start are removed after the next opening", () => {
  using world = new TestShards(1);
  const { shard, partition, answers } = shardWith(world, 3);
  shard.partitions.ask(PLACE, { offset: 2 }, answers.deleting, 0);
  const checkpoint = new TextEncoder().encode("0\n1\nt 0 2\n");
  replaceFile(shard.files.fileSystem, "/logs/log-start-offset-checkpoint", checkpoint);
  partition.close({ clean: false });
  using again = new TestShards(1, [shard.files]);
  again.apply(topicOn([0], { config }));
  const [reopened] = again.at(0).partitions.owned.all;
  assert.deepEqual([reopened?.log.segments().length, reopened?.log.logStartOffset], [4, 2]);
  again.at(0).partitions.maintain(0);
  assert.equal(reopened?.log.segments().length, 4, "not before it is known that what follows them is durable");
  flushAll(again.at(0));
  turns(again.at(0), 2, 0);
  assert.deepEqual([reopened?.log.segments().length, reopened?.log.logStartOffset], [2, 2]);
});

Deno.test("a partition whose topic was deleted meanwhile is skipped", () => {
  using world = new TestShards(1);
  const topic = topicOn([0], { config });
  const { shard, answers } = shardWith(world, 3, topic);
  shard.partitions.ask(PLACE, { offset: 2 }, answers.deleting, 0);
  world.remove(topic);
  shard.partitions.maintain(0);
  assert.deepEqual(shard.reports, []);
});

Deno.test("the directory of a deleted topic is renamed by its shard and removed by another thread", () => {
  using world = new TestShards(1);
  const topic = topicOn([0], { config });
  const { shard } = shardWith(world, 3, topic);
  for (let flush = shard.flushes.shift(); flush !== undefined; flush = shard.flushes.shift()) flush.done("flushed");
  assert.deepEqual(world.remove(topic), []);
  const left = shard.files.fileSystem.list("/logs").map(({ name }) => name);
  assert.deepEqual(
    [left.length, /^t-0\.[0-9a-f]{32}-delete$/.test(`${left}`)],
    [1, true],
    "renamed, and nothing unlinked",
  );
  assert.equal(shard.partitions.nextDeadlineMs, 0, "the shard does not sleep on it");
  shard.partitions.maintain(0);
  assert.deepEqual(shard.unlinked, [`/logs/${left}`]);
  assert.ok(shard.partitions.nextDeadlineMs > 0);
});

Deno.test("a directory with lent slices is removed after file.delete.delay.ms, so that the shard does not free its bytes", () => {
  using world = new TestShards(1);
  const topic = topicOn([0], { config });
  const { shard, answers } = shardWith(world, 3, topic);
  shard.partitions.read(PLACE, readFrom(0), answers, 0);
  world.remove(topic);
  shard.partitions.maintain(1000);
  assert.deepEqual([shard.unlinked, shard.partitions.nextDeadlineMs], [[], 61_000]);
  shard.partitions.release(PLACE, answers.read[0]!.lease);
  shard.partitions.maintain(61_000);
  assert.match(`${shard.unlinked}`, /-delete$/);
});

Deno.test("the shard does not sleep while segments lie below a log start or the delay of renamed files has passed", () => {
  using world = new TestShards(1);
  const { shard, answers } = shardWith(world, 4);
  assert.equal(shard.partitions.nextDeadlineMs > 0, true);
  shard.partitions.ask(PLACE, { offset: -1 }, answers.deleting, 0);
  for (let turn = 0; turn < 4; turn++) {
    assert.equal(shard.partitions.nextDeadlineMs, 0);
    shard.partitions.maintain(turn);
    assert.equal(shard.partitions.nextDeadlineMs, 60_000, "the end of the flush wakes it up");
    flushAll(shard);
  }
  assert.equal(shard.partitions.nextDeadlineMs, 60_000);
});

Deno.test("a directory that cannot be renamed is reported", () => {
  using world = new TestShards(1);
  const topic = topicOn([0], { config });
  const { shard } = shardWith(world, 1, topic);
  shard.files.fileSystem.rename = () => {
    throw new Deno.errors.PermissionDenied("no");
  };
  assert.match(`${world.remove(topic)}`, /^Cannot remove t-0: .*no/);
});
