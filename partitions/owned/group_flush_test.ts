import { strict as assert } from "node:assert";
import type { FlushOutcome, FlushRequest } from "../../storage/mod.ts";
import { GroupFlush, GroupFlushes } from "./group_flush.ts";

/** Partitions whose flushes the test ends. */
class Fixture {
  nowMs = 0;
  readonly ended: (readonly [slot: number, outcome: FlushOutcome])[] = [];
  /** Slots of each group that began, and the call that ends it. */
  readonly groups: { slots: number[]; done: (outcomes: readonly FlushOutcome[]) => void }[] = [];
  readonly durable = new Set<number>();
  readonly partitions = new Map<number, { beginFlush(): FlushRequest | null; endFlush(): void }>();
  readonly group = new GroupFlush(this.partitions, {
    flush: (requests, done) => void this.groups.push({ slots: requests.map(({ upTo }) => upTo), done }),
    nowMs: () => this.nowMs,
  });

  /** @param openedCount descriptors that the flush of each partition opens */
  constructor(partitionsCount: number, openedCount = 0) {
    for (let slot = 0; slot < partitionsCount; slot++) {
      const request = { upTo: slot, ownedFds: Array(openedCount).fill(9) } as unknown as FlushRequest;
      const endFlush = (_request: FlushRequest, outcome: FlushOutcome) => void this.ended.push([slot, outcome]);
      const beginFlush = () => this.durable.has(slot) ? null : request;
      this.partitions.set(slot, { beginFlush, endFlush: endFlush as () => void });
    }
  }

  add(...slots: number[]): void {
    for (const slot of slots) this.group.add(slot, false);
  }
}

Deno.test("GroupFlush flushes all that gathered, once each, and what gathers meanwhile in the next group", () => {
  const fixture = new Fixture(4);
  fixture.add(0, 1, 0);
  fixture.group.begin();
  fixture.add(1, 2);
  fixture.group.begin();
  assert.deepEqual(fixture.groups.map(({ slots }) => slots), [[0, 1]]);
  fixture.groups[0]?.done(["flushed", "failed"]);
  assert.deepEqual(fixture.ended, [[0, "flushed"], [1, "failed"]]);
  fixture.group.begin();
  fixture.group.begin();
  assert.deepEqual(fixture.groups.map(({ slots }) => slots), [[0, 1], [1, 2]]);
});

Deno.test("GroupFlush begins nothing for partitions that are gone or durable", () => {
  const fixture = new Fixture(2);
  fixture.durable.add(0);
  fixture.add(0, 7);
  fixture.group.begin();
  assert.deepEqual(fixture.groups, []);
  fixture.add(0, 1);
  fixture.group.begin();
  assert.deepEqual(fixture.groups.map(({ slots }) => slots), [[1]]);
});

Deno.test("GroupFlush takes 64 partitions at a time, and fewer when their flushes open descriptors; the others are first in the next", () => {
  for (const [openedCount, sizes] of [[0, [64, 64, 22]], [7, [3, 3, 3]]] as const) {
    const fixture = new Fixture(150, openedCount);
    fixture.add(...fixture.partitions.keys());
    for (const [index, size] of sizes.entries()) {
      fixture.group.begin();
      const { slots, done } = fixture.groups[index]!;
      assert.equal(slots.length, size);
      assert.equal(slots[0], index * sizes[0]);
      done(slots.map(() => "flushed"));
    }
  }
});

Deno.test("GroupFlush tries again after 100 ms what could not be flushed", () => {
  const fixture = new Fixture(2);
  fixture.nowMs = 1000;
  fixture.group.add(0, true);
  assert.equal(fixture.group.nextDeadlineMs, 1100);
  fixture.nowMs = 1050;
  fixture.group.add(1, true);
  for (const nowMs of [1099, 1100, 1101]) {
    fixture.group.retry(nowMs);
    fixture.group.begin();
    assert.deepEqual(fixture.groups.map(({ slots }) => slots), nowMs < 1100 ? [] : [[0, 1]]);
  }
  assert.equal(fixture.group.nextDeadlineMs, Infinity);
});

Deno.test("GroupFlush.stop() lets the group under way end, and begins no other", () => {
  const fixture = new Fixture(2);
  fixture.add(0);
  fixture.group.begin();
  fixture.group.stop();
  fixture.add(1);
  fixture.groups[0]?.done(["flushed"]);
  fixture.group.begin();
  assert.deepEqual([fixture.ended, fixture.groups.length], [[[0, "flushed"]], 1]);
});

/** Partitions in two log directories, whose flushes the test ends: the even slots in the first one, the odd ones in the second. */
class DirectoriesFixture {
  nowMs = 0;
  readonly ended: (readonly [slot: number, outcome: FlushOutcome])[] = [];
  /** By directory: slots of each group that began, and the call that ends it. */
  readonly begun: { slots: number[]; done: (outcomes: readonly FlushOutcome[]) => void }[][] = [[], []];
  readonly partitions = new Map(Array.from({ length: 6 }, (_, slot) => {
    const request = { upTo: slot, ownedFds: [] as number[] } as unknown as FlushRequest;
    const endFlush = (_request: FlushRequest, outcome: FlushOutcome) => void this.ended.push([slot, outcome]);
    return [slot, { beginFlush: () => request, endFlush }] as const;
  }));
  readonly groups = new GroupFlushes(this.partitions, {
    flush: this.begun.map((groups) => (requests, done) => {
      groups.push({ slots: requests.map(({ upTo }) => upTo), done });
    }),
    nowMs: () => this.nowMs,
  });

  constructor() {
    for (const slot of this.partitions.keys()) this.groups.place(slot, slot % 2);
  }

  flush(...slots: number[]): void {
    for (const slot of slots) this.groups.add(slot, false);
    this.groups.begin();
  }

  /** Slots of the groups that began, by directory. */
  get slots(): number[][][] {
    return this.begun.map((groups) => groups.map(({ slots }) => slots));
  }
}

Deno.test("GroupFlushes begins and ends groups of a log directory while one of another directory does not end", () => {
  const fixture = new DirectoriesFixture();
  fixture.flush(0, 1, 2, 3);
  assert.deepEqual(fixture.slots, [[[0, 2]], [[1, 3]]]);
  for (let round = 0; round < 3; round++) {
    fixture.flush(4, 5);
    fixture.begun[0]?.[round]?.done(["flushed", "flushed"]);
    fixture.groups.begin();
  }
  assert.deepEqual(fixture.slots, [[[0, 2], [4], [4], [4]], [[1, 3]]]);
  assert.deepEqual(fixture.ended.map(([slot]) => slot), [0, 2, 4, 4]);
  fixture.begun[1]?.[0]?.done(["flushed", "failed"]);
  fixture.groups.begin();
  assert.deepEqual(fixture.ended.slice(4), [[1, "flushed"], [3, "failed"]]);
  assert.deepEqual(fixture.slots[1], [[1, 3], [5]]);
});

Deno.test("GroupFlushes tries again in each log directory, and begins nothing after the stop", () => {
  const fixture = new DirectoriesFixture();
  assert.equal(fixture.groups.nextDeadlineMs, Infinity);
  fixture.nowMs = 50;
  fixture.groups.add(1, true);
  fixture.nowMs = 70;
  fixture.groups.add(0, true);
  assert.equal(fixture.groups.nextDeadlineMs, 150);
  fixture.groups.retry(160);
  fixture.groups.begin();
  assert.deepEqual([fixture.slots, fixture.groups.nextDeadlineMs], [[[], [[1]]], 170]);
  fixture.groups.stop();
  fixture.groups.retry(170);
  fixture.groups.begin();
  assert.deepEqual(fixture.slots, [[], [[1]]]);
});

Deno.test("GroupFlushes flushes a partition where it was placed last, and one that was removed nowhere", () => {
  const fixture = new DirectoriesFixture();
  fixture.groups.remove(0);
  fixture.groups.remove(2);
  fixture.groups.place(2, 1);
  fixture.flush(0, 2);
  assert.deepEqual(fixture.slots, [[], [[2]]]);
});
