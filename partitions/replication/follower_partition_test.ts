import { strict as assert } from "node:assert";
import { toOffset } from "../../storage/base/units.ts";
import { type LeaderBatch, leaderBatch, leaderBatches } from "../../tests/leader_batches.ts";
import { concatBytes, inMemory, TEST_TIMESTAMP } from "../../tests/record_batch_builder.ts";
import { Fixture } from "../owned/partition_fixture_testing.ts";
import type { Partition } from "../owned/partition.ts";
import { flushOn, readFrom } from "../owned/partition_testing.ts";
import { partitionState } from "../shared/watermarks.ts";

const EPOCH = 5;

/** A partition that this broker follows, and what the leader sends. */
class Followed {
  readonly fixture: Fixture;
  readonly partition: Partition;

  constructor(changes: ConstructorParameters<typeof Fixture>[0] = {}, highWatermark = 0) {
    this.fixture = new Fixture(changes);
    this.fixture.partition.close({ clean: true });
    this.partition = this.fixture.open(EPOCH, toOffset(highWatermark));
    this.fixture.moved.length = 0;
  }

  answer(batches: readonly LeaderBatch[], highWatermark: number, logStartOffset = 0) {
    const { memory, start, length } = inMemory(concatBytes(batches.map(({ bytes }) => bytes)), 64);
    const fetched = { start, length, leaderEpoch: EPOCH, nowMs: TEST_TIMESTAMP };
    const leader = { highWatermark: toOffset(highWatermark), logStartOffset: toOffset(logStartOffset) };
    return this.partition.follower.append(memory, fetched, leader);
  }

  get marks(): number[] {
    const { logStartOffset, highWatermark, logEndOffset } = this.fixture.row();
    return [logStartOffset, highWatermark, logEndOffset];
  }
}

Deno.test("FollowerPartition.append() publishes the log end, the leader's high watermark and log start, each within the log", () => {
  const followed = new Followed();
  const { fixture, partition } = followed;
  assert.equal(followed.answer(leaderBatches(3, { baseOffset: 0, epoch: 4 }), 4).batchesCount, 3);
  assert.deepEqual([followed.marks, partition.follower.fetchOffset, fixture.moved.length], [[0, 4, 6], 6, 1]);
  followed.answer(leaderBatches(2, { baseOffset: 6, epoch: 4 }), 4);
  assert.deepEqual([followed.marks, partition.follower.fetchOffset, fixture.moved.length], [[0, 4, 10], 10, 1]);
  followed.answer([], 50, 20);
  assert.deepEqual([followed.marks, fixture.logStartMoves], [[10, 10, 10], 1]);
  followed.answer([], 3);
  assert.deepEqual(followed.marks, [10, 10, 10], "another leader knows less");
  assert.equal(partition.log.latestLeaderEpoch, 4, "a follower learns epochs from batches");
});

Deno.test("a follower's records are not served to clients, and consumers of a later leadership see those below the high watermark", () => {
  const followed = new Followed({ flushMessages: 1 });
  const { fixture, partition } = followed;
  followed.answer(leaderBatches(3, { baseOffset: 0, epoch: 4 }), 4);
  const outcome = () => {
    const read = { ...fixture.read(readFrom(0)) };
    partition.read(readFrom(0), read);
    if (read.length > 0) partition.log.release(read.lease);
    return read;
  };
  assert.equal(outcome().refusal, "not-leader-or-follower");
  assert.equal(partition.deleteRecords(2).refusal, "not-leader-or-follower");
  partition.replica.lead(EPOCH + 1);
  const two = leaderBatches(2, { baseOffset: 0, epoch: 4 }).reduce((sum, { bytes }) => sum + bytes.length, 0);
  assert.deepEqual([outcome().refusal, outcome().length, outcome().highWatermark], [null, two, 4]);
});

Deno.test("a follower acknowledges by its fetch offset what is flushed, where the topic asks for flushes", () => {
  const followed = new Followed({ flushMessages: 1 });
  const { fixture, partition } = followed;
  followed.answer(leaderBatches(2, { baseOffset: 0, epoch: 4 }), 2);
  assert.deepEqual([partition.follower.fetchOffset, followed.marks, fixture.needed.length], [0, [0, 2, 4], 1]);
  const request = partition.beginFlush();
  assert.ok(request !== null);
  followed.answer(leaderBatches(1, { baseOffset: 4, epoch: 4 }), 2);
  partition.endFlush(request, flushOn(fixture.files, request));
  assert.deepEqual([partition.follower.fetchOffset, followed.marks], [4, [0, 2, 6]]);
});

Deno.test("FollowerPartition.truncateTo() takes high watermark, fetch offset and recovery point along, and lets files be removed", () => {
  const followed = new Followed({ segmentBytes: 500 });
  const { fixture, partition: { follower, log } } = followed;
  followed.answer(leaderBatches(20, { baseOffset: 0, epoch: 4 }), 30);
  assert.ok(log.flush());
  assert.equal(follower.truncateTo(toOffset(34)), "truncated");
  assert.deepEqual([followed.marks, follower.fetchOffset, fixture.row().recoveryPoint], [[0, 30, 34], 34, 34]);
  assert.equal(follower.truncateTo(toOffset(8)), "truncated");
  assert.deepEqual([followed.marks, follower.fetchOffset, fixture.row().recoveryPoint], [[0, 8, 8], 8, 8]);
  assert.deepEqual(fixture.truncatedTo, [34, 8]);
  assert.ok(fixture.removed.length > 0 && fixture.removed.every((path) => path.endsWith(".deleted")));
  assert.equal(follower.truncateFullyAndStartAt(toOffset(100)), "truncated");
  assert.deepEqual([followed.marks, follower.fetchOffset], [[100, 100, 100], 100]);
  assert.equal(followed.answer([leaderBatch({ baseOffset: 100, epoch: 5 })], 200).refusal, null);
  assert.deepEqual(followed.marks, [100, 102, 102]);
});

Deno.test("FollowerPartition does not cut off what a cleaner reads: closed segments", () => {
  const followed = new Followed({ segmentBytes: 500 });
  const { partition } = followed;
  followed.answer(leaderBatches(20, { baseOffset: 0, epoch: 4 }), 30);
  partition.isBeingCleaned = true;
  const base = partition.log.activeBaseOffset;
  assert.equal(partition.follower.truncateTo(toOffset(base - 1)), "busy");
  assert.equal(partition.follower.truncateFullyAndStartAt(toOffset(0)), "busy");
  assert.equal(partition.follower.truncateTo(toOffset(base + 1)), "truncated");
  partition.isBeingCleaned = false;
  assert.equal(partition.follower.truncateTo(toOffset(3)), "truncated");
  assert.deepEqual(followed.marks, [0, 2, 2]);
});

Deno.test("a truncation that the disk refuses is reported; it can be tried again unless a flush has failed", () => {
  const followed = new Followed({ segmentBytes: 500 });
  const { fixture, partition } = followed;
  followed.answer(leaderBatches(20, { baseOffset: 0, epoch: 4 }), 30);
  fixture.files.capacityBytes = 0;
  assert.equal(partition.follower.truncateTo(toOffset(30)), "refused");
  assert.match(fixture.troubles[0] ?? "", /^Cannot truncate the log: /);
  assert.equal(partition.isOpen, true);
  fixture.files.capacityBytes = Infinity;
  assert.equal(partition.follower.truncateTo(toOffset(30)), "truncated");
  fixture.files.flushFails = true;
  assert.equal(partition.follower.truncateTo(toOffset(10)), "refused");
  assert.deepEqual([partition.isOpen, fixture.row().state, fixture.offline], [false, partitionState.offline, 1]);
});

Deno.test("FollowerPartition.append() of damaged batches changes nothing; a full disk is reported, and the fetch is repeated", () => {
  const followed = new Followed();
  const { fixture, partition } = followed;
  const batch = leaderBatch({ baseOffset: 0, epoch: 4 });
  const damaged = { ...batch, bytes: batch.bytes.map((byte, at) => at === 70 ? byte ^ 1 : byte) };
  assert.equal(followed.answer([damaged], 9).refusal, "corrupt-batch");
  assert.deepEqual([followed.marks, fixture.troubles], [[0, 0, 0], []]);
  fixture.files.capacityBytes = 0;
  assert.equal(followed.answer([batch], 9).refusal, "log-offline");
  assert.deepEqual([followed.marks, fixture.troubles.length, partition.isOpen], [[0, 0, 0], 1, true]);
  fixture.files.capacityBytes = Infinity;
  assert.equal(followed.answer([batch], 9).refusal, null);
  assert.deepEqual(followed.marks, [0, 2, 2]);
});

Deno.test("FollowerPartition takes nothing of another leadership, and cuts off nothing of a log that this broker leads", () => {
  const followed = new Followed();
  const { partition } = followed;
  partition.replica.follow(EPOCH + 1);
  assert.throws(() => followed.answer(leaderBatches(1, { baseOffset: 0, epoch: 4 }), 2), /another leadership/);
  partition.replica.lead(EPOCH);
  assert.throws(() => followed.answer(leaderBatches(1, { baseOffset: 0, epoch: 4 }), 2), /another leadership/);
  assert.throws(() => partition.follower.truncateTo(toOffset(0)), /only grows/);
  assert.throws(() => partition.follower.truncateFullyAndStartAt(toOffset(0)), /only grows/);
  assert.deepEqual(followed.marks, [0, 0, 0]);
});
