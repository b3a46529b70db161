/** Tests of the rules for rolling segments, through the log, because it applies them. */
import { strict as assert } from "node:assert";
import {
  append,
  findByTime,
  findInconsistencies,
  openLog,
  readAll,
  recordsOf,
  testConfig,
  TestDirectory,
} from "../../tests/log_fixture.ts";
import { buildBatch, TEST_TIMESTAMP } from "../../tests/record_batch_builder.ts";
import { ManualClock } from "../base/clock.ts";
import { toOffset } from "../base/units.ts";
import type { LogConfig } from "../log/log_config.ts";

/** Appends batches and returns the base offsets of the resulting segments. */
function bases(
  config: Partial<LogConfig>,
  batches: { records: ReturnType<typeof recordsOf>; nowMs?: number }[],
  random = () => 0,
): number[] {
  using directory = new TestDirectory();
  const clock = new ManualClock(TEST_TIMESTAMP);
  using log = openLog(directory.partition, { config: { ...testConfig, ...config }, clock, random });
  for (const { records, nowMs } of batches) {
    const result = append(log, records, { nowMs });
    assert.equal(result.refusal, null, result.message);
  }
  readAll(log);
  const found = log.segments().map((segment) => segment.baseOffset);
  log.close({ clean: true });
  assert.deepEqual(findInconsistencies(directory.partition), []);
  return found;
}

const repeat = <T>(count: number, make: (i: number) => T) => Array.from({ length: count }, (_, i) => make(i));
const batchBytes = buildBatch(recordsOf(1, 100)).length;

Deno.test("Segment.shouldRoll() fills segments up to segment.bytes exactly", () => {
  const batches = repeat(9, () => ({ records: recordsOf(1, 100) }));
  assert.deepEqual(bases({ segmentBytes: 3 * batchBytes }, batches), [0, 3, 6]);
  assert.deepEqual(bases({ segmentBytes: 3 * batchBytes - 1 }, batches), [0, 2, 4, 6, 8]);
});

Deno.test("Segment.shouldRoll() counts segment.ms between record timestamps, from the segment's first batch", () => {
  const batches = [0, 500, 1000, 1001, 1400, 2002].map((ms) => ({ records: recordsOf(1, 10, TEST_TIMESTAMP + ms) }));
  assert.deepEqual(bases({ segmentMs: 1000 }, batches), [0, 3, 5]);
});

Deno.test("Segment.shouldRoll() uses the wall clock where records have no timestamps", () => {
  const batches = [0, 1000, 1001, 2000, 2002].map((ms) => ({
    records: recordsOf(1, 10, -1),
    nowMs: TEST_TIMESTAMP + ms,
  }));
  assert.deepEqual(bases({ segmentMs: 1000 }, batches), [0, 2, 4]);
});

Deno.test("Segment.shouldRoll() shortens segment.ms by up to segment.jitter.ms", () => {
  const batches = [0, 600, 601].map((ms) => ({ records: recordsOf(1, 10, TEST_TIMESTAMP + ms) }));
  assert.deepEqual(bases({ segmentMs: 1000, segmentJitterMs: 800 }, batches, () => 0.5), [0, 2]);
  assert.deepEqual(bases({ segmentMs: 1000, segmentJitterMs: 800 }, batches, () => 0), [0]);
  assert.deepEqual(bases({ segmentMs: 1000, segmentJitterMs: 5000 }, batches, () => 0.5), [0, 1], "at most segment.ms");
});

Deno.test("Segment.shouldRoll() lets max.compaction.lag.ms roll compacted logs", () => {
  const keyed = (ms: number) => [{ key: "k", value: "v", timestamp: TEST_TIMESTAMP + ms }];
  const batches = [0, 300, 301].map((ms) => ({ records: keyed(ms) }));
  assert.deepEqual(bases({ compact: true, segmentMs: 1000, maxCompactionLagMs: 300 }, batches), [0, 2]);
  assert.deepEqual(bases({ compact: false, segmentMs: 1000, maxCompactionLagMs: 300 }, batches), [0]);
});

Deno.test("Segment.shouldRoll() rolls when an index is full", () => {
  const batches = repeat(20, (i) => ({ records: recordsOf(1, 100, TEST_TIMESTAMP + i) }));
  // Every batch of a segment except the first has an entry. Five entries of 12 bytes, one of them reserved, fill the time index.
  assert.deepEqual(bases({ indexIntervalBytes: 1, segmentIndexBytes: 60 }, batches), [0, 5, 10, 15]);
  assert.deepEqual(
    bases({ indexIntervalBytes: 1, segmentIndexBytes: 4 }, batches.slice(0, 4)),
    [0, 1, 2, 3],
    "no room at all",
  );
});

Deno.test("Segment.shouldRoll() rolls when an offset is too far from the base for 31 bits", () => {
  // A compacted segment may have a gap before its last batch.
  const last = buildBatch([{ value: "x" }], { baseOffset: 0x7fff_fffe });
  for (const [count, expected] of [[1, [0]], [2, [0, 0x7fff_ffff]]] as const) {
    using directory = new TestDirectory();
    Deno.mkdirSync(directory.partition, { recursive: true });
    Deno.writeFileSync(`${directory.partition}/${"0".repeat(20)}.log`, last);
    using log = openLog(directory.partition, { config: { ...testConfig, indexIntervalBytes: 1 } });
    assert.equal(append(log, recordsOf(count, 10)).refusal, null);
    assert.deepEqual(log.segments().map((segment) => segment.baseOffset), expected);
    assert.equal(log.logEndOffset, 0x7fff_ffff + count);
  }
});

Deno.test("Log.configure() changes limits at once", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition);
  for (let i = 0; i < 3; i++) append(log, recordsOf(1, 100));
  log.configure({ ...testConfig, segmentBytes: 2 * batchBytes, appendMode: "mapped" });
  for (let i = 0; i < 3; i++) append(log, recordsOf(1, 100));
  assert.deepEqual(log.segments().map((segment) => segment.baseOffset), [0, 3, 5]);
  assert.equal(readAll(log).length, 6);
  log.configure({ ...testConfig, maxMessageBytes: 10 });
  assert.equal(append(log, recordsOf(1, 100)).refusal, "too-large");
});

Deno.test("Log preallocates segments when preallocate is set, and trims them", () => {
  using directory = new TestDirectory();
  const config = { ...testConfig, preallocate: true, segmentBytes: 10_000 };
  const size = (base: number) => Deno.statSync(`${directory.partition}/${String(base).padStart(20, "0")}.log`).size;
  const log = openLog(directory.partition, { config });
  append(log, recordsOf(1, 100));
  assert.equal(size(0), 10_000);
  log.roll(TEST_TIMESTAMP);
  assert.deepEqual([size(0), size(1)], [batchBytes, 10_000]);
  append(log, recordsOf(1, 100));
  log[Symbol.dispose]();
  assert.equal(size(1), 10_000, "as a crash leaves it");
  {
    using recovered = openLog(directory.partition, { config });
    assert.equal(recovered.logEndOffset, 2);
    recovered.close({ clean: true });
  }
  assert.deepEqual(findInconsistencies(directory.partition), []);
});

Deno.test("Segment.replay() keeps the last place of the time index for the largest timestamp, however many entries a rebuild finds", () => {
  using directory = new TestDirectory();
  const config = { ...testConfig, segmentIndexBytes: 60 };
  {
    using log = openLog(directory.partition, { config });
    for (let i = 0; i < 20; i++) append(log, recordsOf(1, 100, TEST_TIMESTAMP + i));
    log.close({ clean: false });
  }
  const log = openLog(directory.partition, { config: { ...config, indexIntervalBytes: 1 } });
  assert.deepEqual(log.segments().map(({ retentionTimestamp }) => retentionTimestamp), [TEST_TIMESTAMP + 19]);
  for (let i = 0; i < 20; i++) assert.equal(findByTime(log, TEST_TIMESTAMP + i, toOffset(20))?.offset, i);
  assert.ok(log.close({ clean: true }));
  assert.deepEqual(findInconsistencies(directory.partition), []);
});
