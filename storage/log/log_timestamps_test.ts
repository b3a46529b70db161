/** Tests of the searches by timestamp; codecs are tested with a partition of Apache Kafka (tests/kafka_partition_test.ts). */
import { strict as assert } from "node:assert";
import {
  append,
  batchesIn,
  findByTime,
  openLog,
  recordsOf,
  testConfig,
  TestDirectory,
} from "../../tests/log_fixture.ts";
import { concatBytes, sealBatch, TEST_TIMESTAMP } from "../../tests/record_batch_builder.ts";
import { writeInt64 } from "../base/int64.ts";
import { createRandom } from "../base/random.ts";
import { toOffset } from "../base/units.ts";
import type { Log } from "./log.ts";
import type { LogConfig } from "./log_config.ts";
import { linuxFileSystem } from "../sys/file_system.ts";

const far = toOffset(2 ** 50);
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
    assert.equal(findByTime(log, TEST_TIMESTAMP + ms, far)?.offset, offset, `at ${ms}`);
  }
  assert.equal(findByTime(log, TEST_TIMESTAMP + 71, far), null);
});

Deno.test("Log.offsetForTimestamp() finds nothing at or above maxOffset, nor below the log start", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition, { config });
  append(log, at(10, 20, 30));
  append(log, at(40, 50));
  assert.equal(findByTime(log, TEST_TIMESTAMP + 40, toOffset(3)), null);
  assert.equal(findByTime(log, TEST_TIMESTAMP + 40, toOffset(4))?.offset, 3);
  log.incrementLogStartOffset(toOffset(2));
  assert.equal(findByTime(log, TEST_TIMESTAMP, far)?.offset, 2);
});

Deno.test("Log.offsetForTimestamp() uses the time of the append for every record of a LogAppendTime batch", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition, { config: { ...config, messageTimestampType: "LogAppendTime" } });
  const first = append(log, at(-1000, -500), { nowMs: TEST_TIMESTAMP + 100 });
  append(log, at(9000), { nowMs: TEST_TIMESTAMP + 200 });
  assert.equal(first.appendTimeMs, TEST_TIMESTAMP + 100);
  assert.deepEqual(findByTime(log, TEST_TIMESTAMP + 1, far), {
    offset: 0,
    timestamp: TEST_TIMESTAMP + 100,
    leaderEpoch: 0,
  });
  assert.equal(findByTime(log, TEST_TIMESTAMP + 101, far)?.offset, 2);
  assert.equal(findByTime(log, TEST_TIMESTAMP + 201, far), null);
});

Deno.test("Log.maxTimestampOffset() finds the first record with the largest timestamp, over segments", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition, { config });
  assert.equal(findByTime(log, "largest", far), null);
  for (let i = 0; i < 20; i++) {
    append(log, at(i, i === 7 ? 500 : 0, i === 12 ? 500 : 0), { leaderEpoch: i < 5 ? 1 : 2 });
  }
  assert.ok(log.segments().length > 3);
  assert.deepEqual(findByTime(log, "largest", far), {
    offset: 22,
    timestamp: TEST_TIMESTAMP + 500,
    leaderEpoch: 2,
  });
  assert.equal(findByTime(log, "largest", toOffset(22)), null);
});

Deno.test("Log.offsetForTimestamp() and maxTimestampOffset() find nothing among records without timestamps", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition, { config });
  append(log, recordsOf(3, 10, -1));
  assert.equal(findByTime(log, "largest", far), null);
  assert.equal(findByTime(log, 0, far), null);
});

/** A log whose reads of files are counted. */
function countedLog(directory: string, changes: Partial<LogConfig>): { log: Log; reads: () => number } {
  let reads = 0;
  const fs = {
    ...linuxFileSystem,
    pread: (...words: Parameters<typeof linuxFileSystem.pread>) => (reads++, linuxFileSystem.pread(...words)),
  };
  const log = openLog(directory, { fs, config: { ...testConfig, segmentBytes: 1 << 30, ...changes } });
  return {
    log,
    reads: () => {
      const before = reads;
      reads = 0;
      return before;
    },
  };
}

Deno.test("Log.offsetForTimestamp() reads only a few headers when all records were deleted, and rebuilds no index", () => {
  using directory = new TestDirectory();
  const { log, reads } = countedLog(directory.partition, {});
  for (let i = 0; i < 3000; i++) append(log, recordsOf(1, 400, TEST_TIMESTAMP + i));
  log.incrementLogStartOffset(log.logEndOffset);
  reads();
  for (const ms of [0, 1500, 2999, 3000]) {
    assert.equal(log.offsetForTimestamp(TEST_TIMESTAMP + ms, { maxOffset: far }), null);
    assert.equal(log.maxTimestampOffset(far), null);
    assert.ok(reads() <= 8);
  }
  append(log, recordsOf(1, 400, TEST_TIMESTAMP + 7));
  assert.equal(findByTime(log, TEST_TIMESTAMP, far)?.offset, 3000);
  assert.deepEqual(findByTime(log, "largest", far), { offset: 3000, timestamp: TEST_TIMESTAMP + 7, leaderEpoch: 0 });
  log[Symbol.dispose]();
});

Deno.test("Log.offsetForTimestamp() reads one interval of the index, however many earlier records have lower timestamps", () => {
  using directory = new TestDirectory();
  const { log, reads } = countedLog(directory.partition, {});
  append(log, recordsOf(1, 400, TEST_TIMESTAMP + 100));
  for (let i = 0; i < 3000; i++) append(log, recordsOf(1, 400, TEST_TIMESTAMP + i % 50));
  append(log, recordsOf(1, 400, TEST_TIMESTAMP + 200));
  reads();
  assert.equal(findByTime(log, TEST_TIMESTAMP + 150, far)?.offset, 3001);
  assert.ok(reads() <= 8);
  assert.equal(findByTime(log, TEST_TIMESTAMP + 50, far)?.offset, 0);
  assert.ok(reads() <= 8);
  log[Symbol.dispose]();
});

Deno.test("Log.offsetForTimestamp() reads the segment once, a part per call, when larger timestamps lie below the log start", () => {
  using directory = new TestDirectory();
  const { log, reads } = countedLog(directory.partition, {});
  const batches = 5000;
  append(log, recordsOf(2, 9000, TEST_TIMESTAMP + 1000));
  for (let i = 1; i < batches; i++) append(log, recordsOf(1, 9000, TEST_TIMESTAMP + (i === 4500 ? 20 : i % 10)));
  log.incrementLogStartOffset(toOffset(3));
  reads();
  const search = () => log.offsetForTimestamp(TEST_TIMESTAMP + 15, { maxOffset: far });
  let calls = 0;
  let found = search();
  for (; found === "unfinished"; found = search()) {
    calls++;
    assert.ok(reads() <= 2100, "16 MiB in windows of 8 KiB");
  }
  assert.equal(found?.offset, 4501);
  assert.ok(calls >= 2, `${calls} unfinished calls`);
  reads();
  for (const [ms, offset] of [[15, 4501], [9, 10], [10, 4501], [0, 3]] as const) {
    assert.notEqual(log.offsetForTimestamp(TEST_TIMESTAMP + ms, { maxOffset: far }), "unfinished");
    assert.equal(findByTime(log, TEST_TIMESTAMP + ms, far)?.offset, offset);
  }
  assert.equal(findByTime(log, TEST_TIMESTAMP + 21, far), null);
  assert.deepEqual(findByTime(log, "largest", far)?.offset, 4501);
  assert.ok(reads() <= 10 * 2 * 128, "two blocks a search");
  append(log, recordsOf(1, 9000, TEST_TIMESTAMP + 30));
  assert.equal(findByTime(log, TEST_TIMESTAMP + 21, far)?.offset, batches + 1);
  log[Symbol.dispose]();
});

Deno.test("a lookup in a damaged file rebuilds the indexes once, not with every lookup", () => {
  using directory = new TestDirectory();
  const { log, reads } = countedLog(directory.partition, {});
  for (let i = 0; i < 2000; i++) append(log, recordsOf(1, 400, TEST_TIMESTAMP + i));
  // A header in the middle is overwritten, as a faulty disk may do: no index can lead past it.
  const name = `${directory.partition}/00000000000000000000.log`;
  const bytes = Deno.readFileSync(name);
  const middle = batchesIn(bytes)[1000]!;
  using file = Deno.openSync(name, { write: true });
  file.seekSync(middle.position, Deno.SeekMode.Start);
  file.writeSync(new Uint8Array(20));
  const lookUps = [
    () => log.read(toOffset(middle.baseOffset), { maxBytes: 1000, maxOffset: far, atLeastOne: true }),
    () => log.offsetForTimestamp(TEST_TIMESTAMP + 1000, { maxOffset: far }),
  ];
  for (const lookUp of lookUps) lookUp();
  reads();
  for (const lookUp of lookUps) {
    lookUp();
    assert.ok(reads() <= 10);
  }
  log[Symbol.dispose]();
});

Deno.test("Log.offsetForTimestamp() ends at a batch whose header has a time that none of its records has", () => {
  using directory = new TestDirectory();
  {
    using log = openLog(directory.partition, { config });
    for (let i = 0; i < 20; i++) append(log, at(1, 2), { codec: "zstd" });
    append(log, at(100));
  }
  // Earlier versions stored what the header of a compressed batch said.
  const name = `${directory.partition}/00000000000000000000.log`;
  const stored = batchesIn(Deno.readFileSync(name)).map(({ bytes }) => {
    writeInt64(new DataView(bytes.buffer), 35, TEST_TIMESTAMP + 100);
    return sealBatch(bytes);
  });
  Deno.writeFileSync(name, concatBytes(stored));
  using log = openLog(directory.partition, { config });
  const expected = { offset: 0, timestamp: TEST_TIMESTAMP + 100, leaderEpoch: 0 };
  assert.deepEqual(findByTime(log, TEST_TIMESTAMP + 50, far), expected);
  assert.deepEqual(findByTime(log, "largest", far), expected);
});

Deno.test("Log.offsetForTimestamp() finds records whose producer sent a wrong largest timestamp, in every codec", () => {
  for (const codec of ["none", "gzip", "snappy", "lz4", "zstd"] as const) {
    using directory = new TestDirectory();
    using log = openLog(directory.partition, { config });
    append(log, at(0, 10), { codec, maxTimestamp: -1 }); // Sarama until 2023
    append(log, at(20, 7_200_000, 30), { codec, maxTimestamp: TEST_TIMESTAMP }); // hides a record of two hours later
    append(log, at(40), { codec, maxTimestamp: TEST_TIMESTAMP + 9_000_000 });
    for (const [ms, offset] of [[0, 0], [10, 1], [11, 2], [21, 3], [7_200_000, 3]] as const) {
      assert.equal(findByTime(log, TEST_TIMESTAMP + ms, far)?.offset, offset, `${codec}, ${ms} ms`);
    }
    assert.equal(findByTime(log, TEST_TIMESTAMP + 7_200_001, far), null, codec);
    assert.equal(findByTime(log, "largest", far)?.offset, 3, codec);
  }
});

Deno.test("searches by time agree with the list of all records, for every log start", () => {
  for (let seed = 1; seed <= 25; seed++) {
    const random = createRandom(seed);
    const below = (limit: number) => Math.floor(random() * limit);
    using directory = new TestDirectory();
    const indexIntervalBytes = [1, 300, 2000][below(3)]!;
    using log = openLog(directory.partition, { config: { ...config, segmentBytes: 4000, indexIntervalBytes } });
    const times: number[] = [];
    for (let i = 0; i < 40; i++) {
      const drift = random() < 0.7 ? i * 10 : 0;
      const ms = Array.from({ length: 1 + below(4) }, () => drift + below(60));
      append(log, at(...ms), random() < 0.3 ? { codec: "gzip" } : {});
      times.push(...ms);
    }
    for (let start = 0; start < log.logEndOffset; start += 1 + below(12)) {
      log.incrementLogStartOffset(toOffset(start));
      const rest = times.map((ms, offset) => ({ ms, offset })).slice(start);
      for (let ms = 0; ms < 470; ms += 1 + below(30)) {
        const expected = rest.find((record) => record.ms >= ms)?.offset ?? null;
        const found = findByTime(log, TEST_TIMESTAMP + ms, far)?.offset ?? null;
        assert.equal(found, expected, `seed ${seed}, start ${start}, ${ms} ms`);
      }
      const largest = Math.max(...rest.map(({ ms }) => ms));
      const first = rest.find(({ ms }) => ms === largest)!;
      assert.equal(findByTime(log, "largest", far)?.offset, first.offset, `seed ${seed}, start ${start}`);
    }
  }
});

Deno.test("a search that takes long reads the largest timestamp of few segments in one call, and continues in the next call", () => {
  using directory = new TestDirectory();
  {
    using log = openLog(directory.partition, { config });
    for (let count = 0; count < 400; count++) append(log, at(count));
    assert.ok(log.segments().length > 20);
    log.close({ clean: true });
  }
  // Each reading of the clock takes 4 ms.
  let nowMs = 0;
  const clock = { monotonicMs: () => nowMs += 4, wallMs: () => TEST_TIMESTAMP };
  for (
    const search of [
      (log: Log) => log.offsetForTimestamp(TEST_TIMESTAMP + 399, { maxOffset: far }),
      (log: Log) => log.maxTimestampOffset(far),
    ]
  ) {
    using log = openLog(directory.partition, { config, clock, cleanShutdown: true });
    let calls = 1;
    for (; search(log) === "unfinished"; calls++) assert.ok(calls < 1000);
    assert.ok(calls > 5, `${calls} calls`);
    const found = search(log);
    assert.ok(found !== "unfinished", "what is known is not asked for again");
    assert.equal(found?.offset, 399);
  }
});
