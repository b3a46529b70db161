/** Tests of overlapping flushes of which one fails: the kernel reports the failure to that one only. */
import { strict as assert } from "node:assert";
import { append, openLog, recordsOf, TestDirectory } from "../../tests/log_fixture.ts";
import { CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import { toOffset } from "../base/units.ts";

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
