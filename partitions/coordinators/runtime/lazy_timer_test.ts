import assert from "node:assert/strict";
import { Deadlines } from "../../requests/deadlines.ts";
import { LazyTimer, type Timer } from "./lazy_timer.ts";

/** Runs the entries that are due at a time. @returns how many entries woke up */
function runAt(timers: Deadlines<Timer>, nowMs: number): number {
  let woken = 0;
  for (let timer = timers.takeExpired(nowMs); timer !== null; timer = timers.takeExpired(nowMs)) {
    timer.onDue(nowMs);
    woken++;
  }
  return woken;
}

Deno.test("LazyTimer fires once, at the last time that was set, however often it was postponed", () => {
  const timers = new Deadlines<Timer>();
  let fired = 0;
  const timer = new LazyTimer(timers, () => fired++);
  for (let ms = 10; ms <= 1000; ms += 10) timer.set(ms);
  assert.equal(timer.deadlineMs, 10, "the heap is left alone");
  assert.deepEqual([runAt(timers, 999), fired, timers.nextMs], [1, 0, 1000]);
  assert.deepEqual([runAt(timers, 1000), fired, timers.count, timer.isSet], [1, 1, 0, false]);
  assert.deepEqual([runAt(timers, 9999), fired], [0, 1]);
});

Deno.test("LazyTimer.set() to an earlier time fires at that time", () => {
  const timers = new Deadlines<Timer>();
  let fired = 0;
  const timer = new LazyTimer(timers, () => fired++);
  timer.set(300_000);
  timer.set(10);
  assert.equal(timers.nextMs, 10);
  runAt(timers, 10);
  assert.equal(fired, 1);
});

Deno.test("LazyTimer.cancel() removes the timer from the heap; it can be set again, also while it fires", () => {
  const timers = new Deadlines<Timer>();
  let fired = 0;
  const timer: LazyTimer = new LazyTimer(timers, () => {
    if (++fired === 1) timer.set(50);
  });
  timer.set(10);
  timer.cancel();
  timer.cancel();
  assert.deepEqual([timers.count, timer.isSet], [0, false]);
  timer.set(20);
  runAt(timers, 20);
  assert.deepEqual([fired, timers.nextMs], [1, 50]);
  runAt(timers, 50);
  assert.equal(fired, 2);
});
