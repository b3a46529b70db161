/** Rows of partitions whose topic was never created, and creations that are only slow. */
import assert from "node:assert/strict";
import type { Timers } from "../../directory/checkpoint_writer.ts";
import { MemoryStore } from "../controller_testing.ts";
import { ORPHANED_MS, SWEEP_INTERVAL_MS } from "./orphaned_rows.ts";
import { directoryId, Plane, register, storedTopics, topicsOf } from "./shared_testing.ts";

const ID = "MTIzNDU2Nzg5MDEyMzQ1Ng";

/** A clock whose timers the test runs. */
class Clock implements Timers {
  ms = 0;
  readonly #callbacks = new Set<() => void>();

  every(ms: number, callback: () => void): () => void {
    assert.equal(ms, SWEEP_INTERVAL_MS);
    this.#callbacks.add(callback);
    return () => this.#callbacks.delete(callback);
  }

  async pass(ms: number): Promise<void> {
    this.ms += ms;
    for (const callback of this.#callbacks) callback();
    // A sweep takes a few turns of a store in memory.
    for (let turns = 0; turns < 200; turns++) await Promise.resolve();
  }
}

async function cluster() {
  const [store, clock] = [new MemoryStore(), new Clock()];
  store.limits = { transactionKeysMax: 8, transactionBytesMax: 1e6 };
  for (const id of [1, 2]) await register(store, id);
  const controller = { broker: 1, incarnation: "i", host: "h", port: 1 };
  await store.transact({ set: [{ key: "controller", value: JSON.stringify(controller) }] });
  const options = { timers: clock, nowMs: () => clock.ms };
  const planes = [await Plane.start(store, 1, options), await Plane.start(store, 2, options)] as const;
  const all = async () => {
    for (const plane of planes) await plane.catchUp(store);
  };
  return { store, clock, planes, all };
}

function orphans(count: number): { key: string; value: string }[] {
  const row = {
    ...{
      replicas: [2],
      isr: [2],
      leader: 2,
      leaderEpoch: 0,
      partitionEpoch: 0,
      directories: [directoryId(2)],
      minIsr: 1,
    },
    ...{ elr: [], lastKnownElr: [], recovering: false, adding: [], removing: [] },
  };
  return Array.from({ length: count }, (_, n) => ({ key: `partitions/${ID}/${n}`, value: JSON.stringify(row) }));
}

const orphansIn = (store: MemoryStore) => Object.keys(store.rows(`partitions/${ID}/`)).length;

Deno.test("the controller removes rows without a topic after ten minutes, those of topics stay", async () => {
  const { store, clock, planes, all } = await cluster();
  assert.deepEqual(await planes[0].create({ kept: 30 }), ["NONE"]);
  const rows = orphans(20);
  for (let at = 0; at < rows.length; at += 8) await store.transact({ set: rows.slice(at, at + 8) });
  await all();
  await clock.pass(0);
  await clock.pass(ORPHANED_MS - 1);
  assert.equal(orphansIn(store), 20);
  await store.transact({ delete: ["controller"] });
  await all();
  await clock.pass(10);
  assert.equal(orphansIn(store), 20, "nobody is the controller");
  const controller = { broker: 2, incarnation: "i", host: "h", port: 1 };
  await store.transact({ set: [{ key: "controller", value: JSON.stringify(controller) }] });
  await all();
  await clock.pass(0);
  assert.equal(orphansIn(store), 0);
  await all();
  for (const { shard, reports } of planes) assert.deepEqual([topicsOf(shard), reports], [storedTopics(store), []]);
  assert.equal(Object.keys(store.rows("partitions/")).length, 30);
});

Deno.test("a creation that takes longer than ten minutes is made anew, and whole", async () => {
  const { store, clock, planes, all } = await cluster();
  const paused = Promise.withResolvers<void>();
  const { transact } = store;
  store.transact = async (transaction) => {
    if (transaction.set?.some(({ key }) => key === "topics/slow") === true && clock.ms < ORPHANED_MS) {
      await paused.promise;
    }
    return await transact.call(store, transaction);
  };
  const creating = planes[1].create({ slow: 20 });
  while (Object.keys(store.rows("partitions/")).length < 20) await Promise.resolve();
  const [first] = Object.keys(store.rows("partitions/"));
  await planes[0].catchUp(store);
  await clock.pass(0);
  await clock.pass(ORPHANED_MS);
  assert.deepEqual(store.rows("partitions/"), {});
  paused.resolve();
  assert.deepEqual(await creating, ["NONE"]);
  await all();
  const keys = Object.keys(store.rows("partitions/"));
  assert.equal(keys.length, 20);
  assert.ok(!keys.includes(first ?? ""), "it has another id");
  for (const { shard } of planes) assert.deepEqual(topicsOf(shard), storedTopics(store));
});

Deno.test("a topic that becomes visible while its rows are about to be removed keeps them", async () => {
  const { store, clock, planes, all } = await cluster();
  await store.transact({ set: orphans(5) });
  await all();
  await clock.pass(0);
  const topic = { key: "topics/late", value: JSON.stringify({ id: ID, configs: {} }) };
  const { transact } = store;
  let isFirst = true;
  store.transact = async (transaction) => {
    // Before the row is written anew, and before the controller hears of it.
    if (isFirst) {
      isFirst = false;
      await transact.call(store, { set: [topic] });
    }
    return await transact.call(store, transaction);
  };
  await clock.pass(ORPHANED_MS);
  await all();
  await clock.pass(ORPHANED_MS);
  assert.equal(orphansIn(store), 5);
  for (const { shard } of planes) assert.deepEqual(topicsOf(shard), storedTopics(store));
});
