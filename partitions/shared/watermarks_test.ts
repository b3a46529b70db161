import { strict as assert } from "node:assert";
import { toOffset } from "../../storage/base/units.ts";
import { emptyWatermarks, InterestTable, isLed, nextLeadership, WatermarkTable } from "./watermarks.ts";

Deno.test("WatermarkTable.read() returns what was written, also above 2^32, and no row changes another", () => {
  const table = new WatermarkTable(WatermarkTable.allocate());
  const big = 2 ** 52 + 12_345;
  const values = {
    state: 4,
    leadership: 2 ** 27 - 1,
    replication: 3,
    highWatermark: toOffset(big),
    lastStableOffset: toOffset(big - 1),
    logStartOffset: toOffset(2 ** 32 - 1),
    logEndOffset: toOffset(big + 1),
    recoveryPoint: toOffset(2 ** 32),
    highWatermarkBytes: 2 ** 40 + 7,
    logEndBytes: 2 ** 41 + 9,
  };
  table.write(7, values);
  assert.deepEqual(table.read(7, emptyWatermarks()), values);
  assert.equal(table.stateOf(7), 4);
  assert.deepEqual(table.read(6, emptyWatermarks()), emptyWatermarks());
  assert.deepEqual(table.read(8, emptyWatermarks()), emptyWatermarks());
});

Deno.test("nextLeadership() is odd for a leadership and even behind one, also where the count wraps, and never the last number", () => {
  for (const last of [0, 1, 2, 7, 2 ** 27 - 2, 2 ** 27 - 1]) {
    for (const leads of [true, false]) {
      const leadership = nextLeadership(last, leads);
      assert.ok(leadership !== last && leadership < 2 ** 27, `${leadership} after ${last}`);
      assert.equal(isLed({ ...emptyWatermarks(), leadership }), leads);
    }
  }
});

Deno.test("WatermarkTable.write() asserts the order of the watermarks", () => {
  const table = new WatermarkTable(WatermarkTable.allocate());
  const values = { ...emptyWatermarks(), highWatermark: toOffset(2), logEndOffset: toOffset(1) };
  assert.throws(() => table.write(0, values), /not above the log end/);
});

Deno.test("WatermarkTable.read() never sees a partial write of another isolate", async () => {
  const memory = WatermarkTable.allocate();
  const source = `
    import { WatermarkTable } from ${JSON.stringify(new URL("./watermarks.ts", import.meta.url).href)};
    self.onmessage = ({ data }) => {
      const table = new WatermarkTable(data);
      for (let n = 1; n <= 200000; n++) {
        const v = n * 4294967295;
        table.write(3, { state: 1, leadership: n, replication: n & 3, highWatermark: v, lastStableOffset: v, logStartOffset: v, logEndOffset: v, recoveryPoint: v, highWatermarkBytes: v, logEndBytes: v });
      }
      self.postMessage("done");
      self.close();
    };`;
  const url = URL.createObjectURL(new Blob([source], { type: "application/javascript" }));
  const worker = new Worker(url, { type: "module" });
  let done = false;
  worker.onmessage = () => done = true;
  worker.postMessage(memory);
  const table = new WatermarkTable(memory);
  const values = emptyWatermarks();
  let last = 0;
  while (!done) {
    for (let reads = 0; reads < 10_000; reads++) {
      table.read(3, values);
      assert.ok(values.highWatermark >= last);
      last = values.highWatermark;
      assert.equal(values.leadership * 4_294_967_295, values.highWatermark);
      assert.equal(values.logStartOffset, values.highWatermark);
      assert.equal(values.logEndOffset, values.highWatermark);
      assert.equal(values.highWatermarkBytes, values.highWatermark);
      assert.equal(values.logEndBytes, values.highWatermark);
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assert.equal(table.read(3, values).highWatermark, 200_000 * 4_294_967_295);
  worker.terminate();
});

Deno.test("InterestTable keeps one word for each pair of shard and partition", () => {
  const interest = new InterestTable(InterestTable.allocate(3));
  interest.set(1, 42, true);
  assert.ok(interest.has(1, 42));
  assert.equal(interest.has(0, 42) || interest.has(2, 42) || interest.has(1, 41), false);
  interest.set(1, 42, false);
  assert.equal(interest.has(1, 42), false);
});
