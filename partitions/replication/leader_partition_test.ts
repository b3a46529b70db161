import { strict as assert } from "node:assert";
import { toOffset } from "../../storage/base/units.ts";
import { replication } from "../shared/watermarks.ts";
import { brokerOf, LAG_MAX_MS, LEADER_EPOCH, LedFixture, ledRow } from "./led_partition_testing.ts";

Deno.test("the high watermark of a leader is the lowest log end of the in-sync replicas, and who waits is told", () => {
  const led = new LedFixture();
  led.append("a", "b", "c");
  assert.deepEqual([led.row().highWatermark, led.row().logEndOffset], [0, 3]);
  led.moved.length = 0;
  led.fetch(2, 2);
  assert.equal(led.row().highWatermark, 0, "broker 3 has not fetched");
  led.fetch(3, 1);
  assert.deepEqual([led.row().highWatermark, led.moved.length > 0], [1, true]);
  led.fetch(3, 3);
  assert.equal(led.row().highWatermark, 2);
  led.fetch(2, 3);
  assert.equal(led.row().highWatermark, 3);
  assert.equal(led.row().highWatermarkBytes, led.row().logEndBytes);
});

Deno.test("an append tells those who wait for the log end, and acks=1 is complete when it is written", () => {
  const led = new LedFixture();
  led.moved.length = 0;
  const { lastOffset } = led.append("a");
  assert.deepEqual(led.moved, [3]);
  const { replica } = led.partition;
  const next = replica.row.logEndOffset;
  assert.equal(next, lastOffset + 1);
  assert.deepEqual([0, 1, -1].map((acks) => replica.isComplete(acks, next)), [true, true, false]);
});

Deno.test("a leader that is alone in the in-sync set commits what it appends, unless the minimum is higher", () => {
  const led = new LedFixture({ ...ledRow, isr: [1], minIsr: 1 });
  led.append("a");
  assert.equal(led.row().highWatermark, 1);
  led.change({ ...ledRow, isr: [1], minIsr: 2, elr: [2], partitionEpoch: 11 });
  assert.deepEqual([led.partition.leader?.hasEnoughReplicas, led.row().replication], [false, replication.belowMinimum]);
  led.append("b");
  assert.equal(led.row().highWatermark, 1, "strict min ISR");
  led.change({ ...ledRow, isr: [1, 2], partitionEpoch: 12 });
  led.fetch(2, 2);
  assert.deepEqual([led.row().highWatermark, led.row().replication], [2, replication.several]);
});

Deno.test("the leader's own records count once they are as durable as the topic asks for", () => {
  const led = new LedFixture(ledRow, { flushMessages: 1 });
  led.append("a");
  led.fetch(2, 1);
  led.fetch(3, 1);
  assert.equal(led.row().highWatermark, 0);
  led.flush();
  assert.equal(led.row().highWatermark, 1);
});

Deno.test("a member that lags leaves the in-sync set when the row says so, and the high watermark moves then", () => {
  const led = new LedFixture();
  led.append("a");
  led.fetch(2, 1);
  led.pass(LAG_MAX_MS + 1);
  const [sent, ...others] = led.takeSent();
  assert.ok(sent !== undefined && others.length === 0);
  assert.deepEqual([sent.proposal.row.isr, sent.proposal.partitionEpoch], [[1, 2], 10]);
  assert.deepEqual(sent.proposal.comparisons, [{ kind: "state", broker: 1, version: 1101 }]);
  assert.equal(led.row().highWatermark, 0, "the row may keep it");
  sent.ended("committed");
  assert.equal(led.row().highWatermark, 1);
  led.change({ ...ledRow, isr: [1, 2], partitionEpoch: 11 });
  assert.deepEqual(led.takeSent(), []);
});

Deno.test("a follower that has caught up enters by a comparison with its process, and holds the high watermark back at once", () => {
  const led = new LedFixture({ ...ledRow, isr: [1, 2] });
  led.append("a");
  led.fetch(2, 1);
  assert.equal(led.row().highWatermark, 1);
  led.fetch(3, 1);
  const [sent] = led.takeSent();
  assert.ok(sent !== undefined);
  assert.deepEqual(sent.proposal.row.isr, [1, 2, 3]);
  assert.deepEqual(sent.proposal.comparisons, [
    { kind: "state", broker: 1, version: 1101 },
    { kind: "state", broker: 3, version: 1103 },
    { kind: "registration", broker: 3, version: 103 },
  ]);
  led.append("b");
  led.fetch(2, 2);
  assert.equal(led.row().highWatermark, 1);
  // Another row is stored, which this shard does not know yet: perhaps that one.
  sent.ended("conflict");
  led.fetch(3, 1);
  assert.deepEqual([led.takeSent(), led.row().highWatermark, led.partition.leader?.isChanging], [[], 1, true]);
  led.change({ ...ledRow, isr: [1, 2], partitionEpoch: 11 });
  assert.deepEqual(led.takeSent().map(({ proposal }) => [proposal.partitionEpoch, proposal.row.isr]), [[11, [
    1,
    2,
    3,
  ]]]);
  assert.equal(led.row().highWatermark, 1, "it is about to enter again");
});

Deno.test("a proposal of unknown outcome is repeated as it is, after a while", () => {
  const led = new LedFixture({ ...ledRow, isr: [1, 2] });
  led.fetch(3, 0);
  const [first] = led.takeSent();
  first?.ended("unknown");
  led.fetch(3, 0);
  assert.deepEqual(led.takeSent(), []);
  led.pass(50);
  led.fetch(3, 0);
  const [second] = led.takeSent();
  assert.deepEqual(second?.proposal, first?.proposal);
  second?.ended("refused");
  assert.equal(led.partition.leader?.isChanging, true, "it still wants it");
});

Deno.test("a broker that becomes active enters without another fetch", () => {
  const led = new LedFixture({ ...ledRow, isr: [1, 2] });
  led.brokers = new Map([brokerOf(1), brokerOf(2), brokerOf(3, "fenced")].map((broker) => [broker.nodeId, broker]));
  led.fetch(3, 0);
  assert.deepEqual(led.takeSent(), []);
  led.brokers = new Map([1, 2, 3].map((id) => [id, brokerOf(id)]));
  led.led.brokersChanged();
  assert.deepEqual(led.takeSent().map(({ proposal }) => proposal.row.isr), [[1, 2, 3]]);
});

Deno.test("a fetch of a former process, of another epoch or of a stranger counts for nothing", () => {
  const led = new LedFixture({ ...ledRow, isr: [1, 2] });
  led.append("a");
  assert.equal(led.fetch(2, 1, { brokerEpoch: 101 }), "not-leader-or-follower");
  assert.equal(led.fetch(2, 1, { leaderEpoch: LEADER_EPOCH - 1 }), "fenced-leader-epoch");
  assert.equal(led.fetch(2, 1, { leaderEpoch: LEADER_EPOCH + 1 }), "unknown-leader-epoch");
  assert.equal(led.fetch(4, 1), "unknown-leader-epoch");
  assert.equal(led.fetch(2, 5), "offset-out-of-range");
  assert.deepEqual(led.fetch(2, 1, { lastFetchedEpoch: LEADER_EPOCH - 1 }), { epoch: 6, endOffset: 0 });
  assert.equal(led.row().highWatermark, 0);
  assert.equal(led.fetch(2, 1, { lastFetchedEpoch: LEADER_EPOCH }), "continues");
  assert.equal(led.row().highWatermark, 1);
});

Deno.test("what is under way when the leadership ends counts no more, and the high watermark stays for the follower", () => {
  const led = new LedFixture();
  led.append("a", "b");
  led.fetch(2, 1);
  led.fetch(3, 1);
  led.pass(LAG_MAX_MS + 1);
  const [sent] = led.takeSent();
  const { leadership } = led.row();
  led.change({ ...ledRow, leader: 2, leaderEpoch: 8, partitionEpoch: 11 });
  sent?.ended("committed");
  const row = led.row();
  assert.deepEqual([row.highWatermark, row.leadership, row.replication], [1, leadership + 1, replication.none]);
  assert.deepEqual([led.partition.leader, led.led.nextDeadlineMs], [null, Infinity]);
  assert.equal(led.partition.follower.fetchOffset, 2);
});

Deno.test("a partition gets followers and loses them without an end of its leadership", () => {
  const led = new LedFixture({ ...ledRow, replicas: [1], isr: [1], minIsr: 1 });
  led.append("a");
  const { leadership, highWatermark, replication: alone } = led.row();
  assert.deepEqual([highWatermark, alone, led.partition.leader], [1, replication.none, null]);
  led.change({ ...ledRow, isr: [1], minIsr: 1, adding: [2, 3], partitionEpoch: 11 }, 1);
  led.append("b");
  assert.equal(led.row().highWatermark, 2);
  led.change({ ...ledRow, partitionEpoch: 12 }, 1);
  led.append("c");
  assert.deepEqual([led.row().highWatermark, led.row().leadership], [2, leadership]);
  led.change({ ...ledRow, replicas: [1], isr: [1], minIsr: 1, leaderEpoch: 8, partitionEpoch: 13 });
  assert.deepEqual([led.row().highWatermark, led.row().leadership], [3, leadership]);
  assert.equal(led.partition.leader, null);
});

Deno.test("how far the last follower is behind is measured every second, while partitions with followers are led", () => {
  const led = new LedFixture();
  led.append("a", "b", "c");
  led.fetch(2, 3);
  led.pass(999);
  assert.deepEqual(led.lags, []);
  led.pass(1);
  led.fetch(3, 2);
  led.pass(1000);
  led.fetch(3, 3);
  led.pass(1000);
  led.append("d");
  led.change({ ...ledRow, leader: 2, leaderEpoch: 8, partitionEpoch: 11 });
  led.pass(1000);
  led.pass(5000);
  assert.deepEqual(led.lags, [3, 1, 0, 0], "a follower that has not fetched lacks everything");
  assert.equal(led.led.nextDeadlineMs, Infinity);
});

Deno.test("a partition is not handed over while its in-sync set may be changing", () => {
  const led = new LedFixture({ ...ledRow, isr: [1, 2] });
  led.fetch(3, 0);
  assert.equal(led.partition.handOver(), false);
  const [sent] = led.takeSent();
  sent?.ended("committed");
  assert.equal(led.partition.handOver(), true);
});

Deno.test("the row follows the topic's min.insync.replicas", () => {
  const led = new LedFixture();
  led.change(ledRow, 3);
  const [sent] = led.takeSent();
  assert.equal(sent?.proposal.row.minIsr, 3);
});

Deno.test("a new leader does not know the latest offset until the followers have what it began with; a follower is told the log end", () => {
  const led = new LedFixture({ ...ledRow, leader: 2, leaderEpoch: 6 });
  led.change({ ...ledRow, replicas: [1], isr: [1], minIsr: 1, partitionEpoch: 10 });
  led.append("a", "b");
  led.change({ ...ledRow, leader: 2, leaderEpoch: 8, partitionEpoch: 11 });
  led.partition.follower.truncateFullyAndStartAt(toOffset(0));
  led.change({ ...ledRow, replicas: [1], isr: [1], minIsr: 1, leaderEpoch: 9, partitionEpoch: 12 });
  led.change({ ...ledRow, leaderEpoch: 9, partitionEpoch: 13 });
  led.append("c");
  const ask = (timestamp: number, toLogEnd = false) => {
    const { refusal, offset } = led.partition.listOffset({
      timestamp,
      currentLeaderEpoch: -1,
      committedOnly: false,
      toLogEnd,
    });
    return refusal ?? offset;
  };
  assert.deepEqual([ask(-1), ask(-1, true)], [0, 1], "its epoch began at 0");
  led.change({ ...ledRow, leaderEpoch: 10, partitionEpoch: 14 });
  assert.deepEqual([ask(-1), ask(0), ask(-3)], Array(3).fill("offset-not-available"));
  assert.deepEqual([ask(-2), ask(-1, true), ask(-4)], [0, 1, 0]);
  for (const replica of [2, 3]) led.fetch(replica, 1, { leaderEpoch: 10 });
  assert.deepEqual(ask(-1), 1);
});

Deno.test("a leader whose disk refuses records gives the partition to another replica, and one that gets it back soon keeps it", () => {
  const led = new LedFixture();
  led.files.capacityBytes = 0;
  assert.equal(led.append("a").refusal, "log-offline");
  const [given] = led.takeSent();
  const { row } = given?.proposal ?? { row: ledRow };
  assert.deepEqual([row.leader, row.leaderEpoch, row.isr], [2, LEADER_EPOCH + 1, [2, 3]]);
  given?.ended("committed");
  led.change(row);
  const back = { ...ledRow, leaderEpoch: LEADER_EPOCH + 2, partitionEpoch: 12 };
  led.change(back);
  led.append("a");
  assert.deepEqual(led.takeSent(), [], "the disks of all brokers may be full");
  led.clock.advance(30_000);
  led.append("a");
  assert.equal(led.takeSent()[0]?.proposal.row.leader, 2);
});

Deno.test("a leader whose flush failed gives the partition to another replica, and is not eligible until it has everything again", () => {
  const led = new LedFixture({ ...ledRow, isr: [1, 2], elr: [] }, { flushMessages: 1 });
  led.append("a");
  const request = led.partition.beginFlush();
  assert.ok(request !== null);
  led.partition.endFlush(request, "failed");
  const [given] = led.takeSent();
  const { leader, isr, elr } = given?.proposal.row ?? ledRow;
  assert.deepEqual([leader, isr, elr], [2, [2], []]);
});
