import { strict as assert } from "node:assert";
import { ReadyQueue } from "./ready_queue.ts";

Deno.test("ReadyQueue.take() serves in order of arrival, each once, and one that is added again goes to the end", () => {
  const queue = new ReadyQueue<{ isReady: boolean; id: number }>();
  const connections = Array.from({ length: 5000 }, (_, id) => ({ isReady: false, id }));
  for (const connection of [...connections, ...connections]) queue.add(connection);
  assert.equal(queue.count, 5000);
  const served: number[] = [];
  for (let left = 7000; left > 0; left--) {
    const connection = queue.take();
    assert.ok(connection !== null);
    served.push(connection.id);
    if (left > 5000) queue.add(connection);
  }
  const ids = connections.map(({ id }) => id);
  assert.deepEqual(served, [...ids, ...ids.slice(0, 2000)]);
  assert.deepEqual([queue.take(), queue.count], [null, 0]);
});
