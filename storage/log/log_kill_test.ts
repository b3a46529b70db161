/**
 * Tests of opening a log whose last owner was killed while the page cache survived: how much is read, and what counts as the end that a
 * kill leaves. tests/log_crash_test.ts and tests/log_lives_test.ts stop logs at every call.
 */
import { strict as assert } from "node:assert";
import { writeCompacted } from "../../tests/compacted_segments.ts";
import { Crash, CrashingFileSystem } from "../../tests/crashing_file_system.ts";
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
import { TEST_TIMESTAMP } from "../../tests/record_batch_builder.ts";
import { toOffset } from "../base/units.ts";
import { type FileSystem, linuxFileSystem } from "../sys/file_system.ts";
import type { LogOptions } from "./log_types.ts";

const config = { ...testConfig, segmentBytes: 64 * 1024 * 1024 };
const firstLog = `${"0".repeat(20)}.log`;
const BATCHES = 4000;
const VALUE_BYTES = 1000;

/** A file system that counts the bytes that are read from files. */
function counting(): { fs: FileSystem; read: { bytes: number } } {
  const read = { bytes: 0 };
  const pread: FileSystem["pread"] = (...args) => {
    const bytes = linuxFileSystem.pread(...args);
    read.bytes += Math.max(0, bytes);
    return bytes;
  };
  return { fs: { ...linuxFileSystem, pread }, read };
}

/** Writes 4 MB into one segment, so that its indexes are in mappings, and abandons the log. */
function killedLog(
  partition: string,
  changes: Partial<LogOptions> = {},
  timestampOf = (i: number) => TEST_TIMESTAMP + i,
): void {
  using log = openLog(partition, { config, ...changes });
  for (let i = 0; i < BATCHES; i++) {
    append(log, recordsOf(1, VALUE_BYTES, timestampOf(i)));
    if (i === BATCHES - 100) log.endFlush(log.beginFlush({ shortensRecovery: true })!, "flushed");
  }
}

Deno.test("Log.open() after a kill reads the end of the last segment, however large it is", () => {
  for (const [appendMode, preallocate] of [["pwrite", false], ["pwrite", true], ["mapped", false]] as const) {
    using directory = new TestDirectory();
    const changes = { config: { ...config, appendMode, preallocate } };
    killedLog(directory.partition, changes);
    const { fs, read } = counting();
    const reports: string[] = [];
    const options = { ...changes, fs, isCacheIntact: true, report: (text: string) => reports.push(text) };
    using log = openLog(directory.partition, options);
    assert.equal(log.logEndOffset, BATCHES);
    assert.equal(log.found.hasCut, false);
    assert.deepEqual(reports, []);
    const ofRecovery = read.bytes;
    assert.ok(ofRecovery < BATCHES * VALUE_BYTES / 3, `${ofRecovery} bytes read (${appendMode}, ${preallocate})`);
    assert.equal(readAll(log).length, BATCHES);
    for (const i of [0, 1, 1234, BATCHES - 1]) {
      assert.equal(findByTime(log, TEST_TIMESTAMP + i, log.logEndOffset)?.offset, i);
    }
    assert.equal(append(log, recordsOf(1, 10)).baseOffset, BATCHES);
    assert.equal(log.close({ clean: true }), true);
    assert.deepEqual(findInconsistencies(directory.partition), []);
  }
});

Deno.test("Log.open() after a loss of power begins at the recovery point, inside a segment, if a flush shortened recovery", () => {
  for (const appendMode of ["pwrite", "mapped"] as const) {
    using directory = new TestDirectory();
    const changes = { config: { ...config, appendMode } };
    killedLog(directory.partition, changes);
    const { fs, read } = counting();
    using log = openLog(directory.partition, { ...changes, fs, recoveryPoint: toOffset(BATCHES - 99) });
    assert.equal(log.logEndOffset, BATCHES);
    const ofRecovery = read.bytes;
    assert.ok(ofRecovery < BATCHES * VALUE_BYTES / 3, `${ofRecovery} bytes read (${appendMode})`);
    assert.equal(readAll(log).length, BATCHES);
    for (const i of [0, 1234, BATCHES - 1]) {
      assert.equal(findByTime(log, TEST_TIMESTAMP + i, log.logEndOffset)?.offset, i);
    }
    assert.equal(log.close({ clean: true }), true);
    assert.deepEqual(findInconsistencies(directory.partition), []);
  }
});

Deno.test("Log.open() after a kill finds times in logs whose timestamps do not grow, or are missing", () => {
  for (const timestamp of [TEST_TIMESTAMP, 0, -1]) {
    using directory = new TestDirectory();
    killedLog(directory.partition, {}, (i) => i === 3000 && timestamp > 0 ? timestamp + 1 : timestamp);
    using log = openLog(directory.partition, { config, isCacheIntact: true });
    assert.equal(log.logEndOffset, BATCHES);
    const first = findByTime(log, Math.max(0, timestamp), log.logEndOffset)?.offset ?? null;
    assert.equal(first, timestamp < 0 ? null : 0);
    if (timestamp > 0) assert.equal(findByTime(log, timestamp + 1, log.logEndOffset)?.offset, 3000);
    assert.equal(log.close({ clean: true }), true);
    assert.deepEqual(findInconsistencies(directory.partition), []);
  }
});

Deno.test("Log.open() after a kill cuts the rest of an interrupted write off, for every length of it, and says so", () => {
  using directory = new TestDirectory();
  const { partition } = directory;
  {
    using log = openLog(partition, { config });
    for (let i = 0; i < 5; i++) append(log, recordsOf(1, 50));
  }
  const path = `${partition}/${firstLog}`;
  const bytes = Deno.readFileSync(path);
  const batchBytes = bytes.length / 5;
  for (let written = 0; written < batchBytes; written++) {
    for (const unusedBytes of [0, 300]) {
      const torn = new Uint8Array(4 * batchBytes + written + unusedBytes);
      torn.set(bytes.subarray(0, 4 * batchBytes + written));
      Deno.writeFileSync(path, torn);
      const reports: string[] = [];
      using log = openLog(partition, { config, isCacheIntact: true, report: (text) => reports.push(text) });
      // With zeros behind it, a batch that ends with zeros is whole.
      if (unusedBytes > 0 && bytes.subarray(4 * batchBytes + written).every((byte) => byte === 0)) continue;
      assert.equal(log.logEndOffset, 4, `${written} bytes written`);
      // A prefix of a batch begins with its offset: up to byte 7 it may be zeros, like room that was never used.
      if (written > 8) assert.equal(log.found.hasCut, true, `${written} bytes written`);
      assert.equal(reports.length, log.found.hasCut ? 1 : 0, reports.join());
      assert.equal(Deno.statSync(path).size, 4 * batchBytes);
    }
  }
});

Deno.test("Log.open() after a kill checks all from the recovery point on when the end is not that of one interrupted write", () => {
  using directory = new TestDirectory();
  const { partition } = directory;
  killedLog(partition);
  const path = `${partition}/${firstLog}`;
  const bytes = Deno.readFileSync(path);
  const batchBytes = bytes.length / BATCHES;
  bytes[(BATCHES - 4) * batchBytes + 100]! ^= 1; // sound batches follow
  Deno.writeFileSync(path, bytes);
  const reports: string[] = [];
  const options = { config, isCacheIntact: true, report: (text: string) => reports.push(text) };
  {
    using log = openLog(partition, options);
    assert.equal(log.logEndOffset, BATCHES - 4);
    assert.equal(log.found.hasCut, true);
    assert.match(reports[0] as string, /not as a killed process leaves it/);
    assert.match(reports[1] as string, /was cut by/);
  }
  Deno.writeFileSync(path, bytes);
  assert.throws(() => openLog(partition, { ...options, recoveryPoint: toOffset(BATCHES) }), /had been made durable/);
});

Deno.test("Log.open() after a kill rebuilds indexes that are missing or damaged", () => {
  const damages: [string, (path: string) => void][] = [
    ["missing", (path) => Deno.removeSync(path)],
    ["empty", (path) => Deno.truncateSync(path, 0)],
    ["zeros", (path) => Deno.writeFileSync(path, new Uint8Array(8192))],
    ["random", (path) => Deno.writeFileSync(path, crypto.getRandomValues(new Uint8Array(8192)))],
    ["a hole", (path) => {
      const bytes = Deno.readFileSync(path);
      bytes.fill(0, 4096, 8192);
      Deno.writeFileSync(path, bytes);
    }],
  ];
  for (const [damage, inflict] of damages) {
    for (const kind of ["index", "timeindex"]) {
      using directory = new TestDirectory();
      killedLog(directory.partition);
      inflict(`${directory.partition}/${"0".repeat(20)}.${kind}`);
      using log = openLog(directory.partition, { config, isCacheIntact: true });
      assert.equal(log.logEndOffset, BATCHES, `${kind}: ${damage}`);
      for (const i of [0, 777, 3333]) {
        assert.equal(findByTime(log, TEST_TIMESTAMP + i, log.logEndOffset)?.offset, i, `${kind}: ${damage}`);
      }
      assert.equal(log.close({ clean: true }), true);
      assert.deepEqual(findInconsistencies(directory.partition), [], `${kind}: ${damage}`);
    }
  }
});

Deno.test("Log.open() after a kill leaves the indexes of closed segments as they are, also before segments that compaction emptied", () => {
  const directory = "/logs/topic-0";
  let isStopped = true;
  for (let afterCalls = 1; isStopped; afterCalls++) {
    const disk = new CrashingFileSystem(() => 0.5);
    const fs = disk.fileSystem;
    const log = openLog(directory, { fs, config });
    for (let i = 0; i < 3; i++) {
      append(log, recordsOf(1, 50, TEST_TIMESTAMP + i));
      assert.ok(log.roll(TEST_TIMESTAMP));
    }
    assert.ok(log.flush());
    const emptied = writeCompacted({ fs, directory }, [toOffset(1), toOffset(2)], []);
    const swap = log.compacted.replaceSegments([emptied], config)!;
    for (let step = swap.next(9); step !== "done"; step = swap.next(9)) fs.syncDirectory(directory);
    assert.deepEqual(log.segments().map(({ logFileBytes }) => logFileBytes > 0), [true, false, false]);
    const { recoveryPoint } = log;
    disk.restart("all");
    disk.crashAt = disk.calls + afterCalls;
    try {
      openLog(directory, { fs, config, recoveryPoint, isCacheIntact: true });
    } catch (error) {
      assert.ok(error instanceof Crash);
    }
    isStopped = disk.crashed;
    disk.restart("all");
    assert.ok(openLog(directory, { fs, config, recoveryPoint }).close({ clean: true }));
    const files = disk.files().map(([path, bytes]) => [path.slice(directory.length + 1), bytes] as const);
    assert.deepEqual(findInconsistencies(new Map(files), { isCleaned: true }), [], `stopped after ${afterCalls} calls`);
  }
});
