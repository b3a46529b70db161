/** Tests of overlapping flushes of which one fails: the kernel reports the failure to that one only. */
import { strict as assert } from "node:assert";
import { append, openLog, recordsOf, testConfig, TestDirectory } from "../../tests/log_fixture.ts";
import { CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import { toOffset } from "../base/units.ts";
import { LogResources } from "./log_resources.ts";

const DIRECTORY = "/logs/topic-0";

Deno.test("a flush that ends after another one failed does not raise the recovery point: its pages may be lost", () => {
  const files = new CrashingFileSystem(() => 0.5);
  const log = openLog(DIRECTORY, { fs: files.fileSystem });
  append(log, recordsOf(1, 10));
  const slow = log.beginFlush()!;
  files.flushFails = true;
  assert.equal(log.flush(), false);
  log.endFlush(slow, "flushed");
  assert.equal(log.recoveryPoint, 0);
  log.close({ clean: false });
  assert.equal(log.recoveryPoint, 0, "what the checkpoint gets");
  files.restart("none");
  const again = openLog(DIRECTORY, { fs: files.fileSystem, recoveryPoint: log.recoveryPoint });
  assert.equal(again.logEndOffset, 0, "the log opens without the records that the disk has not got");
});

Deno.test("Log.close() is not a clean stop while a flush is under way, because only that flush may learn of a failure", () => {
  using directory = new TestDirectory();
  const log = openLog(directory.partition);
  append(log, recordsOf(1, 400));
  const slow = log.beginFlush()!;
  assert.equal(log.close({ clean: true }), false);
  log.endFlush(slow, "flushed");

  const idle = openLog(directory.partition, { recoveryPoint: toOffset(1) });
  idle.endFlush(idle.beginFlush()!, "flushed");
  assert.equal(idle.close({ clean: true }), true);
});

Deno.test("LogResources.abandon() gives up what a fetch and a flush have when the logs are closed, and nothing else is open", () => {
  const files = new CrashingFileSystem(() => 0.5);
  const { fileSystem: fs } = files;
  const resources = new LogResources(fs);
  const config = { ...testConfig, segmentBytes: 5000, segmentIndexBytes: 4096 };
  const log = openLog(DIRECTORY, { fs, resources, config });
  for (let i = 0; i < 40; i++) append(log, recordsOf(2, 200));
  const lent = log.read(toOffset(0), { maxBytes: 1, maxOffset: toOffset(80), atLeastOne: true }).slice!;
  const ended = log.beginFlush()!;
  log.endFlush(ended, "flushed");
  const request = log.beginFlush()!;
  assert.ok(request.ownedFds.length > 0);
  log.close({ clean: false });
  const left = resources.abandon();
  assert.deepEqual(left.toSorted(), [...request.fds, lent.fd].toSorted());
  for (const fd of left) fs.close(fd);
  assert.equal(files.openCount, 0);
  assert.deepEqual(resources.abandon(), []);
});
