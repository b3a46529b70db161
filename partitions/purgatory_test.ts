import { strict as assert } from "node:assert";
import { createRandom } from "../storage/base/random.ts";
import { Deadlines } from "./deadlines.ts";
import { type DelayedOperation, Purgatory } from "./purgatory.ts";
import { InterestTable } from "./shared/watermarks.ts";

class Probe implements DelayedOperation {
  heapIndex = -1;
  isTouched = false;
  progressCount = 0;
  expiredCount = 0;
  readonly deadlineMs: number;
  constructor(deadlineMs: number) {
    this.deadlineMs = deadlineMs;
  }
  onProgress(): void {
    this.progressCount++;
  }
  onExpired(): void {
    this.expiredCount++;
  }
}

function create() {
  const interest = new InterestTable(InterestTable.allocate(2));
  return { interest, purgatory: new Purgatory(interest, 1) };
}

Deno.test("Deadlines.takeExpired() gives entries in order of their deadlines after random additions and removals", () => {
  const random = createRandom(99);
  const deadlines = new Deadlines<{ deadlineMs: number; heapIndex: number }>();
  const inside = new Set<{ deadlineMs: number; heapIndex: number }>();
  for (let step = 0; step < 5000; step++) {
    const entry = { deadlineMs: Math.floor(random() * 1000), heapIndex: -1 };
    deadlines.add(entry);
    inside.add(entry);
    if (random() < 0.4) {
      const [victim] = [...inside].slice(Math.floor(random() * inside.size));
      if (victim !== undefined) {
        deadlines.remove(victim);
        inside.delete(victim);
        assert.equal(victim.heapIndex, -1);
      }
    }
  }
  const expected = [...inside].map(({ deadlineMs }) => deadlineMs).sort((a, b) => a - b);
  assert.equal(deadlines.nextMs, expected[0]);
  const taken: number[] = [];
  for (let entry = deadlines.takeExpired(499); entry !== null; entry = deadlines.takeExpired(499)) {
    taken.push(entry.deadlineMs);
  }
  assert.deepEqual(taken, expected.filter((deadline) => deadline <= 499));
  assert.equal(deadlines.count, expected.length - taken.length);
});

Deno.test("Purgatory.touch() looks at an operation once per turn, however many of its partitions moved", () => {
  const { purgatory } = create();
  const operation = new Probe(100);
  purgatory.schedule(operation);
  purgatory.watch(1, operation);
  purgatory.watch(2, operation);
  for (const slot of [1, 2, 1, 3]) purgatory.touch(slot);
  assert.ok(purgatory.runTouched());
  assert.equal(operation.progressCount, 1);
  assert.equal(purgatory.runTouched(), false);
});

Deno.test("Purgatory.runTouched() passes over an operation that completed in the same turn", () => {
  const { purgatory } = create();
  const operation = new Probe(100);
  purgatory.schedule(operation);
  purgatory.watch(1, operation);
  purgatory.touch(1);
  purgatory.cancel(operation);
  purgatory.runTouched();
  assert.equal(operation.progressCount, 0);
});

Deno.test("Purgatory.watch() announces interest with the first watcher and withdraws it with the last", () => {
  const { purgatory, interest } = create();
  const [first, second] = [new Probe(1), new Probe(2)];
  purgatory.watch(5, first);
  purgatory.watch(5, second);
  assert.ok(interest.has(1, 5));
  purgatory.unwatch(5, first);
  assert.ok(interest.has(1, 5));
  purgatory.unwatch(5, second);
  assert.equal(interest.has(1, 5), false);
  purgatory.unwatch(5, second);
});

Deno.test("Purgatory.expire() completes what is overdue and nothing else", () => {
  const { purgatory } = create();
  const [early, late] = [new Probe(10), new Probe(20)];
  purgatory.schedule(late);
  purgatory.schedule(early);
  assert.equal(purgatory.nextDeadlineMs, 10);
  purgatory.expire(15);
  assert.deepEqual([early.expiredCount, late.expiredCount], [1, 0]);
  assert.equal(purgatory.nextDeadlineMs, 20);
  purgatory.expire(20);
  assert.deepEqual([early.expiredCount, late.expiredCount], [1, 1]);
  assert.equal(purgatory.nextDeadlineMs, Infinity);
});
