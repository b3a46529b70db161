/**
 * Compacted segments take the place of those that they were made of, in a log that is read meanwhile; and the swap is stopped at every
 * call that changes a file. Then each kept batch is there once, and what else is there is an old batch that a later compaction removes.
 */
import { strict as assert } from "node:assert";
import { type Offset, toOffset } from "../storage/base/units.ts";
import type { Log } from "../storage/log/log.ts";
import type { ReplacedSegments, SegmentSwap } from "../storage/log/segment_swap.ts";
import type { FileSystem } from "../storage/sys/file_system.ts";
import { SystemError } from "../storage/sys/libc.ts";
import { allocateNative } from "../storage/sys/memory.ts";
import { writeCompacted } from "./compacted_segments.ts";
import { Crash, CrashingFileSystem, type Survival } from "./crashing_file_system.ts";
import { append, deleteSegments, openLog, readAll, recordsOf, type StoredBatch, testConfig } from "./log_fixture.ts";
import { TEST_TIMESTAMP } from "./record_batch_builder.ts";

const directory = "/logs/topic-0";
const config = { ...testConfig, segmentBytes: 900, indexIntervalBytes: 200 };
/** Batches of each segment; batch number i holds the offsets 2i and 2i + 1. */
const BATCHES_PER_SEGMENT = 3;
const SEGMENTS = 11;

/**
 * The first batch of each segment, for each new segment: what it replaces, by segment numbers, and which batches it keeps. Segment 4 is
 * not replaced; the new segments before it and those after it are neighbours. One has no batch left, others none at their end.
 */
const plan: { from: number; to: number; keeps: (batch: number) => boolean }[] = [
  { from: 0, to: 2, keeps: (batch) => batch === 1 },
  { from: 2, to: 4, keeps: () => false },
  { from: 5, to: 6, keeps: () => true },
  { from: 6, to: 9, keeps: (batch) => batch % 2 === 0 },
  { from: 9, to: 10, keeps: (batch) => batch === 29 },
];
const baseOf = (segment: number) => toOffset(segment * BATCHES_PER_SEGMENT * 2);

function isKept(batch: number): boolean {
  const segment = Math.floor(batch / BATCHES_PER_SEGMENT);
  return plan.find(({ from, to }) => segment >= from && segment < to)?.keeps(batch) ?? true;
}

function open(fs: FileSystem, recoveryPoint = toOffset(0)): Log {
  return openLog(directory, { fs, config, recoveryPoint, producerIdExpirationMs: Infinity });
}

const producer = (i: number) => ({ producerId: 40, producerEpoch: 0, baseSequence: 2 * i });

/** A log of closed segments and an active one with a batch. */
function fill(fs: FileSystem): Log {
  const log = open(fs);
  for (let i = 0; i <= BATCHES_PER_SEGMENT * (SEGMENTS - 1); i++) {
    if (i > 0 && i % BATCHES_PER_SEGMENT === 0) assert.ok(log.roll(TEST_TIMESTAMP));
    const result = append(log, recordsOf(2, 20 + i, TEST_TIMESTAMP + 10 * i), producer(i));
    assert.equal(result.baseOffset, 2 * i, result.message);
  }
  assert.ok(log.flush());
  assert.equal(log.segments().length, SEGMENTS);
  return log;
}

function compact(fs: FileSystem, log: Log): ReplacedSegments[] {
  const batches = readAll(log, { fs });
  return plan.map(({ from, to, keeps }) => {
    const sources = Array.from({ length: to - from }, (_, i) => baseOf(from + i));
    const own = batches.filter(({ baseOffset }) => baseOffset >= baseOf(from) && baseOffset < baseOf(to));
    return writeCompacted({ fs, directory }, sources, own.filter(({ baseOffset }) => keeps(baseOffset / 2)));
  });
}

function beginSwap(log: Log, replacements: ReplacedSegments[]): SegmentSwap {
  const swap = log.compacted.replaceSegments(replacements, config);
  assert.ok(swap !== null);
  return swap;
}

/** Runs a swap to its end, a few steps at a time. @param between called after every call */
function finish(fs: FileSystem, swap: SegmentSwap, between: () => void = () => {}): number {
  let flushes = 0;
  for (let step = swap.next(2); step !== "done"; step = swap.next(2)) {
    if (step === "flush") fs.syncDirectory(directory), flushes++;
    between();
  }
  return flushes;
}

const numbersOf = (batches: StoredBatch[]) => batches.map(({ baseOffset }) => baseOffset / 2);
const all = Array.from({ length: BATCHES_PER_SEGMENT * (SEGMENTS - 1) + 1 }, (_, i) => i);
const kept = all.filter(isKept);

Deno.test("CompactedLog.replaceSegments() puts compacted segments in the place of others, and reads find the old ones or the new one", () => {
  const disk = new CrashingFileSystem(() => 0.5);
  const fs = disk.fileSystem;
  using log = fill(fs);
  const replacements = compact(fs, log);
  const bytesBefore = log.logFilesBytes;
  const everything = { maxBytes: 100_000, maxOffset: log.logEndOffset, atLeastOne: true };
  const { slice } = log.read(toOffset(0), everything);
  assert.ok(slice !== null);
  const swap = beginSwap(log, replacements);
  let reads = 0;
  const flushes = finish(fs, swap, () => {
    const found = numbersOf(readAll(log, { fs, hasGaps: true }));
    assert.deepEqual(found.filter(isKept), kept);
    assert.deepEqual(found, found.toSorted((a, b) => a - b));
    reads++;
  });
  assert.ok(reads > 12 && swap.isDone);
  assert.equal(flushes, 6, "two runs of neighbours, three flushes each");
  assert.deepEqual(numbersOf(readAll(log, { fs, hasGaps: true })), kept);
  assert.deepEqual(log.segments().map(({ baseOffset }) => baseOffset), [0, 2, 4, 5, 6, 9, 10].map(baseOf));
  assert.ok(log.logFilesBytes < bytesBefore);
  const logFiles = () => disk.files().filter(([path]) => path.endsWith(".log"));
  assert.equal(log.logFilesBytes, logFiles().reduce((sum, [, bytes]) => sum + bytes.length, 0));
  // A slice that was lent before keeps its file.
  const memory = allocateNative(slice.length);
  assert.equal(fs.pread(slice.fd, memory, 0, slice.length, slice.position), slice.length);
  log.release(slice.leaseId);
  const removed = swap.takeRemovedPaths();
  assert.equal(new Set(removed).size, 27, "three files for each of nine segments");
  assert.ok(removed.every((path) => path.endsWith(".deleted") && fs.modifiedMs(path) !== null));
  for (const path of removed) fs.remove(path);
  const left = disk.files().map(([path]) => path.slice(directory.length + 1));
  assert.deepEqual(left.filter((name) => /swap|cleaned|deleted/.test(name)), []);
  const snapshots = left.filter((name) => name.endsWith(".snapshot")).map((name) => Number(name.slice(0, 20)));
  assert.deepEqual(snapshots, [2, 4, 5, 6, 9, 10].map(baseOf), "snapshots stay where segments begin");
  assert.ok(log.close({ clean: true }));
  using again = openLog(directory, { fs, config, cleanShutdown: true });
  assert.deepEqual(numbersOf(readAll(again, { fs, hasGaps: true })), kept);
});

Deno.test("CompactedLog.replaceSegments() refuses segments that the log does not have, and the active one", () => {
  const fs = new CrashingFileSystem(() => 0.5).fileSystem;
  using log = fill(fs);
  const refused = (sources: Offset[]) => log.compacted.replaceSegments([{ baseOffset: sources[0]!, sources }], config);
  assert.equal(refused([baseOf(0), baseOf(2)]), null);
  assert.equal(refused([toOffset(1)]), null);
  assert.equal(refused([baseOf(SEGMENTS - 2), baseOf(SEGMENTS - 1)]), null);
  deleteSegments(log, 2);
  assert.equal(refused([baseOf(0), baseOf(1)]), null);
  assert.ok(refused([baseOf(2), baseOf(3)]) !== null);
});

Deno.test("a swap that the disk refuses at any call changes nothing that is read, and continues with the next call", () => {
  for (let failAt = 1;; failAt++) {
    const disk = new CrashingFileSystem(() => 0.5);
    let renames = 0;
    const fs: FileSystem = {
      ...disk.fileSystem,
      rename: (from, to) => {
        if (isArmed && ++renames === failAt) throw new SystemError(`rename ${from}`);
        disk.fileSystem.rename(from, to);
      },
    };
    let isArmed = false;
    using log = fill(fs);
    const swap = beginSwap(log, compact(fs, log));
    isArmed = true;
    let refusals = 0;
    for (let isEnded = false; !isEnded;) {
      try {
        finish(fs, swap);
        isEnded = true;
      } catch (error) {
        assert.ok(error instanceof SystemError);
        assert.deepEqual(numbersOf(readAll(log, { fs, hasGaps: true })).filter(isKept), kept);
        refusals++;
      }
    }
    assert.deepEqual(numbersOf(readAll(log, { fs, hasGaps: true })), kept);
    if (refusals === 0) break;
  }
});

/** @returns whether the swap was stopped */
function crashAndReopen(
  crashAfter: number,
  survival: Survival,
  { secondCrash = Infinity, firstSurvival = survival, tamper = (fs: FileSystem) => fs } = {},
): boolean {
  let state = crashAfter * 7919 + survival.length + (secondCrash === Infinity ? 0 : secondCrash * 31);
  const disk = new CrashingFileSystem(() => (state = (state * 48_271) % 0x7fff_ffff) / 0x7fff_ffff);
  const fs = disk.fileSystem;
  const log = fill(fs);
  const recoveryPoint = log.recoveryPoint;
  const replacements = compact(fs, log);
  disk.crashAt = disk.calls + crashAfter;
  try {
    finish(tamper(fs), beginSwap(log, replacements));
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
  }
  const stopped = disk.crashed;
  disk.restart(firstSurvival);
  if (secondCrash !== Infinity) {
    disk.crashAt = disk.calls + secondCrash;
    try {
      open(fs, recoveryPoint);
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
    }
    disk.restart(survival);
  }
  for (const round of ["first", "second"]) {
    const reopened = open(fs, recoveryPoint);
    const found = numbersOf(readAll(reopened, { fs, hasGaps: true }));
    assert.deepEqual(found.filter(isKept), kept, `the ${round} start after a crash after ${crashAfter} calls`);
    assert.deepEqual(found, found.toSorted((a, b) => a - b));
    assert.equal(new Set(found).size, found.length);
    if (!stopped) assert.deepEqual(found, kept);
    const last = all.at(-1)!;
    const again = append(reopened, recordsOf(2, 20 + last), producer(last));
    assert.ok(again.duplicate, "the producers are known");
    reopened.close({ clean: false });
    const left = disk.files().filter(([path]) => /\.(swap|cleaned|deleted|tmp|set-aside)$/.test(path));
    assert.deepEqual(left, []);
    disk.restart(survival);
  }
  return stopped;
}

for (const survival of ["all", "none", "random"] as const) {
  Deno.test(`a swap that stops at any call leaves each kept batch once (${survival} survives)`, () => {
    let calls = 1;
    while (crashAndReopen(calls, survival)) calls++;
    assert.ok(calls > 60, `the swap made ${calls} calls`);
  });
}

Deno.test("a start that stops while it finishes a swap leaves each kept batch once", () => {
  for (const firstSurvival of ["random", "all"] as const) {
    for (let first = 1; first < 100; first += 7) {
      for (let second = 1; second < 40; second += 3) {
        crashAndReopen(first, "random", { secondCrash: second, firstSurvival });
      }
    }
  }
});

Deno.test("the crash test finds a swap without flushes (canary)", () => {
  const lying = (fs: FileSystem): FileSystem => ({ ...fs, syncDirectory: () => true });
  assert.throws(() => {
    for (let calls = 1; calls < 100; calls++) crashAndReopen(calls, "random", { tamper: lying });
  });
});
