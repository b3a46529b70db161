import { strict as assert } from "node:assert";
import { createRandom } from "../../storage/base/random.ts";
import { Deadlines } from "./deadlines.ts";
import { type DelayedOperation, Purgatory, WAITING_BYTES_MAX } from "./purgatory.ts";
import { InterestTable } from "../shared/watermarks.ts";

class Probe implements DelayedOperation {
  heapIndex = -1;
  isMarked = false;
  progressCount = 0;
  expiredCount = 0;
  readonly deadlineMs: number;
  readonly heldBytes: number;
  constructor(deadlineMs: number, heldBytes = 0) {
    this.deadlineMs = deadlineMs;
    this.heldBytes = heldBytes;
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

Deno.test("Purgatory.checkMarked() checks an operation once per turn, however many of its partitions moved", () => {
  const { purgatory } = create();
  const operation = new Probe(100);
  purgatory.schedule(operation);
  purgatory.watch(1, operation);
  purgatory.watch(2, operation);
  for (const slot of [1, 2, 1, 3]) purgatory.markProgress(slot);
  assert.ok(purgatory.checkMarked());
  assert.equal(operation.progressCount, 1);
  assert.equal(purgatory.checkMarked(), false);
});

Deno.test("Purgatory.checkMarked() skips an operation that completed in the same turn", () => {
  const { purgatory } = create();
  const operation = new Probe(100);
  purgatory.schedule(operation);
  purgatory.watch(1, operation);
  purgatory.markProgress(1);
  purgatory.cancel(operation);
  purgatory.checkMarked();
  assert.equal(operation.progressCount, 0);
});

Deno.test("Purgatory sets the interest word with the first watcher of a partition and clears it with the last", () => {
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

Deno.test("Purgatory.expire() completes overdue operations and no others", () => {
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

Deno.test("Purgatory.expire() completes those that wait longest while all together hold too much memory", () => {
  const { purgatory } = create();
  const bytes = WAITING_BYTES_MAX / 8;
  const operations = Array.from({ length: 12 }, (_, index) => new Probe(1e9 - index, bytes));
  operations.slice(0, 8).forEach((operation) => purgatory.schedule(operation));
  purgatory.expire(0);
  assert.equal(operations.filter(({ expiredCount }) => expiredCount > 0).length, 0, "they fit");
  purgatory.cancel(operations[1] as Probe);
  operations.slice(8).forEach((operation) => purgatory.schedule(operation));
  assert.equal(purgatory.nextDeadlineMs, 0, "nobody sleeps over that");
  purgatory.expire(0);
  assert.ok(purgatory.nextDeadlineMs > 0);
  assert.deepEqual(operations.map(({ expiredCount }) => expiredCount), [1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  assert.equal(purgatory.waitingCount, 8);
});

Deno.test("Purgatory.checkMarked() and expire() stop when mayContinue() says so, and continue with the others next time", () => {
  const { purgatory } = create();
  const operations = [new Probe(10), new Probe(20), new Probe(30)];
  for (const operation of operations) {
    purgatory.schedule(operation);
    purgatory.watch(1, operation);
  }
  purgatory.markProgress(1);
  for (const expected of [[1, 0, 0], [1, 1, 0], [1, 1, 1]]) {
    assert.equal(purgatory.checkMarked(() => false), true);
    assert.deepEqual(operations.map(({ progressCount }) => progressCount), expected);
  }
  assert.equal(purgatory.hasMarked, false);
  for (const expected of [[1, 0, 0], [1, 1, 0], [1, 1, 1]]) {
    purgatory.expire(100, () => false);
    assert.deepEqual(operations.map(({ expiredCount }) => expiredCount), expected);
  }
});

Deno.test("Purgatory.listen() tells of each progress, and the interest stays while anybody watches or listens", () => {
  const { interest, purgatory } = create();
  const told: number[] = [];
  const listener = { onProgress: (slot: number) => void told.push(slot) };
  const operation = new Probe(10);
  purgatory.listen(1, listener);
  purgatory.schedule(operation);
  purgatory.watch(1, operation);
  purgatory.unwatch(1, operation);
  assert.equal(interest.has(1, 1), true);
  purgatory.markProgress(1);
  purgatory.markProgress(2);
  purgatory.mark(operation);
  purgatory.mark(operation);
  purgatory.checkMarked();
  assert.deepEqual([told, operation.progressCount], [[1], 1]);
  purgatory.watch(1, operation);
  purgatory.unlisten(1, listener);
  purgatory.unlisten(1, listener);
  assert.equal(interest.has(1, 1), true);
  purgatory.unwatch(1, operation);
  assert.equal(interest.has(1, 1), false);
  purgatory.markProgress(1);
  assert.deepEqual(told, [1]);
});
