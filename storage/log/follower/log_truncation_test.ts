import { strict as assert } from "node:assert";
import { CrashingFileSystem } from "../../../tests/crashing_file_system.ts";
import {
  describeProducers,
  follow,
  type History,
  isPartOf,
  leaderBatch,
  leaderBatches,
  namesOf,
  producersOf,
} from "../../../tests/leader_batches.ts";
import {
  deleteSegments,
  filesIn,
  findByTime,
  findInconsistencies,
  openLog,
  readAll,
  testConfig,
  TestDirectory,
} from "../../../tests/log_fixture.ts";
import { inMemory, TEST_TIMESTAMP } from "../../../tests/record_batch_builder.ts";
import { createRandom } from "../../base/random.ts";
import { toOffset } from "../../base/units.ts";
import { decodeTransactionIndex, encodeTransactionIndex } from "../../segments/transaction_index.ts";
import { type FileSystem, linuxFileSystem } from "../../sys/file_system.ts";
import { allocateNative } from "../../sys/memory.ts";
import type { Log } from "../log.ts";
import type { LogSlice } from "../log_types.ts";
import { TRUNCATION_FILE } from "./truncation_mark.ts";

const config = { ...testConfig, segmentBytes: 600, indexIntervalBytes: 100 };

/** 30 batches of two records in several segments, with gaps behind every tenth, two epochs, and a producer. */
const history: History = Array.from({ length: 30 }, (_, i) =>
  leaderBatch({
    baseOffset: 2 * i + 4 * Math.floor(i / 10),
    epoch: i < 15 ? 1 : 2,
    timestamp: TEST_TIMESTAMP + i,
    producerId: i % 3,
    baseSequence: 2 * i,
    marker: null,
  }));
const END = history.at(-1)!.lastOffset + 1;

function basesOf(log: Log, fs = linuxFileSystem): number[] {
  return readAll(log, { fs, hasGaps: true }).map(({ baseOffset }) => baseOffset);
}

function below(offset: number): History {
  return history.filter(({ lastOffset }) => lastOffset < offset);
}

Deno.test("Log.truncateTo() leaves the batches below the offset, with their epochs, producers and indexes, for every offset", () => {
  for (const isReopened of [false, true]) {
    for (let offset = 0; offset <= END; offset++) {
      const disk = new CrashingFileSystem(() => 0.5);
      const fs = disk.fileSystem;
      const log = openLog("/logs/t-0", { fs, config, producerIdExpirationMs: Infinity });
      assert.equal(follow(log, history).batchesCount, 30);
      const { refusal } = log.truncateTo(toOffset(offset));
      const kept = below(offset);
      const first = history[kept.length];
      assert.deepEqual([refusal, log.logEndOffset], [null, Math.min(offset, first?.baseOffset ?? END)]);
      let looked = log;
      if (isReopened) {
        assert.ok(log.close({ clean: offset % 2 === 0 }));
        looked = openLog("/logs/t-0", {
          fs,
          config,
          producerIdExpirationMs: Infinity,
          cleanShutdown: offset % 2 === 0,
        });
        assert.equal(looked.logEndOffset, log.logEndOffset, "a new segment begins at the end, also behind a gap");
      }
      const found = readAll(looked, { fs, hasGaps: true });
      assert.deepEqual(found.map(({ baseOffset }) => baseOffset), kept.map(({ baseOffset }) => baseOffset));
      assert.equal(looked.latestLeaderEpoch, kept.at(-1)?.epoch ?? -1);
      assert.deepEqual(describeProducers(looked), producersOf(kept));
      const last = kept.at(-1);
      const largest = findByTime(looked, "largest", looked.logEndOffset);
      assert.deepEqual(largest?.timestamp, last?.timestamp);
      assert.equal(findByTime(looked, TEST_TIMESTAMP + kept.length, looked.logEndOffset), null);
      const next = leaderBatch({ baseOffset: looked.logEndOffset, epoch: 3 });
      assert.deepEqual(follow(looked, [next]).refusal, null);
      assert.ok(looked.close({ clean: true }));
      const own = disk.files().filter(([path]) => !path.endsWith(".deleted") && path.startsWith("/logs/t-0/"));
      const named = new Map(own.map(([path, bytes]) => [path.slice("/logs/t-0/".length), bytes]));
      assert.deepEqual(findInconsistencies(named, { isCleaned: true }), [], `truncated to ${offset}`);
    }
  }
});

Deno.test("Log.truncateTo() at the log end, or above it, drops the epoch that has no record (KAFKA-10706)", () => {
  for (const beyond of [0, 5]) {
    using directory = new TestDirectory();
    using log = openLog(directory.partition);
    follow(log, leaderBatches(2, { baseOffset: 0, epoch: 1 }));
    assert.ok(log.becomeLeader(4));
    const segments = log.segments().length;
    assert.deepEqual(log.truncateTo(toOffset(4 + beyond)), { refusal: null, removedPaths: [], isUnfinished: false });
    assert.deepEqual([log.latestLeaderEpoch, log.logEndOffset], [beyond === 0 ? 1 : 4, 4]);
    assert.equal(log.segments().length, segments);
  }
});

Deno.test("Log.truncateTo() below the log start moves it, and below the first segment nothing is left", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition, { config });
  follow(log, history);
  log.incrementLogStartOffset(toOffset(40));
  assert.equal(log.truncateTo(toOffset(30)).refusal, null);
  assert.deepEqual([log.logStartOffset, log.logEndOffset, basesOf(log).length], [30, 30, 0]);
  follow(log, leaderBatches(5, { baseOffset: 30, epoch: 3 }));
  assert.deepEqual(basesOf(log), [30, 32, 34, 36, 38]);
  assert.ok(log.flush());
  log.incrementLogStartOffset(toOffset(34));
  assert.ok(log.roll(TEST_TIMESTAMP));
  assert.ok(log.flush());
  deleteSegments(log, log.segmentsBelowStart);
  const { refusal } = log.truncateTo(toOffset(3));
  assert.deepEqual([refusal, log.logStartOffset, log.logEndOffset, log.latestLeaderEpoch], [null, 3, 3, -1]);
});

Deno.test("Log.truncateTo() keeps producers whose batches were deleted, also where no segment is left", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition, { config, producerIdExpirationMs: Infinity });
  follow(log, history);
  assert.ok(log.roll(TEST_TIMESTAMP) && log.flush());
  log.incrementLogStartOffset(toOffset(END));
  deleteSegments(log, log.segmentsBelowStart);
  follow(log, [leaderBatch({ baseOffset: END + 3, epoch: 3 })]);
  assert.equal(log.truncateTo(toOffset(END + 4)).refusal, null);
  assert.deepEqual([log.logEndOffset, log.segments().length], [END + 3, 1]);
  assert.deepEqual(describeProducers(log), producersOf(history));
});

Deno.test("a log without records starts where it ends", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition);
  follow(log, [leaderBatch({ baseOffset: 7, epoch: 1 })]);
  assert.equal(log.logStartOffset, 0);
  assert.equal(log.truncateTo(toOffset(3)).refusal, null);
  assert.deepEqual([log.logStartOffset, log.logEndOffset], [3, 3]);
});

Deno.test("a start removes the segment below the log start to which a loss of power brought back what was cut off", () => {
  const disk = new CrashingFileSystem(() => 0.5);
  const fs = disk.fileSystem;
  const log = openLog("/logs/t-0", { fs, config: { ...config, segmentBytes: 10_000 } });
  follow(log, leaderBatches(5, { baseOffset: 0, epoch: 1 }));
  const path = "/logs/t-0/00000000000000000000.log";
  const before = new Map(disk.files()).get(path)!;
  assert.equal(log.truncateTo(toOffset(6)).refusal, null);
  log.incrementLogStartOffset(toOffset(6));
  assert.ok(log.close({ clean: true }));
  const fd = fs.open(path, { write: true });
  fs.pwrite(fd, inMemory(before, 0).memory, 0, before.length, 0);
  fs.close(fd);
  const reports: string[] = [];
  const options = { fs, config, logStartOffset: toOffset(6), report: (text: string) => void reports.push(text) };
  const again = openLog("/logs/t-0", { ...options, cleanShutdown: false });
  assert.deepEqual([again.logStartOffset, again.logEndOffset, again.segments().length], [6, 6, 1]);
  assert.match(`${reports}`, /Segment 0 is removed: it lies below the log start, and overlaps the next one/);
  // A batch behind a gap, and the end of the log before it: nothing of the other history is there.
  follow(again, [leaderBatch({ baseOffset: 9, epoch: 2 })]);
  assert.deepEqual(basesOf(again, fs), [9]);
  assert.equal(again.truncateTo(toOffset(9)).refusal, null);
  assert.deepEqual([basesOf(again, fs), again.logEndOffset], [[], 9]);
});

Deno.test("Log.truncateFullyAndStartAt() leaves nothing, and continues below or above", () => {
  for (const offset of [0, 7, END, 500]) {
    using directory = new TestDirectory();
    {
      using log = openLog(directory.partition, { config });
      follow(log, history);
      const { refusal, removedPaths } = log.truncateFullyAndStartAt(toOffset(offset));
      assert.equal(refusal, null);
      assert.ok(removedPaths.length > 6 && removedPaths.every((path) => path.endsWith(".deleted")));
      assert.deepEqual([log.logStartOffset, log.logEndOffset, log.latestLeaderEpoch], [offset, offset, -1]);
      assert.deepEqual([log.producers.size, log.segments().length, log.recoveryPoint <= offset], [0, 1, true]);
      assert.equal(follow(log, leaderBatches(2, { baseOffset: offset, epoch: 9 })).batchesCount, 2);
      assert.deepEqual(basesOf(log), [offset, offset + 2]);
    }
    using again = openLog(directory.partition, { config });
    assert.deepEqual(basesOf(again), [offset, offset + 2]);
    assert.deepEqual([...filesIn(directory.partition).keys()].filter((name) => name.endsWith(".deleted")), []);
  }
});

function bytesOf(slice: LogSlice): Uint8Array {
  const memory = allocateNative(slice.length);
  const count = linuxFileSystem.pread(slice.fd, memory, 0, slice.length, slice.position);
  return memory.bytes.slice(0, count);
}

Deno.test("a lent slice never reads bytes that were appended after a truncation: it stays whole below the new end, and ends early above", () => {
  for (const appendMode of ["pwrite", "mapped"] as const) {
    using directory = new TestDirectory();
    using log = openLog(directory.partition, { config: { ...config, appendMode } });
    follow(log, history);
    // Of every segment a slice, and one from every batch of the last.
    const lent = history.map(({ baseOffset }) => {
      const { slice } = log.read(toOffset(baseOffset), {
        maxBytes: 10_000,
        maxOffset: log.logEndOffset,
        atLeastOne: true,
      });
      assert.ok(slice !== null);
      return { slice, bytes: bytesOf(slice) };
    });
    for (const [offset, epoch] of [[60, 3], [37, 4], [36, 5], [13, 6], [0, 7]] as const) {
      assert.equal(log.truncateTo(toOffset(offset)).refusal, null);
      const next = leaderBatches(12, { baseOffset: log.logEndOffset, epoch, valueBytes: 30 });
      assert.equal(follow(log, next).batchesCount, 12);
      for (const { slice, bytes } of lent) {
        const now = bytesOf(slice);
        assert.deepEqual(now, bytes.subarray(0, now.length), `truncated to ${offset}`);
        if (slice.nextOffset <= offset) assert.equal(now.length, bytes.length, `below ${offset}`);
      }
    }
    for (const { slice } of lent) log.release(slice.leaseId);
  }
});

Deno.test("reads and searches after a truncation know nothing of what was there before", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition, { config: { ...config, segmentBytes: 100_000 } });
  const old = leaderBatches(40, { baseOffset: 0, epoch: 1, valueBytes: 50, timestamp: TEST_TIMESTAMP + 500 });
  follow(log, old);
  // Cursors, block times and the largest timestamp of the segment are remembered.
  log.incrementLogStartOffset(toOffset(3));
  assert.equal(readAll(log, { maxBytes: 200 }).length, 39);
  assert.equal(findByTime(log, "largest", log.logEndOffset)?.timestamp, TEST_TIMESTAMP + 500);
  assert.equal(log.truncateTo(toOffset(20)).refusal, null);
  const fresh = leaderBatches(30, { baseOffset: 20, epoch: 2, valueBytes: 33, timestamp: TEST_TIMESTAMP + 90 });
  follow(log, fresh);
  for (let offset = 3; offset < log.logEndOffset; offset++) {
    const [batch] = readAll(log, { from: toOffset(offset), maxBytes: 1 });
    const expected = [...old.slice(0, 10), ...fresh].find(({ lastOffset }) => lastOffset >= offset);
    assert.deepEqual(batch?.bytes, expected?.bytes, `at ${offset}`);
  }
  assert.equal(log.truncateTo(toOffset(4)).refusal, null);
  follow(log, leaderBatches(3, { baseOffset: 4, epoch: 3, timestamp: TEST_TIMESTAMP + 7 }));
  assert.equal(findByTime(log, "largest", log.logEndOffset)?.timestamp, TEST_TIMESTAMP + 500);
  assert.equal(log.truncateTo(toOffset(2)).refusal, null);
  follow(log, leaderBatches(3, { baseOffset: 2, epoch: 4, timestamp: TEST_TIMESTAMP + 7 }));
  assert.deepEqual([log.logStartOffset, findByTime(log, "largest", log.logEndOffset)?.timestamp], [
    2,
    TEST_TIMESTAMP + 7,
  ]);
});

Deno.test("a flush that began before a truncation does not raise the recovery point", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition, { config });
  follow(log, history);
  const request = log.beginFlush();
  assert.ok(request !== null);
  assert.equal(log.truncateTo(toOffset(2)).refusal, null);
  follow(log, leaderBatches(40, { baseOffset: 2, epoch: 3 }));
  log.endFlush(request, "flushed");
  assert.equal(log.recoveryPoint, 0);
  assert.ok(log.flush());
  assert.equal(log.recoveryPoint, log.logEndOffset);
});

/** A disk on which no segment's file can be created while no descriptors are left. */
function diskWith(descriptors: { readonly areLeft: boolean }): FileSystem {
  const { fileSystem } = new CrashingFileSystem(() => 0.5);
  return {
    ...fileSystem,
    open: (path, mode) => {
      const isRefused = !descriptors.areLeft && mode.create === true && path.endsWith(".log");
      if (isRefused) throw new Deno.errors.NotCapable("no descriptor");
      return fileSystem.open(path, mode);
    },
  };
}

Deno.test("a flush that fails after a truncation was refused keeps the log offline, whatever is truncated then", () => {
  const descriptors = { areLeft: true };
  const fs = diskWith(descriptors);
  const log = openLog("/logs/t-0", { fs, config });
  follow(log, history);
  const request = log.beginFlush();
  descriptors.areLeft = false;
  assert.match(log.truncateTo(toOffset(20)).refusal ?? "", /no descriptor/);
  assert.match(log.offlineReason ?? "", /^It is being truncated to offset 20: /);
  assert.equal(follow(log, [leaderBatch({ baseOffset: 20, epoch: 3 })]).refusal, "log-offline");
  assert.equal(log.beginFlush({ shortensRecovery: true }), null);
  assert.equal(log.roll(0), false);
  log.endFlush(request!, "failed");
  descriptors.areLeft = true;
  assert.notEqual(log.truncateTo(toOffset(20)).refusal, null);
  assert.notEqual(log.offlineReason, null);
});

Deno.test("Log.truncateTo() continues at a lower offset after it was refused, and the log takes writes again", () => {
  const descriptors = { areLeft: true };
  const fs = diskWith(descriptors);
  for (const [first, second, end] of [[41, 20, 20], [20, 41, 20], [0, 0, 0], [1, 30, 0]] as const) {
    const log = openLog(`/logs/t-${first}`, { fs, config });
    follow(log, history);
    descriptors.areLeft = false;
    assert.notEqual(log.truncateTo(toOffset(first)).refusal, null);
    descriptors.areLeft = true;
    assert.deepEqual([log.truncateTo(toOffset(second)).refusal, log.logEndOffset], [null, end]);
    assert.deepEqual(readAll(log, { fs, hasGaps: true }).length, below(end).length);
    assert.equal(follow(log, [leaderBatch({ baseOffset: end, epoch: 3 })]).refusal, null);
    assert.equal(log.offlineReason, null);
  }
});

Deno.test("Log.truncateTo() cuts the index of aborted transactions of the segment, and removes one without entries", () => {
  for (const [offset, left] of [[30, 2], [25, 1], [6, 0]] as const) {
    using directory = new TestDirectory();
    using log = openLog(directory.partition);
    follow(log, leaderBatches(20, { baseOffset: 0, epoch: 1 }));
    const path = `${directory.partition}/${"0".repeat(20)}.txnindex`;
    const entries = [10, 26].map((lastOffset) => ({
      producerId: 1,
      firstOffset: toOffset(lastOffset - 4),
      lastOffset: toOffset(lastOffset),
      lastStableOffset: toOffset(lastOffset - 4),
    }));
    Deno.writeFileSync(path, encodeTransactionIndex(entries));
    assert.equal(log.truncateTo(toOffset(offset)).refusal, null);
    const bytes = linuxFileSystem.readFile(path);
    assert.equal(bytes === null ? 0 : decodeTransactionIndex(bytes, toOffset(0))?.length, left);
    assert.equal(bytes === null, left === 0);
  }
});

Deno.test("the mark of a truncation is there only where a checkpoint may say more, and goes with the flush that makes it true again", () => {
  using directory = new TestDirectory();
  using log = openLog(directory.partition, { config });
  const isMarked = () => filesIn(directory.partition).has(TRUNCATION_FILE);
  follow(log, history);
  log.truncateTo(toOffset(40));
  assert.equal(isMarked(), false, "nothing was durable");
  assert.ok(log.flush());
  follow(log, leaderBatches(5, { baseOffset: 40, epoch: 3 }));
  log.truncateTo(toOffset(44));
  assert.equal(isMarked(), false, "what is cut off was not durable");
  log.truncateTo(toOffset(30));
  assert.equal(isMarked(), true);
  follow(log, leaderBatches(2, { baseOffset: 30, epoch: 4 }));
  assert.ok(log.flush());
  assert.equal(isMarked(), true, "a checkpoint may say 40, and the log ends at 34");
  follow(log, leaderBatches(5, { baseOffset: 34, epoch: 4 }));
  assert.ok(log.flush());
  assert.equal(isMarked(), false);
});

Deno.test("after a loss of power behind a truncation a log has the batches of one history, in segments that were rolled since, too", () => {
  for (let seed = 1; seed <= 400; seed++) {
    const random = createRandom(seed);
    const disk = new CrashingFileSystem(random);
    const options = { fs: disk.fileSystem, config: { ...config, compact: true } };
    const log = openLog("/logs/t-0", options);
    const old = leaderBatches(8 + Math.floor(random() * 30), { baseOffset: 0, epoch: 1, valueBytes: 20 });
    follow(log, old);
    assert.ok(log.flush());
    const offset = 2 * Math.floor(random() * old.length);
    assert.equal(log.truncateTo(toOffset(offset)).refusal, null);
    const { recoveryPoint } = log;
    const fresh = leaderBatches(Math.floor(random() * 40), { baseOffset: offset, epoch: 2, valueBytes: 33 });
    follow(log, fresh);
    disk.restart("random");
    const again = openLog("/logs/t-0", {
      ...options,
      recoveryPoint: random() < 0.5 ? recoveryPoint : toOffset(2 * old.length),
    });
    const found = readAll(again, { fs: disk.fileSystem, hasGaps: true });
    const histories = [old, [...old.slice(0, offset / 2), ...fresh]];
    assert.ok(histories.some((one) => isPartOf(found, one)), `seed ${seed}: ${namesOf(found)}`);
    assert.ok(found.length >= offset / 2);
    // What was cut off was durable: of the old history a part without a hole is left.
    if (!isPartOf(found, histories[1]!)) {
      assert.equal(namesOf(found), namesOf(old.slice(0, found.length)), `seed ${seed}`);
    }
    for (const { baseOffset, leaderEpoch } of found) assert.equal(again.epochFor(toOffset(baseOffset)), leaderEpoch);
  }
});
