import { strict as assert } from "node:assert";
import { createRandom } from "../../storage/base/random.ts";
import { afterUse, pauseMs, type Rate, unused } from "../quotas/rates.ts";
import { RateTable, SHARERS_MAX } from "./rate_table.ts";

const RATE: Rate = { perSecond: 1000, burstMs: 10_000, debtMsMax: Infinity };

function tables(shardsCount: number): RateTable[] {
  const memory = RateTable.allocate(shardsCount);
  return Array.from({ length: shardsCount }, (_, shard) => new RateTable(memory, { shard, shardsCount }));
}

function use(table: RateTable, name: string, amount: number, nowMs: number, rate = RATE): number {
  const sharers = table.sharersOf(name);
  return table.count(sharers, amount, nowMs, { dueMs: table.read(sharers, nowMs, rate), rate });
}

Deno.test("RateTable counts what is used on all shards against one rate", () => {
  const random = createRandom(3);
  for (const shardsCount of [1, 2, 5]) {
    const shards = tables(shardsCount);
    let nowMs = 5000;
    let modelMs = unused(nowMs, RATE);
    for (let round = 0; round < 5000; round++) {
      nowMs += random() < 0.01 ? random() * 30_000 : random() * 20;
      const amount = Math.floor(random() * 20);
      modelMs = afterUse(modelMs, amount, nowMs, RATE);
      const dueMs = use(shards[Math.floor(random() * shardsCount)]!, "x", amount, nowMs);
      assert(Math.abs(dueMs - modelMs) < 1e-3, `round ${round}: ${dueMs} instead of ${modelMs}`);
    }
  }
});

Deno.test("RateTable forgets nothing that two shards count at the same time, and counts it once", () => {
  const [a, b, c] = tables(3) as [RateTable, RateTable, RateTable];
  const sharers = a.sharersOf("x");
  use(c, "x", 10_000, 0);
  // Both have read before either of them writes.
  for (let round = 0; round < 10; round++) {
    const [ofA, ofB] = [a.read(sharers, round, RATE), b.read(sharers, round + 0.001, RATE)];
    a.count(sharers, 100, round, { dueMs: ofA, rate: RATE });
    b.count(sharers, 200, round + 0.001, { dueMs: ofB, rate: RATE });
  }
  assert(Math.abs(c.read(sharers, 10, RATE) - 3000) < 1e-6);
});

Deno.test("RateTable is exact with clocks that differ between the shards", () => {
  const [ahead, behind] = tables(2) as [RateTable, RateTable];
  use(ahead, "x", 10_000, 60_000);
  let dueMs = 0;
  for (let nowMs = 0; nowMs < 1000; nowMs += 10) dueMs = use(behind, "x", 20, nowMs);
  assert.equal(Math.round(dueMs), 60_000 + 2000);
});

Deno.test("RateTable keeps what was used when the quota changes, and gives credit that lapsed to nobody", () => {
  const [table] = tables(1) as [RateTable];
  use(table, "x", 12_000, 0);
  const twice = { ...RATE, perSecond: 2000 };
  assert.equal(pauseMs(table.read(table.sharersOf("x"), 0, RATE), 0), 2000);
  assert.equal(pauseMs(table.read(table.sharersOf("x"), 0, twice), 0), 1000);
  assert.equal(table.read(table.sharersOf("x"), 1e9, twice), unused(1e9, twice));
  assert.equal(table.read(table.sharersOf("y"), 0, RATE), unused(0, RATE));
});

Deno.test("RateTable keeps those who use much when there are more names than rows", () => {
  const [table, other] = tables(2) as [RateTable, RateTable];
  for (let index = 0; index < 50; index++) use(table, `much ${index}`, 30_000, 0);
  for (let index = 0; index < 20 * SHARERS_MAX; index++) use(table, `new ${index}`, 1, index / 100);
  for (let index = 0; index < 50; index++) {
    assert.equal(Math.round(other.read(other.sharersOf(`much ${index}`), 1000, RATE)), 20_000);
  }
});

Deno.test("RateTable.read() never sees a partial write of another isolate", async () => {
  const memory = RateTable.allocate(2);
  const source = `
    import { RateTable } from ${JSON.stringify(new URL("./rate_table.ts", import.meta.url).href)};
    self.onmessage = ({ data }) => {
      const table = new RateTable(data, { shard: 1, shardsCount: 2 });
      const sharers = table.sharersOf("x");
      const rate = { perSecond: 1000, burstMs: 0, debtMsMax: Infinity };
      for (let n = 1; n <= 20000; n++) table.count(sharers, 1000, 0, { dueMs: table.read(sharers, 0, rate), rate });
      self.postMessage("done");
      self.close();
    };`;
  const url = URL.createObjectURL(new Blob([source], { type: "application/javascript" }));
  const worker = new Worker(url, { type: "module" });
  let done = false;
  worker.onmessage = () => done = true;
  worker.postMessage(memory);
  const table = new RateTable(memory, { shard: 0, shardsCount: 2 });
  const [sharers, rate] = [table.sharersOf("x"), { perSecond: 1000, burstMs: 0, debtMsMax: Infinity }];
  let last = 0;
  while (!done) {
    for (let reads = 0; reads < 10_000; reads++) {
      const dueMs = table.read(sharers, 0, rate);
      assert(dueMs >= last && dueMs % 1000 === 0, `${dueMs} after ${last}`);
      last = dueMs;
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assert.equal(table.read(sharers, 0, rate), 20_000 * 1000);
  worker.terminate();
  URL.revokeObjectURL(url);
});
