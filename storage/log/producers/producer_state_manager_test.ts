/** Tests of a log's producers after a reopening: a retry is distinguished from a new batch for every log start. */
import { strict as assert } from "node:assert";
import { Crash, CrashingFileSystem } from "../../../tests/crashing_file_system.ts";
import { append, deleteSegments, openLog, recordsOf, testConfig, TestDirectory } from "../../../tests/log_fixture.ts";
import { createRandom } from "../../base/random.ts";
import { type Offset, toOffset } from "../../base/units.ts";
import { partitionFileName } from "../../segments/segment_names.ts";
import type { Log } from "../log.ts";

const RECORDS = 4;
const BATCHES = 13;
const config = { ...testConfig, segmentBytes: 2000, indexIntervalBytes: 300 };

/** Sends batch number i of a producer. */
const send = (log: Log, i: number, producerId = 7) =>
  append(log, recordsOf(RECORDS, 100), { producerId, producerEpoch: 0, baseSequence: i * RECORDS });

/** A retry, a gap and the next batch. */
function checkProducer(log: Log, context: string): void {
  const again = send(log, BATCHES - 1);
  assert.deepEqual([again.refusal, again.duplicate, again.baseOffset], [null, true, (BATCHES - 1) * RECORDS], context);
  assert.equal(send(log, BATCHES + 1).refusal, "out-of-order-sequence", context);
  const next = send(log, BATCHES);
  assert.deepEqual([next.refusal, next.duplicate, next.baseOffset], [null, false, BATCHES * RECORDS], context);
}

for (const clean of [true, false]) {
  Deno.test(`Log.open() knows the last batch of a producer for every log start (${clean ? "clean" : "crash"})`, () => {
    for (let start = 0; start <= BATCHES * RECORDS; start++) {
      using directory = new TestDirectory();
      const logStartOffset = toOffset(start);
      {
        using log = openLog(directory.partition, { config });
        for (let i = 0; i < BATCHES; i++) send(log, i);
        log.incrementLogStartOffset(logStartOffset);
        if (clean) assert.ok(log.close({ clean }));
      }
      using log = openLog(directory.partition, { config, cleanShutdown: clean, logStartOffset });
      checkProducer(log, `log start ${start}`);
    }
  });
}

Deno.test("Log.open() knows the producer's batches of the last segment when the segments below the log start are gone", () => {
  for (const cleans of [[true, true], [false, false], [true, false], [false, true]]) {
    using directory = new TestDirectory();
    let logStartOffset: Offset = toOffset(0);
    const first = openLog(directory.partition, { config });
    for (let i = 0; i < BATCHES; i++) send(first, i);
    first.incrementLogStartOffset(first.logEndOffset);
    for (const path of deleteSegments(first, first.segmentsBelowStart)) Deno.removeSync(path);
    logStartOffset = first.logStartOffset;
    assert.equal(first.close({ clean: cleans[0]! }), true);
    const second = openLog(directory.partition, { config, cleanShutdown: cleans[0]!, logStartOffset });
    assert.equal(second.close({ clean: cleans[1]! }), true);
    using third = openLog(directory.partition, { config, cleanShutdown: cleans[1]!, logStartOffset });
    checkProducer(third, `${cleans}`);
  }
});

Deno.test("Log.open() rebuilds the producers from the newest remaining snapshot, also when the log starts inside a batch", () => {
  using directory = new TestDirectory();
  {
    using log = openLog(directory.partition, { config });
    for (let i = 0; i < BATCHES; i++) send(log, i);
  }
  const snapshots = [...Deno.readDirSync(directory.partition)].filter(({ name }) => name.endsWith(".snapshot"));
  assert.ok(snapshots.length > 1);
  for (const { name } of snapshots.sort((a, b) => b.name.localeCompare(a.name))) {
    using log = openLog(directory.partition, { config, logStartOffset: toOffset(1) });
    const again = send(log, BATCHES - 1);
    assert.deepEqual([again.duplicate, again.baseOffset], [true, (BATCHES - 1) * RECORDS]);
    log.close({ clean: false });
    Deno.removeSync(`${directory.partition}/${name}`);
  }
});

const DIRECTORY = "/logs/topic-0";

/** Makes one file of the log durable, with all names. */
function flushFile({ fileSystem: fs }: CrashingFileSystem, offset: number, kind: ".log" | ".snapshot"): void {
  const fd = fs.open(`${DIRECTORY}/${partitionFileName(toOffset(offset), kind)}`, { write: false });
  assert.ok(fs.fdatasync(fd));
  fs.close(fd);
}

/** Writes a producer snapshot at the log's end, which is durable, and nothing else is. */
function writeSnapshot(log: Log, disk: CrashingFileSystem): void {
  log.beginFlush({ shortensRecovery: true });
  flushFile(disk, log.logEndOffset, ".snapshot");
  assert.ok(disk.fileSystem.syncDirectory(DIRECTORY));
}

/** Opens the log after a loss of power. @param crashAfter number of the call at which a first start is killed @returns whether it was */
function openAfterLoss(disk: CrashingFileSystem, crashAfter: number): { log: Log; isStopped: boolean } {
  disk.restart("none");
  disk.crashAt = disk.calls + crashAfter;
  const open = () => openLog(DIRECTORY, { fs: disk.fileSystem });
  try {
    const log = open();
    disk.crashAt = Infinity;
    return { log, isStopped: false };
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
    disk.restart("all");
    return { log: open(), isStopped: true };
  }
}

/** Calls it for every call of a start at which it may be killed. @param run returns whether it was killed */
function killEverywhere(run: (disk: CrashingFileSystem, crashAfter: number) => boolean): void {
  for (let crashAfter = 1; run(new CrashingFileSystem(createRandom(1)), crashAfter);) crashAfter++;
}

Deno.test("a snapshot of lost batches does not return with a second loss of power, where the log reaches as far again", () => {
  killEverywhere((disk, crashAfter) => {
    const first = openLog(DIRECTORY, { fs: disk.fileSystem });
    send(first, 0);
    assert.ok(first.flush());
    send(first, 1);
    send(first, 2);
    writeSnapshot(first, disk);
    const { log: second, isStopped } = openAfterLoss(disk, crashAfter);
    assert.equal(second.logEndOffset, RECORDS);
    for (let i = 0; i < 3; i++) send(second, i, 8);
    flushFile(disk, 0, ".log");
    const { log: third } = openAfterLoss(disk, Infinity);
    assert.equal(third.logEndOffset, 4 * RECORDS);
    assert.deepEqual([send(third, 0).baseOffset, send(third, 2, 8).baseOffset], [0, 3 * RECORDS]);
    for (const i of [1, 2]) {
      const { refusal, duplicate } = send(third, i);
      assert.deepEqual([refusal, duplicate], [null, false], `batch ${i}, killed after ${crashAfter} calls`);
    }
    return isStopped;
  });
});

Deno.test("where a loss of power brings back what a truncation has cut off, nothing is known of the producers since", () => {
  killEverywhere((disk, crashAfter) => {
    const first = openLog(DIRECTORY, { fs: disk.fileSystem });
    for (let i = 0; i < 4; i++) send(first, i);
    assert.ok(first.flush());
    assert.equal(first.truncateTo(toOffset(RECORDS)).refusal, null);
    send(first, 0, 8);
    writeSnapshot(first, disk);
    const { log: second, isStopped } = openAfterLoss(disk, crashAfter);
    assert.equal(second.logEndOffset, 4 * RECORDS);
    assert.deepEqual([send(second, 3).duplicate, send(second, 0, 8).duplicate], [true, false], `after ${crashAfter}`);
    return isStopped;
  });
});
