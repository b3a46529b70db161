import { strict as assert } from "node:assert";
import { toOffset } from "../../storage/base/units.ts";
import { LeaderEpochTable } from "../../storage/log/epochs/leader_epoch_table.ts";
import type { BrokerEntry, BrokerState } from "../cluster/cluster_image.ts";
import { createRow, type PartitionRow, type VersionedRow } from "../cluster/partition_row.ts";
import { type IsrProposal, LeaderState } from "./leader_state.ts";

const LAG_MAX_MS = 100;
const row = createRow([1, 2, 3], 2, { isActive: () => true });

/** Broker 1 leads in epoch 0; the log grows by `append()`. */
class Fixture {
  readonly epochs = new LeaderEpochTable();
  readonly brokers = new Map<number, BrokerEntry>();
  readonly log = {
    logStartOffset: toOffset(0),
    logEndOffset: toOffset(0),
    earliestEpoch: 0,
    latestEpoch: 0,
    endOffsetFor: (epoch: number) => this.epochs.endOffsetFor(epoch, this.log.logEndOffset),
  };
  readonly leader: LeaderState;

  constructor(first: PartitionRow = row, { logEnd = 0, highWatermark = 0 } = {}) {
    this.epochs.assign(0, toOffset(0));
    this.log.logEndOffset = toOffset(logEnd);
    for (const id of [1, 2, 3]) this.setBroker(id, "active");
    const broker = (id: number) => this.brokers.get(id) ?? null;
    const parts = { self: 1, log: this.log, lagMaxMs: LAG_MAX_MS, broker };
    const state = { highWatermark: toOffset(highWatermark), configuredMinIsr: first.minIsr, nowMs: 0 };
    this.leader = new LeaderState(parts, { row: first, version: 10 }, state);
  }

  setBroker(id: number, state: BrokerState, brokerEpoch = id): void {
    this.brokers.set(id, {
      state,
      stateVersion: 100 + brokerEpoch,
      brokerEpoch,
      incarnation: "",
      directoryId: "",
    });
  }

  append(count: number, nowMs = 1): void {
    this.log.logEndOffset = toOffset(this.log.logEndOffset + count);
    this.leader.appended(nowMs);
  }

  fetch(replica: number, offset: number, nowMs = 1, { brokerEpoch = replica, leaderEpoch = 0 } = {}): unknown {
    const sent = { replica, brokerEpoch, leaderEpoch, lastFetchedEpoch: offset === 0 ? -1 : 0 };
    return this.leader.followerFetched({ ...sent, offset: toOffset(offset), logStartOffset: toOffset(0) }, nowMs);
  }

  propose(nowMs = 1, isTick = false): IsrProposal {
    const proposal = this.leader.takeProposal(nowMs, isTick);
    assert(proposal !== null, "there is a proposal");
    return proposal;
  }
}

Deno.test("LeaderState moves the high watermark to the lowest log end of the ISR, and not below the minimum ISR", () => {
  const all = new Fixture();
  all.append(5);
  all.fetch(2, 5);
  assert.equal(all.leader.highWatermark, 0, "replica 3 has not fetched");
  all.fetch(3, 4);
  assert.equal(all.leader.highWatermark, 4);
  const alone = new Fixture({ ...row, isr: [1], elr: [2] });
  alone.append(5);
  assert.deepEqual([alone.leader.highWatermark, alone.leader.hasEnoughReplicas], [0, false]);
  const single = new Fixture({ ...row, isr: [1], minIsr: 1 });
  single.append(5);
  assert.equal(single.leader.highWatermark, 5);
});

Deno.test("LeaderState adds a follower that has all since the epoch's start, by its process, and the high watermark waits for it at once", () => {
  const fixture = new Fixture({ ...row, isr: [1, 2] }, { logEnd: 6, highWatermark: 3 });
  const { leader } = fixture;
  fixture.fetch(2, 6);
  fixture.fetch(3, 4);
  assert.equal(leader.takeProposal(1), null, "above the high watermark, below the epoch's start (KAFKA-7128)");
  fixture.append(4);
  fixture.fetch(3, 6);
  const proposal = fixture.propose();
  assert.deepEqual(proposal.row.isr, [1, 2, 3]);
  assert.deepEqual(proposal.comparisons, [
    { kind: "state", broker: 1, version: 101 },
    { kind: "state", broker: 3, version: 103 },
    { kind: "registration", broker: 3, version: 3 },
  ]);
  assert.deepEqual([leader.committedIsr, leader.maximalIsr], [[1, 2], [1, 2, 3]]);
  fixture.fetch(2, 10);
  assert.equal(leader.highWatermark, 6, "it waits for the one that is being added");
  assert.equal(leader.takeProposal(2), proposal, "until it has ended");
  leader.proposalEnded(proposal, { version: 11 }, 2);
  assert.deepEqual([leader.committedIsr, leader.isChanging], [[1, 2, 3], false]);
});

Deno.test("LeaderState stays on the maximal ISR after an unknown outcome and a conflict, and returns after a refusal or a newer row", () => {
  const changing = () => {
    const fixture = new Fixture({ ...row, isr: [1, 2] });
    fixture.fetch(3, 0);
    return { leader: fixture.leader, proposal: fixture.propose() };
  };
  const unknown = changing();
  unknown.leader.proposalEnded(unknown.proposal, "unknown", 2);
  assert.equal(unknown.leader.takeProposal(2), unknown.proposal);
  const conflict = changing();
  conflict.leader.proposalEnded(conflict.proposal, "conflict", 2);
  assert.equal(conflict.leader.takeProposal(2), null, "it waits for the row (KAFKA-14144)");
  assert.deepEqual(conflict.leader.maximalIsr, [1, 2, 3]);
  conflict.leader.rowChanged({ row: { ...row, isr: [1], partitionEpoch: 1 }, version: 9 }, 2);
  assert.deepEqual(conflict.leader.maximalIsr, [1, 2, 3], "older rows are ignored");
  conflict.leader.rowChanged({ row: { ...row, isr: [1], partitionEpoch: 2 }, version: 12 }, 2);
  assert.deepEqual([conflict.leader.maximalIsr, conflict.leader.isChanging], [[1], false]);
  const refused = changing();
  refused.leader.proposalEnded(refused.proposal, "refused", 2);
  assert.deepEqual([refused.leader.maximalIsr, refused.leader.isChanging], [[1, 2], false]);
});

Deno.test("LeaderState refuses fetches of other epochs and of former processes, which change nothing (KIP-903)", () => {
  const fixture = new Fixture();
  fixture.append(5);
  assert.equal(fixture.fetch(2, 5, 1, { leaderEpoch: -1 }), "fenced-leader-epoch");
  assert.equal(fixture.fetch(2, 5, 1, { leaderEpoch: 1 }), "unknown-leader-epoch");
  assert.equal(fixture.fetch(4, 5), "unknown-leader-epoch", "it may know a newer assignment");
  assert.equal(fixture.fetch(2, 0, 1, { brokerEpoch: 9 }), "continues");
  assert.equal(fixture.fetch(2, 5, 1, { brokerEpoch: 2 }), "not-leader-or-follower");
  fixture.fetch(3, 5);
  assert.equal(fixture.leader.highWatermark, 0, "replica 2 is at 0");
  assert.deepEqual(fixture.fetch(2, 6, 1, { brokerEpoch: 9 }), { epoch: 0, endOffset: 5 });
});

Deno.test("LeaderState removes who lags at a tick, keeps who keeps pace, and proposes nothing while it is fenced", () => {
  const fixture = new Fixture();
  fixture.append(5, 0);
  for (let nowMs = 50; nowMs <= 200; nowMs += 50) {
    fixture.fetch(2, 1, nowMs);
    fixture.append(1, nowMs);
  }
  assert.equal(fixture.leader.takeProposal(200), null);
  fixture.setBroker(1, "fenced");
  assert.equal(fixture.leader.takeProposal(200, true), null);
  fixture.setBroker(1, "active");
  assert.deepEqual(
    fixture.propose(200, true).row.isr,
    [1],
    "replica 2 fetched, but never what there was at its last fetch",
  );
  const pace = new Fixture();
  pace.append(5, 0);
  for (let nowMs = 50; nowMs <= 200; nowMs += 50) {
    pace.fetch(2, pace.log.logEndOffset - 1, nowMs);
    pace.append(1, nowMs);
  }
  assert.deepEqual(pace.propose(200, true).row.isr, [1, 2]);
});

Deno.test("LeaderState does not wait for a broker that is active again after a cut, before its fetches arrive again", () => {
  const fixture = new Fixture();
  fixture.append(5);
  for (const replica of [2, 3]) fixture.fetch(replica, 5);
  fixture.append(1);
  fixture.fetch(2, 6);
  fixture.setBroker(3, "fenced");
  const versioned = (partitionEpoch: number, isr: number[]): VersionedRow => ({
    row: { ...row, isr, partitionEpoch },
    version: 10 + partitionEpoch,
  });
  fixture.leader.rowChanged(versioned(1, [1, 2]), 2);
  assert.equal(fixture.leader.highWatermark, 6);
  fixture.setBroker(3, "active");
  const write = (nowMs: number) => {
    fixture.append(1, nowMs);
    fixture.fetch(2, fixture.log.logEndOffset, nowMs);
    return fixture.leader.highWatermark;
  };
  assert.equal(write(3), 7, "it is active, and was caught up within the lag; but it has not fetched since");
  assert.equal(fixture.leader.takeProposal(3), null);
  fixture.fetch(3, 7, 4);
  assert.equal(write(4), 7, "it has caught up, and is about to enter");
  assert.deepEqual(fixture.propose(4).row.isr, [1, 2, 3]);
  fixture.leader.rowChanged(versioned(2, [1, 2, 3]), 4);
  fixture.fetch(3, 8, 5);
  assert.equal(fixture.leader.highWatermark, 8);
});

Deno.test("LeaderState gives the partition to another in-sync replica when it cannot write, and stays where there is none", () => {
  const fixture = new Fixture({ ...row, isr: [1] });
  fixture.leader.cannotWrite(false);
  assert.equal(fixture.leader.takeProposal(1), null, "nobody else is in sync");
  fixture.leader.rowChanged({ row: { ...row, isr: [1, 2, 3], partitionEpoch: 1 }, version: 11 }, 1);
  fixture.setBroker(2, "fenced");
  const given = fixture.propose();
  assert.deepEqual([given.row.leader, given.row.leaderEpoch, given.row.isr, given.row.elr], [3, 1, [2, 3], []]);
  assert.deepEqual(given.comparisons.map((compared) => "broker" in compared && compared.broker), [1, 3]);
  fixture.leader.proposalEnded(given, { version: 12 }, 1);
  assert.deepEqual([fixture.leader.isChanging, fixture.leader.maximalIsr], [true, [1, 2, 3]], "until the row arrives");

  const again = new Fixture();
  again.leader.cannotWrite(false);
  again.append(1);
  assert.equal(again.leader.takeProposal(1), null, "it can write again");
});

Deno.test("LeaderState that gives up is eligible below the minimum only if its log is whole", () => {
  for (const isLost of [false, true]) {
    const { leader } = new Fixture({ ...row, isr: [1, 3], minIsr: 2 });
    leader.cannotWrite(isLost);
    const { row: { isr, elr } } = leader.takeProposal(1) ?? { row };
    assert.deepEqual([isr, elr], [[3], isLost ? [] : [1]]);
  }
});

Deno.test("LeaderState that may have lost records removes nobody who lags: it would be the only one in sync", () => {
  for (const isLost of [false, true]) {
    const fixture = new Fixture();
    fixture.append(2);
    for (const other of [2, 3]) fixture.setBroker(other, "fenced");
    fixture.leader.cannotWrite(isLost);
    const proposed = fixture.leader.takeProposal(LAG_MAX_MS + 1, true);
    assert.deepEqual(proposed?.row.isr ?? null, isLost ? null : [1]);
    assert.deepEqual(fixture.leader.maximalIsr, [1, 2, 3]);
  }
});

Deno.test("LeaderState.verdictOf() binds acknowledgements to the epoch, and counts replicas by the maximal ISR", () => {
  const fixture = new Fixture();
  fixture.append(2);
  const verdict = (leaderEpoch: number) => fixture.leader.verdictOf(leaderEpoch, toOffset(2));
  assert.equal(verdict(0), "waits");
  fixture.fetch(2, 2);
  fixture.fetch(3, 2);
  assert.deepEqual([verdict(0), verdict(1)], ["committed", "not-leader-or-follower"]);
  fixture.leader.rowChanged({ row: { ...row, isr: [1], elr: [2, 3] }, version: 11 }, 2);
  assert.equal(verdict(0), "not-enough-replicas-after-append");
});

Deno.test("LeaderState follows a lower minimum only when the row has it, and forgets its followers over a missed epoch", () => {
  const fixture = new Fixture({ ...row, isr: [1], elr: [2] });
  fixture.append(3);
  fixture.leader.configured(1);
  assert.equal(fixture.leader.highWatermark, 0);
  const proposal = fixture.propose();
  assert.deepEqual([proposal.row.minIsr, proposal.row.elr], [1, []]);
  fixture.leader.proposalEnded(proposal, { version: 11 }, 2);
  assert.equal(fixture.leader.highWatermark, 3);
  const other = new Fixture();
  other.append(3);
  other.fetch(2, 3);
  other.fetch(3, 2);
  other.leader.rowChanged({ row: { ...row, isr: [1, 2], leaderEpoch: 1 }, version: 11 }, 2);
  assert.equal(other.leader.highWatermark, 3, "the next epoch of the same leader");
  other.append(1);
  other.fetch(2, 4, 2, { leaderEpoch: 1 });
  other.leader.rowChanged({ row: { ...row, isr: [1, 3], leaderEpoch: 3 }, version: 12 }, 3);
  assert.deepEqual([other.leader.highWatermark, other.leader.epochStart], [4, 4]);
  other.append(1);
  assert.equal(other.leader.takeProposal(3), null, "replica 2 may have cut its log");
});
