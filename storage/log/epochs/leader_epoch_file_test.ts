/** Tests of a log's leader epochs: none is dropped too early, none waits for the disk, and a loss of power loses none. */
import { strict as assert } from "node:assert";
import { CrashingFileSystem } from "../../../tests/crashing_file_system.ts";
import {
  append,
  logOptions,
  openLog,
  readAll,
  recordsOf,
  testConfig,
  TestDirectory,
} from "../../../tests/log_fixture.ts";
import { createRandom } from "../../base/random.ts";
import { toOffset } from "../../base/units.ts";
import { Log } from "../log.ts";
import { linuxFileSystem } from "../../sys/file_system.ts";

const DIRECTORY = "/logs/t-0";
const config = { ...testConfig, segmentBytes: 2000, segmentIndexBytes: 1024, indexIntervalBytes: 100 };

Deno.test("Log.incrementLogStartOffset() keeps the current epoch, even when nothing was appended in it", () => {
  for (let start = 0; start <= 10; start++) {
    using directory = new TestDirectory();
    using log = openLog(directory.partition);
    log.becomeLeader(3);
    for (let i = 0; i < 10; i++) append(log, recordsOf(1, 10), { leaderEpoch: 3 });
    log.becomeLeader(4);
    log.incrementLogStartOffset(toOffset(start));
    assert.equal(log.latestLeaderEpoch, 4, `log start ${start}`);
    assert.deepEqual(log.endOffsetForEpoch(4), { epoch: 4, endOffset: 10 });
    assert.equal(log.endOffsetForEpoch(3).endOffset, 10);
    assert.equal(log.epochFor(toOffset(start)), start < 10 ? 3 : 4);
  }
});

Deno.test("an append does not wait for the disk after a new epoch or a moved log start, and moving the log start writes no file", () => {
  const files = new CrashingFileSystem(() => 0.5);
  const { fileSystem } = files;
  const calls: string[] = [];
  const { fdatasync, syncDirectory, rename } = fileSystem;
  Object.assign(fileSystem, {
    fdatasync: (fd: number) => (calls.push("fdatasync"), fdatasync(fd)),
    syncDirectory: (path: string) => (calls.push("syncDirectory"), syncDirectory(path)),
    rename: (from: string, to: string) => (calls.push("rename"), rename(from, to)),
  });
  let log = Log.open(logOptions(DIRECTORY, { fs: fileSystem, config }));
  log.becomeLeader(0);
  for (let i = 0; i < 10; i++) append(log, recordsOf(1, 10));
  assert.ok(log.flush());
  calls.length = 0;
  log.becomeLeader(1);
  append(log, recordsOf(1, 10), { leaderEpoch: 1 });
  append(log, recordsOf(1, 10), { leaderEpoch: 2 });
  assert.deepEqual(calls, ["rename", "rename"]);
  for (const start of [5, 10, 12]) {
    log.incrementLogStartOffset(toOffset(start));
    append(log, recordsOf(1, 10), { leaderEpoch: 2 });
  }
  assert.deepEqual(calls, ["rename", "rename"]);
  assert.ok(log.handOver());
  assert.deepEqual(calls, ["rename", "rename", "rename"]);
  const { recoveryPoint, logStartOffset } = log;
  const place = { fs: fileSystem, config, recoveryPoint, logStartOffset };
  log = Log.open(logOptions(DIRECTORY, { ...place, cleanShutdown: true, isHandedOver: true }));
  log.becomeLeader(3);
  append(log, recordsOf(1, 10), { leaderEpoch: 3 });
  assert.ok(calls.every((call) => call === "rename"), `${calls}`);
  // A clean stop is durable.
  assert.ok(log.close({ clean: true }));
  files.restart("none");
  log = Log.open(logOptions(DIRECTORY, { ...place, cleanShutdown: true }));
  assert.deepEqual([log.latestLeaderEpoch, log.epochFor(toOffset(12)), log.logEndOffset], [3, 2, 16]);
});

Deno.test("a flush that began before an epoch makes no record of it durable without its epoch", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const files = new CrashingFileSystem(createRandom(seed));
    const { fileSystem } = files;
    const log = Log.open(logOptions(DIRECTORY, { fs: fileSystem, config }));
    append(log, recordsOf(1, 10), { leaderEpoch: 1 });
    const request = log.beginFlush()!;
    append(log, recordsOf(1, 10), { leaderEpoch: 2 });
    for (const fd of request.fds) assert.ok(fileSystem.fdatasync(fd));
    for (const path of request.directories) assert.ok(fileSystem.syncDirectory(path));
    log.endFlush(request, "flushed");
    files.restart(seed % 2 === 0 ? "none" : "random");
    const again = Log.open(logOptions(DIRECTORY, { fs: fileSystem, config, recoveryPoint: log.recoveryPoint }));
    assert.ok(again.logEndOffset >= log.recoveryPoint);
    for (let offset = 0; offset < again.logEndOffset; offset++) {
      assert.equal(again.epochFor(toOffset(offset)), offset + 1, `seed ${seed}`);
    }
  }
});

Deno.test("after a loss of power at any point of a log with many epochs and a moving start, each remaining record has its epoch", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = createRandom(seed);
    const files = new CrashingFileSystem(random);
    const epochs: number[] = [];
    let checkpoints = { recoveryPoint: toOffset(0), logStartOffset: toOffset(0) };
    const open = (cleanShutdown = false) =>
      Log.open(logOptions(DIRECTORY, { fs: files.fileSystem, config, cleanShutdown, ...checkpoints }));
    files.crashAt = 10 + Math.floor(random() * 200);
    try {
      let log = open();
      for (let epoch = 1;; epoch++) {
        log.becomeLeader(epoch);
        for (let batches = Math.floor(random() * 4); batches > 0; batches--) {
          epochs[log.logEndOffset] = epoch;
          append(log, recordsOf(1, Math.floor(random() * 700)), { leaderEpoch: epoch });
        }
        if (random() < 0.3) {
          log.incrementLogStartOffset(toOffset(Math.floor(random() * (log.logEndOffset + 1))));
          checkpoints = { ...checkpoints, logStartOffset: log.logStartOffset };
        }
        if (random() < 0.3 && log.flush()) checkpoints = { ...checkpoints, recoveryPoint: log.recoveryPoint };
        if (random() < 0.1 && log.close({ clean: true })) {
          checkpoints = { ...checkpoints, recoveryPoint: log.logEndOffset };
          log = open(true);
        }
      }
    } catch (error) {
      assert.ok(files.crashed, `seed ${seed}: ${error}`);
    }
    files.restart("random");
    const log = open();
    for (const { baseOffset } of readAll(log, { fs: files.fileSystem, hasGaps: true })) {
      assert.equal(log.epochFor(toOffset(baseOffset)), epochs[baseOffset], `seed ${seed}, offset ${baseOffset}`);
    }
  }
});

Deno.test("Log.open() rebuilds lost epochs from one header per segment, and reads only segments in which an epoch begins", () => {
  using directory = new TestDirectory();
  const path = `${directory.partition}/leader-epoch-checkpoint`;
  const large = { ...testConfig, segmentBytes: 100_000 };
  let segments;
  {
    using log = openLog(directory.partition, { config: large });
    for (let i = 0; i < 400; i++) {
      append(log, recordsOf(1, 10_000), { leaderEpoch: i < 5 ? -1 : i < 180 ? 2 : i < 181 ? 5 : i < 300 ? 6 : 9 });
    }
    segments = log.segments().length;
    log.incrementLogStartOffset(toOffset(3));
    assert.ok(log.close({ clean: true }));
  }
  const expected = Deno.readTextFileSync(path);
  assert.equal(expected, "0\n4\n2 5\n5 180\n6 181\n9 300\n");
  const reads = () => {
    let preads = 0;
    const fs = {
      ...linuxFileSystem,
      pread: (...words: Parameters<typeof linuxFileSystem.pread>) => (preads++, linuxFileSystem.pread(...words)),
    };
    using log = openLog(directory.partition, { fs, config: large, cleanShutdown: true, logStartOffset: toOffset(3) });
    assert.equal(log.latestLeaderEpoch, 9);
    log.close({ clean: true });
    assert.equal(Deno.readTextFileSync(path), expected);
    return preads;
  };
  const usual = reads();
  for (const damage of [null, "0\n2\n2 5\n", "\0".repeat(30)]) {
    if (damage === null) Deno.removeSync(path);
    else Deno.writeTextFileSync(path, damage);
    const scannedSegments = 5;
    const batchesOfOne = 10;
    assert.ok(reads() - usual <= segments + scannedSegments * batchesOfOne, `${segments} segments`);
  }
});
