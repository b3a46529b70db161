import { strict as assert } from "node:assert";
import { clean, cleanAndSwap, decodeLog, jobOf, segmentsIn, writeSegment } from "../../tests/cleaning_fixture.ts";
import { CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import { append, findInconsistencies, openLog, testConfig, TestDirectory } from "../../tests/log_fixture.ts";
import { buildBatch, sealBatch, TEST_TIMESTAMP, type TestRecord } from "../../tests/record_batch_builder.ts";
import { SimulatedCleaning } from "../../tests/simulated_cleaning.ts";
import { toOffset } from "../base/units.ts";
import { codecNames } from "../records/record_batch.ts";

/** The values of a log by offset. */
function valuesIn(directory: string): [offset: number, value: string | null][] {
  return decodeLog(directory).flatMap(({ records }) =>
    records.map(({ offset, value }): [number, string | null] => [offset, value])
  );
}

/** Batches of `count` records each, with the keys k0 … in turn. */
function keyedBatch(baseOffset: number, keys: readonly string[], options = {}): Uint8Array<ArrayBuffer> {
  const records = keys.map((key, index): TestRecord => ({ key, value: `v${baseOffset + index}` }));
  return buildBatch(records, { baseOffset, partitionLeaderEpoch: 0, ...options });
}

Deno.test("cleanLog() keeps the last record of each key, with its offset, in every codec", () => {
  for (const codec of codecNames) {
    using directory = new TestDirectory();
    const { partition } = directory;
    writeSegment(partition, 0, [keyedBatch(0, ["a", "b", "c"], { codec }), keyedBatch(3, ["a", "a"], { codec })]);
    writeSegment(partition, 5, [keyedBatch(5, ["b", "d"], { codec })]);
    writeSegment(partition, 7, [keyedBatch(7, ["a", "d"], { codec })]);
    const result = cleanAndSwap(jobOf(partition));
    assert.equal(result.nextDirtyOffset, 7);
    assert.deepEqual(valuesIn(partition), [[2, "v2"], [4, "v4"], [5, "v5"], [6, "v6"], [7, "v7"], [8, "v8"]], codec);
    assert.deepEqual(segmentsIn(partition), [0, 7]);
    assert.deepEqual(result.replacements.map(({ sources }) => sources), [[0, 5]]);
    const { recordsRead, recordsKept, keysCount } = result.statistics;
    assert.deepEqual([recordsRead, recordsKept, keysCount], [7, 4, 4]);
    const [first] = decodeLog(partition);
    assert.deepEqual([first!.baseOffset, first!.lastOffset, codecNames[first!.codec]], [0, 2, codec]);
    using log = openLog(partition);
    assert.equal(log.logEndOffset, 9);
    assert.ok(log.close({ clean: true }));
    assert.deepEqual(findInconsistencies(partition, { isCleaned: true }), []);
  }
});

Deno.test("cleanLog() does not replace a segment that would not change", () => {
  using directory = new TestDirectory();
  const { partition } = directory;
  writeSegment(partition, 0, [keyedBatch(0, ["a", "b"])]);
  writeSegment(partition, 2, [keyedBatch(2, ["c"])]);
  const result = clean(jobOf(partition));
  assert.deepEqual(result.replacements, []);
  assert.equal(result.nextDirtyOffset, 2);
  assert.deepEqual([...Deno.readDirSync(partition)].length, 2);
});

Deno.test("cleanLog() removes what an earlier cleaning left, whose result was not wanted", () => {
  using directory = new TestDirectory();
  const { partition } = directory;
  writeSegment(partition, 0, [keyedBatch(0, ["a", "b"])]);
  writeSegment(partition, 2, [keyedBatch(2, ["c", "c"])]);
  writeSegment(partition, 4, [keyedBatch(4, ["c"])]);
  const whole = clean(jobOf(partition));
  assert.deepEqual(whole.replacements.map(({ sources }) => sources), [[0, 2]]);
  const job = jobOf(partition, { firstDirtyOffset: toOffset(2), segmentBytes: 1 });
  assert.deepEqual(clean(job).replacements.map(({ sources }) => sources), [[2]]);
  const cleaned = [...Deno.readDirSync(partition)].map(({ name }) => name).filter((name) => /cleaned/.test(name));
  assert.deepEqual(cleaned.filter((name) => !name.startsWith("00000000000000000002.")), []);
  assert.ok(cleaned.length > 0);
});

Deno.test("cleanLog() passes the modification time of the last source on", () => {
  using directory = new TestDirectory();
  const { partition } = directory;
  for (const base of [0, 1, 2]) writeSegment(partition, base, [keyedBatch(base, ["a"])]);
  for (const base of [0, 1]) {
    const time = new Date(1_600_000_000_000 + base * 1000);
    Deno.utimeSync(`${partition}/0000000000000000000${base}.log`, time, time);
  }
  cleanAndSwap(jobOf(partition));
  assert.equal(Deno.statSync(`${partition}/00000000000000000000.log`).mtime?.getTime(), 1_600_000_001_000);
});

Deno.test("cleanLog() gives tombstones a horizon, keeps their time, and removes them in a later cleaning after it", () => {
  using directory = new TestDirectory();
  const { partition } = directory;
  const timestamp = TEST_TIMESTAMP - 5000;
  const batch = buildBatch([{ key: "a", value: null, timestamp }, { key: "b", value: "x", timestamp: timestamp + 7 }], {
    partitionLeaderEpoch: 0,
  });
  writeSegment(partition, 0, [batch]);
  writeSegment(partition, 2, [keyedBatch(2, ["c"])]);
  const deleteRetentionMs = 1000;
  cleanAndSwap(jobOf(partition, { deleteRetentionMs }));
  const [first] = decodeLog(partition);
  assert.equal(first!.horizonMs, TEST_TIMESTAMP + deleteRetentionMs);
  assert.deepEqual(first!.records.map((record) => record.timestamp), [timestamp, timestamp + 7]);
  assert.equal(first!.maxTimestamp, timestamp + 7);
  const later = { deleteRetentionMs: 5, nowMs: TEST_TIMESTAMP + deleteRetentionMs };
  assert.deepEqual(clean(jobOf(partition, { ...later, nowMs: later.nowMs - 1 })).replacements, []);
  cleanAndSwap(jobOf(partition, later));
  assert.deepEqual(valuesIn(partition), [[1, "x"], [2, "v2"]]);
});

Deno.test("cleanLog() keeps tombstones for ever where delete.retention.ms has no end", () => {
  using directory = new TestDirectory();
  const { partition } = directory;
  for (const logAppendTime of [false, true]) {
    const timestamp = TEST_TIMESTAMP - 5000;
    const options = { partitionLeaderEpoch: 0, logAppendTime, maxTimestamp: timestamp };
    writeSegment(partition, 0, [buildBatch([{ key: "a", value: null, timestamp }], options)]);
    writeSegment(partition, 1, [keyedBatch(1, ["c"])]);
    for (const deleteRetentionMs of [Infinity, Number.MAX_SAFE_INTEGER]) {
      cleanAndSwap(jobOf(partition, { deleteRetentionMs, nowMs: TEST_TIMESTAMP * 10 }));
      const [first] = decodeLog(partition);
      assert.equal(first!.horizonMs, Number.MAX_SAFE_INTEGER);
      assert.deepEqual(first!.records.map((record) => record.timestamp), [timestamp]);
    }
  }
});

Deno.test("cleanLog() leaves times above 2^53 as they are, which a log of Apache Kafka may have", () => {
  using directory = new TestDirectory();
  const { partition } = directory;
  const batch = keyedBatch(0, ["a", "b"]);
  const header = new DataView(batch.buffer);
  header.setBigInt64(27, 2n ** 63n - 1n);
  header.setBigInt64(35, 2n ** 63n - 1n);
  writeSegment(partition, 0, [sealBatch(batch)]);
  writeSegment(partition, 2, [keyedBatch(2, ["b"])]);
  writeSegment(partition, 3, []);
  cleanAndSwap(jobOf(partition));
  const left = Deno.readFileSync(`${partition}/00000000000000000000.log`);
  const view = new DataView(left.buffer);
  assert.deepEqual([view.getInt32(57), view.getBigInt64(27), view.getBigInt64(35)], [
    1,
    2n ** 63n - 1n,
    2n ** 63n - 1n,
  ]);
});

Deno.test("cleanLog() makes the new segments and their names durable before there is a result", () => {
  const disk = new CrashingFileSystem(() => 0.5);
  const { fileSystem: fs } = disk;
  const config = { ...testConfig, compact: true, minCleanableDirtyRatio: 0 };
  const log = openLog("/logs/t-0", { fs, config });
  for (const value of ["v0", "v1"]) {
    append(log, [{ key: "a", value }]);
    assert.ok(log.roll(TEST_TIMESTAMP));
  }
  assert.ok(log.flush());
  const highWatermark = log.logEndOffset;
  const scene = { fs, log, config, highWatermark, cleanBelow: null, nowMs: TEST_TIMESTAMP, dedupeBufferBytes: 4096 };
  const cleaning = SimulatedCleaning.begin(scene);
  assert.ok(cleaning !== null);
  while (!cleaning.isSwapping) cleaning.continue(1);
  const cleaned = () => disk.files().filter(([path]) => path.endsWith(".cleaned"));
  const before = cleaned();
  assert.equal(before.length, 3, "one segment");
  disk.restart("none");
  assert.deepEqual(cleaned(), before);
});
