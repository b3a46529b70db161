import { strict as assert } from "node:assert";
import { toOffset } from "../../storage/base/units.ts";
import { emptyWatermarks, partitionState } from "../shared/watermarks.ts";
import { ReplicaState } from "./replica_state.ts";

const EPOCH = 5;

const LOG = { logStartOffset: toOffset(2), logEndOffset: toOffset(6), recoveryPoint: toOffset(4) };

/** A replica whose log holds the offsets from 2 up to 6, exclusive. */
function replicaOf(): ReplicaState {
  return new ReplicaState(LOG, EPOCH);
}

Deno.test("ReplicaState starts with its whole log committed, or with the high watermark and the byte counts of a row that was handed over", () => {
  const whole = { highWatermark: 6, lastStableOffset: 6, highWatermarkBytes: 0, logEndBytes: 0 };
  const led = { state: partitionState.open, leadership: 1, replication: 0 };
  const extent = { ...led, logStartOffset: 2, logEndOffset: 6, recoveryPoint: 4 };
  assert.deepEqual(replicaOf().row, { ...extent, ...whole });
  const before = { highWatermark: toOffset(5), lastStableOffset: toOffset(5), highWatermarkBytes: 60, logEndBytes: 70 };
  const handedOver = { ...emptyWatermarks(), ...LOG, ...before, leadership: 1, state: partitionState.handedOver };
  const replica = new ReplicaState(LOG, EPOCH, { handedOver });
  assert.deepEqual(replica.row, { ...extent, ...before });
  assert.equal(replica.acknowledged(), "complete");
  assert.deepEqual([replica.row.highWatermark, replica.row.highWatermarkBytes], [6, 70]);
});

Deno.test("ReplicaState.appended() moves only the log end; acknowledged() moves the high watermark and its bytes there, once", () => {
  const replica = replicaOf();
  replica.appended(toOffset(8), 20);
  replica.appended(toOffset(9), 10);
  const { row } = replica;
  assert.deepEqual([row.logEndOffset, row.logEndBytes, replica.hasUnacknowledged], [9, 30, true]);
  assert.deepEqual([row.highWatermark, row.lastStableOffset, row.highWatermarkBytes], [6, 6, 0]);
  assert.equal(replica.acknowledged(), "complete");
  assert.deepEqual([row.highWatermark, row.lastStableOffset, row.highWatermarkBytes], [9, 9, 30]);
  assert.equal(replica.acknowledged(), "nothing", "of a duplicate, too");
  assert.equal(replica.hasUnacknowledged, false);
});

Deno.test("ReplicaState.flushed() moves the high watermark to the log end at which the flush began, not to what came meanwhile", () => {
  const replica = replicaOf();
  const { row } = replica;
  replica.appended(toOffset(8), 20);
  replica.flushBegan();
  replica.appended(toOffset(9), 10);
  assert.equal(replica.flushed(toOffset(8)), "complete");
  assert.deepEqual([row.recoveryPoint, row.highWatermark, row.highWatermarkBytes], [8, 8, 20]);
  replica.flushBegan();
  assert.equal(replica.flushed(toOffset(9)), "complete");
  assert.deepEqual([row.recoveryPoint, row.highWatermark, row.highWatermarkBytes], [9, 9, 30]);
});

Deno.test("ReplicaState.flushed() of the first segments of a flush, or after one that could not be executed, keeps the end to be reached", () => {
  const replica = replicaOf();
  const { row } = replica;
  replica.appended(toOffset(10), 40);
  replica.flushBegan();
  assert.equal(replica.flushed(toOffset(7)), "publish");
  assert.deepEqual([row.recoveryPoint, row.highWatermark], [7, 6]);
  replica.appended(toOffset(12), 20);
  replica.flushBegan();
  assert.equal(replica.flushed(toOffset(10)), "complete");
  assert.deepEqual([row.highWatermark, row.highWatermarkBytes], [10, 40]);
});

Deno.test("ReplicaState.isComplete() requires the high watermark with acks=all and acks=1, and nothing with acks=0", () => {
  const replica = replicaOf();
  replica.appended(toOffset(8), 20);
  const complete = (nextOffset: number) => [-1, 0, 1].map((acks) => replica.isComplete(acks, toOffset(nextOffset)));
  assert.deepEqual(complete(8), [false, true, false]);
  assert.deepEqual(complete(6), [true, true, true], "a duplicate waits for its own first append");
  replica.acknowledged();
  assert.deepEqual(complete(8), [true, true, true]);
});

Deno.test("ReplicaState.flushed() and handedOver() publish the row and notify no waiting request", () => {
  const replica = replicaOf();
  assert.equal(replica.flushed(toOffset(6)), "publish");
  assert.equal(replica.row.recoveryPoint, 6);
  assert.equal(replica.handedOver(toOffset(5)), "publish");
  assert.deepEqual([replica.row.state, replica.row.recoveryPoint], [partitionState.handedOver, 5]);
  assert.equal(replica.failed(), "nothing", "the row is the next owner's");
  assert.equal(replica.row.state, partitionState.handedOver);
});

Deno.test("a ReplicaState that ends refuses everything and notifies waiting requests; a removed one leaves no offsets for checkpoints", () => {
  const { closed, closedCleanly, offline } = partitionState;
  for (
    const [end, state] of [
      [(replica: ReplicaState) => replica.failed(), offline],
      [(replica: ReplicaState) => replica.closed(toOffset(6), true), closedCleanly],
      [(replica: ReplicaState) => replica.closed(toOffset(4), false), closed],
      [(replica: ReplicaState) => replica.removed(), closed],
    ] as const
  ) {
    const replica = replicaOf();
    assert.equal(end(replica), "complete");
    assert.deepEqual([replica.row.state, replica.isOpen], [state, false]);
    assert.deepEqual([-1, EPOCH, EPOCH + 1].map((epoch) => replica.refusalOf(epoch)), Array(3).fill("log-offline"));
  }
  const removed = replicaOf();
  removed.removed();
  assert.deepEqual([removed.row.logStartOffset, removed.row.recoveryPoint], [0, 0]);
  const failed = replicaOf();
  failed.failed();
  assert.equal(failed.failed(), "nothing", "it is told once");
});

Deno.test("ReplicaState.lead() of a leader changes its epoch alone, and requests are checked against it (KIP-320)", () => {
  const replica = replicaOf();
  const before = { ...replica.row };
  assert.equal(replica.lead(EPOCH), "nothing");
  assert.equal(replica.lead(EPOCH + 1), "nothing", "who waits goes on waiting");
  assert.deepEqual(replica.row, before);
  assert.equal(replica.leaderEpoch, EPOCH + 1);
  const refusals = [-1, EPOCH, EPOCH + 1, EPOCH + 2].map((epoch) => replica.refusalOf(epoch));
  assert.deepEqual(refusals, [null, "fenced-leader-epoch", null, "unknown-leader-epoch"]);
});

/** A follower of the same log, whose high watermark was checkpointed at 3. */
function followerOf(followsFrom = 3): ReplicaState {
  return new ReplicaState(LOG, EPOCH, { followsFrom: toOffset(followsFrom) });
}

Deno.test("ReplicaState of a follower begins with the checkpointed high watermark, within its log", () => {
  for (const [checkpointed, highWatermark] of [[0, 2], [2, 2], [3, 3], [6, 6], [9, 6]] as const) {
    const { row, isLeader } = followerOf(checkpointed);
    assert.deepEqual([row.highWatermark, row.lastStableOffset, isLeader], [highWatermark, highWatermark, false]);
  }
});

Deno.test("ReplicaState.leaderAnswered() moves a follower's high watermark to the leader's, at most to the log end, and never back", () => {
  const follower = followerOf();
  const { row } = follower;
  follower.appended(toOffset(12), 600);
  const answers = [[5, "complete", 5], [5, "nothing", 5], [2, "nothing", 5], [40, "complete", 12]] as const;
  for (const [told, consequence, highWatermark] of answers) {
    assert.equal(follower.leaderAnswered(toOffset(told)), consequence);
    assert.deepEqual([row.highWatermark, row.lastStableOffset], [highWatermark, highWatermark]);
    assert.ok(row.highWatermarkBytes <= row.logEndBytes);
  }
  assert.equal(row.highWatermarkBytes, 600);
});

Deno.test("ReplicaState.acknowledged() and flushed() of a follower move what it acknowledges to the leader, not the high watermark", () => {
  const follower = followerOf();
  follower.appended(toOffset(8), 20);
  assert.equal(follower.hasUnacknowledged, true);
  assert.equal(follower.acknowledged(), "nothing");
  assert.deepEqual([follower.acknowledgedEnd, follower.row.highWatermark, follower.hasUnacknowledged], [8, 3, false]);
  follower.appended(toOffset(10), 20);
  follower.flushBegan();
  follower.appended(toOffset(11), 20);
  assert.equal(follower.flushed(toOffset(10)), "publish");
  assert.deepEqual([follower.acknowledgedEnd, follower.row.recoveryPoint, follower.row.highWatermark], [10, 10, 3]);
});

Deno.test("ReplicaState of a follower that was handed over acknowledges what is durable, until the rest is acknowledged again", () => {
  const row = { ...emptyWatermarks(), ...LOG, highWatermark: toOffset(3), state: partitionState.handedOver };
  const follower = new ReplicaState(LOG, EPOCH, { handedOver: row, followsFrom: toOffset(0) });
  assert.deepEqual([follower.row.highWatermark, follower.acknowledgedEnd], [3, LOG.recoveryPoint]);
  follower.acknowledged();
  assert.deepEqual([follower.row.highWatermark, follower.acknowledgedEnd], [3, LOG.logEndOffset]);
});

Deno.test("ReplicaState.truncated() takes over the log's offsets, and the high watermark and what is acknowledged stay within", () => {
  const follower = followerOf();
  const { row } = follower;
  follower.appended(toOffset(20), 20);
  follower.acknowledged();
  follower.leaderAnswered(toOffset(10));
  follower.flushBegan();
  const cut = { logStartOffset: toOffset(2), logEndOffset: toOffset(15), recoveryPoint: toOffset(4) };
  assert.equal(follower.truncated(cut), "complete");
  assert.deepEqual([row.logEndOffset, row.highWatermark, follower.acknowledgedEnd], [15, 10, 15]);
  assert.equal(follower.truncated({ ...cut, logEndOffset: toOffset(7) }), "complete");
  assert.deepEqual([row.highWatermark, row.lastStableOffset, follower.acknowledgedEnd], [7, 7, 7]);
  follower.appended(toOffset(30), 20);
  follower.flushed(toOffset(4));
  assert.equal(follower.acknowledgedEnd, 7, "the flush began before");
  const startsAt = { logStartOffset: toOffset(90), logEndOffset: toOffset(90), recoveryPoint: toOffset(4) };
  follower.truncated(startsAt);
  assert.deepEqual([row.logStartOffset, row.highWatermark, row.logEndOffset], [90, 90, 90], "KAFKA-9491");
});

Deno.test("ReplicaState refuses clients while it follows, after the check of the epoch, and serves them when it leads again", () => {
  const replica = replicaOf();
  assert.equal(replica.follow(EPOCH), "complete");
  const refusals = () => [-1, EPOCH, EPOCH + 1].map((epoch) => replica.refusalOf(epoch));
  const refused = "not-leader-or-follower";
  assert.deepEqual(refusals(), [refused, refused, "unknown-leader-epoch"]);
  replica.appended(toOffset(9), 10);
  replica.leaderAnswered(toOffset(7));
  assert.equal(replica.lead(EPOCH + 1), "complete");
  assert.deepEqual(refusals(), [null, "fenced-leader-epoch", null]);
  assert.equal(replica.row.highWatermark, 7, "it has acknowledged no more");
  assert.equal(replica.acknowledged(), "complete");
  assert.equal(replica.row.highWatermark, 9);
});

Deno.test("ReplicaState.lead() commits what a follower has acknowledged, and each leadership has a number of its own", () => {
  const follower = followerOf();
  const { row } = follower;
  assert.equal(row.leadership % 2, 0);
  follower.appended(toOffset(8), 20);
  follower.flushBegan();
  follower.appended(toOffset(10), 20);
  follower.flushed(toOffset(8));
  assert.deepEqual([row.highWatermark, follower.acknowledgedEnd], [3, 8]);
  assert.equal(follower.lead(EPOCH + 1), "complete");
  assert.deepEqual([row.highWatermark, row.lastStableOffset, row.leadership % 2], [8, 8, 1]);
  assert.ok(row.highWatermarkBytes > 0 && row.highWatermarkBytes < row.logEndBytes);
  const first = row.leadership;
  assert.deepEqual([follower.lead(EPOCH + 2), row.leadership], ["nothing", first]);
  assert.deepEqual([follower.follow(EPOCH + 3), follower.follow(EPOCH + 4)], ["complete", "nothing"]);
  assert.equal(follower.acknowledgedEnd, 8);
  assert.equal(follower.lead(EPOCH + 4), "complete", "also in an epoch in which it was not known as the leader");
  assert.equal(row.leadership, first + 2);
});

Deno.test("ReplicaState continues the leadership of a row that was handed over, unless its role has changed; any other opening begins a new one", () => {
  const row = { ...emptyWatermarks(), ...LOG, highWatermark: toOffset(3), state: partitionState.handedOver };
  const leadershipOf = (leadership: number, leads: boolean) =>
    new ReplicaState(LOG, EPOCH, { handedOver: { ...row, leadership }, followsFrom: leads ? null : toOffset(0) }).row
      .leadership;
  assert.deepEqual([leadershipOf(5, true), leadershipOf(4, false)], [5, 4]);
  assert.deepEqual([leadershipOf(5, false), leadershipOf(4, true)], [6, 5]);
  const opened = [4, 5].map((lastLeadership) => new ReplicaState(LOG, EPOCH, { lastLeadership }).row.leadership);
  assert.deepEqual(opened, [5, 7]);
});

Deno.test("ReplicaState of a follower keeps what may be missing until another broker leads, or this one: in the recovery point and at a stop", () => {
  const found = { lostFrom: toOffset(4) };
  const replica = () => new ReplicaState({ ...LOG, found }, EPOCH, { followsFrom: toOffset(3) });
  const followed = replica();
  const flushed = new ReplicaState({ ...LOG, recoveryPoint: toOffset(6), found }, EPOCH, { followsFrom: toOffset(3) });
  assert.equal(flushed.row.recoveryPoint, 4, "it was flushed when it was opened");
  followed.flushed(toOffset(6));
  assert.deepEqual([followed.mayLack, followed.row.recoveryPoint], [true, 4]);
  followed.closed(toOffset(6), true);
  assert.deepEqual([followed.row.state, followed.row.recoveryPoint], [partitionState.closed, 4]);
  const told = replica();
  assert.deepEqual([told.takeLostFrom(), told.takeLostFrom(), told.mayLack], [4, null, false]);
  told.closed(toOffset(6), true);
  assert.deepEqual([told.row.state, told.row.recoveryPoint], [partitionState.closedCleanly, 6]);
  const leader = replica();
  leader.lead(EPOCH + 1);
  assert.equal(leader.takeLostFrom(), null);
  assert.equal(new ReplicaState({ ...LOG, found }, EPOCH).mayLack, false, "a leader has what there is");
});
