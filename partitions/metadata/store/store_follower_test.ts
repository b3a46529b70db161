import assert from "node:assert/strict";
import type { Snapshot, StoreChange, StoreWatcher } from "./store.ts";
import { StoreFollower } from "./store_follower.ts";

const row = (key: string, version: number) => ({ key, value: `${key}@${version}`, version });

/** A store whose watch the test calls. */
class CalledStore {
  watcher: StoreWatcher | null = null;
  from = -1;
  isEnded = false;
  readonly #snapshot: Snapshot;

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
  }

  snapshot(): Promise<Snapshot> {
    return Promise.resolve(this.#snapshot);
  }

  watch(_prefix: string, watcher: StoreWatcher, from = 0): Disposable {
    this.watcher = watcher;
    this.from = from;
    return { [Symbol.dispose]: () => void (this.isEnded = true) };
  }
}

async function follow(snapshot: Snapshot) {
  const store = new CalledStore(snapshot);
  const follower = await StoreFollower.open(store);
  const calls: { changes: readonly StoreChange[]; version: number; known: string[] }[] = [];
  follower.follow((changes, version) => calls.push({ changes, version, known: [...follower.rows.keys()] }));
  return { store, follower, calls, watcher: store.watcher as StoreWatcher };
}

Deno.test("a follower has the snapshot's rows, then each change, before its listeners are called", async () => {
  const { store, follower, calls, watcher } = await follow({ version: 7, entries: [row("a", 3), row("b", 7)] });
  assert.deepEqual([store.from, follower.version, [...follower.rows.keys()]], [7, 7, ["a", "b"]]);
  watcher.changed([row("c", 8), { key: "a", deleted: true }], 8);
  assert.deepEqual(calls, [{ changes: [row("c", 8), { key: "a", deleted: true }], version: 8, known: ["b", "c"] }]);
  assert.deepEqual([follower.version, follower.rows.get("c")], [8, row("c", 8)]);
});

Deno.test("a reset reaches listeners as the differences to what was known", async () => {
  const entries = [row("a", 3), row("b", 7), row("c", 7)];
  const { follower, calls, watcher } = await follow({ version: 7, entries });
  watcher.reset({ version: 12, entries: [row("a", 3), row("b", 9), row("d", 12)] });
  const changes = [row("b", 9), row("d", 12), { key: "c", deleted: true }];
  assert.deepEqual(calls, [{ changes, version: 12, known: ["a", "b", "d"] }]);
  assert.equal(follower.version, 12);
});

Deno.test("reached() settles after the listeners were called, at once for what has arrived", async () => {
  const { follower, calls, watcher } = await follow({ version: 7, entries: [] });
  await follower.reached(7);
  let seen = -1;
  const reached = follower.reached(9).then(() => seen = calls.length);
  watcher.changed([row("a", 8)], 8);
  await Promise.resolve();
  assert.equal(seen, -1);
  watcher.changed([row("a", 10)], 10);
  await reached;
  assert.equal(seen, 2);
});

Deno.test("a listener that has left is not called, and a disposed follower ends its watch", async () => {
  const { store, follower, calls, watcher } = await follow({ version: 1, entries: [] });
  const other: number[] = [];
  const following = follower.follow((_, version) => other.push(version));
  watcher.changed([row("a", 2)], 2);
  following[Symbol.dispose]();
  watcher.changed([row("a", 3)], 3);
  follower[Symbol.dispose]();
  watcher.changed([row("a", 4)], 4);
  assert.deepEqual([other, calls.length, store.isEnded], [[2], 2, true]);
});
