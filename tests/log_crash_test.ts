/**
 * Stops a log at every call that changes a file, also in the middle of writes, and opens it again. Of the unflushed data
 * everything, nothing or a random part survives. Then no acknowledged and flushed record may be missing, nothing torn may be
 * served, and the files must be as without the crash.
 */
import { strict as assert } from "node:assert";
import { toOffset } from "../storage/base/units.ts";
import type { LogConfig } from "../storage/log/log_config.ts";
import { Log } from "../storage/log/log.ts";
import { LogDamagedError } from "../storage/log/storage_failure.ts";
import type { FileSystem } from "../storage/sys/file_system.ts";
import { Crash, CrashingFileSystem, type Survival } from "./crashing_file_system.ts";
import {
  append,
  batchesIn,
  findByTime,
  findInconsistencies,
  logOptions,
  readAll,
  recordsOf,
  testConfig,
} from "./log_fixture.ts";
import { buildBatch, TEST_TIMESTAMP } from "./record_batch_builder.ts";

const directory = "/logs/topic-0";
const baseConfig: LogConfig = { ...testConfig, segmentBytes: 900, indexIntervalBytes: 200 };

/** What the client and the broker's checkpoints know at the time of the crash. */
interface Witness {
  /** Values of the batches that were sent; the last one may have no answer. */
  sent: number[];
  acknowledged: number;
  recoveryPoint: number;
  logStartOffset: number;
  closedCleanly: boolean;
}

function open(fs: FileSystem, config: LogConfig, witness: Witness, isCacheIntact = false): Log {
  return Log.open(logOptions(directory, {
    fs,
    config,
    cleanShutdown: witness.closedCleanly,
    isCacheIntact,
    recoveryPoint: toOffset(witness.recoveryPoint),
    logStartOffset: toOffset(witness.logStartOffset),
    producerIdExpirationMs: Infinity,
  }));
}

const producer = (i: number) => ({ producerId: 40, producerEpoch: 0, baseSequence: 2 * i });
/** Batch number i: two records; their size identifies the batch. */
const recordsOfBatch = (i: number) => recordsOf(2, 20 + i, TEST_TIMESTAMP + 10 * i);

/** Appends, rolls, flushes, deletes a segment, changes the epoch, and closes. */
function workload(fs: FileSystem, config: LogConfig, witness: Witness): void {
  const log = open(fs, config, witness);
  for (let i = 0; i < 24; i++) {
    witness.sent.push(i);
    const result = append(log, recordsOfBatch(i), { leaderEpoch: i < 9 ? 0 : 3, ...producer(i) });
    assert.deepEqual([result.refusal, result.baseOffset], [null, 2 * i], result.message);
    witness.acknowledged = i + 1;
    if (i % 5 === 4) {
      assert.ok(log.flush());
      witness.recoveryPoint = log.recoveryPoint;
    }
    if (i === 9) assert.ok(log.roll(TEST_TIMESTAMP)); // the segment was flushed while it was active
    if (i === 17) {
      witness.logStartOffset = log.segments()[1]!.baseOffset;
      for (const path of log.deleteOldestSegment()) fs.remove(path);
    }
  }
  assert.ok(log.close({ clean: true }));
  witness.closedCleanly = true;
}

function newWitness(): Witness {
  return { sent: [], acknowledged: 0, recoveryPoint: 0, logStartOffset: 0, closedCleanly: false };
}

/** What survives. "believed": all, and the next start believes the page cache. */
type Stop = Survival | "believed";

/** Opens the surviving files and compares the log with the witness. */
function verify(disk: CrashingFileSystem, config: LogConfig, witness: Witness, stop: Stop): void {
  const log = open(disk.fileSystem, config, witness, stop === "believed");
  const survival = stop === "believed" ? "all" : stop;
  const kept = log.logEndOffset / 2;
  assert.ok(
    log.logEndOffset >= witness.recoveryPoint,
    `${log.logEndOffset} records of ${witness.recoveryPoint} flushed`,
  );
  if (survival === "all") assert.ok(kept >= witness.acknowledged, `${kept} of ${witness.acknowledged} batches`);
  assert.ok(kept <= witness.sent.length && log.logStartOffset >= witness.logStartOffset);
  const found = readAll(log, { fs: disk.fileSystem, maxBytes: 300, hasGaps: survival !== "all" });
  const bases = found.map((batch) => batch.baseOffset);
  const expected = witness.sent.slice(log.logStartOffset / 2, kept).map((i) => 2 * i);
  // A loss of power may remove the unflushed end of a segment and keep the next segment.
  const isKept = (base: number) => survival === "all" || base < witness.recoveryPoint || bases.includes(base);
  assert.deepEqual(bases, expected.filter(isKept));
  for (const batch of found) {
    const i = batch.baseOffset / 2;
    const expected = buildBatch(recordsOfBatch(i), {
      partitionLeaderEpoch: i < 9 ? 0 : 3,
      baseOffset: 2 * i,
      ...producer(i),
    });
    assert.deepEqual(batch.bytes, expected);
    assert.equal(log.epochFor(toOffset(batch.baseOffset)), i < 9 ? 0 : 3);
    const byTime = findByTime(log, TEST_TIMESTAMP + 10 * i, log.logEndOffset);
    assert.equal(byTime?.offset, batch.baseOffset);
  }
  const last = (bases.at(-1) ?? -2) / 2;
  if (last >= 0) {
    const again = append(log, recordsOfBatch(last), { leaderEpoch: 3, ...producer(last) });
    assert.deepEqual([again.refusal, again.duplicate, again.baseOffset], [null, true, 2 * last]);
  }
  const next = append(log, recordsOfBatch(kept), { leaderEpoch: 5, ...(last === kept - 1 ? producer(kept) : {}) });
  assert.deepEqual([next.refusal, next.baseOffset], [null, 2 * kept], next.message);
  assert.equal(log.close({ clean: true }), true);
  const prefix = `${directory}/`;
  const files = disk.files().filter(([path]) => path.startsWith(prefix));
  const named = new Map(files.map(([path, bytes]) => [path.slice(prefix.length), bytes]));
  assert.deepEqual(findInconsistencies(named, { hasLost: survival !== "all" }), []);
}

/** Stops the workload at a call, restarts the machine and verifies. @returns whether the workload made that call */
function crashAndVerify(
  crashAt: number,
  config: LogConfig,
  stop: Stop,
  tamper?: (fs: FileSystem) => FileSystem,
) {
  let state = crashAt * 7919 + stop.length;
  const disk = new CrashingFileSystem(() => (state = (state * 48_271) % 0x7fff_ffff) / 0x7fff_ffff);
  disk.crashAt = crashAt;
  const witness = newWitness();
  try {
    workload(tamper?.(disk.fileSystem) ?? disk.fileSystem, config, witness);
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
  }
  const stopped = disk.crashed;
  disk.restart(stop === "believed" ? "all" : stop);
  verify(disk, config, witness, stop);
  return stopped;
}

const stops = [["all", false], ["none", false], ["random", false], ["believed", false], ["believed", true]] as const;
for (const appendMode of ["pwrite", "mapped"] as const) {
  for (const [survival, preallocate] of stops) {
    const files = `${appendMode}${preallocate ? ", preallocated" : ""}`;
    Deno.test(`Log loses nothing flushed and serves nothing torn, stopped at every call (${files}, ${survival} survives)`, () => {
      const config = { ...baseConfig, appendMode, preallocate };
      let calls = 1;
      for (;; calls++) {
        let stopped;
        try {
          stopped = crashAndVerify(calls, config, survival);
        } catch (cause) {
          throw new Error(`stopped at call ${calls}`, { cause });
        }
        if (!stopped) break;
      }
      assert.ok(calls > 100, `the workload made ${calls} calls`);
    });
  }
}

Deno.test("the crash test finds a log that does not really flush (canary)", () => {
  const lying = (fs: FileSystem): FileSystem => ({ ...fs, fdatasync: () => true });
  assert.throws(() => {
    for (let calls = 1; calls < 200; calls++) crashAndVerify(calls, baseConfig, "none", lying);
  }, LogDamagedError);
});

Deno.test("Log loses nothing that was written when the process is killed again in a start that believes the page cache", () => {
  for (let first = 20; first < 120; first += 3) {
    for (let second = 1;; second++) {
      const disk = new CrashingFileSystem(() => 0.4);
      disk.crashAt = first;
      const witness = newWitness();
      assert.throws(() => workload(disk.fileSystem, baseConfig, witness), Crash);
      disk.restart("all");
      disk.crashAt = disk.calls + second;
      try {
        open(disk.fileSystem, baseConfig, witness, true);
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
      }
      const stopped = disk.crashed;
      disk.restart("all");
      verify(disk, baseConfig, witness, second % 2 === 0 ? "believed" : "all");
      if (!stopped) break;
    }
  }
});

Deno.test("Log recovers from a second crash during recovery", () => {
  for (let first = 60; first < 120; first += 7) {
    for (let second = 1;; second++) {
      const disk = new CrashingFileSystem(() => 0.4);
      disk.crashAt = first;
      const witness = newWitness();
      assert.throws(() => workload(disk.fileSystem, baseConfig, witness), Crash);
      disk.restart("random");
      disk.crashAt = disk.calls + second;
      try {
        open(disk.fileSystem, baseConfig, witness);
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
      }
      const stopped = disk.crashed;
      disk.restart("random");
      verify(disk, baseConfig, witness, "random");
      if (!stopped) break;
    }
  }
});

Deno.test("Log on a full disk refuses appends, still reads, and appends again when there is room", () => {
  for (const appendMode of ["pwrite", "mapped"] as const) {
    const config = { ...baseConfig, appendMode };
    // From a disk without room to one with room for the whole workload: append, index growth, roll and snapshot all reach the
    // limit.
    let refusals = 0;
    for (let capacity = 9000; capacity < 60_000; capacity += 777) {
      const disk = new CrashingFileSystem(() => 0.5);
      const witness = newWitness();
      const log = open(disk.fileSystem, config, witness);
      disk.capacityBytes = capacity;
      let appended = 0;
      for (let i = 0; i < 24; i++) {
        const result = append(log, recordsOfBatch(appended));
        if (result.refusal === null) appended++;
        else refusals++;
        assert.ok(result.refusal === null || result.refusal === "log-offline", `${result.refusal}: ${result.message}`);
        assert.equal(log.logEndOffset, 2 * appended);
        assert.equal(log.offlineReason, null);
        assert.equal(readAll(log, { fs: disk.fileSystem }).length, appended);
      }
      disk.capacityBytes = Infinity;
      witness.sent = Array.from({ length: appended }, (_, i) => i);
      for (; appended < 24; appended++) {
        assert.equal(append(log, recordsOfBatch(appended)).refusal, null, "there is room again");
      }
      assert.equal(log.close({ clean: true }), true);
      const files = disk.files().map(([path, bytes]) => [path.slice(directory.length + 1), bytes] as const);
      assert.deepEqual(findInconsistencies(new Map(files.filter(([name]) => name !== ""))), []);
    }
    assert.ok(refusals > 100, `${refusals} appends hit the full disk`);
  }
});

Deno.test("Log refuses an append without disk blocks for its index entry before it writes the batch", () => {
  const disk = new CrashingFileSystem(() => 0.5);
  const config = { ...baseConfig, segmentBytes: 1_000_000, indexIntervalBytes: 1 };
  const log = open(disk.fileSystem, config, newWitness());
  const bytesUsed = () => disk.files().reduce((sum, [, bytes]) => sum + bytes.length, 0);
  for (let i = 0; i < 300; i++) assert.equal(append(log, recordsOfBatch(0)).refusal, null);
  // Room for more batches than the 512 whose index entries fill the first 4 KiB, but not for the next step of the index.
  disk.capacityBytes = bytesUsed() + 212 * buildBatch(recordsOfBatch(0)).length + 3000;
  let appended = 300;
  while (append(log, recordsOfBatch(0)).refusal === null) appended++;
  assert.ok(disk.capacityBytes - bytesUsed() > 1000, "the disk had room for the batch");
  assert.equal(readAll(log, { fs: disk.fileSystem }).length, appended);
  disk.capacityBytes = Infinity;
  for (let i = 0; i < 300; i++) assert.equal(append(log, recordsOfBatch(0)).refusal, null);
  assert.equal(readAll(log, { fs: disk.fileSystem }).length, appended + 300);
});

Deno.test("Log recovers a log that was abandoned on a full disk, once there is room", () => {
  for (let capacity = 9000; capacity < 40_000; capacity += 1777) {
    const disk = new CrashingFileSystem(() => 0.5);
    const witness = newWitness();
    disk.capacityBytes = capacity;
    let appended = 0;
    const log = open(disk.fileSystem, baseConfig, witness);
    for (let i = 0; i < 24; i++) if (append(log, recordsOfBatch(appended)).refusal === null) appended++;
    disk.restart("all");
    disk.capacityBytes = Infinity;
    const again = open(disk.fileSystem, baseConfig, witness);
    assert.equal(again.logEndOffset, 2 * appended);
    assert.equal(append(again, recordsOfBatch(appended)).refusal, null);
  }
});

Deno.test("Log takes no writes after a failed flush and is complete when it is reopened", () => {
  const disk = new CrashingFileSystem(() => 0.5);
  const witness = newWitness();
  const log = open(disk.fileSystem, baseConfig, witness);
  for (let i = 0; i < 5; i++) append(log, recordsOfBatch(i));
  assert.equal(log.flush(), true);
  append(log, recordsOfBatch(5));
  disk.flushFails = true;
  assert.equal(log.flush(), false);
  disk.flushFails = false;
  assert.equal(log.flush(), false, "a failed flush is never tried again");
  assert.equal(append(log, recordsOfBatch(6)).refusal, "log-offline");
  assert.equal(log.recoveryPoint, 10);
  assert.equal(readAll(log, { fs: disk.fileSystem }).length, 6, "reads go on");
  assert.equal(log.close({ clean: true }), false);
  witness.recoveryPoint = 10;
  disk.restart("none");
  assert.equal(open(disk.fileSystem, baseConfig, witness).logEndOffset, 10);
});

Deno.test("batchesIn() refuses a torn batch (canary)", () => {
  const bytes = buildBatch(recordsOf(2, 20));
  assert.equal(batchesIn(bytes).length, 1);
  assert.throws(() => batchesIn(bytes.subarray(0, -1)));
  assert.throws(() => batchesIn(bytes.map((byte, i) => i === 70 ? byte ^ 1 : byte)));
});
