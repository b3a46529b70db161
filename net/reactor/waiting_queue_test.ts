import { strict as assert } from "node:assert";
import { WaitingQueue } from "./waiting_queue.ts";

const always = () => true;

Deno.test("WaitingQueue.grant() serves in order of arrival, and nobody overtakes a waiter that needs more than there is", () => {
  const queue = new WaitingQueue<string, number>();
  for (const [waiter, need] of [["a", 2], ["b", 5], ["c", 1]] as const) queue.add(waiter, need);
  let room = 3;
  const served: string[] = [];
  const grant = () => queue.grant((need) => need <= room, (waiter) => void served.push(waiter), always);
  grant();
  assert.deepEqual([served, queue.count, queue.firstNeed], [["a"], 2, 5]);
  room = 5;
  grant();
  assert.deepEqual([served, queue.count, queue.firstNeed], [["a", "b", "c"], 0, undefined]);
});

Deno.test("WaitingQueue.grant() stops when it may not continue, and leaves a waiter that is added again to the next call", () => {
  const queue = new WaitingQueue<string, number>();
  for (const waiter of ["a", "b"]) queue.add(waiter, 1);
  const served: string[] = [];
  queue.grant(always, (waiter) => void served.push(waiter), () => false);
  assert.deepEqual([served, queue.has("a"), queue.has("b")], [["a"], false, true]);
  const again = (waiter: string) => {
    served.push(waiter);
    queue.add(waiter, 1);
  };
  queue.grant(always, again, always);
  assert.deepEqual([served, queue.count], [["a", "b"], 1]);
});

Deno.test("WaitingQueue.delete() removes a waiter, also while others are served", () => {
  const queue = new WaitingQueue<string, number>();
  for (const waiter of ["a", "b", "c"]) queue.add(waiter, 1);
  const served: string[] = [];
  queue.grant(always, (waiter) => {
    served.push(waiter);
    queue.delete("b");
  }, always);
  assert.deepEqual([served, queue.count], [["a", "c"], 0]);
});
