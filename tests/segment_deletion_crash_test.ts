/**
 * Segments below the log start are deleted, and the power is lost at any call that changes a file, before the log start is written down:
 * deleted segments may be back, but then with all behind them. A canary leaves out the flush of their names.
 */
import { strict as assert } from "node:assert";
import { createRandom } from "../storage/base/random.ts";
import { toOffset } from "../storage/base/units.ts";
import { DELETED_SUFFIX } from "../storage/segments/segment_names.ts";
import type { FileSystem } from "../storage/sys/file_system.ts";
import { Crash, CrashingFileSystem } from "./crashing_file_system.ts";
import { append, openLog, readAll, recordsOf, testConfig } from "./log_fixture.ts";

const DIRECTORY = "/logs/t-0";
const SEGMENTS = 6;
const config = { ...testConfig, segmentBytes: 200 };

/** Deletes all segments but the last one, until the machine stops. @returns the offset after the last record */
function deleteSegments(disk: CrashingFileSystem, fs: FileSystem, crashAfter: number): number {
  using log = openLog(DIRECTORY, { fs, config });
  assert.ok(log.becomeLeader(1));
  for (let count = 0; count < SEGMENTS; count++) assert.equal(append(log, recordsOf(1, 120)).refusal, null);
  assert.ok(log.flush());
  log.incrementLogStartOffset(log.logEndOffset);
  const end = log.logEndOffset;
  disk.crashAt = disk.calls + crashAfter;
  try {
    while (log.segmentsBelowStart > 0) {
      if (log.maySegmentBeDeleted) { for (const path of log.deleteOldestSegment()) fs.remove(path); }
      else assert.ok(log.flush());
    }
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
  }
  return end;
}

/** @returns whether the machine stopped during the deletions */
function crash(seed: number, crashAfter: number, breakDisk = (fs: FileSystem) => fs): boolean {
  const disk = new CrashingFileSystem(createRandom(seed));
  const end = deleteSegments(disk, breakDisk(disk.fileSystem), crashAfter);
  const { crashed } = disk;
  disk.restart("random");
  using log = openLog(DIRECTORY, { fs: disk.fileSystem, config, recoveryPoint: toOffset(end) });
  const found = readAll(log, { fs: disk.fileSystem, hasGaps: true }).map(({ baseOffset }) => Number(baseOffset));
  const expected = Array.from({ length: end - log.logStartOffset }, (_, index) => log.logStartOffset + index);
  assert.deepEqual(found, expected, `stopped after ${crashAfter} calls, seed ${seed}`);
  return crashed;
}

function crashEverywhere(seeds: number, breakDisk?: (fs: FileSystem) => FileSystem): void {
  let hasCrashed = true;
  for (let crashAfter = 1; hasCrashed; crashAfter++) {
    for (let seed = 1; seed <= seeds; seed++) hasCrashed = crash(seed, crashAfter, breakDisk);
  }
}

/** Leaves out the flushes of directories in which nothing has changed but the names of segments that are removed. */
function withoutRemovalFlush(fs: FileSystem): FileSystem {
  let changesOnlyRemovals = false;
  return {
    ...fs,
    rename: (from, to) => {
      changesOnlyRemovals = to.endsWith(DELETED_SUFFIX);
      fs.rename(from, to);
    },
    syncDirectory: (path) => changesOnlyRemovals || fs.syncDirectory(path),
  };
}

Deno.test("a loss of power during the deletion of segments leaves no gap between those that are left", () => {
  crashEverywhere(12);
});

Deno.test("the losses of power find deleted segments whose names are not flushed (canary)", () => {
  assert.throws(() => crashEverywhere(12, withoutRemovalFlush), /stopped after/);
});
