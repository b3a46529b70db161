import { strict as assert } from "node:assert";
import type { FlushOutcome, FlushRequest } from "../../storage/mod.ts";
import { GroupFlush } from "./group_flush.ts";

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
