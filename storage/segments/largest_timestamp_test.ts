import { strict as assert } from "node:assert";
import { append, openLog, recordsOf, testConfig, TestDirectory } from "../../tests/log_fixture.ts";
import { TEST_TIMESTAMP } from "../../tests/record_batch_builder.ts";
import type { Log } from "../log/log.ts";
import { LogResources } from "../log/log_resources.ts";
import { type FileSystem, linuxFileSystem } from "../sys/file_system.ts";

/** The machine's file system, and how often a file was opened or asked for its modification time. */
function counted() {
  const calls = { opens: 0, modified: 0 };
  const fs: FileSystem = {
    ...linuxFileSystem,
    open: (path, mode) => (calls.opens++, linuxFileSystem.open(path, mode)),
    modifiedMs: (path) => (calls.modified++, linuxFileSystem.modifiedMs(path)),
  };
  return { fs, calls };
}

/** A log of segments with one record each; `timestamps[n]` is that of segment n. */
function logOf(directory: string, timestamps: readonly number[]): Log {
  const log = openLog(directory, { config: { ...testConfig, segmentBytes: 200 } });
  for (const timestamp of timestamps) append(log, recordsOf(1, 120, timestamp));
  assert.equal(log.segments().length, timestamps.length);
  return log;
}

function known(log: Log): (number | null)[] {
  return log.retained(log.logEndOffset).segments.map((segment) => segment.knownRetentionTimestamp);
}

const times = [5, 3, 9, 7].map((ms) => TEST_TIMESTAMP + ms);

Deno.test("segments that were appended to know their largest timestamp, and closed ones of another process learn it once", () => {
  using directory = new TestDirectory();
  using first = logOf(directory.partition, times);
  assert.deepEqual(known(first), times, "also after they were closed");
  assert.equal(first.close({ clean: true }), true);

  const { fs, calls } = counted();
  const resources = new LogResources(fs, { warmSegmentsMax: 1 });
  using log = openLog(directory.partition, { fs, resources, cleanShutdown: true });
  calls.opens = calls.modified = 0;
  assert.deepEqual(known(log), [null, null, null, times[3]]);
  assert.deepEqual(calls, { opens: 0, modified: 0 }, "a look opens none");

  const { segments } = log.retained(log.logEndOffset);
  for (const segment of segments.slice(0, 2)) segment.learnRetentionTimestamp();
  assert.deepEqual(known(log), [times[0], times[1], null, times[3]]);
  const opened = calls.opens;
  segments[0]?.learnRetentionTimestamp();
  assert.equal(calls.opens, opened, "what is known is not read again");
  log.segments();
  assert.deepEqual(known(log), times);
});

Deno.test("learnRetentionTimestamp() leaves no file open", () => {
  using directory = new TestDirectory();
  logOf(directory.partition, times).close({ clean: true });
  using log = openLog(directory.partition, { cleanShutdown: true });
  const openFiles = () => [...Deno.readDirSync("/proc/self/fd")].length;
  const { segments } = log.retained(log.logEndOffset);
  for (const segment of segments) segment.learnRetentionTimestamp();
  const before = openFiles();
  assert.deepEqual(known(log), times);
  assert.equal(openFiles(), before);
  const names = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return ""; // the descriptor of this listing
      throw error;
    }
  });
  const ofClosed = names.filter((path) => path.startsWith(directory.partition) && !path.endsWith("3.log"));
  assert.deepEqual(ofClosed, []);
});

Deno.test("where no record has a timestamp, the file's modification time counts, read once for a closed segment", () => {
  using directory = new TestDirectory();
  logOf(directory.partition, [-1, -1]).close({ clean: true });
  const { fs, calls } = counted();
  using log = openLog(directory.partition, { fs, cleanShutdown: true });
  const { segments } = log.retained(log.logEndOffset);
  const modifiedMs = Math.trunc(Date.now() / 1000) * 1000 - 5_000_000;
  for (const segment of segments) fs.setModifiedMs(segment.path(".log"), modifiedMs);
  assert.deepEqual(known(log), [null, modifiedMs], "the active one is asked each time");
  segments[0]?.learnRetentionTimestamp();
  calls.opens = calls.modified = 0;
  assert.deepEqual(known(log), [modifiedMs, modifiedMs]);
  assert.deepEqual(calls, { opens: 0, modified: 1 });
});
