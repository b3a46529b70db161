import assert from "node:assert/strict";
import { ANTI_ENTROPY_INTERVAL_MS, AntiEntropy } from "./anti_entropy.ts";
import {
  type KeyVersions,
  MetadataRefusedError,
  type Snapshot,
  type StoreChange,
  type StoredEntry,
  type StoreWatcher,
} from "./store.ts";
import { StoreFollower } from "./store_follower.ts";

const row = (key: string, version: number): StoredEntry => ({ key, value: `${key}@${version}`, version });

/** A store in memory, whose watch loses what the test says. */
class LossyStore {
  version = 0;
  isAnswering = true;
  readonly rows = new Map<string, StoredEntry>();
  readonly watches = new Set<StoreWatcher>();
  /** Changes that watches were not told yet. */
  readonly #held: [changes: readonly StoreChange[], version: number][] = [];

  /** Sets keys; a key with a "-" before it is deleted. @param fate of the news */
  commit(keys: readonly string[], fate: "told" | "lost" | "held" = "told"): void {
    this.version++;
    const changes: StoreChange[] = keys.map((key) =>
      key.startsWith("-") ? { key: key.slice(1), deleted: true } : row(key, this.version)
    );
    for (const change of changes) {
      if ("deleted" in change) this.rows.delete(change.key);
      else this.rows.set(change.key, change);
    }
    if (fate === "held") this.#held.push([changes, this.version]);
    if (fate === "told") { for (const watch of this.watches) watch.changed(changes, this.version); }
  }

  /** Tells watches what was held. */
  release(): void {
    for (const [changes, version] of this.#held.splice(0)) {
      for (const watch of this.watches) watch.changed(changes, version);
    }
  }

  // deno-lint-ignore require-await -- the store's are asynchronous
  async snapshot(): Promise<Snapshot> {
    if (!this.isAnswering) throw new MetadataRefusedError("no answer");
    return { version: this.version, entries: [...this.rows.values()] };
  }

  // deno-lint-ignore require-await -- the store's are asynchronous
  async versions(): Promise<KeyVersions> {
    if (!this.isAnswering) throw new MetadataRefusedError("no answer");
    return {
      version: this.version,
      versions: new Map([...this.rows.values()].map(({ key, version }) => [key, version])),
    };
  }

  watch(_prefix: string, watcher: StoreWatcher, from = 0): Disposable {
    assert.ok(from <= this.version);
    this.watches.add(watcher);
    return { [Symbol.dispose]: () => void this.watches.delete(watcher) };
  }
}

async function scene() {
  const store = new LossyStore();
  store.commit(["a", "b", "c"]);
  const follower = await StoreFollower.open(store);
  const calls: [version: number, keys: string[]][] = [];
  follower.follow((changes, version) => calls.push([version, changes.map(({ key }) => key)]));
  const reports: string[] = [];
  const timers = new Map<number, () => void>();
  const entropy = new AntiEntropy({
    store,
    follower,
    report: (sentence) => reports.push(sentence),
    spread: 0.5,
    timers: { every: (ms, call) => (timers.set(ms, call), () => timers.delete(ms)) },
  });
  return { store, follower, calls, reports, timers, entropy };
}

/** What a follower knows. */
const known = (follower: StoreFollower) => [...follower.rows.values()].toSorted((a, b) => a.key < b.key ? -1 : 1);
const stored = (store: LossyStore) => [...store.rows.values()].toSorted((a, b) => a.key < b.key ? -1 : 1);

Deno.test("a set, a creation and a deletion that the watch has lost arrive after the next change, at once and in order", async () => {
  const { store, follower, calls, reports, entropy } = await scene();
  store.commit(["a"], "lost");
  store.commit(["d", "-b"], "lost");
  const checked = entropy.check();
  await Promise.resolve();
  store.commit(["tick"]);
  await checked;
  assert.deepEqual(known(follower), stored(store));
  assert.deepEqual(calls, [[4, ["tick"]], [4, ["a", "d", "b"]]]);
  assert.deepEqual(entropy.counts, { checks: 1, lost: 3, unanswered: 0 });
  assert.match(reports.join(), /^The watch of etcd has not told of every change, .*; it missed a, d, b$/);
  store.commit(["a"]);
  assert.deepEqual(calls.at(-1), [5, ["a"]], "the watch goes on");
  assert.equal(store.watches.size, 1);
});

Deno.test("changes that are under way are no differences, though keys change and disappear meanwhile", async () => {
  const { store, follower, calls, reports, entropy } = await scene();
  store.commit(["a", "d"], "held");
  store.commit(["-b"], "held");
  const checked = entropy.check();
  await Promise.resolve();
  store.commit(["c"], "held");
  store.commit(["-a"], "held");
  store.release();
  await checked;
  assert.deepEqual(known(follower), stored(store));
  assert.deepEqual(calls.map(([version]) => version), [2, 3, 4, 5], "nothing was read anew");
  assert.deepEqual([entropy.counts, reports], [{ checks: 1, lost: 0, unanswered: 0 }, []]);
});

Deno.test("when no change arrives until the next comparison, the store is read all the same", async () => {
  const { store, follower, timers, entropy } = await scene();
  assert.deepEqual([...timers.keys()], [ANTI_ENTROPY_INTERVAL_MS]);
  store.commit(["a"], "lost");
  const checked = entropy.check();
  await Promise.resolve();
  timers.get(ANTI_ENTROPY_INTERVAL_MS)?.();
  await checked;
  assert.deepEqual(known(follower), stored(store));
  assert.equal(entropy.counts.lost, 1);
});

Deno.test("a store that does not answer is asked again at the next interval, and the watch goes on meanwhile", async () => {
  const { store, follower, calls, entropy } = await scene();
  store.commit(["a"], "lost");
  store.isAnswering = false;
  await entropy.check();
  assert.deepEqual(entropy.counts, { checks: 0, lost: 0, unanswered: 1 });
  store.isAnswering = true;
  const checked = entropy.check();
  await Promise.resolve();
  store.isAnswering = false;
  store.commit(["b"]);
  await checked;
  assert.deepEqual(entropy.counts, { checks: 1, lost: 0, unanswered: 2 });
  store.commit(["c"]);
  assert.deepEqual(calls, [[3, ["b"]], [4, ["c"]]]);
  store.isAnswering = true;
  const last = entropy.check();
  await Promise.resolve();
  store.commit(["b"]);
  await last;
  assert.deepEqual([known(follower), entropy.counts.lost], [stored(store), 1]);
});

Deno.test("after its end nothing is compared, and a follower that was disposed meanwhile watches no more", async () => {
  const { store, follower, timers, entropy } = await scene();
  store.commit(["a"], "lost");
  const checked = entropy.check();
  entropy[Symbol.dispose]();
  await checked;
  assert.deepEqual([timers.size, entropy.counts.lost, store.watches.size], [0, 0, 1]);
  const reread = follower.reread();
  follower[Symbol.dispose]();
  await reread;
  assert.equal(store.watches.size, 0);
});

Deno.test("random losses and delays: after a comparison and a change the follower knows the store, and is told in order", async () => {
  for (let seed = 1; seed <= 200; seed++) {
    let state = seed;
    const below = (count: number) => (state = (state * 48271) % 0x7fff_ffff) % count;
    const { store, follower, calls, entropy } = await scene();
    for (let step = 0; step < 30; step++) {
      const key = "abcdef"[below(6)] as string;
      store.commit([below(3) === 0 && store.rows.has(key) ? `-${key}` : key], (["told", "lost"] as const)[below(2)]);
      if (below(8) === 0) void entropy.check();
      if (below(3) === 0) await Promise.resolve();
    }
    const checked = entropy.check();
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    store.commit(["tick"]);
    await checked;
    await entropy.check();
    assert.deepEqual(known(follower), stored(store), `seed ${seed}`);
    assert.ok(calls.every(([version], index) => version >= (calls[index - 1]?.[0] ?? 0)), `seed ${seed}`);
  }
});
