import { strict as assert } from "node:assert";
import { append, openLog, testConfig, TestDirectory } from "../../tests/log_fixture.ts";
import { TEST_TIMESTAMP } from "../../tests/record_batch_builder.ts";
import type { CleaningOrder } from "./cleaner_messages.ts";
import { cleaningOf, cleaningOrder } from "../cleaner/cleaning_orders.ts";
import { type CleanerLimits, CleanerPool, type RunningCleaning } from "./cleaner_pool.ts";

const config = { ...testConfig, segmentBytes: 2000, compact: true };

/** A pool whose timers the test fires. */
class Fixture implements Disposable {
  readonly timers = new Set<() => void>();
  readonly pool: CleanerPool;

  readonly #limits: CleanerLimits;

  constructor(workersMax = 1, bytesPerSecond = Infinity) {
    this.#limits = { workersMax, bytesPerSecond };
    this.pool = new CleanerPool({
      after: (_ms, callback) => {
        this.timers.add(callback);
        return () => void this.timers.delete(callback);
      },
    });
  }

  clean(order: CleaningOrder): RunningCleaning {
    return this.pool.clean(order, this.#limits);
  }

  [Symbol.dispose](): void {
    this.pool[Symbol.dispose]();
    assert.deepEqual([this.pool.workersCount, this.timers.size], [0, 0]);
  }
}

/** Writes a log of three keys, and orders to clean its closed segments. */
function orderIn(directory: string): CleaningOrder {
  using log = openLog(directory, { config });
  for (let i = 0; i < 60; i++) {
    append(log, [{ key: `${i % 3}`, value: "x".repeat(100), timestamp: TEST_TIMESTAMP + i }]);
  }
  assert.ok(log.flush());
  const terms = { config, lastStableOffset: log.logEndOffset, checkpointed: null, nowMs: TEST_TIMESTAMP };
  const choice = cleaningOf(log.compacted, terms);
  assert.ok(choice !== null);
  const buffer = { dedupeBufferBytes: 2 * 1024 * 1024, dedupeLoadFactor: 0.9 };
  return cleaningOrder(log.compacted, choice, { ...terms, buffer });
}

const cleanedIn = (directory: string) =>
  [...Deno.readDirSync(directory)].filter(({ name }) => name.endsWith(".cleaned"));

Deno.test("CleanerPool lets a worker clean a log, and ends it when it has been idle", async () => {
  using directory = new TestDirectory();
  using fixture = new Fixture();
  const order = orderIn(directory.partition);
  assert.equal(fixture.pool.workersCount, 0, "a fresh broker has none");
  const outcome = await fixture.clean(order).outcome;
  assert.ok(outcome.kind === "cleaned");
  const { replacements, nextDirtyOffset } = outcome.result;
  assert.equal(nextDirtyOffset, order.segments.at(-1)!.endOffset);
  assert.deepEqual(replacements.flatMap(({ sources }) => sources), order.segments.map(({ baseOffset }) => baseOffset));
  assert.equal(cleanedIn(directory.partition).length, 3 * replacements.length);
  assert.deepEqual([fixture.pool.workersCount, fixture.timers.size], [1, 1]);
  for (const callback of [...fixture.timers]) callback();
  assert.equal(fixture.pool.workersCount, 0);
});

Deno.test("CleanerPool aborts a cleaning, which removes its files, and the worker cleans again", async () => {
  using directory = new TestDirectory();
  using fixture = new Fixture(1, 1000); // the throttle makes it wait
  const order = orderIn(directory.partition);
  const running = fixture.clean(order);
  running.abort();
  assert.deepEqual(await running.outcome, { kind: "aborted" });
  assert.deepEqual(cleanedIn(directory.partition), []);
  running.abort();
  const next = fixture.clean(order);
  next.abort();
  assert.equal((await next.outcome).kind, "aborted");
});

Deno.test("CleanerPool says whether the disk refused, the log is damaged, or it cannot be cleaned", async () => {
  using directory = new TestDirectory();
  using fixture = new Fixture();
  const order = orderIn(directory.partition);
  const gone = await fixture.clean({ ...order, directory: `${directory.path}/gone` }).outcome;
  assert.equal(gone.kind, "refused");
  const path = `${directory.partition}/00000000000000000000.log`;
  const bytes = Deno.readFileSync(path);
  bytes.fill(7, 100, 200);
  Deno.writeFileSync(path, bytes);
  const damaged = await fixture.clean(order).outcome;
  assert.ok(
    damaged.kind === "damaged" && damaged.message.includes("00000000000000000000.log"),
    JSON.stringify(damaged),
  );
  assert.deepEqual(cleanedIn(directory.partition), []);
  const wrong = await fixture.clean({ ...order, segments: [] }).outcome;
  assert.equal(wrong.kind, "failed", "a bug of the cleaner costs this log only");
});
