/**
 * Tests of a log to which the system refuses a descriptor or a step of a roll. tests/log_faults_test.ts refuses every call in turn.
 */
import { strict as assert } from "node:assert";
import { FaultyFileSystem } from "../../tests/faulty_file_system.ts";
import {
  append,
  findInconsistencies,
  openLog,
  readAll,
  recordsOf,
  testConfig,
  TestDirectory,
} from "../../tests/log_fixture.ts";
import { TEST_TIMESTAMP } from "../../tests/record_batch_builder.ts";
import { linuxFileSystem } from "../sys/file_system.ts";
import type { Log } from "./log.ts";
import { storageFailure } from "./storage_failure.ts";
import { randomUuid } from "../base/uuid.ts";

Deno.test("Log.open() that is refused removes the directory that it created, and keeps one that existed", () => {
  for (const fault of ["makeDirectory", "open", "allocate", "pwrite", "rename"] as const) {
    let isOver = false;
    for (let nth = 1; !isOver; nth++) {
      using directory = new TestDirectory();
      const faulty = new FaultyFileSystem(linuxFileSystem);
      faulty.refused = { fault, nth, count: 1 };
      isOver = !isRefused(() => openLog(directory.partition, { fs: faulty.fileSystem, topicId: randomUuid() }));
      assert.ok(!isOver || nth > 1, `${fault} is called`);
      if (!isOver) assert.equal(linuxFileSystem.modifiedMs(directory.partition), null, `${fault} ${nth}`);
      assert.equal(faulty.openCount, 0);
      using log = openLog(directory.partition);
      assert.equal(append(log, recordsOf(1, 10)).refusal, null);
    }
  }
  using directory = new TestDirectory();
  {
    using log = openLog(directory.partition);
    append(log, recordsOf(1, 10));
  }
  const faulty = new FaultyFileSystem(linuxFileSystem);
  faulty.refused = { fault: "open", nth: 1, count: 1 };
  assert.ok(isRefused(() => openLog(directory.partition, { fs: faulty.fileSystem })));
  using log = openLog(directory.partition);
  assert.equal(readAll(log).length, 1);
});

/** Whether the disk refuses to open a log, which is closed otherwise. */
function isRefused(open: () => Log): boolean {
  try {
    open()[Symbol.dispose]();
    return false;
  } catch (error) {
    storageFailure(error);
    return true;
  }
}

Deno.test("Log holds one descriptor and no mapping for its active segment, through appends, reads, searches and flushes", () => {
  using directory = new TestDirectory();
  const faulty = new FaultyFileSystem(linuxFileSystem);
  using log = openLog(directory.partition, { fs: faulty.fileSystem });
  for (let i = 0; i < 100; i++) append(log, recordsOf(2, 1000));
  assert.ok(log.offsetForTimestamp(TEST_TIMESTAMP, { maxOffset: log.logEndOffset }) !== null);
  readAll(log);
  assert.ok(log.flush());
  assert.deepEqual([faulty.openCount, faulty.mappedCount], [1, 0]);
});

Deno.test("Log.flush() that cannot open a file or a directory loses nothing and keeps the log online; the next flush catches up", () => {
  for (const fault of ["open", "openDirectory"] as const) {
    using directory = new TestDirectory();
    const faulty = new FaultyFileSystem(linuxFileSystem);
    using log = openLog(directory.partition, { fs: faulty.fileSystem, topicId: randomUuid() });
    append(log, recordsOf(1, 10));
    faulty.refused = { fault, nth: faulty.callsOf(fault) + 1, count: 1 };
    assert.deepEqual([log.flush(), log.offlineReason, log.recoveryPoint], [false, null, 0]);
    assert.equal(append(log, recordsOf(1, 10)).refusal, null);
    const again = log.beginFlush()!;
    assert.ok(again.directories.includes(directory.partition) && again.directories.includes(directory.path));
    assert.equal(again.ownedFds.length, 2, "partition.metadata and the leader epochs");
    log.endFlush(again, "postponed");
    assert.deepEqual([log.recoveryPoint, log.offlineReason, faulty.openCount], [0, null, 1]);
    assert.deepEqual([log.flush(), log.recoveryPoint], [true, 2]);
  }
});

Deno.test("Log.roll() whose last step is refused leaves the log unchanged: the append is refused, and the next one rolls", () => {
  using directory = new TestDirectory();
  const faulty = new FaultyFileSystem(linuxFileSystem);
  using log = openLog(directory.partition, { fs: faulty.fileSystem, config: { ...testConfig, segmentBytes: 300 } });
  assert.equal(append(log, recordsOf(1, 150)).refusal, null);
  faulty.refused = { fault: "truncate", nth: faulty.callsOf("truncate") + 3, count: 1 }; // the segment's file, after its two indexes
  const refused = append(log, recordsOf(1, 150));
  assert.deepEqual([refused.refusal, faulty.refusals, log.offlineReason], ["log-offline", 1, null]);
  assert.deepEqual([log.logEndOffset, log.segments().length, readAll(log).length], [1, 1, 1]);
  assert.equal(append(log, recordsOf(1, 150)).refusal, null);
  assert.deepEqual([log.segments().length, readAll(log).length, faulty.openCount], [2, 2, 2]);
  assert.ok(log.close({ clean: true }));
  assert.deepEqual(findInconsistencies(directory.partition), []);
});
