import { strict as assert } from "node:assert";
import { type Offset, toOffset } from "../../storage/base/units.ts";
import { LeaderEpochTable } from "../../storage/log/epochs/leader_epoch_table.ts";
import { createRow, NO_LEADER, type PartitionRow } from "../cluster/partition_row.ts";
import type { FetchAnswer } from "./follower_state.ts";
import { ReplicaRole } from "./replica_role.ts";

const BACKOFF_MS = 20;
const row = createRow([1, 2, 3], 2, { isActive: () => true });

/** Broker 2 with a log by the epoch of each record. */
class Fixture {
  readonly epochs: number[];
  readonly table = new LeaderEpochTable();
  readonly role: ReplicaRole<readonly number[]>;
  #version = 1;

  constructor(epochs: readonly number[] = [], highWatermark = 0) {
    this.epochs = [...epochs];
    this.#note();
    const { table } = this;
    const end = () => toOffset(this.epochs.length);
    const log = {
      logStartOffset: toOffset(0),
      get logEndOffset(): Offset {
        return end();
      },
      earliestEpoch: 0,
      get latestEpoch(): number {
        return table.latest;
      },
      endOffsetFor: (epoch: number) => table.endOffsetFor(epoch, end()),
    };
    const entry = (id: number) => ({ state: "active" as const, stateVersion: id, brokerEpoch: id });
    const parts = {
      self: 2,
      log,
      lagMaxMs: 100,
      backoffMs: BACKOFF_MS,
      broker: (id: number) => ({ ...entry(id), incarnation: "", directoryId: "" }),
      noteEpoch: (epoch: number) => void table.assign(epoch, end()),
      configuredMinIsr: () => 2,
    };
    this.role = new ReplicaRole(parts, toOffset(highWatermark));
  }

  row(changed: Partial<PartitionRow>): string {
    return this.role.rowChanged({ row: { ...row, ...changed }, version: ++this.#version }, 0);
  }

  take(nowMs = 0) {
    return this.role.follower.takeAction(nowMs);
  }

  fetch(nowMs = 0) {
    const action = this.take(nowMs);
    assert(action?.kind === "fetch", `${action?.kind}`);
    return action;
  }

  answer(fetch: ReturnType<Fixture["fetch"]>, answer: FetchAnswer<readonly number[]>): void {
    this.role.follower.answered(fetch, answer, 0);
  }

  /** Executes the write that the follower asks for. */
  write(): string | undefined {
    const action = this.take();
    if (action?.kind === "truncate") {
      this.epochs.length = Math.min(action.to, this.epochs.length);
      this.table.truncateFromEnd(action.to);
    } else if (action?.kind === "append") {
      this.epochs.push(...action.slice.slice(0, action.count));
      this.#note();
    }
    this.role.written(0);
    return action?.kind;
  }

  #note(): void {
    for (const [offset, epoch] of this.epochs.entries()) {
      if (epoch > this.table.latest) this.table.assign(epoch, toOffset(offset));
    }
  }
}

function records(first: number, epochs: readonly number[], highWatermark: number): FetchAnswer<readonly number[]> {
  const batches = {
    count: epochs.length,
    epochOf: (index: number) => epochs[index] as number,
    baseOffsetOf: (index: number) => toOffset(first + index),
    slice: epochs,
  };
  return { kind: "records", batches, highWatermark: toOffset(highWatermark), logStartOffset: toOffset(0) };
}

Deno.test("a follower fetches from its log end, appends, and takes the leader's high watermark up to its log end", () => {
  const fixture = new Fixture();
  assert.equal(fixture.row({}), "nothing");
  const fetch = fixture.fetch();
  assert.deepEqual([fetch.leader, fetch.leaderEpoch, fetch.offset, fetch.lastFetchedEpoch], [1, 0, 0, -1]);
  fixture.answer(fetch, records(0, [0, 0], 5));
  assert.equal(fixture.role.highWatermark, 0, "not before they are appended");
  assert.equal(fixture.write(), "append");
  assert.equal(fixture.role.highWatermark, 2);
  const next = fixture.fetch();
  assert.deepEqual([next.offset, next.lastFetchedEpoch], [2, 0]);
  fixture.answer(next, records(2, [], 2));
  assert.equal(fixture.fetch().lastFetchedEpoch, 0, "an empty answer keeps it (KAFKA-15510)");
});

Deno.test("a follower cuts its log by epoch, and a diverging answer moves no high watermark (KAFKA-14704)", () => {
  const fixture = new Fixture([0, 0, 1, 1], 1);
  fixture.row({ leaderEpoch: 2, leader: 3 });
  const diverging = { epoch: 0, endOffset: toOffset(3) };
  const marks = { highWatermark: toOffset(4), logStartOffset: toOffset(0) };
  fixture.answer(fixture.fetch(), { kind: "diverging", diverging, ...marks });
  assert.equal(fixture.role.highWatermark, 1);
  assert.equal(fixture.write(), "truncate");
  assert.deepEqual([fixture.epochs, fixture.role.highWatermark], [[0, 0], 1]);
  assert.deepEqual([fixture.fetch().offset], [2]);
});

Deno.test("a follower ignores answers of another epoch or log end, and appends no batch of a newer epoch (KAFKA-18723, 18991)", () => {
  const fixture = new Fixture([0]);
  fixture.row({});
  const old = fixture.fetch();
  fixture.row({ leaderEpoch: 1, leader: 3 });
  const fetch = fixture.fetch();
  fixture.answer(old, records(1, [0], 2));
  assert.equal(fixture.take(), null, "it still waits");
  fixture.answer({ ...fetch, lastFetchedEpoch: -1 }, records(1, [0], 2));
  assert.equal(fixture.take(), null);
  fixture.answer(fetch, records(1, [0, 1, 2], 4));
  fixture.write();
  assert.deepEqual(fixture.epochs, [0, 0, 1]);
});

Deno.test("a follower waits after an error or a lost connection, stops when it is fenced, and asks where the leader's log is when out of range", () => {
  const fixture = new Fixture([0, 0, 0], 1);
  fixture.row({});
  fixture.answer(fixture.fetch(), { kind: "failed" });
  assert.equal(fixture.take(BACKOFF_MS - 1), null);
  const fetch = fixture.fetch(BACKOFF_MS);
  fixture.role.follower.lost(fetch, BACKOFF_MS);
  const again = fixture.fetch(2 * BACKOFF_MS);
  fixture.answer(again, { kind: "offset-out-of-range" });
  assert.equal(fixture.take()?.kind, "ask-offsets");
  fixture.role.follower.offsetsAnswered(again, toOffset(0), toOffset(2), 0);
  assert.equal(fixture.write(), "truncate", "an unclean election made the leader's log shorter");
  const shorter = fixture.fetch();
  fixture.answer(shorter, { kind: "offset-out-of-range" });
  fixture.take();
  fixture.role.follower.offsetsAnswered(shorter, toOffset(5), toOffset(9), 0);
  assert.deepEqual(fixture.take(), { kind: "restart", at: 5 });
  const fenced = new Fixture();
  fenced.row({});
  fenced.answer(fenced.fetch(), { kind: "fenced-leader-epoch" });
  assert.equal(fenced.take(1000), null);
  fenced.row({ leaderEpoch: 1, leader: 3 });
  assert.equal(fenced.fetch().leaderEpoch, 1);
});

Deno.test("a replica leads, and follows another leader, only after the write under way has ended (KAFKA-13266)", () => {
  const fixture = new Fixture();
  fixture.row({});
  fixture.answer(fixture.fetch(), records(0, [0], 1));
  const write = fixture.take();
  assert.equal(write?.kind, "append");
  assert.equal(fixture.row({ leader: 3, leaderEpoch: 1 }), "nothing");
  assert.equal(fixture.take(), null);
  assert.equal(fixture.row({ leader: 2, leaderEpoch: 2 }), "nothing");
  assert.equal(fixture.role.leader?.epochStart, undefined);
  fixture.epochs.push(0);
  assert.equal(fixture.role.written(0), true);
  assert.equal(fixture.role.leader?.epochStart, 1);
  assert.equal(fixture.table.latest, 2, "the epoch is noted before its first record (KAFKA-7415)");
});

Deno.test("ReplicaRole.rowChanged() resigns at once, keeps the high watermark, and ignores older rows", () => {
  const fixture = new Fixture([0, 0], 1);
  assert.equal(fixture.row({ leader: 2, leaderEpoch: 1 }), "leads");
  assert.equal(fixture.row({ leader: 2, leaderEpoch: 1, isr: [2, 3] }), "nothing");
  assert.deepEqual(fixture.role.leader?.committedIsr, [2, 3]);
  assert.equal(fixture.role.verdictOf(1, toOffset(2)), "waits");
  assert.equal(fixture.role.rowChanged({ row, version: 1 }, 0), "nothing");
  assert.equal(fixture.row({ leader: 2, leaderEpoch: 2 }), "resigned-and-leads");
  assert.equal(fixture.role.verdictOf(1, toOffset(2)), "not-leader-or-follower");
  assert.equal(fixture.row({ leader: NO_LEADER, leaderEpoch: 3 }), "resigned");
  assert.deepEqual([fixture.role.highWatermark, fixture.take()], [1, null]);
  assert.equal(fixture.row({ leader: 3, leaderEpoch: 4 }), "nothing");
  assert.equal(fixture.fetch().lastFetchedEpoch, 2, "the epochs that it led are in its log");
  fixture.row({ leader: 3, leaderEpoch: 4, replicas: [1, 3], isr: [1, 3] });
  const removed = new Fixture();
  removed.row({ replicas: [1, 3], isr: [1, 3] });
  assert.equal(removed.take(), null, "it is no replica");
});
