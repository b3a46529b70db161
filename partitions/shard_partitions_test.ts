import { strict as assert } from "node:assert";
import { toOffset } from "../storage/base/units.ts";
import { replaceFile } from "../storage/directory/atomic_file.ts";
import type { PartitionImage } from "./metadata/image.ts";
import { type DelayedOperation } from "./requests/purgatory.ts";
import {
  Answers,
  batchOf,
  elsewhere,
  LOG_DIRECTORY,
  readFrom,
  smallLogs,
  TestShards,
  topicOn,
} from "./owned/partition_testing.ts";
import { emptyWatermarks, partitionState } from "./shared/watermarks.ts";

const QUERY = { currentLeaderEpoch: -1, committedOnly: false, toLogEnd: false };
const [OWN, OTHER] = [{ shard: 0, slot: 0 }, { shard: 1, slot: 1 }];

class Probe implements DelayedOperation {
  deadlineMs = Infinity;
  heapIndex = -1;
  isMarked = false;
  progressCount = 0;
  onProgress(): void {
    this.progressCount++;
  }
  onExpired(): void {}
}

Deno.test("ShardPartitions.append() says by acks whether the append is complete, of its own partitions and of others", () => {
  using world = new TestShards(2);
  world.apply(topicOn([0, 1]));
  const { partitions } = world.at(0);
  // Records that wait for a flush: the high watermark moves later than the log end.
  for (const { partitions: { owned } } of world.shards) {
    for (const { replica } of owned.all) replica.acknowledged = () => "nothing";
  }
  for (const place of [OWN, OTHER]) {
    const answers = new Answers();
    for (const acks of [0, 1, -1]) {
      partitions.append(place, { ...world.putBatch(0, batchOf("a")), acks }, answers, acks);
    }
    world.pump();
    const complete = answers.appended.map(({ tag, isComplete }) => [tag, isComplete]);
    assert.deepEqual(complete, [[0, true], [1, false], [-1, false]]);
  }
});

Deno.test("ShardPartitions gives the same answers for its own partitions, at once, and for another shard's, through the rings", () => {
  using world = new TestShards(2);
  assert.deepEqual(world.apply(topicOn([0, 1])), []);
  const { partitions } = world.at(0);
  const answers = new Answers();
  for (const [tag, place] of [OWN, OTHER].entries()) {
    const batch = { ...world.putBatch(0, batchOf("a", "b")), acks: -1 };
    assert.equal(partitions.append(place, batch, answers, tag), place === OWN);
  }
  assert.equal(answers.appended.length, 1);
  world.pump();
  const appended = { refusal: null, recordIndex: -1, baseOffset: 0, nextOffset: 2, isComplete: true, appendTimeMs: -1 };
  assert.deepEqual(answers.appended, [0, 1].map((tag) => ({ ...appended, leadership: 1, logStartOffset: 0, tag })));
  for (const [tag, place] of [OWN, OTHER].entries()) {
    partitions.read(place, readFrom(1), answers, tag);
    partitions.ask(place, { ...QUERY, timestamp: -1 }, answers.listing, tag);
    partitions.ask(place, { currentLeaderEpoch: -1, leaderEpoch: 3 }, answers.ending, tag);
  }
  assert.deepEqual([answers.read.length, answers.listed.length, answers.ended.length], [1, 1, 1]);
  world.pump();
  // Each shard has a file system of its own here, so descriptors and leases are their owner's.
  const [own, other] = answers.read.map(({ fd: _fd, lease: _lease, tag: _tag, ...outcome }) => outcome);
  assert.deepEqual(own, other);
  assert.deepEqual([own?.refusal, own?.length, own?.highWatermark], [null, batchOf("a", "b").length, 2]);
  assert.deepEqual(answers.listed.map(({ offset, leaderEpoch }) => [offset, leaderEpoch]), [[2, 3], [2, 3]]);
  assert.deepEqual(answers.ended.map(({ leaderEpoch, endOffset }) => [leaderEpoch, endOffset]), [[3, 2], [3, 2]]);
  for (const [index, place] of [OWN, OTHER].entries()) partitions.release(place, answers.read[index]?.lease ?? -1);
  world.pump();
  assert.throws(() => partitions.release(OWN, answers.read[0]?.lease ?? -1), /released once/);
  partitions.release(OTHER, answers.read[1]?.lease ?? -1);
  assert.throws(() => world.pump(), /released once/, "the owner had it back");
});

Deno.test("ShardPartitions.append() refuses in the same way for both kinds of partition, and names the invalid record", () => {
  using world = new TestShards(2);
  world.apply(topicOn([0, 1], { config: { ...smallLogs, compact: true } }));
  const answers = new Answers();
  for (const place of [OWN, OTHER]) {
    world.at(0).partitions.append(place, { ...world.putBatch(0, batchOf("no key")), acks: 1 }, answers, 0);
  }
  world.pump();
  assert.deepEqual(answers.appended[0], answers.appended[1]);
  assert.deepEqual([answers.appended[0]?.refusal, answers.appended[0]?.recordIndex], ["invalid-record", 0]);
});

Deno.test("ShardPartitions refuses every request to a partition elsewhere, at once and without a record", () => {
  using world = new TestShards(2);
  const { partitions } = world.at(0);
  const [place] = elsewhere(topicOn([0]), [0]).partitions as [PartitionImage];
  const answers = new Answers();
  assert.equal(partitions.append(place, { ...world.putBatch(0, batchOf("x")), acks: -1 }, answers, 7), true);
  partitions.read(place, readFrom(0), answers, 8);
  partitions.ask(place, { offset: 0 }, answers.deleting, 9);
  const refusal = "not-leader-or-follower";
  const refused = [...answers.appended, ...answers.read, ...answers.deleted].map((it) => [it.tag, it.refusal]);
  assert.deepEqual(refused, [[7, refusal], [8, refusal], [9, refusal]]);
  assert.equal(answers.appended[0]?.isComplete, true);
  assert.equal(partitions.inFlight, 0);
});

Deno.test("answers that arrive out of order reach the right waiter and the right part of its request", () => {
  using world = new TestShards(3);
  world.apply(topicOn([0, 1, 2]));
  const { partitions } = world.at(0);
  const [first, second] = [new Answers(), new Answers()];
  partitions.append({ shard: 1, slot: 1 }, { ...world.putBatch(0, batchOf("a")), acks: 1 }, first, 5);
  partitions.append({ shard: 2, slot: 2 }, { ...world.putBatch(0, batchOf("b", "c")), acks: 1 }, second, 6);
  world.turn(world.at(2));
  world.turn(world.at(0));
  assert.deepEqual([first.appended.length, second.appended[0]?.tag, second.appended[0]?.nextOffset], [0, 6, 2]);
  // The operation number that became free is given to another operation.
  partitions.append({ shard: 2, slot: 2 }, { ...world.putBatch(0, batchOf("d")), acks: 1 }, first, 7);
  world.pump();
  assert.deepEqual(first.appended.map(({ tag, nextOffset }) => [tag, nextOffset]), [[5, 1], [7, 3]]);
});

Deno.test("reads of 10,000 partitions of another shard pass through a ring with room for a tenth of them, in order", () => {
  using world = new TestShards(2);
  world.apply(topicOn([0, 1]));
  const { partitions, outboxes } = world.at(0);
  partitions.append(OTHER, { ...world.putBatch(0, batchOf("x")), acks: 1 }, new Answers(), 0);
  const answers = new Answers();
  for (let tag = 0; tag < 10_000; tag++) partitions.read(OTHER, readFrom(tag % 3), answers, tag);
  assert.ok(outboxes[1]?.isBacklogged);
  world.pump();
  assert.deepEqual(answers.read.map(({ tag }) => tag), Array.from({ length: 10_000 }, (_, tag) => tag));
  for (const { tag, refusal, length, lease } of answers.read) {
    assert.equal(refusal, tag % 3 === 2 ? "offset-out-of-range" : null);
    assert.equal(length > 0, tag % 3 === 0);
    if (length > 0) partitions.release(OTHER, lease);
  }
  world.pump();
});

Deno.test("an operation that watches a partition of another shard is checked when its high watermark moves, and not before", () => {
  using world = new TestShards(3);
  world.apply(topicOn([0, 1]));
  const { purgatory, partitions } = world.at(0);
  const probe = new Probe();
  purgatory.schedule(probe);
  purgatory.watch(OTHER.slot, probe);
  world.pump();
  assert.equal(probe.progressCount, 0);
  const answers = new Answers();
  // Appended by a third shard.
  for (const value of ["a", "b", "c"]) {
    world.at(2).partitions.append(OTHER, { ...world.putBatch(2, batchOf(value)), acks: 1 }, answers, 0);
  }
  world.pump();
  assert.deepEqual([answers.appended.length, probe.progressCount], [3, 1], "once for all that moved in a turn");
  purgatory.unwatch(OTHER.slot, probe);
  partitions.append(OTHER, { ...world.putBatch(0, batchOf("d")), acks: 1 }, answers, 0);
  world.pump();
  assert.equal(probe.progressCount, 1);
});

Deno.test("ShardPartitions.announceProgress() loses no wake-up, whether the watch or the append comes first", () => {
  using world = new TestShards(2);
  world.apply(topicOn([0, 1]));
  const owner = world.at(1);
  const marks = emptyWatermarks();
  for (const order of ["watch first", "published first", "announced first"]) {
    const before = world.table.read(OTHER.slot, marks).highWatermarkBytes;
    const probe = new Probe();
    const { purgatory } = world.at(0);
    const watch = () => {
      purgatory.schedule(probe);
      purgatory.watch(OTHER.slot, probe);
      return world.table.read(OTHER.slot, marks).highWatermarkBytes > before;
    };
    const append = () =>
      owner.partitions.append(OTHER, { ...world.putBatch(1, batchOf("x")), acks: 1 }, new Answers(), 0);
    let seen = false;
    if (order === "watch first") seen = watch();
    append();
    if (order === "published first") seen = watch();
    owner.partitions.announceProgress();
    if (order === "announced first") seen = watch();
    world.pump();
    assert.ok(seen || probe.progressCount === 1, order);
    purgatory.unwatch(OTHER.slot, probe);
    purgatory.cancel(probe);
  }
});

Deno.test("deleting a topic removes its partitions, wakes the requests that wait for them, and later requests find no partition", () => {
  using world = new TestShards(2);
  const topic = topicOn([0, 1]);
  world.apply(topic);
  const { partitions, purgatory } = world.at(0);
  const answers = new Answers();
  partitions.append(OTHER, { ...world.putBatch(0, batchOf("x")), acks: 1 }, answers, 0);
  world.pump();
  partitions.read(OTHER, readFrom(0), answers, 0);
  world.pump();
  const probe = new Probe();
  purgatory.schedule(probe);
  purgatory.watch(OTHER.slot, probe);
  // The owner knows of the deletion, the asking shard does not yet.
  assert.deepEqual(world.remove(topic, [world.at(1)]), []);
  world.pump();
  assert.equal(probe.progressCount, 1);
  assert.equal(world.table.read(OTHER.slot, emptyWatermarks()).state, partitionState.closed);
  partitions.read(OTHER, readFrom(0), answers, 1);
  partitions.append(OTHER, { ...world.putBatch(0, batchOf("y")), acks: 1 }, answers, 1);
  partitions.ask(OTHER, { ...QUERY, timestamp: -1 }, answers.listing, 1);
  partitions.ask(OTHER, { currentLeaderEpoch: -1, leaderEpoch: 1 }, answers.ending, 1);
  // A slice that was lent before the deletion is returned after it.
  partitions.release(OTHER, answers.read[0]?.lease ?? -1);
  world.pump();
  const refusals = [answers.read[1], answers.appended[1], answers.listed[0], answers.ended[0]];
  assert.deepEqual(refusals.map((answer) => answer?.refusal), new Array(4).fill("unknown-partition"));
  assert.ok(world.at(1).files.files().every(([path]) => !path.startsWith(`${LOG_DIRECTORY}/t-1/`)));
});

Deno.test("a row that is reused for another partition after a deletion starts with fresh values", () => {
  using world = new TestShards(2);
  const topic = topicOn([0, 1]);
  world.apply(topic);
  const answers = new Answers();
  world.at(0).partitions.append(OTHER, { ...world.putBatch(0, batchOf("a", "b")), acks: 1 }, answers, 0);
  world.pump();
  world.remove(topic);
  // The row moves to the other shard.
  world.apply(topicOn([0], { name: "u", id: "YWFhYWFhYWFhYWFhYWFhYQ", slots: [OTHER.slot] }));
  const { state, highWatermark, highWatermarkBytes } = world.table.read(OTHER.slot, emptyWatermarks());
  assert.deepEqual([state, highWatermark, highWatermarkBytes], [partitionState.open, 0, 0]);
  world.at(1).partitions.append({ shard: 0, slot: 1 }, { ...world.putBatch(1, batchOf("c")), acks: 1 }, answers, 1);
  world.pump();
  assert.equal(answers.appended[1]?.baseOffset, 0);
});

Deno.test("a log that cannot be opened is offline, on this shard and for others, until it can be opened", () => {
  using world = new TestShards(2);
  for (const { files } of world.shards) files.capacityBytes = 0;
  const topic = topicOn([0, 1]);
  assert.equal(world.apply(topic).length, 2);
  const answers = new Answers();
  for (const [tag, place] of [OWN, OTHER].entries()) {
    world.at(0).partitions.read(place, readFrom(0), answers, tag);
    world.at(0).partitions.append(place, { ...world.putBatch(0, batchOf("x")), acks: 1 }, answers, tag);
    world.at(0).partitions.ask(place, { ...QUERY, timestamp: -1 }, answers.listing, tag);
    world.at(0).partitions.ask(place, { currentLeaderEpoch: -1, leaderEpoch: 1 }, answers.ending, tag);
  }
  world.pump();
  const all = [...answers.read, ...answers.appended, ...answers.listed, ...answers.ended];
  assert.deepEqual(all.map(({ refusal }) => refusal), new Array(8).fill("log-offline"));
  for (const { files } of world.shards) files.capacityBytes = Infinity;
  assert.deepEqual(world.apply(topic), []);
  world.at(0).partitions.append(OTHER, { ...world.putBatch(0, batchOf("x")), acks: 1 }, answers, 9);
  world.pump();
  assert.deepEqual([answers.appended[2]?.refusal, answers.appended[2]?.baseOffset], [null, 0]);
});

Deno.test("OwnedPartitions.change() opens only the partitions of its shard, and applies a changed config and epoch", () => {
  using world = new TestShards(2);
  world.apply(topicOn([0, 1]));
  assert.deepEqual([...world.at(0).partitions.owned.all].map(({ slot }) => slot), [0]);
  assert.deepEqual([...world.at(1).partitions.owned.all].map(({ slot }) => slot), [1]);
  world.apply(topicOn([0, 1], { leaderEpoch: 4, config: { ...smallLogs, maxMessageBytes: 80 } }));
  const [own] = world.at(0).partitions.owned.all;
  assert.equal(own?.leaderEpoch, 4);
  const answers = new Answers();
  world.at(0).partitions.append(OWN, { ...world.putBatch(0, batchOf("x".repeat(100))), acks: 1 }, answers, 0);
  assert.equal(answers.appended[0]?.refusal, "too-large");
});

Deno.test("OwnedPartitions.close() says whether every log was closed as asked", () => {
  using world = new TestShards(1);
  world.apply(topicOn([0, 0]));
  const answers = new Answers();
  world.at(0).partitions.append(OWN, { ...world.putBatch(0, batchOf("x")), acks: 1 }, answers, 0);
  world.at(0).files.flushFails = true;
  assert.equal(world.at(0).partitions.owned.close({ clean: true }), false);
  assert.equal(world.at(0).partitions.owned.close({ clean: true }), true, "nothing is left to close");
  assert.equal(world.table.read(0, emptyWatermarks()).highWatermark, toOffset(1));
});

Deno.test("after OwnedPartitions.stopFlushing() only close() makes logs durable", () => {
  using world = new TestShards(1);
  world.apply(topicOn([0, 0]));
  const shard = world.at(0);
  for (const place of [OWN, { ...OWN, slot: 1 }]) {
    shard.partitions.append(place, { ...world.putBatch(0, batchOf("x")), acks: 1 }, new Answers(), 0);
  }
  const [first, second] = [...shard.partitions.owned.all];
  first?.flushLater();
  shard.partitions.owned.stopFlushing();
  second?.flushLater();
  assert.equal(shard.flushes.length, 1, "only the one that had begun");
  shard.flushes[0]?.done("flushed");
  assert.equal(shard.flushes.length, 1, "and none follows on it");
  assert.equal(shard.partitions.owned.close({ clean: true }), true);
  assert.equal(second?.log.recoveryPoint, 1);
});

Deno.test("ShardPartitions.ask() deletes records of its own and of another shard's partition, and refuses one that does not exist", () => {
  using world = new TestShards(2);
  world.apply(topicOn([0, 1]));
  const { partitions } = world.at(0);
  const answers = new Answers();
  for (const [tag, place] of [OWN, OTHER].entries()) {
    partitions.append(place, { ...world.putBatch(0, batchOf("a", "b", "c")), acks: -1 }, answers, tag);
  }
  world.pump();
  for (const place of [OWN, OTHER]) {
    for (const [tag, offset] of [1, 2, 9, -1].entries()) partitions.ask(place, { offset }, answers.deleting, tag);
    world.pump();
    assert.equal(partitions.inFlight, 0);
  }
  const expected = [
    { refusal: null, logStartOffset: 1, lowWatermark: 1, tag: 0 },
    { refusal: null, logStartOffset: 2, lowWatermark: 2, tag: 1 },
    { refusal: "offset-out-of-range", logStartOffset: -1, lowWatermark: -1, tag: 2 },
    { refusal: null, logStartOffset: 3, lowWatermark: 3, tag: 3 },
  ];
  assert.deepEqual(answers.deleted, [...expected, ...expected]);
  assert.equal(world.table.read(OTHER.slot, emptyWatermarks()).logStartOffset, 3);
  world.remove(topicOn([0, 1]), [world.at(1)]);
  partitions.ask(OTHER, { offset: 0 }, answers.deleting, 5);
  world.pump();
  assert.equal(answers.deleted.at(-1)?.refusal, "unknown-partition");
});

Deno.test("the table keeps the checkpointed offsets of a log that could not be opened, until its topic is deleted", () => {
  const damaged = topicOn([0], { id: "YmJiYmJiYmJiYmJiYmJiYg" });
  using first = new TestShards(1);
  first.apply(topicOn([0]));
  const { files } = first.at(0);
  first.at(0).partitions.owned.close({ clean: true });
  for (const [name, offset] of [["log-start", 5], ["recovery-point", 8]]) {
    const content = new TextEncoder().encode(`0\n1\nt 0 ${offset}\n`);
    replaceFile(files.fileSystem, `${LOG_DIRECTORY}/${name}-offset-checkpoint`, content);
  }
  using world = new TestShards(1, [files]);
  assert.equal(world.apply(damaged).length, 1);
  const row = () => world.table.read(OWN.slot, emptyWatermarks());
  assert.deepEqual([row().state, row().logStartOffset, row().recoveryPoint], [partitionState.offline, 5, 8]);
  world.remove(damaged, [world.at(0)]);
  assert.deepEqual([row().state, row().logStartOffset], [partitionState.closed, 0]);
});

Deno.test("ShardPartitions.inFlight counts every operation that another shard has not answered yet", () => {
  using world = new TestShards(2);
  world.apply(topicOn([0, 1]));
  const { partitions } = world.at(0);
  const answers = new Answers();
  const asks: (() => void)[] = [
    () => partitions.append(OTHER, { ...world.putBatch(0, batchOf("a")), acks: 1 }, answers, 0),
    () => partitions.read(OTHER, readFrom(0, { maxBytes: 0, atLeastOne: false }), answers, 0),
    () => partitions.ask(OTHER, { ...QUERY, timestamp: -1 }, answers.listing, 0),
    () => partitions.ask(OTHER, { currentLeaderEpoch: -1, leaderEpoch: 3 }, answers.ending, 0),
    () => partitions.ask(OTHER, { offset: 0 }, answers.deleting, 0),
  ];
  for (const [index, ask] of asks.entries()) {
    ask();
    assert.equal(partitions.inFlight, index + 1);
  }
  world.turn(world.at(1));
  assert.equal(partitions.inFlight, asks.length);
  world.pump();
  assert.equal(partitions.inFlight, 0);
  const { appended, read, listed, ended, deleted } = answers;
  assert.deepEqual([appended, read, listed, ended, deleted].map(({ length }) => length), [1, 1, 1, 1, 1]);
});
