/** Tests of the searches by timestamp; codecs are tested with a partition of Apache Kafka (tests/kafka_partition_test.ts). */
import { strict as assert } from "node:assert";
import { append, openLog, recordsOf, testConfig, TestDirectory } from "../tests/log_fixture.ts";
import { TEST_TIMESTAMP } from "../tests/record_batch_builder.ts";
import { toOffset } from "./base/units.ts";

const far = { maxOffset: toOffset(2 ** 50) };
/** Records at the given milliseconds after the tests' time. */
const at = (...ms: number[]) => ms.map((it) => ({ value: "x".repeat(300), timestamp: TEST_TIMESTAMP + it }));
const config = { ...testConfig, segmentBytes: 3000, indexIntervalBytes: 300 };

Deno.test("Log.offsetForTimestamp() finds the first record, not the nearest, when timestamps go back", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition, { config });
  append(log, at(10, 50, 20)); // offsets 0 to 2
  append(log, at(30, 40)); //              3, 4
  append(log, at(60, 5, 70)); //           5 to 7
  for (const [ms, offset] of [[0, 0], [10, 0], [11, 1], [50, 1], [51, 5], [60, 5], [61, 7], [70, 7]] as const) {
    assert.equal(log.offsetForTimestamp(TEST_TIMESTAMP + ms, far)?.offset, offset, `at ${ms}`);
  }
  assert.equal(log.offsetForTimestamp(TEST_TIMESTAMP + 71, far), null);
});

Deno.test("Log.offsetForTimestamp() finds nothing at or above maxOffset, nor below the log start", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition, { config });
  append(log, at(10, 20, 30));
  append(log, at(40, 50));
  assert.equal(log.offsetForTimestamp(TEST_TIMESTAMP + 40, { maxOffset: toOffset(3) }), null);
  assert.equal(log.offsetForTimestamp(TEST_TIMESTAMP + 40, { maxOffset: toOffset(4) })?.offset, 3);
  log.incrementLogStartOffset(toOffset(2));
  assert.equal(log.offsetForTimestamp(TEST_TIMESTAMP, far)?.offset, 2);
});

Deno.test("Log.offsetForTimestamp() takes the time of the append for every record of a LogAppendTime batch", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition, { config: { ...config, messageTimestampType: "LogAppendTime" } });
  const first = append(log, at(-1000, -500), { nowMs: TEST_TIMESTAMP + 100 });
  append(log, at(9000), { nowMs: TEST_TIMESTAMP + 200 });
  assert.equal(first.appendTimeMs, TEST_TIMESTAMP + 100);
  assert.deepEqual(log.offsetForTimestamp(TEST_TIMESTAMP + 1, far), {
    offset: 0,
    timestamp: TEST_TIMESTAMP + 100,
    leaderEpoch: 0,
  });
  assert.equal(log.offsetForTimestamp(TEST_TIMESTAMP + 101, far)?.offset, 2);
  assert.equal(log.offsetForTimestamp(TEST_TIMESTAMP + 201, far), null);
});

Deno.test("Log.maxTimestampOffset() finds the first record with the largest timestamp, over segments", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition, { config });
  assert.equal(log.maxTimestampOffset(far.maxOffset), null);
  for (let i = 0; i < 20; i++) {
    append(log, at(i, i === 7 ? 500 : 0, i === 12 ? 500 : 0), { leaderEpoch: i < 5 ? 1 : 2 });
  }
  assert.ok(log.segments().length > 3);
  assert.deepEqual(log.maxTimestampOffset(far.maxOffset), {
    offset: 22,
    timestamp: TEST_TIMESTAMP + 500,
    leaderEpoch: 2,
  });
  assert.equal(log.maxTimestampOffset(toOffset(22)), null);
});

Deno.test("Log.offsetForTimestamp() and maxTimestampOffset() find nothing among records without timestamps", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition, { config });
  append(log, recordsOf(3, 10, -1));
  assert.equal(log.maxTimestampOffset(far.maxOffset), null);
  assert.equal(log.offsetForTimestamp(0, far), null);
});
